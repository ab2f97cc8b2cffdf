package ntfs_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ntfs"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func open(r io.ReaderAt, size int64) (fs.FS, error) {
	fsys, err := ntfs.Open(r, size)
	if err != nil {
		return nil, err
	}
	return fsys, nil
}

// config is a volume that ntfs-3g fills and shows. It is a FUSE driver, which
// says nothing of holes.
func config(name string, mib int64, tree fstreetest.Tree, options ...string) fstreetest.Config {
	tree.Since1970 = true
	return fstreetest.Config{
		Name: name, Size: mib << 20, Mkfs: append([]string{"mkntfs", "-q", "-F", "-Q"}, options...),
		Mount: "ntfs-3g", Tree: tree, Skip: fstreetest.SkipHoles,
	}
}

func with(c fstreetest.Config, opts string, fill func(testing.TB, string)) fstreetest.Config {
	c.Opts, c.Fill = opts, fill
	return c
}

func large(c fstreetest.Config) fstreetest.Config {
	c.Large = true
	return c
}

var configs = []fstreetest.Config{
	config("ntfs", 16, fstreetest.Tree{}, "-L", "a label"),
	config("ntfs-512", 12, fstreetest.Tree{}, "-c", "512"),
	with(config("ntfs-compressed", 16, fstreetest.Tree{}), "compression", compressed),
	with(config("ntfs-streams", 8, fstreetest.Tree{}), "streams_interface=xattr", streams),
	large(config("ntfs-64k", 128, fstreetest.Tree{}, "-c", "65536")),
	large(config("ntfs-sectors-of-4k", 64, fstreetest.Tree{}, "-s", "4096")),
	large(config("ntfs-many", 200, fstreetest.Tree{Entries: 20000, Extents: 2000})),
}

func TestTreeEqualsThatOfNTFS3G(t *testing.T) { fstreetest.Run(t, configs, open) }

// compressed fills a directory whose files are compressed, with data that
// packs well and badly, and holes.
func compressed(tb testing.TB, dir string) {
	rng := oracle.Seed(tb)
	packed := filepath.Join(dir, "packed")
	if err := os.Mkdir(packed, 0o755); err != nil {
		tb.Fatal(err)
	}
	oracle.Run(tb, "setfattr", "-h", "-n", "system.ntfs_attrib_be", "-v", "0x00000800", packed)
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(packed, name), b, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	for _, n := range []int{0, 1, 700, 4096, 4097, 65535, 65536, 65537, 300001} {
		write(fmt.Sprintf("text %d", n), bytes.Repeat([]byte("the same again and again, "), n/26+1)[:n])
		b := make([]byte, n)
		write(fmt.Sprintf("zeroes %d", n), b)
		for i := range b {
			if i%4096 < 1000 {
				b[i] = byte(rng.Uint32())
			}
		}
		write(fmt.Sprintf("mixed %d", n), b)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		write(fmt.Sprintf("random %d", n), b)
	}
}

// streams makes files with alternate data streams, by their mapping to
// attributes.
func streams(tb testing.TB, dir string) {
	name := filepath.Join(dir, "file")
	if err := os.WriteFile(name, []byte("main"), 0o644); err != nil {
		tb.Fatal(err)
	}
	for _, s := range []string{"one", "Zone.Identifier"} {
		oracle.Run(tb, "setfattr", "-n", "user."+s, "-v", "the stream "+s, name)
	}
	oracle.Run(tb, "setfattr", "-n", "user.large", "-v", "0x"+hex.EncodeToString(bytes.Repeat([]byte("large "), 5000)), name)
	if err := os.Mkdir(filepath.Join(dir, "directory"), 0o755); err != nil {
		tb.Fatal(err)
	}
	oracle.Run(tb, "setfattr", "-n", "user.of a directory", "-v", "yes", filepath.Join(dir, "directory"))
}

func committed(t *testing.T, name string) *fstree.FS {
	t.Helper()
	image := fstreetest.Image(t, name)
	fsys, err := ntfs.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

func TestStreamsAreListedAndReadOnRequest(t *testing.T) {
	fsys := committed(t, "ntfs-streams")
	info, err := fsys.Stat("file")
	if err != nil {
		t.Fatal(err)
	}
	id := info.Sys().(*fstree.Stat).FileID().ID
	streams, ok := fstree.As[fstree.Streams](fsys)
	if !ok {
		t.Fatal("the tree has no streams")
	}
	names, err := streams.Streams(id)
	slices.Sort(names)
	if want := []string{"Zone.Identifier", "large", "one"}; err != nil || !reflect.DeepEqual(names, want) {
		t.Errorf("streams are %q, %v", names, err)
	}
	c, err := streams.OpenStream(id, "large")
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, c.Size())
	if n, err := c.ReadAt(b, 0); err != nil || string(b[:n]) != strings.Repeat("large ", 5000) {
		t.Errorf("a stream has %d bytes, %v", n, err)
	}
	if _, err := streams.OpenStream(id, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a stream that is not there: %v", err)
	}
}

func TestMetadataFilesAreNotListedButOpenByName(t *testing.T) {
	fsys := committed(t, "ntfs-streams")
	entries, err := fsys.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "$") {
			t.Errorf("%s is listed", e.Name())
		}
	}
	if b, err := fsys.ReadFile("$UpCase"); err != nil || len(b) != 128<<10 {
		t.Errorf("$UpCase has %d bytes, %v", len(b), err)
	}
	if _, err := fsys.Stat("$Extend/$Reparse"); err != nil {
		t.Error(err)
	}
}

// Without this the comparison of the compressed tree could prove nothing.
func TestTheCompressedImageHoldsCompressedFiles(t *testing.T) {
	info, err := committed(t, "ntfs-compressed").Stat("packed/text 300001")
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*fstree.Stat); st.Blocks*512 > st.Size/2 {
		t.Errorf("%d bytes take %d", st.Size, st.Blocks*512)
	}
}

func TestInfoIsThatOfTheVolume(t *testing.T) {
	info := committed(t, "ntfs").Info()
	if info.Type != "ntfs" || info.Label != "a label" || len(info.UUID) != 16 || info.Dirty || info.Free <= 0 || info.Free >= info.Size {
		t.Errorf("info is %+v", info)
	}
}

func TestTreePassesTheStandardLibrarysTest(t *testing.T) {
	if err := fstest.TestFS(committed(t, "ntfs-streams"), "file", "directory"); err != nil {
		t.Error(err)
	}
}

func TestDamagedImagesDoNoHarm(t *testing.T) {
	for _, name := range []string{"ntfs", "ntfs-512", "ntfs-compressed", "ntfs-streams"} {
		t.Run(name, func(t *testing.T) { fstreetest.Mutate(t, name, open) })
	}
}
