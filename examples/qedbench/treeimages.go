package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// treeFiles is how many files the trees have that every filesystem is filled
// with.
const treeFiles = 20000

// tree is a directory of the host with files of text in directories of a
// hundred: a quarter empty, the rest 12 KB on average. It is what the images
// of treeImage hold.
func (b *bench) tree() (string, error) {
	text, err := b.sources()
	if err != nil {
		return "", err
	}
	return b.made("tree", func(path string) error {
		from, err := os.Open(text)
		if err != nil {
			return err
		}
		defer from.Close()
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range treeFiles {
			dir := filepath.Join(path, fmt.Sprintf("directory %d", i/10000), fmt.Sprintf("%d", i/100))
			if i%100 == 0 {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return err
				}
			}
			var contents []byte
			if i%4 != 0 {
				contents = make([]byte, rng.IntN(12400*8/3))
				if _, err := from.ReadAt(contents, rng.Int64N(sourceBytes-int64(len(contents)))); err != nil {
					return err
				}
			}
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file number %d.txt", i)), contents, 0o644); err != nil {
				return err
			}
		}
		return nil
	})
}

const sourceBytes = 32 * mib

// sources is a file of the first of Go's sources. They are not read into memory:
// children would be charged with it.
func (b *bench) sources() (string, error) {
	return b.made("sources.txt", func(path string) error {
		root, err := exec.Command("go", "env", "GOROOT").Output()
		if err != nil {
			return fmt.Errorf("go env GOROOT: %w", err)
		}
		return tool("sh", "-c", `find "$0/src" -name '*.go' | sort | xargs cat | head -c "$1" > "$2" && [ $(stat -c %s "$2") = "$1" ]`,
			strings.TrimSpace(string(root)), fmt.Sprint(sourceBytes), path)
	})
}

// treeImage is the tree as a raw image of a filesystem: ext4, xfs, btrfs,
// btrfs-zstd, ntfs, fat32, exfat, iso, erofs, or squashfs and its compressor.
func (b *bench) treeImage(kind string) (string, error) {
	tree, err := b.tree()
	if err != nil {
		return "", err
	}
	return b.made("tree."+kind, func(path string) error {
		family, compressor, _ := strings.Cut(kind, "-")
		switch family {
		case "iso":
			return tool("xorriso", "-as", "mkisofs", "-quiet", "-R", "-J", "-joliet-long", "-o", path, tree)
		case "erofs":
			return tool("mkfs.erofs", "--quiet", path, tree)
		case "squashfs":
			return tool("mksquashfs", tree, path, "-quiet", "-no-progress", "-noappend", "-comp", compressor)
		}
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := f.Truncate(gib); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		if family == "fat32" {
			if err := tool("mkfs.vfat", "-F", "32", path); err != nil {
				return err
			}
			return tool("sh", "-c", `mcopy -s -Q -i "$0" "$1"/* ::`, path, tree)
		}
		mkfs := map[string][]string{
			"ext4": {"mkfs.ext4", "-q", "-F", "-i", "16384"}, "xfs": {"mkfs.xfs", "-q", "-f"},
			"btrfs": {"mkfs.btrfs", "-q", "-f"}, "ntfs": {"mkntfs", "-q", "-F", "-f"}, "exfat": {"mkfs.exfat"},
		}[family]
		if err := tool(append(mkfs, path)...); err != nil {
			return err
		}
		mount, opts := family, "loop"
		switch kind {
		case "btrfs-zstd":
			opts = "loop,compress-force=zstd"
		case "ntfs":
			mount = "ntfs-3g"
		case "exfat":
			mount = "exfat-fuse"
		}
		return b.mounted(path, mount, opts, func(mnt string) error {
			return tool("sh", "-c", `cp -r "$0"/. "$1"`, tree, mnt)
		})
	})
}

// fragments is an ext4 image with one file of 12,800 extents, "fragmented".
func (b *bench) fragments() (string, error) {
	return b.made("fragmented.ext4", func(path string) error {
		if err := tool("truncate", "-s", "128M", path); err != nil {
			return err
		}
		if err := tool("mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-N", "30000", "-O", "^has_journal", path); err != nil {
			return err
		}
		return b.mounted(path, "ext4", "loop", func(mnt string) error {
			block := bytes.Repeat([]byte("fragment"), 512)
			n := 0
			for ; ; n++ { // until it is full
				if err := os.WriteFile(filepath.Join(mnt, fmt.Sprint(n)), block, 0o644); err != nil {
					break
				}
			}
			for i := 0; i < n; i += 2 {
				if err := os.Remove(filepath.Join(mnt, fmt.Sprint(i))); err != nil {
					return err
				}
			}
			if err := tool("sync", "-f", mnt); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(mnt, "fragmented"), bytes.Repeat(block, min(12800, n/2-20)), 0o644)
		})
	})
}
