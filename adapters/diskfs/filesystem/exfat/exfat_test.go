package exfat_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/exfat"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

const noChain = 2 // flag of a file that lies in one piece

func TestFilesByChainAndInOnePiece(t *testing.T) {
	v := newVolume()
	v.list(
		file("by a chain.txt", 0x20, 0, 50, 512*3+1, 512*3+1),
		file("in one piece.txt", 0x20, noChain, 100, 1000, 1000),
		file("empty", 0x20, 0, 0, 0, 0),
	)
	v.chain(50, 20, 21, 7)
	var chained []byte
	for _, c := range []int{50, 20, 21, 7} {
		piece := bytes.Repeat([]byte{byte(c)}, 512)
		v.put(c, piece)
		chained = append(chained, piece...)
	}
	whole := bytes.Repeat([]byte("0123456789"), 100)
	v.put(100, whole)
	fsys := v.open(t)
	for name, want := range map[string][]byte{"by a chain.txt": chained[:512*3+1], "IN ONE PIECE.TXT": whole, "empty": {}} {
		if got, err := fs.ReadFile(fsys, name); !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if err := fstest.TestFS(fsys, "by a chain.txt", "in one piece.txt", "empty"); err != nil {
		t.Error(err)
	}
}

func TestWhatWasNeverWrittenReadsAsZeroesAndIsAHole(t *testing.T) {
	v := newVolume()
	v.list(file("part", 0x20, noChain, 100, 2000, 700), file("none", 0x20, noChain, 110, 600, 0))
	v.put(100, bytes.Repeat([]byte{0xA5}, 512*20))
	fsys := v.open(t)
	want := append(bytes.Repeat([]byte{0xA5}, 700), make([]byte, 1300)...)
	if got, err := fs.ReadFile(fsys, "part"); !bytes.Equal(got, want) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if got, err := fs.ReadFile(fsys, "none"); !bytes.Equal(got, make([]byte, 600)) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	f, err := fsys.Open("part")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var runs []fstree.Extent
	for x, err := range f.(fstree.File).Extents(100, 5000) {
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, x)
	}
	if len(runs) != 2 || runs[0] != (fstree.Extent{Start: 100, Length: 600, Offset: heapAt + 98*512 + 100}) ||
		runs[1] != (fstree.Extent{Start: 700, Length: 1300, Hole: true, Offset: -1}) {
		t.Errorf("%+v", runs)
	}
}

func TestFieldsOfAFile(t *testing.T) {
	v := newVolume()
	label := make([]byte, 32)
	copy(label, []byte{0x83, 3, 'A', 0, 0xE9, 0, 'C', 0, 'X', 0})
	v.list(label, file("read only", 0x21, 0, 0, 0, 0), file("dir", 0x11, noChain, 60, 1024, 1024))
	v.put(60, file("sub", 0x10, 0, 0, 0, 0))
	fsys := v.open(t)
	info := fsys.Info()
	if info.Type != "exfat" || info.Label != "AéC" || info.UUID != "12AB-CDEF" || info.BlockSize != 512 || info.Size != count*512 || info.Free != (count-3)*512 || info.Dirty {
		t.Errorf("%+v", info)
	}
	ro, err := fsys.Stat("READ ONLY")
	if err != nil {
		t.Fatal(err)
	}
	st := ro.Sys().(*fstree.Stat)
	if st.Mode != 0o555 || !st.Mtime.Equal(time.Date(2024, 5, 6, 2, 2, 4, 500_000_000, time.UTC)) ||
		!st.Atime.Equal(time.Date(2022, 2, 1, 0, 0, 0, 0, time.UTC)) ||
		!st.Btime.Equal(time.Date(2023, 4, 3, 10, 34, 57, 230_000_000, time.UTC)) {
		t.Errorf("%+v", st)
	}
	dir, err := fsys.Stat("dir")
	if err != nil {
		t.Fatal(err)
	}
	if st := dir.Sys().(*fstree.Stat); st.Mode != fs.ModeDir|0o755 || st.Nlink != 3 || st.Size != 1024 {
		t.Errorf("%+v", st)
	}
}

func TestDamagedSetsDoNotHideTheirNeighbours(t *testing.T) {
	good := file("good", 0x20, 0, 0, 0, 0)
	wrongSum := file("wrong sum", 0x20, 0, 0, 0, 0)
	wrongSum[2]++
	cut := file("a name of two entries", 0x20, 0, 0, 0, 0)[:96]
	noStream := file("no stream", 0x20, 0, 0, 0, 0)
	noStream[32] = 0xC1
	tooMany := file("too many", 0x20, 0, 0, 0, 0)[:32]
	tooMany[1] = 19
	for _, c := range []struct {
		name   string
		set    []byte
		listed bool // Linux does not look at the checksum
		why    string
	}{
		{"wrong checksum", wrongSum, true, "checksum"},
		{"cut off by the next set", cut, false, "ends after 3 of 4"},
		{"no stream extension", seal(noStream), false, "no stream extension"},
		{"more entries than a set may have", tooMany, false, "19 entries"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVolume()
			v.list(c.set, good)
			entries, err := v.open(t).ReadDir(".")
			var damage *fstree.DamageError
			if !errors.As(err, &damage) || !strings.Contains(damage.Why, c.why) {
				t.Errorf("error %v, want one that says %q", err, c.why)
			}
			want := 1
			if c.listed {
				want = 2
			}
			if len(entries) != want || entries[0].Name() != "good" {
				t.Errorf("listed %v", entries)
			}
		})
	}
}

func TestDamagedChainsAreReadAsFarAsTheyGo(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags byte
		build func(v *volume)
		good  int64 // clusters
		why   string
	}{
		{"loop", 0, func(v *volume) { v.chain(10, 11, 12, 11); v.link(11, 12) }, 3, "loops"},
		{"end too early", 0, func(v *volume) { v.chain(10, 12) }, 2, "ends after 1024 bytes"},
		{"out of the volume", 0, func(v *volume) { v.chain(10, 5000) }, 1, "no such cluster"},
		{"piece over the end of the volume", noChain, func(*volume) {}, 504, "only 504 are left"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVolume()
			v.list(file("broken", 0x20, c.flags, 10, count*512, count*512))
			v.b = append(v.b, make([]byte, 1<<20)...)
			c.build(v)
			f, err := v.open(t).Open("broken")
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, struct{ io.Reader }{f})
			var damage *fstree.DamageError
			if !errors.As(err, &damage) || !strings.Contains(damage.Why, c.why) {
				t.Errorf("error %v, want one that says %q", err, c.why)
			}
			if n != c.good*512 {
				t.Errorf("read %d bytes, want %d clusters", n, c.good)
			}
		})
	}
}

func TestTheCopyOfTheBootRegionIsUsedWhereTheFirstIsDamaged(t *testing.T) {
	for what, at := range map[string]int{"a size": 109, "the checksum": 11 * 512, "code": 200, "what must be zero": 20} {
		image, records := fstreetest.Committed(t, "exfat-cluster512")
		image[at] ^= 0x7F
		fsys, err := exfat.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		// exFAT stores no numbers of inodes: Linux counts up as it meets files.
		fstreetest.Compare(t, fsys, records, fstreetest.SkipIno)
		if notes := fsys.Info().Notes; len(notes) != 1 || !strings.Contains(notes[0], "its copy is used") {
			t.Errorf("%s: notes %q", what, notes)
		}
		image[12*512+200] ^= 1
		if _, err := exfat.Open(bytes.NewReader(image), int64(len(image))); !errors.Is(err, fstree.ErrDamaged) {
			t.Errorf("%s, and the copy: %v", what, err)
		}
	}
	// The copy may be left of what there was before.
	image := fstreetest.Image(t, "exfat-cluster512")
	clear(image[:512])
	if _, err := exfat.Open(bytes.NewReader(image), int64(len(image))); !errors.Is(err, fstree.ErrNotThis) {
		t.Errorf("no boot sector: %v", err)
	}
}

func TestAFileThatNeedsMoreThanTheVolumeIsNotOpened(t *testing.T) {
	for size, sound := range map[int]bool{count * 512: true, count*512 + 1: false, 1<<31 - 1: false} {
		v := newVolume()
		v.list(file("file", 0x20, 0, 10, size, size))
		v.chain(10)
		if _, err := v.open(t).Open("file"); sound != (err == nil) || !sound && !errors.Is(err, fstree.ErrDamaged) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestEntriesOfVendorsAreSkipped(t *testing.T) {
	set := file("file", 0x20, 0, 0, 0, 0)
	set[1]++
	vendor := make([]byte, 32)
	vendor[0] = 0xE0
	v := newVolume()
	v.list(seal(append(set, vendor...)), file("next", 0x20, 0, 0, 0, 0))
	entries, err := v.open(t).ReadDir(".")
	if len(entries) != 2 || err != nil {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestASetMayLieInTwoClusters(t *testing.T) {
	v := newVolume()
	v.list(file("dir", 0x10, 0, 70, 1024, 1024))
	v.chain(70, 40)
	filler := bytes.Repeat([]byte{0x05}, 32*15) // deleted entries
	set := file("across", 0x20, noChain, 100, 5, 5)
	v.put(70, append(filler, set[:32]...))
	v.put(40, set[32:])
	v.put(100, []byte("hello"))
	if b, err := fs.ReadFile(v.open(t), "dir/across"); string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestADamagedUpperCaseTableIsReplacedByUnicodes(t *testing.T) {
	v := newVolume()
	v.b[heapAt+512] ^= 1
	v.list(file("über.TXT", 0x20, 0, 0, 0, 0))
	if _, err := v.open(t).Stat("ÜBER.txt"); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoExFATIsRefused(t *testing.T) {
	for name, b := range map[string][]byte{"nothing": {}, "zeroes": make([]byte, 1<<20), "text": bytes.Repeat([]byte("EXFAT   "), 1000)} {
		if _, err := exfat.Open(bytes.NewReader(b), int64(len(b))); !errors.Is(err, fstree.ErrNotThis) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADamagedBootRegionIsSaidToBe(t *testing.T) {
	for name, change := range map[string]func(v *volume){
		"checksum":               func(v *volume) { v.b[3*512+7]++ },
		"sector size":            func(v *volume) { v.b[108] = 13; v.sum() },
		"cluster size":           func(v *volume) { v.b[109] = 40; v.sum() },
		"more clusters than fit": func(v *volume) { v.b[94] = 1; v.sum() },
		"root outside":           func(v *volume) { v.b[98] = 1; v.sum() },
		"table in the boot area": func(v *volume) { v.b[80] = 3; v.sum() },
	} {
		v := newVolume()
		change(v)
		if _, err := exfat.Open(bytes.NewReader(v.b), int64(len(v.b))); !errors.Is(err, fstree.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
