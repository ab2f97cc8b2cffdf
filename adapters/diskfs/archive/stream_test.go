package archive_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/archive"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// images are filesystems with a tree of everything that goes wrong, and the
// kernel's word on it.
var images = []string{"ext4-1k", "ext2-4k", "xfs-v5", "btrfs", "btrfs-zstd"}

func openImage(tb testing.TB, image []byte) *imagefs.Tree {
	tb.Helper()
	raw, err := qedfile.NewRaw(backend.NewMemory(image))
	if err != nil {
		tb.Fatal(err)
	}
	disk, err := imagefs.OpenDisk(raw, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return disk.FS()
}

// write archives a tree; only sockets may be left out.
func write(tb testing.TB, w io.Writer, tree *imagefs.Tree, root string) {
	tb.Helper()
	err := archive.Write(tb.Context(), w, tree, root, &archive.Options{
		Problem: func(path string, err error) {
			if !errors.Is(err, archive.ErrSocket) {
				tb.Errorf("%s: %v", path, err)
			}
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
}

func TestArchivesHoldWhatTheKernelShows(t *testing.T) {
	for _, name := range images {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			image, records := fstreetest.Committed(t, name)
			pr, pw := io.Pipe()
			go func() {
				write(t, pw, openImage(t, image), "disk")
				pw.Close()
			}()
			compare(t, tar.NewReader(pr), records)
		})
	}
}

// compare reads an archive and compares it with the records of the kernel.
func compare(t *testing.T, archive *tar.Reader, records []fstreetest.Record) {
	wanted := make(map[string]*fstreetest.Record)
	for i := range records {
		if fstree.UnixMode(records[i].Mode).Type() != os.ModeSocket {
			wanted[path.Clean(fstree.UnescapeName(records[i].Path))] = &records[i]
		}
	}
	all := make(map[string]*fstreetest.Record)
	for {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := path.Clean(h.Name)
		r := wanted[name]
		if r == nil {
			t.Errorf("%q is no file, or is there twice", name)
			continue
		}
		delete(wanted, name)
		all[name] = r
		if h.Typeflag == tar.TypeLink {
			if first := all[path.Clean(h.Linkname)]; first == nil || first.Ino != r.Ino {
				t.Errorf("%q is linked to %q", name, h.Linkname)
			}
			continue
		}
		member(t, h, archive, r)
	}
	for name := range wanted {
		t.Errorf("%q is not in the archive", name)
	}
}

func member(t *testing.T, h *tar.Header, content io.Reader, r *fstreetest.Record) {
	mode := fstree.UnixMode(r.Mode)
	if got := h.FileInfo().Mode(); got != mode {
		t.Errorf("%q: mode %v, want %v", h.Name, got, mode)
	}
	if uint32(h.Uid) != r.UID || uint32(h.Gid) != r.GID || !h.ModTime.Equal(*r.Mtime) || h.Linkname != string(r.Target) ||
		uint32(h.Devmajor) != r.Major || uint32(h.Devminor) != r.Minor {
		t.Errorf("%q: %+v, want %+v", h.Name, h, r)
	}
	xattrs := map[string][]byte{}
	for k, v := range h.PAXRecords {
		if name, ok := strings.CutPrefix(k, "SCHILY.xattr."); ok {
			xattrs[name] = []byte(v)
		}
		if kind, ok := strings.CutPrefix(k, "SCHILY.acl."); ok {
			xattrs["system.posix_acl_"+kind] = r.Xattrs["system.posix_acl_"+kind] // GNU tar's test has them
		}
	}
	if len(xattrs)+len(r.Xattrs) > 0 && !reflect.DeepEqual(xattrs, r.Xattrs) {
		t.Errorf("%q: xattrs %q, want %q", h.Name, xattrs, r.Xattrs)
	}
	if !mode.IsRegular() {
		return
	}
	sum := sha256.New()
	if n, err := io.Copy(sum, content); n != r.Size || err != nil {
		t.Errorf("%q: %d bytes, %v, want %d", h.Name, n, err, r.Size)
	} else if r.Size <= 32<<20 && hex.EncodeToString(sum.Sum(nil)) != r.SHA256 {
		t.Errorf("%q: the contents differ", h.Name)
	}
}

func TestAnArchiveOfTheWholeDiskHasTheVolumesOnTop(t *testing.T) {
	disk, err := imagefs.Open(filepath.Join("../../../testdata", "gpt.qed"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	for root, want := range map[string]string{
		".":               "./p1/ ./p1/EFI/ ./p1/EFI/A file with a long name.txt ./p1/EFI/BOOT/ ./p1/EFI/BOOT/BOOTX64.EFI ./p2/",
		"p1/EFI":          "./ ./A file with a long name.txt ./BOOT/ ./BOOT/BOOTX64.EFI",
		"p2/etc/hostname": "./hostname",
	} {
		var b bytes.Buffer
		write(t, &b, disk.FS(), root)
		var names []string
		for r := tar.NewReader(&b); ; {
			h, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, h.Name)
		}
		if got := strings.Join(names, " "); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s\nwant %s", root, got, want)
		}
	}
}

// failing fails after some bytes, as a full disk does.
type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestWriteEndsWhenItCannotWrite(t *testing.T) {
	tree := openImage(t, fstreetest.Image(t, "ext4-1k"))
	for left := 0; left < 2<<20; left += 300 << 10 {
		err := archive.Write(t.Context(), &failing{left}, tree, "disk", &archive.Options{Problem: func(string, error) {}})
		if !errors.Is(err, io.ErrShortWrite) {
			t.Fatalf("after %d bytes: %v", left, err)
		}
	}
}
