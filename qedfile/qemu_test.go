package qedfile_test

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

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// qemuCreate makes an image with qemu-img. Options are those of -o; backing
// is "" or a name, format and all.
func qemuCreate(tb testing.TB, name string, size int64, options string, more ...string) {
	tb.Helper()
	args := []string{"create", "-q", "-f", "qed"}
	if options != "" {
		args = append(args, "-o", options)
	}
	oracle.Run(tb, "qemu-img", append(append(args, more...), name, fmt.Sprint(size))...)
}

// qemuIO runs qemu-io's commands on an image.
func qemuIO(tb testing.TB, format, name string, commands ...string) string {
	tb.Helper()
	args := []string{"-f", format}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	out := oracle.Run(tb, "qemu-io", append(args, name)...)
	if strings.Contains(out, "failed") || strings.Contains(out, "rror") {
		tb.Fatalf("qemu-io %q:\n%s", commands, out)
	}
	return out
}

// qemuRaw returns the disk as qemu-img sees it.
func qemuRaw(tb testing.TB, name string) []byte {
	tb.Helper()
	raw := filepath.Join(tb.TempDir(), "raw")
	oracle.Run(tb, "qemu-img", "convert", "-f", "qed", "-O", "raw", name, raw)
	b, err := os.ReadFile(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// mapEntry is what "qemu-img map --output=json" prints of a run.
type mapEntry struct {
	Start, Length       int64
	Depth               int
	Present, Zero, Data bool
	Offset              *int64
}

func (e mapEntry) String() string {
	offset := int64(-1)
	if e.Offset != nil {
		offset = *e.Offset
	}
	return fmt.Sprintf("%d+%d depth=%d present=%t zero=%t data=%t offset=%d", e.Start, e.Length, e.Depth, e.Present, e.Zero, e.Data, offset)
}

func qemuMap(tb testing.TB, name string) []mapEntry {
	tb.Helper()
	var entries []mapEntry
	out := oracle.Run(tb, "qemu-img", "map", "-f", "qed", "--output=json", name)
	if err := json.Unmarshal([]byte(out), &entries); err != nil {
		tb.Fatal(err)
	}
	return entries
}

// ourMap is qemuMap made from Extents.
func ourMap(tb testing.TB, m *qedfile.Image) []mapEntry {
	tb.Helper()
	var entries []mapEntry
	for e, err := range m.Extents(0, m.Size()) {
		if err != nil {
			tb.Fatal(err)
		}
		entry := mapEntry{Start: e.Start, Length: e.Length, Depth: e.Depth}
		entry.Present, entry.Zero, entry.Data = e.Kind != qedfile.Unallocated, e.Kind != qedfile.Data, e.Kind == qedfile.Data
		if e.Offset >= 0 {
			entry.Offset = &e.Offset
		}
		entries = append(entries, entry)
	}
	return entries
}

// compareMaps fails where two maps differ.
func compareMaps(tb testing.TB, got, want []mapEntry) {
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

// open opens an image for reading, with what backing files it has.
func open(tb testing.TB, name string) *qedfile.Image {
	tb.Helper()
	m, err := qedfile.Open(name, &qedfile.Options{Backing: qedfile.AnyBacking(name)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { m.Close() })
	return m
}

// compareDisk reads the disk in requests of many lengths and compares it.
func compareDisk(tb testing.TB, rnd *rand.Rand, m *qedfile.Image, want []byte) {
	tb.Helper()
	if m.Size() != int64(len(want)) {
		tb.Fatalf("size is %d, want %d", m.Size(), len(want))
	}
	for pos := int64(0); pos < m.Size(); {
		n := 1 + rnd.Int64N(3<<20)
		if rnd.IntN(4) == 0 {
			n = 1 + rnd.Int64N(9000)
		}
		p := make([]byte, n)
		k, err := m.ReadAt(p, pos)
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

// randomIO returns qemu-io commands that write and zero here and there.
func randomIO(rnd *rand.Rand, size, cluster int64, n int) []string {
	var commands []string
	for range n {
		length := 1 + rnd.Int64N(min(size, 4*cluster, 1<<20))
		if rnd.IntN(3) == 0 {
			length = min(size, cluster*(1+rnd.Int64N(3)))
		}
		off := rnd.Int64N(size - length + 1)
		if rnd.IntN(2) == 0 {
			off = off / cluster * cluster
		}
		if rnd.IntN(4) == 0 {
			commands = append(commands, fmt.Sprintf("write -q -z %d %d", off, length))
		} else {
			commands = append(commands, fmt.Sprintf("write -q -P %d %d %d", 1+rnd.IntN(255), off, length))
		}
	}
	return commands
}

// exitCode runs a tool that says its findings by its exit code.
func exitCode(tb testing.TB, name string, args ...string) (int, string) {
	tb.Helper()
	cmd := exec.Command(oracle.Tool(tb, name), args...)
	out, err := cmd.CombinedOutput()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		tb.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func readFile(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
