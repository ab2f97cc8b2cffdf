package fat_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fat"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

func names(t *testing.T, fsys fs.FS) []string {
	t.Helper()
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		t.Error(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestNamesAreReadAsLinuxReadsThem(t *testing.T) {
	slots := craftedSlots()
	big := newVolume(32, 66000)
	chain := []int{}
	for i := 0; i*512 < len(slots); i++ {
		chain = append(chain, 2+2*i)
		big.put(2+2*i, slots[i*512:min(len(slots), i*512+512)])
	}
	big.chain(chain...)
	want := []string{
		"LOWBASE.TXT", "base.TXT", "EXT.txt", "both.txt", "çäöüñΓσΩ.abc", "üäöß \u00A0", "σKANJI.TXT", "IN SIDE.TXT", "NOEXT", "ZERO.ETX",
		"READONLY.TXT", "HIDDEN.SYS", "A good long name.text", "exactly 13 ch", "Smile 😀 and go",
		"WRONG~1", "owned", "INTERR~1", "MISSIN~1", "CHANGE~1", "NOTBEG~1", "TOOLAR~1",
		".EXT", "NODATE", "NOMTIME", "MONTH15", "CENTIS", "BEHIND.0",
	}
	slices.Sort(want)
	if got := names(t, big.open(t)); !slices.Equal(got, want) {
		t.Errorf("listed\n%q, want\n%q", got, want)
	}
}

func TestHalfASurrogatePairKeepsItsNameApart(t *testing.T) {
	v := newVolume(12, 100)
	v.list(long([]uint16{'a', 0xD800}, "A~1"), short("A~1", 0x20), long([]uint16{'a', 0xDC00}, "A~2"), short("A~2", 0x20))
	fsys := v.open(t)
	got := names(t, fsys)
	want := []string{fstree.EscapeName("a\xED\xA0\x80"), fstree.EscapeName("a\xED\xB0\x80")}
	if !slices.Equal(got, want) {
		t.Fatalf("listed %q, want %q", got, want)
	}
	for _, name := range got {
		if _, err := fsys.Stat(name); err != nil {
			t.Error(err)
		}
	}
}

func TestFilesAreFoundInAnyCaseAndByTheirShortName(t *testing.T) {
	v := newVolume(16, 5000)
	v.list(long(units("Grün und Blau.text"), "GRN~1   TXT"), file("GRN~1   TXT", 0x20, 0, 0), short("README  TXT", 0x20))
	fsys := v.open(t)
	for _, name := range []string{"Grün und Blau.text", "GRÜN UND BLAU.TEXT", "grn~1.txt", "readme.txt", "README.TXT", "README.txt."} {
		if _, err := fsys.Stat(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"Grün", "readme", "readme.txt2", "." + "x"} {
		if _, err := fsys.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want %v", name, err, fs.ErrNotExist)
		}
	}
}

func TestWhatIsListedWinsOverAnotherFilesShortName(t *testing.T) {
	v := newVolume(12, 100)
	v.list(long(units("alias"), "REAL"), file("REAL", 0x20, 2, 1), file("OTHER", 0x20, 3, 1), long(units("REAL"), "REAL~1"), file("REAL~1", 0x20, 4, 1))
	v.chain(2)
	v.chain(3)
	v.chain(4)
	v.put(2, []byte{'a'})
	v.put(4, []byte{'r'})
	if b, err := fs.ReadFile(v.open(t), "REAL"); string(b) != "r" {
		t.Errorf("read %q, %v", b, err)
	}
}

func TestContentsFollowTheChain(t *testing.T) {
	everyKind(t, func(t *testing.T, v *volume) {
		v.list(long(units("in three pieces"), "PIECES"), file("PIECES", 0x20, 50, 512*4+7), file("EMPTY", 0x20, 0, 0))
		v.chain(50, 51, 20, 3, 99)
		var want []byte
		for _, c := range []int{50, 51, 20, 3, 99} {
			piece := bytes.Repeat([]byte{byte(c)}, 512)
			v.put(c, piece)
			want = append(want, piece...)
		}
		want = want[:512*4+7]
		fsys := v.open(t)
		if got, err := fs.ReadFile(fsys, "in three pieces"); !bytes.Equal(got, want) {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
		if got, err := fs.ReadFile(fsys, "EMPTY"); len(got) != 0 || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		f, err := fsys.Open("in three pieces")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var offsets []int64
		for x, err := range f.(fstree.File).Extents(0, 1<<40) {
			if err != nil || x.Hole {
				t.Error(x, err)
			}
			offsets = append(offsets, (x.Offset-int64(v.heap))/512+2)
		}
		if want := []int64{50, 20, 3, 99}; !slices.Equal(offsets, want) {
			t.Errorf("extents at clusters %d, want %d", offsets, want)
		}
		if err := fstest.TestFS(fsys, "in three pieces", "EMPTY"); err != nil {
			t.Error(err)
		}
	})
}

func TestDamagedChainsAreReadAsFarAsTheyGo(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(v *volume)
		good  int // clusters that can be read
		why   string
	}{
		{"loop of one", func(v *volume) { v.set(10, 10) }, 1, "loops"},
		{"loop back to the start", func(v *volume) { v.chain(10, 11, 12, 13); v.set(13, 10) }, 4, "loops"},
		{"loop behind a tail", func(v *volume) { v.chain(10, 11, 12, 13, 14, 15); v.set(15, 12) }, 6, "loops"},
		{"end too early", func(v *volume) { v.chain(10, 12) }, 2, "ends after 1024 bytes of 51200"},
		{"into a free cluster", func(v *volume) { v.chain(10, 12); v.set(12, 0) }, 2, "free cluster"},
		{"to cluster 1", func(v *volume) { v.chain(10, 12); v.set(12, 1) }, 2, "no such cluster"},
		{"out of the volume", func(v *volume) { v.chain(10, 12); v.set(12, 0xFF0) }, 2, "no such cluster"},
		{"into a bad cluster", func(v *volume) { v.chain(10, 12); v.set(12, 0x0FFFFFF7) }, 2, "ends after"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVolume(12, 100)
			if c.name == "into a bad cluster" {
				v = newVolume(32, 66000)
			}
			v.list(file("BROKEN", 0x20, 10, 100*512), file("FINE", 0x20, 90, 3))
			v.chain(90)
			v.put(90, []byte("ok\n"))
			c.build(v)
			fsys := v.open(t)
			f, err := fsys.Open("BROKEN")
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, struct{ io.Reader }{f})
			var damage *fstree.DamageError
			if !errors.As(err, &damage) || !strings.Contains(damage.Why, c.why) {
				t.Errorf("error %v, want one that says %q", err, c.why)
			}
			if n != int64(c.good)*512 {
				t.Errorf("read %d bytes, want %d clusters", n, c.good)
			}
			if b, err := fs.ReadFile(fsys, "FINE"); string(b) != "ok\n" {
				t.Errorf("its neighbour: %q, %v", b, err)
			}
		})
	}
}

func TestDirectoriesThatLoopAreListedOnce(t *testing.T) {
	everyKind(t, func(t *testing.T, v *volume) {
		v.list(file("DIR", 0x10, 5, 0), file("SELF", 0x10, 7, 0), file("NOWHERE", 0x10, 0, 0))
		v.chain(5, 6)
		v.set(6, 5)
		v.put(5, file("A", 0x20, 0, 0))
		v.put(6, file("B", 0x20, 0, 0))
		v.chain(7)
		v.put(7, file("SELF", 0x10, 7, 0))
		fsys := v.open(t)
		entries, err := fs.ReadDir(fsys, "DIR")
		if len(entries) != 2 || !errors.Is(err, fstree.ErrDamaged) {
			t.Errorf("%v, %v", entries, err)
		}
		if entries, err := fs.ReadDir(fsys, "NOWHERE"); len(entries) != 0 || err != nil {
			t.Errorf("%v, %v", entries, err)
		}
		if _, err := fs.Stat(fsys, "SELF/SELF/SELF/SELF"); !errors.Is(err, fstree.ErrDamaged) {
			t.Errorf("a directory in itself: %v", err)
		}
		n := 0
		for range fsys.Walk(t.Context(), ".", nil) {
			n++
		}
		if n > 12 {
			t.Errorf("walked over %d files", n)
		}
	})
}

func TestFieldsOfAFile(t *testing.T) {
	v := newVolume(16, 5000)
	v.list(short("ON THE DISK", 0x08), file("READONLY", 0x21, 0, 0), file("DIR", 0x11, 9, 0))
	v.chain(9, 10)
	v.put(9, slices.Concat(short(".", 0x10), short("..", 0x10), file("SUB", 0x10, 0, 0)))
	fsys := v.open(t)
	info := fsys.Info()
	if info.Label != "ON THE DISK" || info.UUID != "1234-ABCD" || info.Type != "vfat" || info.Dirty || info.BlockSize != 512 || info.Size != 5000*512 || info.Free != 4998*512 {
		t.Errorf("%+v", info)
	}
	ro, err := fsys.Stat("READONLY")
	if err != nil {
		t.Fatal(err)
	}
	st := ro.Sys().(*fstree.Stat)
	if st.Mode != 0o555 || st.Nlink != 1 ||
		!st.Mtime.Equal(time.Date(2024, 5, 6, 12, 34, 56, 0, time.UTC)) ||
		!st.Atime.Equal(time.Date(2022, 2, 1, 0, 0, 0, 0, time.UTC)) ||
		!st.Btime.Equal(time.Date(2023, 4, 3, 0, 0, 1, 230_000_000, time.UTC)) {
		t.Errorf("%+v", st)
	}
	dir, err := fsys.Stat("DIR")
	if err != nil {
		t.Fatal(err)
	}
	if st := dir.Sys().(*fstree.Stat); st.Mode != fs.ModeDir|0o755 || st.Nlink != 3 || st.Size != 1024 || st.Blocks != 2 {
		t.Errorf("%+v", st)
	}
}

func TestVolumeThatWasNotUnmountedIsDirty(t *testing.T) {
	linux, windows := newVolume(32, 66000), newVolume(32, 66000)
	linux.b[65] = 1
	windows.set(1, 0x07FFFFFF)
	for _, v := range []*volume{linux, windows} {
		if !v.open(t).Info().Dirty {
			t.Error("clean")
		}
	}
}

func TestWhatIsNoFATIsRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":    {},
		"zeroes":     make([]byte, 1<<20),
		"text":       bytes.Repeat([]byte("hello "), 1000),
		"NTFS":       append([]byte("\xEB\x52\x90NTFS    \x00\x02\x08\x00\x00"), make([]byte, 1<<16)...),
		"no mark":    func() []byte { v := newVolume(12, 10); v.b[0], v.b[510] = 0, 0; return v.b }(),
		"no cluster": func() []byte { v := newVolume(12, 10); v.b[32], v.b[33] = 3, 0; return v.b }(),
		"sector 300": func() []byte { v := newVolume(12, 10); v.b[11], v.b[12] = 44, 1; return v.b }(),
	} {
		if _, err := fat.Open(bytes.NewReader(b), int64(len(b))); !errors.Is(err, fstree.ErrNotThis) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
