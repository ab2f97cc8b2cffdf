package vhdx_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/adapters/images/internal/imagetest"
	"github.com/qedfs/qedfs/adapters/images/vhdx"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

const (
	mib      = 1 << 20
	logAt    = mib // in images that Write makes with a log of 1 MiB
	tableAt  = 3 * mib
	dataAt   = 4 * mib
	sector   = 4096
	logBytes = mib
)

// image writes a disk as an image with blocks of 1 MiB.
func image(t testing.TB, disk []byte) []byte {
	t.Helper()
	src, err := qedfile.NewRaw(backend.NewMemory(disk))
	if err != nil {
		t.Fatal(err)
	}
	dst := backend.NewMemory(nil)
	if err := vhdx.Write(context.Background(), dst, src, &vhdx.WriteOptions{BlockSize: mib}); err != nil {
		t.Fatal(err)
	}
	size, _ := dst.Size()
	b := make([]byte, size)
	if _, err := dst.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func read(t testing.TB, b []byte) []byte {
	t.Helper()
	m, err := vhdx.Open(backend.NewMemory(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	disk := make([]byte, m.Size())
	if _, err := m.ReadAt(disk, 0); err != nil {
		t.Fatal(err)
	}
	return disk
}

// A change is a descriptor of a log: data for a sector, or zeroes for several.
type change struct {
	at   int64
	data []byte // nil for zeroes
	n    int64  // bytes of zeroes
}

func (c change) apply(b []byte) {
	if c.data == nil {
		clear(b[c.at : c.at+c.n])
	} else {
		copy(b[c.at:], c.data)
	}
}

// logEntry makes an entry; tail is where the first entry is that is not yet in
// the file.
func logEntry(id []byte, sequence uint64, tail int64, fileSize int, changes []change) []byte {
	le := binary.LittleEndian
	b := make([]byte, (64+32*len(changes)+sector-1)/sector*sector)
	copy(b, "loge")
	le.PutUint32(b[12:], uint32(tail))
	le.PutUint64(b[16:], sequence)
	le.PutUint32(b[24:], uint32(len(changes)))
	copy(b[32:], id)
	le.PutUint64(b[48:], uint64(fileSize))
	le.PutUint64(b[56:], uint64(fileSize))
	for i, c := range changes {
		d := b[64+32*i:][:32]
		le.PutUint64(d[16:], uint64(c.at))
		le.PutUint64(d[24:], sequence)
		if c.data == nil {
			copy(d, "zero")
			le.PutUint64(d[8:], uint64(c.n))
			continue
		}
		copy(d, "desc")
		copy(d[4:], c.data[sector-4:])
		copy(d[8:], c.data[:8])
		data := bytes.Clone(c.data)
		copy(data, "data")
		le.PutUint32(data[4:], uint32(sequence>>32))
		le.PutUint32(data[sector-4:], uint32(sequence))
		b = append(b, data...)
	}
	le.PutUint32(b[8:], uint32(len(b)))
	imagetest.SumVHDX(b)
	return b
}

// setLog gives an image a log.
func setLog(b, id []byte, put func(log []byte)) {
	for _, at := range []int{64 << 10, 128 << 10} {
		copy(b[at+48:], id)
		imagetest.SumVHDX(b[at:][:sector])
	}
	put(b[logAt:][:logBytes])
}

// ring writes an entry into the log from pos on, around its end.
func ring(log []byte, pos int64, entry []byte) int64 {
	for i := 0; i < len(entry); i += sector {
		copy(log[(pos+int64(i))%logBytes:], entry[i:i+sector])
	}
	return (pos + int64(len(entry))) % logBytes
}

func randomChanges(rng *rand.Rand, size int64) []change {
	var changes []change
	for range 1 + rng.IntN(9)*rng.IntN(5) {
		c := change{at: dataAt + rng.Int64N((size-dataAt)/sector)*sector}
		if rng.IntN(3) == 0 {
			c.n = min(size-c.at, sector*(1+rng.Int64N(20)))
		} else {
			c.data = make([]byte, sector)
			for i := range c.data {
				c.data[i] = byte(rng.Uint32())
			}
		}
		changes = append(changes, c)
	}
	return changes
}

// TestTheNewestSequenceOfALogIsReplayed makes logs that hold an old sequence, a
// new one anywhere in the ring, and the torn begin of a further entry. The disk
// must be that of the image to which the new sequence was applied, and the one
// that qemu sees where it takes such a log.
func TestTheNewestSequenceOfALogIsReplayed(t *testing.T) {
	rng := oracle.Seed(t)
	compared := 0
	for range 12 {
		disk := make([]byte, 3*mib)
		for i := range disk {
			disk[i] = byte(rng.Uint32())
		}
		b := image(t, disk)
		want := bytes.Clone(b)
		id := []byte("identity of logs")
		sequence := 1<<40 + rng.Uint64N(1<<33)
		around := false // an entry begins before the first one, past the end of the ring
		setLog(b, id, func(log []byte) {
			old := ring(log, rng.Int64N(logBytes/sector)*sector, logEntry(id, sequence-7, 0, len(b), randomChanges(rng, int64(len(b)))))
			pos := (old + sector*(1+rng.Int64N(20))) % logBytes // qemu joins what touches
			first, tail := pos, pos
			n := 1 + rng.IntN(4)
			replayed := rng.IntN(n) // entries before are in the file, as the tail says
			for i := range n {
				changes := randomChanges(rng, int64(len(b)))
				if i == replayed {
					tail = pos
				}
				around = around || pos < first
				for _, c := range changes {
					c.apply(want)
					if i < replayed {
						c.apply(b)
					}
				}
				pos = ring(log, pos, logEntry(id, sequence+uint64(i), tail, len(b), changes))
			}
			torn := logEntry(id, sequence+uint64(n), tail, len(b), randomChanges(rng, int64(len(b))))
			torn[len(torn)-100] ^= 1
			ring(log, pos, torn)
		})
		got := read(t, b)
		if !bytes.Equal(got, read(t, want)) {
			t.Fatal("the disk is not that of the image to which the log was applied")
		}
		// qemu looks through the log from its beginning, and takes entries that
		// it meets there for a sequence newer than the one that they end.
		if around {
			continue
		}
		if repaired := repairedByQemu(t, b); repaired != nil {
			compared++
			if !bytes.Equal(repaired, got) {
				t.Fatal("qemu-img sees another disk after it has replayed the log")
			}
		}
	}
	if compared < 3 && oracle.Required() {
		t.Errorf("qemu-img replayed only %d of the logs", compared)
	}
}

// repairedByQemu has qemu replay the log of an image, and returns the disk, or
// nil where qemu is missing or refuses the log.
func repairedByQemu(t *testing.T, b []byte) []byte {
	t.Helper()
	qemu, err := exec.LookPath("qemu-img")
	if err != nil {
		return nil
	}
	name := filepath.Join(t.TempDir(), "disk.vhdx")
	if err := os.WriteFile(name, b, 0o666); err != nil {
		t.Fatal(err)
	}
	if exec.Command(qemu, "check", "-q", "-r", "all", "-f", "vhdx", name).Run() != nil {
		return nil
	}
	return imagetest.QemuRaw(t, "vhdx", name)
}

// TestAnImageOfAKilledQemuIsWhole kills qemu-io after a write, and takes the
// file back to the moment before the table was written, when only the log had
// the change.
func TestAnImageOfAKilledQemuIsWhole(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk.vhdx")
	oracle.Run(t, "qemu-img", "create", "-q", "-f", "vhdx", "-o", "block_size=1M", name, "20M")
	imagetest.QemuIO(t, "vhdx", name, "write -q -P 1 0 3M")
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	kill := exec.Command(oracle.Tool(t, "qemu-io"), "-f", "vhdx", "-c", "write -q -P 2 10M 64k", "-c", "flush", "-c", "sigraise 9", name)
	if err := kill.Run(); err == nil {
		t.Fatal("qemu-io was to be killed")
	}
	after, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	const tableAt, tableEnd = 2 * mib, 3 * mib // as qemu-img lays them out
	if bytes.Equal(before[tableAt:tableEnd], after[tableAt:tableEnd]) {
		t.Fatal("the write has changed no table")
	}
	want := read(t, after)
	copy(after[tableAt:tableEnd], before[tableAt:tableEnd])
	// qemu has forgotten the log when it had written the table.
	entry := after[logAt:][:64]
	if string(entry[:4]) != "loge" {
		t.Fatal("qemu-io has left no log")
	}
	setLog(after, bytes.Clone(entry[32:48]), func([]byte) {})
	m, err := vhdx.Open(backend.NewMemory(after), nil)
	if err != nil || !m.Dirty() {
		t.Fatalf("dirty = %t, %v", m != nil && m.Dirty(), err)
	}
	got := read(t, after)
	if !bytes.Equal(got, want) || got[10*mib] != 2 {
		t.Fatal("the disk lacks the write that only the log has")
	}
	if !bytes.Equal(repairedByQemu(t, after), got) {
		t.Fatal("qemu-img sees another disk after it has replayed the log")
	}
}

func TestALogForALongerFileIsRefused(t *testing.T) {
	b := image(t, make([]byte, mib))
	id := []byte("identity of logs")
	setLog(b, id, func(log []byte) {
		ring(log, 0, logEntry(id, 1, 0, len(b)+mib, []change{{at: tableAt, n: sector}}))
	})
	if _, err := vhdx.Open(backend.NewMemory(b), nil); !errors.Is(err, qedfile.ErrFormat) {
		t.Errorf("a file that was cut off: %v", err)
	}
}

// TestALogThatOverlapsEndlesslyIsRefused: each sector begins an entry that
// reaches around the ring, and none of them is valid.
func TestALogThatOverlapsEndlesslyIsRefused(t *testing.T) {
	disk := make([]byte, mib)
	src, err := qedfile.NewRaw(backend.NewMemory(disk))
	if err != nil {
		t.Fatal(err)
	}
	dst := backend.NewMemory(nil)
	const size = 64 * mib
	if err := vhdx.Write(context.Background(), dst, src, &vhdx.WriteOptions{BlockSize: mib, LogSize: size}); err != nil {
		t.Fatal(err)
	}
	length, _ := dst.Size()
	b := make([]byte, length)
	if _, err := dst.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	id := []byte("identity of logs")
	setLog(b, id, func([]byte) {
		for at := 0; at < size; at += sector {
			e := logEntry(id, 1, 0, 0, nil)
			binary.LittleEndian.PutUint32(e[8:], size)
			copy(b[logAt+at:], e)
			copy(b[logAt+at+8:], e[8:12])
		}
	})
	if _, err := vhdx.Open(backend.NewMemory(b), nil); err != nil && !errors.Is(err, qedfile.ErrFormat) {
		t.Errorf("%v", err)
	}
}
