package qedfile_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// qemuCheck fails unless qemu-img finds the image clean, but for the leaks
// that qemu 7.2 sees where there are none: one for each cluster_size-1
// clusters of the file.
func qemuCheck(t *testing.T, name string, cluster int64) {
	t.Helper()
	fi, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	phantoms := fi.Size() / cluster / (cluster - 1)
	code, out := exitCode(t, "qemu-img", "check", "-f", "qed", name)
	leaks := int64(0)
	if m := regexp.MustCompile(`(\d+) leaked clusters`).FindStringSubmatch(out); m != nil {
		leaks, _ = strconv.ParseInt(m[1], 10, 64)
	}
	if code != 0 && code != 3 || leaks > phantoms {
		t.Fatalf("qemu-img check: exit %d\n%s", code, out)
	}
}

func openForWriting(t *testing.T, name string) *qedfile.Image {
	t.Helper()
	m, err := qedfile.Open(name, &qedfile.Options{Writable: true, Backing: qedfile.AnyBacking(name)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestImagesAreContinuedByQemuAndByUsInTurn(t *testing.T) {
	rnd := oracle.Seed(t)
	for _, geometry := range []struct{ cluster, table int64 }{{4 << 10, 2}, {16 << 10, 16}, {64 << 10, 4}, {1 << 20, 2}} {
		for _, backed := range []bool{false, true} {
			t.Run(fmt.Sprintf("clusters of %d, backed %t", geometry.cluster, backed), func(t *testing.T) {
				dir := t.TempDir()
				name := filepath.Join(dir, "a.qed")
				size := min(64*geometry.cluster, 20<<20) + 512*rnd.Int64N(10)
				disk := make([]byte, size)
				options := fmt.Sprintf("cluster_size=%d,table_size=%d", geometry.cluster, geometry.table)
				if backed {
					base := bytes.Repeat([]byte{0xBA, 0x5E}, int(size/3/512*256))
					writeFile(t, filepath.Join(dir, "base"), base)
					copy(disk, base)
					qemuCreate(t, name, size, options, "-b", "base", "-F", "raw")
				} else {
					qemuCreate(t, name, size, options)
				}
				for range 4 {
					ourTurn(t, &model{tb: t, rnd: rnd, m: openForWriting(t, name), disk: disk})
					qemuCheck(t, name, geometry.cluster)
					if i := firstDifference(qemuRaw(t, name), disk); i >= 0 {
						t.Fatalf("qemu-img reads another byte at %d than we wrote", i)
					}
					qemuTurn(t, name, disk, rnd.Int64N(4)+1, rnd.Int64)
					m := open(t, name)
					compareDisk(t, rnd, m, disk)
					compareMaps(t, ourMap(t, m), qemuMap(t, name))
					m.Close()
				}
			})
		}
	}
}

// ourTurn changes a disk of a fixed size in random ways.
func ourTurn(t *testing.T, x *model) {
	for range 20 {
		off, n := x.rangeOf(5 * x.m.Header().ClusterSize)
		switch x.rnd.IntN(4) {
		case 0:
			x.zero(off, n)
		case 1:
			if err := x.m.Sync(); err != nil {
				t.Fatal(err)
			}
		default:
			x.write(off, n, byte(1+x.rnd.IntN(255)))
		}
	}
	if err := x.m.Close(); err != nil {
		t.Fatal(err)
	}
}

// qemuTurn has qemu-io write and zero. It leaves out what qemu does wrong: a
// part of a zero cluster over a backing file.
func qemuTurn(t *testing.T, name string, disk []byte, n int64, random func() int64) {
	var commands []string
	for range n {
		size := int64(len(disk)) / 65536 * 65536
		off := (random() & (1<<62 - 1)) % (size / 65536) * 65536
		if len(disk) > 4<<20 {
			off = off &^ (1<<20 - 1)
		}
		length := min(int64(1<<20), int64(len(disk))/65536*65536-off)
		if length%(1<<20) != 0 && len(disk) > 4<<20 {
			continue
		}
		fill := byte(1 + (random()&(1<<62-1))%255)
		commands = append(commands, fmt.Sprintf("write -q -P %d %d %d", fill, off, length))
		for i := range length {
			disk[off+i] = fill
		}
	}
	if len(commands) > 0 {
		qemuIO(t, "qed", name, commands...)
	}
}

func TestAWriteToAPartOfAZeroClusterDoesNotShowTheBackingFile(t *testing.T) {
	// qemu 7.2 fills the rest from the backing file (QED specification: a
	// zero cluster reads as zeroes).
	dir := t.TempDir()
	name := filepath.Join(dir, "a.qed")
	writeFile(t, filepath.Join(dir, "base"), bytes.Repeat([]byte{7}, 1<<20))
	qemuCreate(t, name, 1<<20, "", "-b", "base", "-F", "raw")
	m := openForWriting(t, name)
	if err := m.WriteZeroes(0, 64<<10); err != nil {
		t.Fatal(err)
	}
	if _, err := m.WriteAt([]byte{1}, 1000); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte{7}, 1<<20)
	clear(want[:64<<10])
	want[1000] = 1
	if i := firstDifference(qemuRaw(t, name), want); i >= 0 {
		t.Errorf("byte %d differs", i)
	}
	qemuCheck(t, name, 64<<10)
}

func TestARequestThatCoversMoreClustersThanAClusterHasBytesStaysInIts(t *testing.T) {
	// qemu 7.2 overruns into the next entry from 4095 clusters of 4 KiB on.
	name := filepath.Join(t.TempDir(), "a.qed")
	qemuCreate(t, name, 64<<20, "cluster_size=4096,table_size=16")
	m := openForWriting(t, name)
	const n = 4200 * 4096
	if _, err := m.WriteAt([]byte("next"), n); err != nil {
		t.Fatal(err)
	}
	if _, err := m.WriteAt(bytes.Repeat([]byte{5}, n), 0); err != nil {
		t.Fatal(err)
	}
	if err := m.WriteZeroes(32<<20, n); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	got := qemuRaw(t, name)
	if got[n-1] != 5 || string(got[n:n+4]) != "next" || got[n+4] != 0 {
		t.Error("the cluster after the request was touched")
	}
	qemuCheck(t, name, 4096)
}

func TestResizedImagesAreRightForQemu(t *testing.T) {
	rnd := oracle.Seed(t)
	name := filepath.Join(t.TempDir(), "a.qed")
	const size = 8 << 20
	qemuCreate(t, name, size, "cluster_size=4096,table_size=2")
	disk := make([]byte, size)
	for range 6 {
		m := openForWriting(t, name)
		for range 10 {
			off := rnd.Int64N(m.Size())
			b := bytes.Repeat([]byte{byte(1 + rnd.IntN(255))}, int(min(m.Size()-off, rnd.Int64N(200<<10))))
			if _, err := m.WriteAt(b, off); err != nil {
				t.Fatal(err)
			}
			copy(disk[off:], b)
		}
		next := (1 + rnd.Int64N(2*size/512)) * 512
		if err := m.Resize(next); err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		grown := make([]byte, next)
		copy(grown, disk)
		disk = grown
		got := qemuRaw(t, name)
		if len(got) != len(disk) || firstDifference(got, disk) >= 0 {
			t.Fatalf("after a resize to %d qemu-img reads another disk", next)
		}
		qemuCheck(t, name, 4096)
	}
}
