// Package oracle finds the real tools that tests compare with: qemu-img, the
// mkfs family, the kernel's loop mounts.
//
// On a machine without a tool the test that asks for it is skipped and says
// so. Where [Required] holds, as it does in continuous integration, the same
// test fails instead, so that no proof is lost unnoticed.
package oracle

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// Required reports whether a missing tool is a failure
// (QEDFS_REQUIRE_ORACLES=1).
func Required() bool { return os.Getenv("QEDFS_REQUIRE_ORACLES") == "1" }

// Long reports whether tests should take the time that they want
// (CI_LONG=1) and not only what a quick run has.
func Long() bool { return os.Getenv("CI_LONG") == "1" }

// Tool returns the path of a program, or ends the test.
func Tool(tb testing.TB, name string) string {
	tb.Helper()
	// The mkfs family is often outside an ordinary user's PATH.
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	missing(tb, name+" is not installed")
	return ""
}

// File returns the first file that matches a pattern, or ends the test.
func File(tb testing.TB, pattern string) string {
	tb.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		tb.Fatal(err)
	}
	if len(names) == 0 {
		missing(tb, "there is no "+pattern)
	}
	return names[0]
}

// Root ends the test unless it may mount and make devices.
func Root(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() != 0 {
		missing(tb, "root is needed to mount")
	}
}

// Run runs a tool and returns what it printed on both outputs; a failure of
// the tool fails the test.
func Run(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	return Output(tb, exec.Command(Tool(tb, name), args...))
}

// Output is [Run] for a command whose path comes from [Tool] and which has an
// environment or an input of its own. A tool that a shell does not find is
// missing as one that Tool does not.
func Output(tb testing.TB, cmd *exec.Cmd) string {
	tb.Helper()
	const notFound = 127 // of a shell
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.ExitCode() == notFound && filepath.Base(cmd.Path) == "sh" {
		missing(tb, string(out))
	}
	if err != nil {
		tb.Fatalf("%q: %v\n%s", cmd.Args, err, out)
	}
	return string(out)
}

// Seed returns a random source that the log lets one repeat. Its seed is
// QEDFS_SEED where that is set: a number, or "random" for the time. Without it
// the long runs take the time, and the others a number of the test's own, so
// that a change fails by what it does and not by the day it is tried.
func Seed(tb testing.TB) *rand.Rand {
	tb.Helper()
	var seed uint64
	switch s := os.Getenv("QEDFS_SEED"); {
	case s == "random" || s == "" && Long():
		seed = uint64(time.Now().UnixNano())
	case s == "":
		h := fnv.New64a()
		h.Write([]byte(tb.Name()))
		seed = h.Sum64()
	default:
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			tb.Fatalf("QEDFS_SEED=%s: %v", s, err)
		}
		seed = n
	}
	tb.Logf("repeat with QEDFS_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// Mixed returns n bytes of text, runs, repetitions and noise, as files to compress
// have them.
func Mixed(rnd *rand.Rand, n int) []byte {
	var b []byte
	for len(b) < n {
		switch rnd.IntN(5) {
		case 0:
			b = append(b, bytes.Repeat([]byte{byte(rnd.Uint32())}, rnd.IntN(600))...)
		case 1:
			for range rnd.IntN(300) {
				b = append(b, byte(rnd.Uint32()))
			}
		case 2:
			if len(b) > 0 {
				at := rnd.IntN(len(b))
				b = append(b, b[at:min(len(b), at+rnd.IntN(400))]...)
			}
		case 3:
			for range rnd.IntN(300) { // a skewed alphabet has long codes
				b = append(b, byte(rnd.ExpFloat64()*12))
			}
		default:
			b = fmt.Appendf(b, "this is line %d, of which there are %d. ", rnd.IntN(100), rnd.IntN(1000))
		}
	}
	return b[:n]
}

func missing(tb testing.TB, why string) {
	tb.Helper()
	if Required() {
		tb.Fatalf("oracle required: %s", why)
	}
	tb.Skipf("SKIPPED, NOT PROVED HERE: %s", why)
}
