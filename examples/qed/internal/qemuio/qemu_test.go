package qemuio_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/examples/qed/internal/qemuio"
	"github.com/qedfs/qedfs/qedfile"
)

// Times differ from run to run, and so may the words after the synopsis in a
// usage line, which are each program's own.
var (
	times  = regexp.MustCompile(`ops; .* \(.*/sec and .* ops/sec\)|,1,\d+:\d\d:\d\d\.\d\d,.*`)
	usages = regexp.MustCompile(`(?m)^(\w+ \[.*) -- .*$`)
)

func mask(out string) string {
	return usages.ReplaceAllString(times.ReplaceAllString(out, "TIME"), "$1")
}

// answers is what a list of commands leads to.
type answers struct {
	stdout, stderr string
	failed         bool
	contents       []byte // of the disk afterwards
}

func TestSessionsAnswerAsQemuIODoes(t *testing.T) {
	qemu := oracle.Tool(t, "qemu-io")
	lists, err := os.ReadFile("testdata/commands.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"qed", "raw"} {
		if format == "raw" && testing.Short() {
			continue
		}
		empty := emptyDisk(t, format)
		for line := range strings.Lines(string(lists)) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "#") {
				continue
			}
			commands := strings.Split(line, "|")
			theirs := askQemu(t, qemu, format, newDisk(t, empty), commands)
			ours := askSession(t, format, newDisk(t, empty), commands)
			if ours.stdout != theirs.stdout || ours.stderr != theirs.stderr || ours.failed != theirs.failed {
				t.Errorf("%s: %s\nours:\n%s%sfailed: %v\nqemu-io:\n%s%sfailed: %v", format, line,
					ours.stdout, ours.stderr, ours.failed, theirs.stdout, theirs.stderr, theirs.failed)
			}
			if !bytes.Equal(ours.contents, theirs.contents) {
				t.Errorf("%s: %s: the disks differ", format, line)
			}
		}
	}
}

// newDisk makes an empty disk of 1 MiB, which qemu-img made once.
func newDisk(t *testing.T, empty []byte) string {
	name := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(name, empty, 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

func emptyDisk(t *testing.T, format string) []byte {
	name := filepath.Join(t.TempDir(), "empty")
	oracle.Run(t, "qemu-img", "create", "-q", "-f", format, name, "1M")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func askQemu(t *testing.T, qemu, format, name string, commands []string) answers {
	args := []string{"-f", format}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	cmd := exec.Command(qemu, append(args, name)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	return answers{
		mask(stdout.String()),
		strings.ReplaceAll(stderr.String(), "qemu-io: ", "PROGRAM: "),
		err != nil,
		contents(t, name, format),
	}
}

func askSession(t *testing.T, format, name string, commands []string) answers {
	var stdout, stderr bytes.Buffer
	s := newSession(t, &stdout, &stderr)
	if err := s.OpenFile(name, qemuio.OpenOptions{Format: format}); err != nil {
		t.Fatal(err)
	}
	for _, c := range commands {
		s.Run(context.Background(), c)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return answers{mask(stdout.String()), stderr.String(), s.Failed(), contents(t, name, format)}
}

func newSession(t *testing.T, stdout, stderr *bytes.Buffer) *qemuio.Session {
	return &qemuio.Session{
		Out:      stdout,
		Err:      stderr,
		Complain: func(err error) { fmt.Fprintf(stderr, "PROGRAM: %v\n", err) },
		Open:     openDevice,
	}
}

func openDevice(name string, o qemuio.OpenOptions) (*qemuio.Device, error) {
	flag := os.O_RDWR
	if o.ReadOnly {
		flag = os.O_RDONLY
	}
	if o.Format == "raw" || o.Options == "driver=raw" {
		raw, err := openRaw(name, flag)
		return &qemuio.Device{Disk: raw, Writable: raw, Format: "raw"}, err
	}
	img, err := qedfile.Open(name, &qedfile.Options{Writable: !o.ReadOnly})
	if err != nil {
		return nil, err
	}
	d := &qemuio.Device{Disk: img, Format: "qed", ClusterSize: img.Header().ClusterSize}
	if !o.ReadOnly {
		d.Writable = img
	}
	return d, nil
}

// openRaw opens a raw disk.
func openRaw(name string, flag int) (*qedfile.Raw, error) {
	f, err := backend.OpenFile(name, flag, nil)
	if err != nil {
		return nil, err
	}
	return qedfile.NewRaw(f)
}

func contents(t *testing.T, name, format string) []byte {
	d, err := openDevice(name, qemuio.OpenOptions{Format: format, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Disk.Close()
	b := make([]byte, d.Disk.Size())
	if _, err := d.Disk.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}
