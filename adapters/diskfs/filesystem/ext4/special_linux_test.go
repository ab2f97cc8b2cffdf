package ext4_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"golang.org/x/sys/unix"
)

// specialConfigs hold what the usual tree does not.
var specialConfigs = []fstreetest.Config{
	with(config("ext2-links-with-attributes", 4*mib, "-t", "ext2", "-b", "1024", "-I", "128"), fillLinks(0, 10, 300, 800)),
	with(config("ext4-links-with-attributes", 4*mib, "-t", "ext4", "-b", "1024", "-C", "4096", "-O", "bigalloc,^has_journal"), fillLinks(0, 10, 300, 800)),
	with(config("ext4-inline-links-with-attributes", 4*mib, "-t", "ext4", "-b", "1024", "-O", "inline_data,^has_journal"), fillLinks(0, 10, 300, 800)),
	with(config("ext4-links-with-attributes-in-inodes", 4*mib, "-t", "ext4", "-b", "1024", "-O", "ea_inode,^has_journal"), fillLinks(0, 300, 800, 2500)),
	enlarged(config("ext4-inodes-enlarged", 16*mib, "-t", "ext4", "-b", "4096", "-I", "128", "-O", "^has_journal,^flex_bg", "-d", "DIR")),
}

func TestSpecialTreeEqualsTheKernels(t *testing.T) { fstreetest.Run(t, specialConfigs, open) }

func with(c fstreetest.Config, fill func(testing.TB, string)) fstreetest.Config {
	c.Fill = fill
	return c
}

// enlarged makes a configuration whose inodes tune2fs enlarged, as for an ext3
// of old that becomes an ext4: they state no extra fields, and have them.
func enlarged(c fstreetest.Config) fstreetest.Config {
	c.Make = func(tb testing.TB, image, _ string) { oracle.Run(tb, "tune2fs", "-f", "-I", "256", image) }
	c.Populated, c.Mounted = true, true
	c.Tree = fstreetest.Tree{Entries: 20, Plain: true}
	return c
}

// fillLinks makes links in the inode, beside it and in blocks, with attributes
// in the inode, in blocks and in inodes of their own: how many blocks there are
// may tell where a target lies.
func fillLinks(values ...int) func(tb testing.TB, dir string) {
	return func(tb testing.TB, dir string) {
		tb.Helper()
		for _, target := range []int{1, 58, 59, 60, 61, 100, 500, 1000} {
			for _, value := range values {
				name := filepath.Join(dir, strings.Repeat("t", target%7+1)+"-"+strings.Repeat("v", value%7+1)+string(rune('a'+target%26)))
				if err := os.Symlink(strings.Repeat("x", target), name); err != nil {
					tb.Fatal(err)
				}
				if value == 0 {
					continue
				}
				if err := unix.Lsetxattr(name, "trusted.of a link", make([]byte, value), 0); err != nil {
					tb.Fatal(err)
				}
			}
		}
	}
}

// mke2fs makes inline files whose holes are nowhere. The kernel finds no data
// in them to seek to, so that only their bytes can be compared.
func TestInlineFilesOfMke2fsReadAsTheKernelHasThem(t *testing.T) {
	oracle.Root(t)
	dir := t.TempDir()
	image, source, mnt := filepath.Join(dir, "image"), filepath.Join(dir, "source"), filepath.Join(dir, "mnt")
	for _, err := range []error{
		os.WriteFile(image, make([]byte, 4*mib), 0o600),
		os.Mkdir(source, 0o755),
		os.Mkdir(mnt, 0o755),
		os.WriteFile(filepath.Join(source, "nothing"), nil, 0o600),
		os.WriteFile(filepath.Join(source, "little"), []byte("abc"), 0o600),
		os.Truncate(filepath.Join(source, "nothing"), mib),
		os.Truncate(filepath.Join(source, "little"), 5000),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	oracle.Run(t, "mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-O", "inline_data,^has_journal", "-d", source, image)
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	vol, err := openImage(b)
	if err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "mount", "-t", "ext4", "-o", "loop,ro", image, mnt)
	defer oracle.Run(t, "umount", mnt)
	for _, name := range []string{"nothing", "little"} {
		want, err := os.ReadFile(filepath.Join(mnt, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := fs.ReadFile(vol, name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v; not what the kernel has", name, len(got), err)
		}
	}
}
