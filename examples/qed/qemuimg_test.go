package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// answer is what a program printed on standard output, and its exit code.
type answer struct {
	out  string
	code int
}

// ours runs the command in this process.
func ours(t *testing.T, args ...string) answer {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	if code == exitFailed && args[0] != "compare" {
		t.Fatalf("qed %q: %s", args, &stderr)
	}
	return answer{stdout.String(), code}
}

// theirs runs qemu-img.
func theirs(t *testing.T, args ...string) answer {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(oracle.Tool(t, "qemu-img"), args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if cmd.ProcessState.ExitCode() == 1 && args[0] != "compare" {
		t.Fatalf("qemu-img %q: %s", args, &stderr)
	}
	return answer{stdout.String(), cmd.ProcessState.ExitCode()}
}

// agree compares what the two print for the same arguments.
func agree(t *testing.T, args ...string) {
	t.Helper()
	if a, b := ours(t, args...), theirs(t, args...); a != b {
		t.Errorf("%q\nours, exit code %d:\n%sqemu-img's, exit code %d:\n%s", args, a.code, a.out, b.code, b.out)
	}
}

// agreeJSON does so for JSON, whose keys may come in any order.
func agreeJSON(t *testing.T, args ...string) {
	t.Helper()
	args = append([]string{args[0], "--output=json"}, args[1:]...)
	a, b := ours(t, args...), theirs(t, args...)
	var x, y any
	if err := errors.Join(json.Unmarshal([]byte(a.out), &x), json.Unmarshal([]byte(b.out), &y)); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	if !reflect.DeepEqual(x, y) || a.code != b.code {
		t.Errorf("%q\nours, exit code %d:\n%sqemu-img's, exit code %d:\n%s", args, a.code, a.out, b.code, b.out)
	}
}

// A chain is made by qemu's tools.
type chain struct {
	rng   *rand.Rand
	files []string // the top image last
	size  int64
}

// newChain makes an image of random geometry and contents, over up to three
// others, in the current directory.
func newChain(t *testing.T, rng *rand.Rand) *chain {
	c := &chain{rng: rng}
	if rng.IntN(2) == 0 {
		c.add(t, "raw")
	}
	for range 1 + rng.IntN(3) {
		c.add(t, "qed")
	}
	return c
}

func (c *chain) top() string { return c.files[len(c.files)-1] }

func (c *chain) add(t *testing.T, format string) {
	c.size = (1 + c.rng.Int64N(16<<20)) &^ 511
	name := fmt.Sprintf("layer%d.%s", len(c.files), format)
	args := []string{"create", "-q", "-f", format}
	if format == "qed" {
		cluster, table := int64(4096)<<c.rng.IntN(6), 2<<c.rng.IntN(4)
		args = append(args, "-o", fmt.Sprintf("cluster_size=%d,table_size=%d", cluster, table))
		if len(c.files) > 0 {
			args = append(args, "-b", c.top(), "-F", strings.TrimPrefix(filepath.Ext(c.top()), "."))
		}
	}
	oracle.Run(t, "qemu-img", append(args, name, fmt.Sprint(c.size))...)
	commands := []string{"-f", format}
	for range c.rng.IntN(12) {
		off := c.rng.Int64N(c.size)
		n := min(1+c.rng.Int64N(300<<10), c.size-off)
		how := "-P 7"
		if format == "qed" && c.rng.IntN(3) == 0 {
			how = "-z"
		}
		commands = append(commands, "-c", fmt.Sprintf("write -q %s %d %d", how, off, n))
	}
	oracle.Run(t, "qemu-io", append(commands, "-c", "length", name)...)
	if cut := c.rng.Int64N(512); format == "raw" && c.rng.IntN(2) == 0 {
		if err := os.Truncate(name, c.size-cut); err != nil { // the last sector is a part of one
			t.Fatal(err)
		}
	}
	c.files = append(c.files, name)
}

func rounds() int {
	if testing.Short() {
		return 2
	}
	if oracle.Long() {
		return 300
	}
	return 8
}

func TestImagesAreDescribedAsQemuImgDescribesThem(t *testing.T) {
	oracle.Tool(t, "qemu-img")
	rng := oracle.Seed(t)
	for range rounds() {
		t.Chdir(t.TempDir())
		c := newChain(t, rng)
		agree(t, "info", c.top())
		agreeJSON(t, "info", c.top())
		agree(t, "info", "--backing-chain", c.top())
		agreeJSON(t, "info", "--backing-chain", c.top())
		agree(t, "map", c.top())
		agree(t, "map", "--output=json", c.top())
		agree(t, "map", fmt.Sprintf("--start-offset=%d", c.size/3), "--max-length=1M", "--output=json", c.top())
		agree(t, "check", c.top())
		agreeJSON(t, "check", c.top())
		agree(t, "measure", "-O", "raw", c.top())
		agreeJSON(t, "measure", "-O", "raw", c.top())
		agree(t, "info", "-f", "raw", c.top())
		agreeJSON(t, "map", "-f", "raw", c.files[0])
	}
}

func TestCopiesAreByteForByteThoseOfQemuImg(t *testing.T) {
	oracle.Tool(t, "qemu-img")
	rng := oracle.Seed(t)
	for range rounds() {
		t.Chdir(t.TempDir())
		c := newChain(t, rng)
		ours(t, "convert", "-O", "raw", c.top(), "ours.raw")
		theirs(t, "convert", "-O", "raw", c.top(), "theirs.raw")
		sameFile(t, "ours.raw", "theirs.raw")

		ours(t, "convert", "-O", "qed", "-o", fmt.Sprintf("cluster_size=%d,table_size=%d", 4096<<rng.IntN(6), 2<<rng.IntN(4)), c.top(), "ours.qed")
		theirs(t, "convert", "-O", "raw", "ours.qed", "back.raw")
		sameFile(t, "back.raw", "theirs.raw")
		agree(t, "check", "ours.qed")
		agree(t, "compare", c.top(), "ours.qed")

		// What one of them wrote, the other continues.
		off := rng.Int64N(c.size)
		write := fmt.Sprintf("write -q -P 3 %d %d", off, min(1000, c.size-off))
		ours(t, "io", "-c", write, c.top())
		oracle.Run(t, "qemu-io", "-f", "raw", "-c", write, "theirs.raw")
		agree(t, "compare", "-F", "raw", c.top(), "theirs.raw")
		agree(t, "compare", c.top(), "ours.qed")
		agree(t, "check", c.top())
	}
}

func sameFile(t *testing.T, a, b string) {
	t.Helper()
	x, errX := os.ReadFile(a)
	y, errY := os.ReadFile(b)
	if err := errors.Join(errX, errY); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Errorf("%s and %s differ", a, b)
	}
}

func TestDamageIsCountedAsQemuImgCountsIt(t *testing.T) {
	oracle.Tool(t, "qemu-img")
	rng := oracle.Seed(t)
	for range 3 * rounds() {
		t.Chdir(t.TempDir())
		c := newChain(t, rng)
		damage(t, rng, c.top())
		agree(t, "check", c.top())
		agreeJSON(t, "check", c.top())

		// A repair must satisfy qemu-img, which repairs less itself.
		ours(t, "check", "-r", "all", "--max-growth=1G", c.top())
		if a := theirs(t, "check", c.top()); a.code != exitOK {
			t.Errorf("qemu-img's exit code after our repair is %d:\n%s", a.code, a.out)
		}
		agree(t, "check", c.top())
	}
}

// damage spoils entries of an image's tables, and adds clusters that nothing
// refers to.
func damage(t *testing.T, rng *rand.Rand, name string) {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	cluster, l1 := uint64(le.Uint32(b[4:])), le.Uint64(b[40:])
	entries := uint64(le.Uint32(b[8:])) * cluster / 8
	spoil := func(table uint64) {
		bad := []uint64{2, cluster - 1, uint64(len(b)), 1 << 60, l1, cluster * (1 + rng.Uint64N(uint64(len(b))/cluster-1))}
		at := table + 8*rng.Uint64N(min(entries, 40))
		le.PutUint64(b[at:], bad[rng.IntN(len(bad))])
	}
	for range rng.IntN(4) {
		if l2 := le.Uint64(b[l1:]); l2 != 0 && l2%cluster == 0 && l2+8*entries <= uint64(len(b)) {
			spoil(l2)
		}
	}
	if rng.IntN(4) == 0 {
		spoil(l1)
	}
	b = append(b, make([]byte, rng.IntN(3)*int(cluster))...)
	if err := os.WriteFile(name, b, 0o666); err != nil {
		t.Fatal(err)
	}
}
