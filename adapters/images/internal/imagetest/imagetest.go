package imagetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// Open opens an image of a format, with whatever files it names.
func Open(tb testing.TB, format, name string) qedfile.Disk {
	tb.Helper()
	d, err := images.Open(name, &images.Options{Format: format, Files: images.Anywhere(name)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { d.Close() })
	return d
}

// QemuIO runs qemu-io's commands on an image. Those that the image does not
// take change nothing.
func QemuIO(tb testing.TB, format, name string, commands ...string) {
	tb.Helper()
	args := []string{"-f", format}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	out, err := exec.Command(oracle.Tool(tb, "qemu-io"), append(args, name)...).CombinedOutput()
	// A compressed write onto a cluster that is there is an I/O error to it.
	if refused := strings.Count(string(out), "write failed: Input/output error\n"); err != nil && refused != strings.Count(string(out), "\n") {
		tb.Fatalf("qemu-io %q: %v\n%s", commands, err, out)
	}
}

// QemuRaw returns the disk as qemu-img sees it.
func QemuRaw(tb testing.TB, format, name string, options ...string) []byte {
	tb.Helper()
	raw := filepath.Join(tb.TempDir(), "raw")
	oracle.Run(tb, "qemu-img", append(append([]string{"convert", "-f", format, "-O", "raw"}, options...), name, raw)...)
	b, err := os.ReadFile(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// SameAsQemu fails unless an image's bytes and map are what qemu-img says.
func SameAsQemu(tb testing.TB, rnd *rand.Rand, format, name string) {
	tb.Helper()
	d := Open(tb, format, name)
	SameBytes(tb, rnd, d, QemuRaw(tb, format, name))
	SameMap(tb, d, format, name)
}

// SameMap fails unless an image's map is that of qemu-img.
func SameMap(tb testing.TB, d qedfile.Disk, format, name string) {
	tb.Helper()
	CompareMaps(tb, Map(tb, d), QemuMap(tb, format, name))
}

// CompareMaps fails where two maps differ.
func CompareMaps(tb testing.TB, got, want []MapEntry) {
	tb.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i].String()
		}
		if i < len(want) {
			w = want[i].String()
		}
		if g != w {
			tb.Fatalf("run %d of the map is\n\t%s, qemu-img has\n\t%s", i, g, w)
		}
	}
}

// SameBytes reads a disk in requests of many lengths and compares it.
func SameBytes(tb testing.TB, rnd *rand.Rand, d qedfile.Disk, want []byte) {
	tb.Helper()
	if d.Size() != int64(len(want)) {
		tb.Fatalf("size is %d, want %d", d.Size(), len(want))
	}
	for pos := int64(0); pos < d.Size(); {
		n := 1 + rnd.Int64N(3<<20)
		if rnd.IntN(4) == 0 {
			n = 1 + rnd.Int64N(9000)
		}
		p := make([]byte, n)
		k, err := d.ReadAt(p, pos)
		if err != nil && err != io.EOF {
			tb.Fatal(err)
		}
		if i := firstDifference(p[:k], want[pos:pos+int64(k)]); i >= 0 {
			tb.Fatalf("byte %d is %#x, want %#x (read of %d bytes at %d)", pos+int64(i), p[i], want[pos+int64(i)], n, pos)
		}
		pos += int64(k)
	}
}

func firstDifference(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

// MapEntry is what "qemu-img map --output=json" prints of a run.
type MapEntry struct {
	Start, Length       int64
	Depth               int
	Present, Zero, Data bool
	Offset              *int64
}

func (e MapEntry) String() string {
	offset := int64(-1)
	if e.Offset != nil {
		offset = *e.Offset
	}
	return fmt.Sprintf("%d+%d depth=%d present=%t zero=%t data=%t offset=%d", e.Start, e.Length, e.Depth, e.Present, e.Zero, e.Data, offset)
}

// QemuMap returns qemu-img's map of an image.
func QemuMap(tb testing.TB, format, name string) []MapEntry {
	tb.Helper()
	var entries []MapEntry
	out := oracle.Run(tb, "qemu-img", "map", "-f", format, "--output=json", name)
	if err := json.Unmarshal([]byte(out), &entries); err != nil {
		tb.Fatal(err)
	}
	return entries
}

// Map is QemuMap made from a disk's extents.
func Map(tb testing.TB, d qedfile.Disk) []MapEntry {
	tb.Helper()
	var entries []MapEntry
	for e, err := range d.(qedfile.Mapper).Extents(0, d.Size()) {
		if err != nil {
			tb.Fatal(err)
		}
		entry := MapEntry{Start: e.Start, Length: e.Length, Depth: e.Depth}
		entry.Present, entry.Zero, entry.Data = e.Kind != qedfile.Unallocated, e.Kind != qedfile.Data, e.Kind == qedfile.Data || e.Hole
		if e.Offset >= 0 {
			entry.Offset = &e.Offset
		}
		entries = append(entries, entry)
	}
	return entries
}

// RandomIO returns n commands for qemu-io: writes of data and of zeroes,
// which mostly begin or end inside a cluster, and what the functions of extra
// return for an offset and a length in whole clusters.
func RandomIO(rnd *rand.Rand, size, cluster int64, n int, extra ...func(off, length int64) string) []string {
	var commands []string
	for range n {
		length := 1 + rnd.Int64N(min(size, 4*cluster, 1<<20))
		whole := rnd.IntN(3) == 0 && size >= cluster
		if whole {
			length = min(size/cluster, 1+rnd.Int64N(3)) * cluster
		}
		off := rnd.Int64N(size - length + 1)
		if whole || rnd.IntN(2) == 0 {
			off = off / cluster * cluster
		}
		switch {
		case whole && len(extra) > 0 && rnd.IntN(3) > 0:
			commands = append(commands, extra[rnd.IntN(len(extra))](off, length))
		case rnd.IntN(4) == 0:
			commands = append(commands, fmt.Sprintf("write -q -z %d %d", off, length))
		default:
			commands = append(commands, fmt.Sprintf("write -q -P %d %d %d", 1+rnd.IntN(255), off, length))
		}
	}
	return commands
}
