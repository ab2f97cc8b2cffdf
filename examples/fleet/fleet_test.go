package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/testing/ptest"
)

// TestMain runs the command itself when a test starts it anew.
func TestMain(m *testing.M) {
	if os.Getenv("FLEET_RUN") == "1" {
		main()
		return
	}
	ptest.MainWithDefault(m, "prism")
}

// fleet serves one image under many names; every hundredth is hostile: bytes of
// its metadata are changed.
type fleet struct {
	image []byte
	asked atomic.Int64
}

func newFleet(t *testing.T) (*fleet, string) {
	t.Helper()
	image, err := os.ReadFile("../../testdata/gpt.qed")
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{image: image}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, server.URL
}

func (f *fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.asked.Add(1)
	n, err := strconv.Atoi(strings.TrimSuffix(r.URL.Path[1:], ".qed"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	image := f.image
	if n%100 == 99 {
		image = hostile(image, n)
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%d"`, n))
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(image)))
}

func hostile(image []byte, seed int) []byte {
	image = append([]byte(nil), image...)
	r := rand.New(rand.NewPCG(1, uint64(seed)))
	switch seed / 100 % 4 {
	case 0:
		image = image[:r.IntN(len(image))]
	case 1:
		image[r.IntN(4)] ^= 0xff // the magic
	default:
		for range 2000 {
			image[r.IntN(len(image))] = byte(r.Uint32())
		}
	}
	return image
}

// fleetSize is the number of images: FLEET_IMAGES is for measuring.
func fleetSize(t *testing.T) int {
	t.Helper()
	if s := os.Getenv("FLEET_IMAGES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return 400
}

func writeNames(t *testing.T, url string, n int) string {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s/%d.qed\n", url, i)
	}
	name := filepath.Join(t.TempDir(), "names")
	if err := os.WriteFile(name, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// command is the command as a process of its own, on prism inside it.
func command(t *testing.T, names, out string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "--input", "@"+names, "--output", out, "--match", "hostname", "--shards", "2", "--max-time", "20s")
	cmd.Env = append(os.Environ(), "FLEET_RUN=1")
	return cmd
}

func output(t *testing.T, out string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(out, "*.json*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v, want two shards and a summary", files, err)
	}
	var all strings.Builder
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

// A fleet with hostile images is run whole, killed and resumed, and the output
// is the same.
func TestFleet(t *testing.T) {
	n := fleetSize(t)
	f, url := newFleet(t)
	names := writeNames(t, url, n)
	whole := filepath.Join(t.TempDir(), "whole")
	start := time.Now()
	if text, err := command(t, names, whole).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	t.Logf("%d images in %v, %d requests", n, time.Since(start).Round(time.Millisecond), f.asked.Load())
	want := output(t, whole)

	var sum Summary
	b, err := os.ReadFile(filepath.Join(whole, "summary.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &sum); err != nil {
		t.Fatal(err)
	}
	if sum.Images != n || sum.Failed == 0 || sum.Failed > n/100 || sum.Files < n-n/100 {
		t.Errorf("the summary is %+v", sum)
	}
	if got := strings.Count(want, `"image"`); got != n {
		t.Errorf("%d rows, want %d", got, n)
	}

	killed := filepath.Join(t.TempDir(), "killed")
	cmd := command(t, names, killed)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	before := f.asked.Load()
	for f.asked.Load() < before+int64(n)/2 {
		time.Sleep(time.Millisecond)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	before = f.asked.Load()
	if text, err := command(t, names, killed).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := output(t, killed); got != want {
		t.Error("the output of a run that was killed and resumed differs")
	}
	before = f.asked.Load()
	if text, err := command(t, names, killed).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := f.asked.Load() - before; got != 0 {
		t.Errorf("a run of what is done makes %d requests", got)
	}
}

func TestLimitsMakeARow(t *testing.T) {
	_, url := newFleet(t)
	for _, tt := range []struct {
		name   string
		limits Limits
		says   string
	}{
		{"time", Limits{Time: 1, Bytes: 1 << 30, Entries: 1000, Memory: 1 << 20}, "limit exceeded"},
		{"bytes", Limits{Time: time.Minute, Bytes: 10_000, Entries: 1000, Memory: 1 << 20}, "limit exceeded: 10000 bytes"},
		{"entries", Limits{Time: time.Minute, Bytes: 1 << 30, Entries: 3, Memory: 1 << 20}, "limit exceeded: 3 entries"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fn := &InspectFn{Job: Job{Pattern: "*", Limits: tt.limits, Output: t.TempDir(), Shards: 1}}
			if err := fn.Setup(); err != nil {
				t.Fatal(err)
			}
			defer fn.Teardown()
			var row Row
			err := fn.ProcessElement(t.Context(), url+"/0.qed", func(_ int, text string) {
				if err := json.Unmarshal([]byte(text), &row); err != nil {
					t.Error(err)
				}
			})
			if err != nil || !strings.Contains(row.Error, tt.says) {
				t.Errorf("%v, %+v, want %q", err, row, tt.says)
			}
		})
	}
}

func TestList(t *testing.T) {
	dir, err := filepath.Abs("../../testdata")
	if err != nil {
		t.Fatal(err)
	}
	globbed, err := list(t.Context(), "../../testdata/chain*.qed")
	if err != nil || len(globbed) != 2 {
		t.Errorf("a glob gives %v, %v", globbed, err)
	}
	if got := escape("a b/c#1?.qed"); got != "a%20b/c%231%3F.qed" {
		t.Errorf("escape = %q", got)
	}
	name := filepath.Join(t.TempDir(), "names")
	if err := os.WriteFile(name, []byte("b\n\n a \nb\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if got, err := list(t.Context(), "@"+name); err != nil || strings.Join(got, ",") != "a,b" {
		t.Errorf("a list gives %v, %v", got, err)
	}
	if err := run(t.Context(), filepath.Join(dir, "none*"), Job{Output: t.TempDir(), Shards: 1}); err == nil {
		t.Error("no images are no error")
	}
}
