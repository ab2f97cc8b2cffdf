package writable_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/diskfs/go-diskfs"
	"github.com/diskfs/go-diskfs/disk"
	"github.com/diskfs/go-diskfs/filesystem"

	qeddiskfs "github.com/qedfs/qedfs/adapters/diskfs"
	"github.com/qedfs/qedfs/adapters/diskfs/writable"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// volumes are what is written into. Those without a command are made by
// go-diskfs.
var volumes = []struct {
	name string
	kind filesystem.Type
	size int64
	mkfs []string
}{
	{"fat12", filesystem.TypeFat12, 2 << 20, []string{"mkfs.fat", "-F", "12"}},
	{"fat16", filesystem.TypeFat16, 32 << 20, []string{"mkfs.fat", "-F", "16"}},
	{"fat32", filesystem.TypeFat32, 64 << 20, []string{"mkfs.fat", "-F", "32"}},
	{"fat32 by go-diskfs", filesystem.TypeFat32, 40 << 20, nil},
}

// makeVolume returns a filesystem on a raw disk in memory.
func makeVolume(t *testing.T, kind filesystem.Type, size int64, mkfs []string) (filesystem.FileSystem, *backend.Memory) {
	t.Helper()
	memory := backend.NewMemory(nil)
	if mkfs != nil {
		img := filepath.Join(t.TempDir(), "img")
		if err := os.WriteFile(img, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(img, size); err != nil {
			t.Fatal(err)
		}
		oracle.Run(t, mkfs[0], append(mkfs[1:], img)...)
		b, err := os.ReadFile(img)
		if err != nil {
			t.Fatal(err)
		}
		memory = backend.NewMemory(b)
	} else if err := memory.Truncate(size); err != nil {
		t.Fatal(err)
	}
	raw, err := qedfile.NewRaw(memory)
	if err != nil {
		t.Fatal(err)
	}
	d, err := diskfs.OpenBackend(qeddiskfs.NewStorage(raw, &qeddiskfs.StorageOptions{Writable: true}))
	if err != nil {
		t.Fatal(err)
	}
	var fsys filesystem.FileSystem
	if mkfs != nil {
		fsys, err = d.GetFilesystem(0)
	} else {
		fsys, err = d.CreateFilesystem(disk.FilesystemSpec{FSType: kind, VolumeLabel: "TEST"})
	}
	if err != nil {
		t.Fatal(err)
	}
	return fsys, memory
}

// check has the real fsck look at the volume, and compares its files with
// what should be there, through a reader that is not ours.
func check(t *testing.T, memory *backend.Memory, want map[string][]byte) {
	t.Helper()
	img := filepath.Join(t.TempDir(), "img")
	if err := os.WriteFile(img, memory.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	if err := os.Mkdir(out, 0o700); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "fsck.fat", "-n", img)
	oracle.Run(t, "mcopy", "-s", "-n", "-i", img, "::", out)
	got := make(map[string][]byte)
	err := filepath.WalkDir(out, func(p string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(out, p)
		if err != nil || d.IsDir() || name == "." {
			return err
		}
		got[filepath.ToSlash(name)], err = os.ReadFile(p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, slices.Sorted(maps.Keys(want))) {
		t.Fatalf("the volume has\n%q, want\n%q", names, slices.Sorted(maps.Keys(want)))
	}
	for name, b := range want {
		if !bytes.Equal(got[name], b) {
			t.Fatalf("%s has %d bytes, want %d, or they differ", name, len(got[name]), len(b))
		}
	}
}

func TestRandomChangesLeaveAVolumeThatFsckAccepts(t *testing.T) {
	rounds := 150
	if oracle.Long() {
		rounds = 2000
	}
	for _, v := range volumes {
		t.Run(v.name, func(t *testing.T) {
			rnd := oracle.Seed(t)
			fsys, memory := makeVolume(t, v.kind, v.size, v.mkfs)
			w, err := writable.New(fsys)
			if err != nil {
				t.Fatal(err)
			}
			m := &model{rnd: rnd, fs: w, files: map[string][]byte{}, dirs: []string{"."}}
			for i := range rounds {
				if err := m.step(); err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
				if i%50 == 49 {
					check(t, memory, m.files)
				}
			}
			for name, b := range m.files {
				if got, err := w.ReadFile(name); err != nil || !bytes.Equal(got, b) {
					t.Fatalf("read back %s: %d bytes, want %d, %v", name, len(got), len(b), err)
				}
			}
		})
	}
}

// model is what the volume should hold.
type model struct {
	rnd   *rand.Rand
	fs    *writable.FS
	files map[string][]byte
	dirs  []string
}

func (m *model) newName() string {
	letters := []rune("abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_+,;=[]~é߀日本")
	n := 1 + m.rnd.IntN(30)
	if m.rnd.IntN(10) == 0 {
		n = 60
	}
	name := make([]rune, n)
	for i := range name {
		name[i] = letters[m.rnd.IntN(len(letters))]
	}
	s := "n" + string(name) + fmt.Sprint(len(m.files)) + ".x"
	if units := len(utf16.Encode([]rune(s))); (units+12)/13 != (len(s)+12)/13 {
		return m.newName() // refused, see below
	}
	for old := range m.files {
		if strings.EqualFold(path.Base(old), s) {
			return m.newName()
		}
	}
	return path.Join(m.dirs[m.rnd.IntN(len(m.dirs))], s)
}

func (m *model) bytes() []byte {
	b := make([]byte, 1+m.rnd.IntN(20000))
	for i := range b {
		b[i] = byte(m.rnd.Uint32())
	}
	return b
}

func (m *model) any() string {
	names := slices.Sorted(maps.Keys(m.files))
	if len(names) == 0 {
		return ""
	}
	return names[m.rnd.IntN(len(names))]
}

func (m *model) write(name string, flag int, b []byte, off int64) error {
	f, err := m.fs.OpenFile(name, flag)
	if err != nil {
		return err
	}
	if _, err := f.Seek(off, 0); err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return err
	}
	return f.Close()
}

// full tolerates an error that says that there is no room.
func full(err error) (bool, error) {
	if errors.Is(err, writable.ErrNoSpace) {
		return true, nil
	}
	return false, err
}

func (m *model) step() error {
	old := m.any()
	switch op := m.rnd.IntN(10); {
	case op < 4 || old == "":
		name, b := m.newName(), m.bytes()
		isFull, err := full(m.write(name, os.O_CREATE|os.O_RDWR, b, 0))
		if err == nil && !isFull {
			m.files[name] = b
		}
		return err
	case op == 4:
		dir := path.Join(m.dirs[m.rnd.IntN(len(m.dirs))], fmt.Sprintf("Directory %d", len(m.dirs)))
		isFull, err := full(m.fs.Mkdir(dir))
		if err == nil && !isFull {
			m.dirs = append(m.dirs, dir)
		}
		return err
	case op == 5: // overwrite within
		b := bytes.Clone(m.files[old])
		part := m.bytes()
		off := m.rnd.IntN(len(b))
		part = part[:min(len(part), len(b)-off)]
		copy(b[off:], part)
		if err := m.write(old, os.O_RDWR, part, int64(off)); err != nil {
			return err
		}
		m.files[old] = b
		return nil
	case op == 6:
		t := time.Date(1990+m.rnd.IntN(40), 5, 6, 7, 8, 10, 0, time.UTC)
		return m.fs.Chtimes(old, t, t, t)
	case op == 7: // append
		part := m.bytes()
		isFull, err := full(m.write(old, os.O_WRONLY|os.O_APPEND, part, 0))
		if err == nil && !isFull {
			m.files[old] = slices.Concat(m.files[old], part)
		}
		return err
	case op == 8: // replace
		b := m.bytes()
		isFull, err := full(m.write(old, os.O_RDWR|os.O_TRUNC, b, 0))
		if err == nil && !isFull {
			m.files[old] = b
		}
		return err
	default:
		name := path.Join(path.Dir(old), path.Base(m.newName()))
		isFull, err := full(m.fs.Rename(old, name))
		if err == nil && !isFull {
			m.files[name] = m.files[old]
			delete(m.files, old)
		}
		return err
	}
}

func TestAVolumeCanBeFilledToTheLastCluster(t *testing.T) {
	for _, v := range volumes {
		if v.size > 40<<20 {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			fsys, memory := makeVolume(t, v.kind, v.size, v.mkfs)
			w, err := writable.New(fsys)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string][]byte{}
			b := bytes.Repeat([]byte("full"), 1<<18)
			if v.kind == filesystem.TypeFat12 {
				b = b[:10000]
			}
			for i := 0; ; i++ {
				name := fmt.Sprintf("file %d", i)
				f, err := w.OpenFile(name, os.O_CREATE|os.O_RDWR)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.Write(b); err != nil {
					t.Fatal(err)
				}
				if err := f.Close(); err != nil {
					if !errors.Is(err, writable.ErrNoSpace) {
						t.Fatal(err)
					}
					t.Logf("after %d files: %v", len(want), err)
					break
				}
				want[name] = b
			}
			if len(want) < int(v.size)*3/4/len(b) {
				t.Errorf("only %d files of %d bytes fit into %d", len(want), len(b), v.size)
			}
			check(t, memory, want)
		})
	}
}
