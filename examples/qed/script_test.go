package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

var update = flag.Bool("update", false, "rewrite the expected outputs in testdata/script")

func TestMain(m *testing.M) {
	// A link to qed that has the name of a tool of QEMU is qed, but is not in
	// the path, where that tool itself is the one to compare with.
	if name := filepath.Base(os.Args[0]); name == "qemu-img" || name == "qemu-io" {
		main()
		return
	}
	testscript.Main(m, map[string]func(){
		"qed": main, "our-qemu-img": main, "our-qemu-io": main,
		"words": func() { fmt.Printf("%q\n", os.Args[1:]) },
	})
}

// TestScripts runs testdata/script. Beside testscript's own commands a script
// has:
//
//	exits CODE PROGRAM ARGS...  run a program that must end with this code
//	into FILE PROGRAM ARGS...   run a program and keep what it prints in a file, unseen by the log
//	poke FILE OFFSET HEX        overwrite bytes of a file
//	fill FILE OFFSET N HEX      overwrite bytes of a file with one repeated value
//	swap FILE OLD NEW           replace bytes wherever they are in a file by as many others, both
//	                            as Go writes them in quotes
//	cmpjson FILE FILE           compare JSON documents, whatever the order of their keys
//	[oracle:NAME]               true if the tool is there; where oracles are
//	                            required, its absence is an error
//
// $IMAGES is the directory of the committed images; times are in UTC.
func TestScripts(t *testing.T) {
	images, err := filepath.Abs("../../testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Setup: func(e *testscript.Env) error {
			e.Setenv("IMAGES", images)
			e.Setenv("TZ", "UTC")
			// Else each program waits a second at its end under the race detector.
			e.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0")
			return nil
		},
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition:           condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   cmdExits,
			"into":    cmdInto,
			"poke":    cmdPoke,
			"fill":    cmdFill,
			"swap":    cmdSwap,
			"cmpjson": cmdCmpJSON,
		},
	})
}

func condition(cond string) (bool, error) {
	tool, ok := strings.CutPrefix(cond, "oracle:")
	if !ok {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	_, err := exec.LookPath(tool)
	if err != nil && oracle.Required() {
		return false, fmt.Errorf("oracle required: %w", err)
	}
	return err == nil, nil
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func cmdInto(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: into FILE PROGRAM ARGS...")
	}
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	var stderr strings.Builder
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), f, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		ts.Fatalf("%q: %v\n%s", args[1:], err, &stderr)
	}
	ts.Check(f.Close())
}

func cmdPoke(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: poke FILE OFFSET HEX")
	}
	b, err := hex.DecodeString(args[2])
	ts.Check(err)
	writeAt(ts, args[0], args[1], b)
}

func cmdFill(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: fill FILE OFFSET N HEX")
	}
	n, err := strconv.ParseInt(args[2], 0, 32)
	ts.Check(err)
	b, err := hex.DecodeString(args[3])
	ts.Check(err)
	writeAt(ts, args[0], args[1], []byte(strings.Repeat(string(b), int(n)/len(b))))
}

func writeAt(ts *testscript.TestScript, name, offset string, b []byte) {
	off, err := strconv.ParseInt(offset, 0, 64)
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(name), os.O_RDWR|os.O_CREATE, 0o666)
	ts.Check(err)
	_, err = f.WriteAt(b, off)
	ts.Check(errors.Join(err, f.Close()))
}

func cmdSwap(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: swap FILE OLD NEW")
	}
	was, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	becomes, err := strconv.Unquote(`"` + args[2] + `"`)
	ts.Check(err)
	b := ts.ReadFile(args[0])
	if !strings.Contains(b, was) || len(was) != len(becomes) {
		ts.Fatalf("%q is not in %s, or not as long as %q", was, args[0], becomes)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(b, was, becomes)), 0o666))
}

func cmdCmpJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: cmpjson FILE FILE")
	}
	var docs [2]any
	for i, name := range args {
		if err := json.Unmarshal([]byte(ts.ReadFile(name)), &docs[i]); err != nil {
			ts.Fatalf("%s: %v", name, err)
		}
	}
	if equal := reflect.DeepEqual(docs[0], docs[1]); equal == neg {
		ts.Fatalf("%s\n%s\nequal: %v", ts.ReadFile(args[0]), ts.ReadFile(args[1]), equal)
	}
}
