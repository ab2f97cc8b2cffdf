package nbd_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/nbd"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// served serves an image file at a Unix socket while work runs, and returns
// when the server has ended and the image is closed.
func served(t *testing.T, image string, writable bool, work func(uri string)) {
	t.Helper()
	img, err := qedfile.OpenChain(image, &qedfile.Options{Writable: writable})
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- nbd.Serve(ctx, l, []nbd.Export{{Disk: img, Writable: writable, Discard: true, AllocationDepth: true}}, nil)
	}()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := img.Close(); err != nil {
			t.Error(err)
		}
	}()
	work("nbd+unix:///?socket=" + socket)
}

// servedByQemu is served by the original.
func servedByQemu(t *testing.T, image string, work func(uri string)) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "q")
	cmd := exec.Command(oracle.Tool(t, "qemu-nbd"), "-r", "-t", "-e", "8", "-A", "-f", "qed", "-k", socket, image)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			break
		}
		if time.Since(start) > 10*time.Second {
			t.Fatalf("qemu-nbd does not listen: %s", said.String())
		}
	}
	work("nbd+unix:///?socket=" + socket)
}

// qemuIO runs commands of qemu-io, and returns what they print but for times.
func qemuIO(t *testing.T, format, name string, commands []string) {
	t.Helper()
	args := []string{"-f", format}
	for _, c := range commands {
		if format == "qed" {
			// qemu 7.2 aborts on some of several requests at a time
			// (qed_aio_write_alloc: allocating_acb == NULL).
			c = strings.TrimPrefix(c, "aio_")
		}
		args = append(args, "-c", c)
	}
	out := oracle.Run(t, "qemu-io", append(args, name)...)
	for _, bad := range []string{"failed", "error", "Error"} {
		if bytes.Contains([]byte(out), []byte(bad)) {
			t.Fatalf("qemu-io %q:\n%s", args, out)
		}
	}
}

// history is a random list of commands for qemu-io on a disk of this size.
func history(rng *rand.Rand, size int64, n int) []string {
	var list []string
	// Writes of aio_write may still be under way. What overlaps them waits, or
	// one could overtake the other.
	var begun [][2]int64
	for range n {
		length := 1 + rng.Int64N(1<<(rng.IntN(12)+9))
		if rng.IntN(2) == 0 {
			length = (length + 4095) &^ 4095
		}
		off := rng.Int64N(size - length)
		if rng.IntN(2) == 0 {
			off &^= 4095
		}
		if slices.ContainsFunc(begun, func(w [2]int64) bool { return off < w[1] && w[0] < off+length }) {
			list, begun = append(list, "aio_flush"), nil
		}
		switch rng.IntN(8) {
		case 0, 1, 2:
			list = append(list, fmt.Sprintf("write -P %d %d %d", 1+rng.IntN(255), off, length))
		case 3:
			list = append(list, fmt.Sprintf("write -f -P %d %d %d", 1+rng.IntN(255), off, length))
		case 4:
			list = append(list, fmt.Sprintf("write -z %d %d", off, length))
		case 5:
			list = append(list, fmt.Sprintf("write -z -u %d %d", off, length))
		case 6:
			list = append(list, fmt.Sprintf("aio_write -P %d %d %d", 1+rng.IntN(255), off, length))
			begun = append(begun, [2]int64{off, off + length})
		case 7:
			list = append(list, "flush")
		}
	}
	return append(list, "aio_flush")
}

// randomImage makes an image by qemu's tools, in half of the cases over a
// backing file, and returns its name.
func randomImage(t *testing.T, rng *rand.Rand) (name string, size int64) {
	t.Helper()
	dir := t.TempDir()
	name, size = filepath.Join(dir, "top.qed"), int64(1+rng.IntN(48))<<20
	options := fmt.Sprintf("cluster_size=%d,table_size=%d", 4096<<rng.IntN(6), 2<<rng.IntN(3))
	create := []string{"create", "-q", "-f", "qed", "-o", options}
	if rng.IntN(2) == 0 {
		base := filepath.Join(dir, "base.qed")
		oracle.Run(t, "qemu-img", "create", "-q", "-f", "qed", base, fmt.Sprint(1+rng.Int64N(size>>20), "M"))
		qemuIO(t, "qed", base, history(rng, 1<<20, 8))
		create = append(create, "-b", "base.qed", "-F", "qed")
	}
	oracle.Run(t, "qemu-img", append(create, name, fmt.Sprint(size))...)
	qemuIO(t, "qed", name, history(rng, size, 20))
	return name, size
}

func runs() int {
	if oracle.Long() {
		return 60
	}
	return 4
}

func TestClientsSeeWhatQemuServes(t *testing.T) {
	rng := oracle.Seed(t)
	for range runs() {
		image, _ := randomImage(t, rng)
		want := filepath.Join(t.TempDir(), "want.raw")
		oracle.Run(t, "qemu-img", "convert", "-f", "qed", "-O", "raw", image, want)
		look := func(uri string) (told string) {
			for _, args := range [][]string{
				{"--size"}, {"--map"}, {"--map=qemu:allocation-depth"}, {"--can", "df"}, {"--is", "read-only"}, {"--can", "cache"},
			} {
				told += fmt.Sprintln(args) + oracle.Run(t, "nbdinfo", append(args, uri)...)
			}
			return told
		}
		var theirs string
		servedByQemu(t, image, func(uri string) { theirs = look(uri) })
		served(t, image, false, func(uri string) {
			if ours := look(uri); ours != theirs {
				t.Errorf("nbdinfo:\n%s\nof qemu-nbd:\n%s", ours, theirs)
			}
			oracle.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "raw", uri, want)
			got := filepath.Join(t.TempDir(), "got.raw")
			for _, args := range [][]string{{"--sparse=0"}, {"--request-size=1048576", "--connections=1"}, {"--synchronous"}} {
				oracle.Run(t, "nbdcopy", append(args, uri, got)...)
				oracle.Run(t, "cmp", got, want)
			}
			oracle.Run(t, "qemu-img", "convert", "-f", "raw", "-O", "raw", uri, got)
			oracle.Run(t, "cmp", got, want)
		})
	}
}

func TestAnImageThatClientsWroteIsWhatTheyWrote(t *testing.T) {
	rng := oracle.Seed(t)
	for range runs() {
		image, size := randomImage(t, rng)
		want := filepath.Join(t.TempDir(), "want.raw")
		oracle.Run(t, "qemu-img", "convert", "-f", "qed", "-O", "raw", image, want)
		served(t, image, true, func(uri string) {
			for range 2 {
				commands := history(rng, size, 40)
				qemuIO(t, "raw", uri, commands)
				qemuIO(t, "raw", want, commands)
				oracle.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "raw", uri, want)
			}
			oracle.Run(t, "nbdcopy", want, uri)
		})
		oracle.Run(t, "qemu-img", "check", "-q", "-f", "qed", image)
		oracle.Run(t, "qemu-img", "compare", "-q", "-f", "qed", "-F", "raw", image, want)
	}
}

// TestNbdsh has libnbd hold the server to the protocol (its strict mode), with
// requests that the other tools do not make.
func TestNbdsh(t *testing.T) {
	image, _ := randomImage(t, rand.New(rand.NewPCG(1, 1)))
	served(t, image, true, func(uri string) {
		// By Debian's Python, whichever comes first in PATH.
		oracle.File(t, "/usr/lib/python3/dist-packages/nbd.py")
		oracle.Run(t, "/usr/bin/python3", "-m", "nbd", "-u", uri, "-c", `
size = h.get_size()
assert h.can_fua() and h.can_trim() and h.can_zero() and h.can_fast_zero() and h.can_df() and h.can_multi_conn() and h.can_cache()
assert h.get_block_size(nbd.SIZE_MAXIMUM) == 32 << 20
h.pwrite(b"hello" * 1000, 12345, nbd.CMD_FLAG_FUA)
assert h.pread(5000, 12345) == b"hello" * 1000
chunks = []
assert h.pread_structured(1 << 20, 0, lambda *chunk: chunks.append(chunk), nbd.CMD_FLAG_DF) == h.pread(1 << 20, 0)
assert len(chunks) == 1
h.zero(4096, 12288)
assert h.pread(4096, 12288) == bytearray(4096)
h.trim(size, 0)
h.cache(size, 0)
h.flush()
chunks = []
buf = h.pread_structured(min(size, 4 << 20), 0, lambda data, off, kind, err: chunks.append((off, len(data), kind)))
assert buf == h.pread(min(size, 4 << 20), 0), chunks
for wrong in (lambda: h.pread(1, size), lambda: h.pwrite(b"x", size)):
    h.set_strict_mode(0)
    try:
        wrong()
    except nbd.Error as e:
        assert e.errno in ("EINVAL", "ENOSPC"), e.errno
    else:
        raise Exception("past the end")
h.shutdown()
`)
	})
}
