package web_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// clientTree is a tree for WebDAV clients: what they can have of it, and what
// they can not.
func clientTree(tb testing.TB) (tree string, random []byte) {
	tb.Helper()
	tree = tb.TempDir()
	random = make([]byte, 3_000_001)
	rand.Read(random)
	for name, text := range map[string]string{
		"dir/random": string(random), "dir/a&b\"c'd?e#f%25 <g>": "odd", "dir/日本語": "x", "dir/\xff\xfe": "bytes", "dir/empty": "", "LEFT-OUT.txt": "mine",
	} {
		if err := os.MkdirAll(filepath.Join(tree, "dir", "below"), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(tree, name), []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	for from, to := range map[string]string{"dir/below/up": "../..", "dir/nowhere": "/nowhere", "dir/link": "random", "again": "dir/below"} {
		if err := os.Symlink(to, filepath.Join(tree, from)); err != nil {
			tb.Fatal(err)
		}
	}
	return tree, random
}

// rclone runs it and returns what it printed on both outputs.
func rclone(tb testing.TB, url string, args ...string) (string, error) {
	tb.Helper()
	cmd := exec.Command(oracle.Tool(tb, "rclone"), append([]string{"--config", "/dev/null", "--retries", "1", "--low-level-retries", "1", "--webdav-url", url}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestRcloneReadsWhatIsThere(t *testing.T) {
	tree, random := clientTree(t)
	url := serveGuest(t, guestImage(t, tree))
	out, err := rclone(t, url, "lsf", "-R", ":webdav:files/disk")
	if err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	got := strings.Split(strings.TrimSpace(out), "\n")
	slices.Sort(got)
	want := []string{
		"LEFT-OUT.txt", "again/", "again/up/", "again/up/LEFT-OUT.txt", "dir/", "dir/a&b\"c'd?e#f%25 <g>", "dir/below/", "dir/below/up", "dir/empty", "dir/link",
		"dir/nowhere", "dir/random", "dir/日本語", "dir/\ufffdFF\ufffdFE", "lost+found/",
	}
	for _, name := range want {
		if !slices.Contains(got, name) && !strings.HasPrefix(name, "again/up") {
			t.Errorf("no %s in %q", name, got)
		}
	}
	to := t.TempDir()
	out, err = rclone(t, url, "copy", ":webdav:files/disk/dir", to)
	if err == nil || !strings.Contains(out, "nowhere") || !strings.Contains(out, "a link to a directory that it lies in") {
		t.Errorf("files that cannot be had are passed over: %v, %s", err, out)
	}
	if b, err := os.ReadFile(filepath.Join(to, "random")); !bytes.Equal(b, random) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if b, err := os.ReadFile(filepath.Join(to, "\ufffdFF\ufffdFE")); string(b) != "bytes" {
		t.Errorf("%q, %v", b, err)
	}
	out, err = rclone(t, url, "cat", "--offset", "1000000", "--count", "50", ":webdav:files/disk/dir/random")
	if err != nil || !strings.Contains(out, string(random[1000000:1000050])) {
		t.Errorf("a part: %v, %q", err, out)
	}
	if out, err := rclone(t, url, "copy", filepath.Join(to, "random"), ":webdav:files/disk"); err == nil {
		t.Errorf("a file is written: %s", out)
	}
}

func TestCadaverReadsWhatIsThere(t *testing.T) {
	tree, random := clientTree(t)
	url := serveGuest(t, guestImage(t, tree))
	to := filepath.Join(t.TempDir(), "got")
	cmd := exec.Command(oracle.Tool(t, "cadaver"), url+"/files/disk/")
	cmd.Stdin = strings.NewReader("ls\ncd dir\nls\nget random " + to + "\nput " + to + " new\nquit\n")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	for _, want := range []string{"Coll:   dir", "LEFT-OUT.txt                           4", "random                           3000001", "日本語", "405 Method Not Allowed"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if b, err := os.ReadFile(to); !bytes.Equal(b, random) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestADamagedFileIsNeverShort(t *testing.T) {
	tree, random := clientTree(t)
	name := guestImage(t, tree)
	image, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(image, random[:64])
	if at < 0 {
		t.Fatal("the file is not in the image")
	}
	for _, test := range []struct {
		name string
		off  int // in the file, where its bytes cannot be read any more
		want string
	}{{"at its begin", 0, "500 Internal Server Error"}, {"later", 2 << 20, "EOF"}} {
		t.Run(test.name, func(t *testing.T) {
			url := serveFaulty(t, image, int64(at+test.off))
			to := t.TempDir()
			out, err := rclone(t, url, "copy", ":webdav:files/disk/dir/random", to)
			if _, there := os.Stat(filepath.Join(to, "random")); err == nil || there == nil || !strings.Contains(out, test.want) {
				t.Errorf("%v, %v, %s", err, there, out)
			}
		})
	}
}
