package backend_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// qemuHolds starts a qemu-io that keeps the image open until the test ends.
func qemuHolds(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(oracle.Tool(t, "qemu-io"), append(args, "-f", "qed", name)...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	// An answer to a command means that the image is open.
	fmt.Fprintln(stdin, "length")
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("qemu-io says %q: %v", line, err)
	}
	go io.Copy(io.Discard, stdout)
}

// qemuOpens reports whether qemu-io opens the image, and what it says.
func qemuOpens(t *testing.T, name string, args ...string) (bool, string) {
	t.Helper()
	cmd := exec.Command(oracle.Tool(t, "qemu-io"), append(args, "-f", "qed", "-c", "read 0 512", name)...)
	out, err := cmd.CombinedOutput()
	return err == nil, string(out)
}

func imageFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "image.qed")
	oracle.Run(t, "qemu-img", "create", "-f", "qed", name, "1M")
	return name
}

func TestImageThatQemuWritesIsRefused(t *testing.T) {
	name := imageFile(t)
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	qemuHolds(t, name)
	for _, flag := range []int{os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_TRUNC} {
		if _, err := open(t, name, flag, nil); !errors.Is(err, backend.ErrLocked) {
			t.Errorf("OpenFile with flag %#x: %v, want ErrLocked", flag, err)
		}
	}
	if fi, err := os.Stat(name); err != nil || fi.Size() != int64(len(before)) {
		t.Errorf("the refused O_TRUNC left %d bytes of %d, %v", fi.Size(), len(before), err)
	}
	_, err = open(t, name, os.O_RDONLY, nil)
	if err == nil || !strings.Contains(err.Error(), "another process that writes it") || !strings.Contains(err.Error(), name) {
		t.Errorf("the message does not say what to do: %v", err)
	}
	if _, err := open(t, name, os.O_RDONLY, &backend.FileOptions{ForceShare: true}); err != nil {
		t.Errorf("ForceShare: %v", err)
	}
}

func TestImageThatQemuReadsCanBeReadButNotWritten(t *testing.T) {
	name := imageFile(t)
	qemuHolds(t, name, "-r")
	if _, err := open(t, name, os.O_RDONLY, nil); err != nil {
		t.Errorf("reading: %v", err)
	}
	if _, err := open(t, name, os.O_RDWR, nil); !errors.Is(err, backend.ErrLocked) {
		t.Errorf("writing: %v, want ErrLocked", err)
	}
}

func TestQemuRefusesAnImageThatWeWrite(t *testing.T) {
	name := imageFile(t)
	f, err := open(t, name, os.O_RDWR, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-r"}, nil} {
		if ok, out := qemuOpens(t, name, args...); ok || !strings.Contains(out, "lock") {
			t.Errorf("qemu-io %v opened it: %s", args, out)
		}
	}
	if ok, out := qemuOpens(t, name, "-r", "-U"); !ok {
		t.Errorf("qemu-io -r -U: %s", out)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if ok, out := qemuOpens(t, name); !ok {
		t.Errorf("after Close qemu-io: %s", out)
	}
}

func TestQemuReadsButDoesNotWriteAnImageThatWeRead(t *testing.T) {
	name := imageFile(t)
	if _, err := open(t, name, os.O_RDONLY, nil); err != nil {
		t.Fatal(err)
	}
	if ok, out := qemuOpens(t, name, "-r"); !ok {
		t.Errorf("qemu-io -r: %s", out)
	}
	if ok, out := qemuOpens(t, name); ok {
		t.Errorf("qemu-io opened it for writing: %s", out)
	}
}

func TestForceShareHoldsNoLock(t *testing.T) {
	name := imageFile(t)
	if _, err := open(t, name, os.O_RDONLY, &backend.FileOptions{ForceShare: true}); err != nil {
		t.Fatal(err)
	}
	if locks := locksOf(t, name); len(locks) != 0 {
		t.Errorf("locks held: %v", locks)
	}
	if ok, out := qemuOpens(t, name); !ok {
		t.Errorf("qemu-io: %s", out)
	}
}

func TestTwoOpensOfOneProcessLockLikeTwoProcesses(t *testing.T) {
	name := imageFile(t)
	for range 2 {
		if _, err := open(t, name, os.O_RDONLY, nil); err != nil {
			t.Fatalf("reading: %v", err)
		}
	}
	if _, err := open(t, name, os.O_RDWR, nil); !errors.Is(err, backend.ErrLocked) {
		t.Errorf("writing beside two readers: %v, want ErrLocked", err)
	}
}

func TestRefusedFileIsLeftWithoutLocks(t *testing.T) {
	name := imageFile(t)
	if _, err := open(t, name, os.O_RDONLY, nil); err != nil {
		t.Fatal(err)
	}
	before := locksOf(t, name)
	osFile, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer osFile.Close()
	if _, err := backend.NewFile(osFile, os.O_RDWR, nil); !errors.Is(err, backend.ErrLocked) {
		t.Fatalf("NewFile: %v, want ErrLocked", err)
	}
	if after := locksOf(t, name); !slices.Equal(before, after) {
		t.Errorf("locks before %v, after the refusal %v", before, after)
	}
}

func TestLocksAreThoseThatQemuHolds(t *testing.T) {
	for _, tt := range []struct {
		flag int
		args []string
	}{{os.O_RDONLY, []string{"-r"}}, {os.O_RDWR, nil}} {
		name := imageFile(t)
		f, err := open(t, name, tt.flag, nil)
		if err != nil {
			t.Fatal(err)
		}
		ours := locksOf(t, name)
		f.Close()
		qemuHolds(t, name, tt.args...)
		if qemus := locksOf(t, name); len(qemus) == 0 || !slices.Equal(ours, qemus) {
			t.Errorf("flag %#x: we lock bytes %v, qemu-io %v locks %v", tt.flag, ours, tt.args, qemus)
		}
	}
}

// locksOf lists the single bytes of a file that are locked, as /proc/locks
// shows them: "1: OFDLCK ADVISORY READ -1 fe:00:9978205 100 101".
func locksOf(t *testing.T, name string) []int64 {
	t.Helper()
	fi, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	inode := fmt.Sprintf(":%d", fi.Sys().(*syscall.Stat_t).Ino)
	table, err := os.ReadFile("/proc/locks")
	if err != nil {
		t.Skipf("no /proc/locks: %v", err)
	}
	var bytes []int64
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 8 || fields[1] != "OFDLCK" || !strings.HasSuffix(fields[5], inode) {
			continue
		}
		var first, last int64
		if _, err := fmt.Sscan(fields[6]+" "+fields[7], &first, &last); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for b := first; b <= last; b++ {
			bytes = append(bytes, b)
		}
	}
	slices.Sort(bytes)
	return slices.Compact(bytes)
}

func TestPipeIsRefusedWithoutWaiting(t *testing.T) {
	name := t.TempDir() + "/pipe"
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := backend.OpenFile(name, os.O_RDONLY, nil)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a pipe was opened")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("opening a pipe waits for its other end")
	}
}

func TestBlockDeviceHasItsSize(t *testing.T) {
	oracle.Root(t)
	name := tempFile(t, content(3<<20))
	device := strings.TrimSpace(oracle.Run(t, "losetup", "--find", "--show", "--read-only", name))
	t.Cleanup(func() { oracle.Run(t, "losetup", "-d", device) })
	f, err := open(t, device, os.O_RDONLY, nil)
	if err != nil {
		t.Fatal(err)
	}
	if size, err := f.Size(); err != nil || size != 3<<20 {
		t.Errorf("Size() = %d, %v, want %d", size, err, 3<<20)
	}
	if start, end, err := f.NextData(4096); start != 4096 || end != 3<<20 || err != nil {
		t.Errorf("NextData(4096) = %d, %d, %v, want all of the rest", start, end, err)
	}
	got := make([]byte, 3<<20)
	if _, err := f.ReadAt(got, 0); err != nil || string(got) != string(content(3<<20)) {
		t.Errorf("ReadAt: %v, or it differs from the file", err)
	}
}
