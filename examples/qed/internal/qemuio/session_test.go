package qemuio_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/examples/qed/internal/qemuio"
	"github.com/qedfs/qedfs/qedfile"
)

// A script runs commands on a new QED image and returns what they printed.
func script(t *testing.T, open qemuio.OpenOptions, commands ...string) (s *qemuio.Session, stdout, stderr string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk.qed")
	img, err := qedfile.Create(name, 1<<20, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(name))
	if err := os.WriteFile("abc", []byte("abc"), 0o666); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	s = newSession(t, &out, &errs)
	if err := s.OpenFile("disk.qed", open); err != nil {
		t.Fatal(err)
	}
	for _, c := range commands {
		s.Run(context.Background(), c)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return s, mask(out.String()), errs.String()
}

func TestBackgroundRequestsAreReportedInTheirOrder(t *testing.T) {
	s, out, _ := script(t, qemuio.OpenOptions{}, "aio_write -P 1 0 64k 64k", "aio_read 512k 4k", "aio_write -q 1M 1k", "length")
	want := "1 MiB\nwrote 131072/131072 bytes at offset 0\n128 KiB, 1 TIME\nread 4096/4096 bytes at offset 524288\n4 KiB, 1 TIME\naio_write failed: Input/output error\n"
	if out != want || s.Failed() {
		t.Errorf("got %q, failed %v; want %q", out, s.Failed(), want)
	}
}

func TestManyBackgroundWritesAllArrive(t *testing.T) {
	var commands []string
	for range 40 {
		for _, off := range []string{"0", "100", "64k", "65000", "512k", "1000k"} {
			commands = append(commands, "aio_write -q -P 9 "+off+" 4k")
		}
	}
	commands = append(commands, "aio_flush", "read -q -P 9 0 4196", "read -q -P 9 65000 4632", "read -q -P 9 512k 4k", "read -q -P 9 1000k 4k", "read -q -P 0 128k 64k")
	if s, out, errs := script(t, qemuio.OpenOptions{}, commands...); s.Failed() || out != "" || errs != "" {
		t.Errorf("failed: %v\n%s%s", s.Failed(), out, errs)
	}
}

func TestReadOnlySessionsChangeNothing(t *testing.T) {
	for _, c := range []string{"write 0 512", "write -z 0 64k", "writev 0 512", "aio_write 0 512", "truncate 2M", "discard 0 512"} {
		s, out, errs := script(t, qemuio.OpenOptions{ReadOnly: true}, c, "flush", "length")
		if errs != "PROGRAM: Block node is read-only\n" || out != "1 MiB\n" || !s.Failed() {
			t.Errorf("%s: %q %q, failed %v", c, out, errs, s.Failed())
		}
	}
}

func TestOpenCloseAndReopen(t *testing.T) {
	_, out, errs := script(t, qemuio.OpenOptions{},
		"open disk.qed", "write -q -P 5 0 512", "close", "length", "close",
		"open -o driver=raw disk.qed", "read -v 0 4", "close",
		"open -r disk.qed", "read -q -P 5 0 512", "write 0 512", "reopen -w", "write -q 0 512", "reopen -r", "write 0 512", "reopen -r -w",
		"reopen -w -o read-only=on", "reopen -c none -o cache.direct=on", "reopen -o cache.direct=on", "reopen -o read-only=maybe",
		"reopen -o bogus=1", "reopen -o ,", "reopen -c bogus", "write 0 512", "reopen -o read-only=off", "write -q 0 512",
		"close", "open -t bogus disk.qed", "open -d bogus disk.qed", "open -i bogus disk.qed", "open nothere")
	const want = "PROGRAM: file open already, try 'help close'\n" +
		"no file open, try 'help open'\n" +
		"no file open, try 'help open'\n" +
		"PROGRAM: Block node is read-only\n" +
		"PROGRAM: Block node is read-only\n" +
		"PROGRAM: Only one -r/-w option may be given\n" +
		"PROGRAM: Cannot set both -r/-w and 'read-only'\n" +
		"PROGRAM: Cannot set both -c and the cache options\n" +
		"PROGRAM: Parameter 'read-only' expects 'on' or 'off'\n" +
		"PROGRAM: Cannot change the option 'bogus'\n" +
		"PROGRAM: Invalid option list: ,\n" +
		"PROGRAM: Invalid cache option: bogus\n" +
		"PROGRAM: Block node is read-only\n" +
		"PROGRAM: Invalid cache option: bogus\n" +
		"PROGRAM: Invalid discard option: bogus\n" +
		"PROGRAM: Invalid aio option: bogus\n" +
		"PROGRAM: can't open device open nothere: no such file or directory\n"
	if errs != want {
		t.Errorf("got\n%swant\n%s", errs, want)
	}
	if want := "00000000:  51 45 44 00  QED.\nread 4/4 bytes at offset 0\n4 bytes, 1 TIME\n"; out != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
}

func TestWriteRepeatsAFile(t *testing.T) {
	s, out, _ := script(t, qemuio.OpenOptions{}, "write -q -s abc 10 7", "read -v 9 9")
	if want := "00000009:  00 61 62 63 61 62 63 61 00  .abcabca.\nread 9/9 bytes at offset 9\n9 bytes, 1 TIME\n"; out != want || s.Failed() {
		t.Errorf("got\n%swant\n%s", out, want)
	}
	if s, _, errs := script(t, qemuio.OpenOptions{}, "write -s abc 10 0"); errs != "abc: file is empty\n" || !s.Failed() {
		t.Errorf("of no bytes: %q", errs)
	}
}

func TestQuitEndsASession(t *testing.T) {
	s, out, _ := script(t, qemuio.OpenOptions{}, "length", "quit", "length")
	if !s.Over() || s.Failed() || out != "1 MiB\n" {
		t.Errorf("over %v, failed %v, %q", s.Over(), s.Failed(), out)
	}
}

func TestAbortLosesNothingThatWasFlushed(t *testing.T) {
	s, _, _ := script(t, qemuio.OpenOptions{}, "write -q -P 1 0 64k", "flush", "write -q -P 2 64k 64k", "abort", "length")
	if !s.Over() || !s.Aborted() {
		t.Fatal("the session goes on")
	}
	img, err := qedfile.Open("disk.qed", &qedfile.Options{ForceShare: true})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	b := make([]byte, 64<<10)
	if _, err := img.ReadAt(b, 0); err != nil || bytes.Count(b, []byte{1}) != len(b) {
		t.Errorf("what was flushed is not there: %v", err)
	}
}

func TestTruncateShrinks(t *testing.T) {
	s, out, _ := script(t, qemuio.OpenOptions{}, "write -q -P 1 0 1M", "truncate 64k", "length", "truncate 1M", "read -q -P 0 64k 960k", "read -q -P 1 0 64k")
	if s.Failed() || out != "64 KiB\n" {
		t.Errorf("failed: %v %q", s.Failed(), out)
	}
}

func TestHelpListsEveryCommand(t *testing.T) {
	_, out, _ := script(t, qemuio.OpenOptions{}, "help")
	for _, name := range strings.Fields("abort aio_flush aio_read aio_write alloc close discard flush help info length map open quit read readv reopen sleep truncate write writev") {
		if !strings.Contains("\n"+out, "\n"+name+" ") {
			t.Errorf("help does not list %s", name)
		}
	}
	_, out, _ = script(t, qemuio.OpenOptions{}, "help read", "help nonsense")
	if !strings.HasPrefix(out, "read [-abCqv]") || !strings.Contains(out, "\n -P  ") || !strings.HasSuffix(out, "\ncommand nonsense not found\n") {
		t.Errorf("help read: %q", out)
	}
}

// layered opens an image over a raw disk of ones, both in memory.
func layered(_ string, o qemuio.OpenOptions) (*qemuio.Device, error) {
	ones, err := qedfile.NewRaw(backend.NewMemory(bytes.Repeat([]byte{1}, 1<<20)))
	if err != nil {
		return nil, err
	}
	img, err := qedfile.CreateIn(backend.NewMemory(nil), 1<<20, &qedfile.CreateOptions{
		BackingFile: "ones", BackingRaw: true,
		Backing: func(qedfile.BackingRef) (qedfile.Disk, error) { return ones, nil },
	})
	return &qemuio.Device{Disk: img, Writable: img, Format: "qed", ClusterSize: 64 << 10, CopyOnRead: o.CopyOnRead}, err
}

func TestCopyOnReadKeepsWhatWasRead(t *testing.T) {
	for _, c := range []struct {
		opts qemuio.OpenOptions
		want string
	}{
		{qemuio.OpenOptions{}, "1 MiB (0x100000) bytes not allocated at offset 0 bytes (0x0)\n"},
		{qemuio.OpenOptions{CopyOnRead: true}, "64 KiB (0x10000) bytes not allocated at offset 0 bytes (0x0)\n" +
			"128 KiB (0x20000) bytes     allocated at offset 64 KiB (0x10000)\n" +
			"832 KiB (0xd0000) bytes not allocated at offset 192 KiB (0x30000)\n"},
	} {
		var out, errs bytes.Buffer
		s := newSession(t, &out, &errs)
		s.Open = layered
		if err := s.OpenFile("disk", c.opts); err != nil {
			t.Fatal(err)
		}
		s.Run(t.Context(), "read -q -P 1 100k 40k")
		s.Run(t.Context(), "map")
		s.Run(t.Context(), "read -q -P 1 0 1M")
		if out.String() != c.want || s.Failed() {
			t.Errorf("%+v: %s%s", c.opts, out.String(), errs.String())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDiscardCanBeIgnored(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		var out, errs bytes.Buffer
		s := newSession(t, &out, &errs)
		s.Open = func(string, qemuio.OpenOptions) (*qemuio.Device, error) {
			raw, err := qedfile.NewRaw(backend.NewMemory(bytes.Repeat([]byte{1}, 1<<20)))
			return &qemuio.Device{Disk: raw, Writable: raw, Format: "raw", IgnoreDiscard: ignore}, err
		}
		if err := s.OpenFile("disk", qemuio.OpenOptions{}); err != nil {
			t.Fatal(err)
		}
		s.Run(t.Context(), "discard -q 0 64k")
		s.Run(t.Context(), "read -q -P 1 0 64k")
		if s.Failed() == ignore {
			t.Errorf("ignored: %v, but the disk says otherwise: %s", ignore, out.String())
		}
	}
}
