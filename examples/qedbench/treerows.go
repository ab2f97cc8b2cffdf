package main

import (
	"os"
	"path/filepath"
)

// kernelReads are the filesystems that the kernel mounts for the opponents.
var kernelReads = map[string]string{
	"ext4": "ext4", "xfs": "xfs", "btrfs": "btrfs", "btrfs-zstd": "btrfs", "erofs": "erofs",
	"squashfs-gzip": "squashfs", "squashfs-xz": "squashfs", "squashfs-zstd": "squashfs",
}

// withTree calls use with a filesystem's image of the tree and, if the kernel
// reads it, where that is mounted.
func (b *bench) withTree(kind string, use func(image, mnt string) error) error {
	image, err := b.treeImage(kind)
	if err != nil {
		return err
	}
	if kernelReads[kind] == "" {
		return use(image, "")
	}
	return b.mounted(image, kernelReads[kind], "loop,ro", func(mnt string) error { return use(image, mnt) })
}

// listRows compare listings: of names alone, and of what the inodes say.
func (b *bench) listRows(each func(row) error) error {
	for _, kind := range []string{"ext4", "xfs", "btrfs", "ntfs"} {
		err := b.withTree(kind, func(image, mnt string) error {
			find := []opponent{{command("find -name on the kernel's mount", "find", mnt, "-name", "*77*"), 1}}
			list := []opponent{{command("find on the kernel's mount", "find", mnt), 1}}
			if mnt == "" { // names alone: nobody else reads NTFS without its inodes
				find = []opponent{{command("fls -r -p", "fls", "-r", "-p", image), 0.8}}
				list = append(find, opponent{command("7z l", "7z", "l", image), 0.8})
			}
			if err := each(row{"find --name in 20,000 files, " + kind, command("qed find", b.qed, "find", "-f", "raw", image, "--name", "*77*"), find}); err != nil {
				return err
			}
			return each(row{"ls -R of 20,000 names, " + kind, command("qed ls -R", b.qed, "ls", "-R", "-f", "raw", image), list})
		})
		if err != nil {
			return err
		}
	}
	for _, kind := range []string{"ntfs", "fat32", "exfat", "iso", "erofs", "squashfs-gzip", "btrfs-zstd"} {
		err := b.withTree(kind, func(image, mnt string) error {
			var theirs []opponent
			best := func(name string, args ...string) { theirs = append(theirs, opponent{command(name, args...), 0.8}) }
			if mnt != "" {
				best("find -ls on the kernel's mount", "find", mnt, "-ls")
			}
			switch kind {
			case "ntfs":
				best("7z l", "7z", "l", image)
				best("fls -r -p -l", "fls", "-r", "-p", "-l", image)
			case "fat32":
				best("7z l", "7z", "l", image)
				best("fls -r -p -l", "fls", "-r", "-p", "-l", image)
				best("mdir", "mdir", "-/", "-i", image, "::")
			case "exfat":
				best("fls -r -p -l", "fls", "-r", "-p", "-l", image)
			case "iso":
				best("7z l", "7z", "l", image)
				best("isoinfo -l", "isoinfo", "-l", "-R", "-i", image)
				best("bsdtar -tv", "bsdtar", "-tvf", image)
			case "squashfs-gzip":
				best("unsquashfs -ll", "unsquashfs", "-ll", image)
			}
			return each(row{"ls -lR of 20,000 files, " + kind, command("qed ls -lR", b.qed, "ls", "-l", "-R", "-f", "raw", image), theirs})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tarRows compare reading all that is in a filesystem.
func (b *bench) tarRows(each func(row) error) error {
	for _, c := range []struct {
		kind   string
		target float64
	}{
		{"squashfs-xz", 0.6}, {"squashfs-zstd", 0.8}, {"btrfs-zstd", 0.8}, {"ntfs", 1}, {"fat32", 1}, {"iso", 1}, {"erofs", 1},
	} {
		image, err := b.treeImage(c.kind)
		if err != nil {
			return err
		}
		var theirs []opponent
		against := func(name string, script string, args ...string) {
			theirs = append(theirs, opponent{command(name, append([]string{"sh", "-c", script}, args...)...), c.target})
		}
		switch c.kind {
		case "squashfs-xz":
			against("sqfs2tar", `sqfs2tar "$0" | cat > /dev/null`, image)
			against("7z x", `7z x -so "$0" | cat > /dev/null`, image)
		case "ntfs", "fat32", "iso":
			against("7z x", `7z x -so "$0" | cat > /dev/null`, image)
		default: // mounted anew, for the kernel keeps what it has decompressed
			anew := func() error {
				return b.mounted(image, kernelReads[c.kind], "loop,ro", func(mnt string) error {
					return tool("sh", "-c", `tar -C "$0" -c . | cat > /dev/null`, mnt)
				})
			}
			theirs = append(theirs, opponent{inProcess("mount, tar, unmount", anew), c.target})
		}
		err = each(row{"tar of 20,000 files, " + c.kind, command("qed tar", "sh", "-c", `"$0" tar -f raw "$1" | cat > /dev/null`, b.qed, image), theirs})
		if err != nil {
			return err
		}
	}
	image, err := b.fragments()
	if err != nil {
		return err
	}
	return b.mounted(image, "ext4", "loop,ro", func(mnt string) error {
		return each(row{"cat of a file of 12,800 extents",
			command("qed cat", "sh", "-c", `"$0" cat -f raw "$1" disk/fragmented | cat > /dev/null`, b.qed, image),
			[]opponent{{command("cat on the kernel's mount", "sh", "-c", `cat "$0" | cat > /dev/null`, filepath.Join(mnt, "fragmented")), 1.1}}})
	})
}

// cpRows compare copying out: into memory, and onto the disk with everything
// there at the end.
func (b *bench) cpRows(each func(row) error) error {
	for _, c := range []struct {
		name, to, sync string
		target         float64
	}{
		{"cp of 20,000 files onto tmpfs", "/dev/shm", ":", 0.9},
		{"cp of 20,000 files, on the disk at the end", b.dir, "sync -f", 1},
	} {
		err := b.withTree("ext4", func(image, mnt string) error {
			ours, theirs := filepath.Join(c.to, "qedbench-cp-a"), filepath.Join(c.to, "qedbench-cp-b")
			qed := []string{b.qed, "cp", "-f", "raw", image, "disk", ours}
			if c.sync == ":" {
				qed = append(qed, "--no-sync")
			}
			return each(row{c.name, fresh(command("qed cp", qed...), ours),
				[]opponent{{fresh(command("cp -a from the kernel's mount", "sh", "-c", `cp -a "$0" "$1" && `+c.sync+` "$1"`, mnt, theirs), theirs), c.target}}})
		})
		if err != nil {
			return err
		}
	}
	raw, err := b.half(2 * gib)
	if err != nil {
		return err
	}
	ours, theirs := filepath.Join(b.dir, "dump-a"), filepath.Join(b.dir, "dump-b")
	return each(row{"dump of a disk of 2 GiB half full, on the disk at the end",
		fresh(command("qed dump", b.qed, "dump", "-f", "raw", raw, "disk", ours), ours),
		[]opponent{{fresh(command("cp --sparse, sync", "sh", "-c", `cp --sparse=always "$0" "$1" && sync "$1"`, raw, theirs), theirs), 1}}})
}

// onExistingRows compare conversions that replace a file, with the copy on the
// disk at the end.
func (b *bench) onExistingRows(each func(row) error) error {
	raw, err := b.half(2 * gib)
	if err != nil {
		return err
	}
	qed, err := b.halfQED(2 * gib)
	if err != nil {
		return err
	}
	ours, theirs := filepath.Join(b.dir, "over-a"), filepath.Join(b.dir, "over-b")
	defer os.Remove(ours)
	defer os.Remove(theirs)
	for _, c := range []struct{ name, from, format, to string }{
		{"QED to raw", qed, "qed", "raw"},
		{"raw to QED", raw, "raw", "qed"},
	} {
		os.Remove(ours)
		os.Remove(theirs) // what a row finds is what it has made itself
		err := each(row{"convert " + c.name + " onto an existing file, 2 GiB half full",
			command("qed convert", b.qed, "convert", "-f", c.format, "-O", c.to, c.from, ours),
			[]opponent{{command("qemu-img convert, sync", "sh", "-c", `qemu-img convert -f "$0" -O "$1" "$2" "$3" && sync "$3"`, c.format, c.to, c.from, theirs), 0.85}}})
		if err != nil {
			return err
		}
	}
	return nil
}
