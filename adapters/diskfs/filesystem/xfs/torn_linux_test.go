package xfs_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/xfs"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// TestLogThatWasNotWrittenWholeEndsWhereTheKernelEndsIt damages the last records
// of a log in the ways that a power failure does. So few rounds are made that
// the log never fills and no round removes an earlier one's tree: a block that
// was written to its place, or given to another file, after the record that is
// damaged would make the kernel itself show a tree torn between two times.
func TestLogThatWasNotWrittenWholeEndsWhereTheKernelEndsIt(t *testing.T) {
	c := crashed(config("torn", 32, fstreetest.Tree{Entries: 150, Extents: 60}, "-b", "size=1k"), 7, "logbsize=32k")
	r, _ := fstreetest.Build(t, c)
	whole, err := io.ReadAll(io.NewSectionReader(r, 0, c.Size))
	if err != nil {
		t.Fatal(err)
	}
	log := locateLog(t, r.(*os.File).Name())
	sectors := int(log.end-log.start) / 512
	t.Logf("log of %d sectors, head at %d", sectors, log.head)
	if log.head > sectors/2 {
		t.Fatal("the kernel has begun to make room in the log")
	}
	for name, damage := range map[string]func(ring ring){
		"nothing is missing":            func(ring) {},
		"last sector old":               func(r ring) { r.age(-1) },
		"last sectors zero":             func(r ring) { r.zero(-3) },
		"last records without end":      func(r ring) { r.age(-1); r.age(-2); r.age(-3); r.age(-40) },
		"a byte wrong in the last":      func(r ring) { r.sector(-2)[100] ^= 0x40 },
		"a hole a hundred sectors back": func(r ring) { r.age(-100) },
		"a byte wrong far back":         func(r ring) { r.sector(-sectors / 16)[300] ^= 1 },
		"a header old":                  func(r ring) { r.age(-r.lastHeader()) },
		"a header wrong":                func(r ring) { r.sector(-r.lastHeader())[40]++ },
	} {
		t.Run(name, func(t *testing.T) {
			image := bytes.Clone(whole)
			damage(ring{image[log.start:log.end], log.head})
			compareWithMount(t, image)
		})
	}
}

// TestFrozenFilesystemIsReadAsTheKernelDoes copies the disk as a snapshot with
// the guest's help does: everything is written, and yet the log says dirty.
func TestFrozenFilesystemIsReadAsTheKernelDoes(t *testing.T) {
	c := config("frozen", 32, fstreetest.Tree{Plain: true})
	r, _ := fstreetest.Build(t, c)
	name := r.(*os.File).Name()
	mnt := t.TempDir()
	oracle.Run(t, "mount", "-t", "xfs", "-o", "loop,nouuid", name, mnt)
	defer oracle.Run(t, "umount", mnt)
	upheaval(t, mnt, 0)
	oracle.Run(t, "xfs_freeze", "-f", mnt)
	image, err := os.ReadFile(name)
	oracle.Run(t, "xfs_freeze", "-u", mnt)
	if err != nil {
		t.Fatal(err)
	}
	compareWithMount(t, image)
}

// TestLogThatGoesRoundItsEndIsReplayed changes a tree until what is to be replayed
// begins near the log's end and ends behind its start.
func TestLogThatGoesRoundItsEndIsReplayed(t *testing.T) {
	c := config("round", 32, fstreetest.Tree{Plain: true, Entries: 30}, "-b", "size=1k", "-m", "reflink=0,finobt=0")
	r, _ := fstreetest.Build(t, c)
	name := r.(*os.File).Name()
	place := locateLog(t, name)
	mnt := t.TempDir()
	oracle.Run(t, "mount", "-t", "xfs", "-o", "loop,nouuid,logbsize=32k", name, mnt)
	defer oracle.Run(t, "umount", mnt)
	for round := range 400 {
		upheaval(t, mnt, round)
		image, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if head, tail := ends(image[place.start:place.end]); tail > head {
			t.Logf("after %d rounds from sector %d to %d", round, tail, head)
			compareWithMount(t, image)
			return
		}
	}
	t.Error("the log never went round its end")
}

// ends finds the head of a log that is written in order, by its falling cycle,
// and the tail by the header of the last record.
func ends(log []byte) (head, tail int) {
	cycle := func(i int) uint32 {
		b := log[i*512:]
		if c := binary.BigEndian.Uint32(b); c != 0xfeedbabe {
			return c
		}
		return binary.BigEndian.Uint32(b[4:])
	}
	for head = 1; head < len(log)/512 && cycle(head) == cycle(0); head++ {
	}
	header := ring{log, head}
	return head, int(binary.BigEndian.Uint32(header.sector(-header.lastHeader())[28:]))
}

// compareWithMount mounts a copy of an image and compares. What the kernel
// does not mount must be said to be damaged.
func compareWithMount(t *testing.T, image []byte) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(name, image, 0o600); err != nil {
		t.Fatal(err)
	}
	fsys, err := xfs.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	mnt := t.TempDir()
	if out, err := exec.Command("mount", "-t", "xfs", "-o", "loop,nouuid,noatime", name, mnt).CombinedOutput(); err != nil {
		t.Logf("the kernel: %s", out)
		if !fsys.Info().Dirty || !strings.Contains(strings.Join(fsys.Info().Notes, " "), "damaged") {
			t.Errorf("the kernel does not mount it; notes %q", fsys.Info().Notes)
		}
		return
	}
	defer oracle.Run(t, "umount", mnt)
	if !fsys.Info().Dirty || fsys.Info().Notes[0] != "the log was replayed in memory" {
		t.Errorf("dirty %v, notes %q", fsys.Info().Dirty, fsys.Info().Notes)
	}
	fstreetest.Compare(t, fsys, fstreetest.Manifest(t, mnt), 0)
}

// logPlace is where a log lies, in bytes of the image, and its head in sectors.
type logPlace struct {
	start, end int64
	head       int
}

func locateLog(tb testing.TB, image string) logPlace {
	tb.Helper()
	number := func(text, before string) int {
		_, rest, ok := strings.Cut(text, before)
		fields := strings.Fields(strings.TrimLeft(rest, " "))
		if !ok || len(fields) == 0 {
			tb.Fatalf("no %q in %q", before, text)
		}
		n, err := strconv.Atoi(fields[0])
		if err != nil {
			tb.Fatal(err)
		}
		return n
	}
	sb := oracle.Run(tb, "xfs_db", "-r", "-c", "sb 0", "-c", "p logstart logblocks blocksize", image)
	daddr := oracle.Run(tb, "xfs_db", "-r", "-c", fmt.Sprintf("convert fsblock %d daddr", number(sb, "logstart =")), image)
	_, inner, _ := strings.Cut(daddr, "(")
	start, err := strconv.ParseInt(strings.Split(inner, ")")[0], 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	printed := oracle.Run(tb, "xfs_logprint", "-t", image)
	length := int64(number(sb, "logblocks =")) * int64(number(sb, "blocksize ="))
	return logPlace{start: start * 512, end: start*512 + length, head: number(printed, "head: ")}
}

// ring addresses a log's sectors relative to its head.
type ring struct {
	log  []byte
	head int
}

func (r ring) sector(i int) []byte {
	n := len(r.log) / 512
	return r.log[(r.head+i+n)%n*512:][:512]
}

// age makes a sector one of the cycle before.
func (r ring) age(i int) {
	b := r.sector(i)
	cycle := binary.BigEndian.Uint32(b)
	if cycle == 0xfeedbabe {
		cycle = binary.BigEndian.Uint32(b[4:])
	}
	clear(b)
	binary.BigEndian.PutUint32(b, cycle-1)
}

// zero is what a sector has that a disk lost, its cycle being as it should.
func (r ring) zero(i int) { clear(r.sector(i)[4:]) }

// lastHeader is how far before the head the last record begins.
func (r ring) lastHeader() int {
	i := 1
	for binary.BigEndian.Uint32(r.sector(-i)) != 0xfeedbabe {
		i++
	}
	return i
}
