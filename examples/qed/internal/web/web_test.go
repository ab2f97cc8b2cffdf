package web_test

import (
	"archive/tar"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/examples/qed/internal/web"
	"github.com/qedfs/qedfs/qedfile"
)

const images = "../../../../testdata"

func site(tb testing.TB, disk *imagefs.Disk, err error) http.Handler {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { disk.Close() })
	s := &web.Site{
		Name: "disk.qed", Disk: disk, Host: "box.example",
		Problem: func(path string, err error) { tb.Errorf("%s: %v", path, err) },
	}
	return s.Handler()
}

// damaged is a site of the disk in b, whose problems are expected.
func damaged(tb testing.TB, b []byte) http.Handler {
	tb.Helper()
	image, err := qedfile.New(backend.NewMemory(b), nil)
	if err != nil {
		tb.Fatal(err)
	}
	disk, err := imagefs.OpenDisk(image, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { disk.Close() })
	s := &web.Site{Name: "disk.qed", Disk: disk}
	return s.Handler()
}

func open(tb testing.TB, image string) http.Handler {
	disk, err := imagefs.Open(filepath.Join(images, image), nil)
	return site(tb, disk, err)
}

func get(h http.Handler, target string, header ...string) *http.Response {
	r := httptest.NewRequest("GET", target, nil)
	r.Host = "127.0.0.1:8080"
	r.Header.Set("Accept", "text/html")
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(tb testing.TB, r *http.Response) string {
	tb.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

func TestPagesShowVolumesAndDirectories(t *testing.T) {
	h := open(t, "gpt.qed")
	for target, want := range map[string][]string{
		"/":                 {`<a href="/files/p1/" data-row><bdi>p1</bdi></a>`, "vfat", "16 MiB"},
		"/files/p2/etc":     {`<a href="/files/p2/etc/app/" data-row><bdi>app</bdi></a>`, `<a href="/details/p2/etc/hostname" data-row><bdi>hostname</bdi></a>`, "→ <bdi>../usr/bin/hello</bdi>", "lrwxrwxrwx", "1 directory, 3 files"},
		"/files/p2/etc/":    {"hostname"},
		"/files/p1/EFI/":    {`href="/files/p1/EFI/A%20file%20with%20a%20long%20name.txt"`},
		"/files/p2/var/log": {"300 KiB"},
	} {
		r := get(h, target)
		text := body(t, r)
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %s, %s", target, r.Status, r.Header.Get("Content-Type"))
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: no %s in\n%s", target, w, text)
			}
		}
	}
}

func TestFilesAreDownloadsAndNeverRendered(t *testing.T) {
	h := open(t, "gpt.qed")
	r := get(h, "/files/p2/etc/hostname")
	if got := body(t, r); got != "example\n" || r.Header.Get("Content-Disposition") != "attachment; filename=hostname" {
		t.Errorf("%q, %v", got, r.Header)
	}
	view := get(h, "/files/p2/etc/hostname?view")
	if got := view.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("shown as %s", got)
	}
	for _, r := range []*http.Response{r, view} {
		if !strings.HasPrefix(r.Header.Get("Content-Security-Policy"), "sandbox;") || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("headers %v", r.Header)
		}
	}
}

func TestAPartOfAFileCanBeAskedFor(t *testing.T) {
	r := get(open(t, "gpt.qed"), "/files/p2/var/log/sparse", "Range", "bytes=307190-")
	if got := body(t, r); r.StatusCode != http.StatusPartialContent || got != "\x00\x00\x00\x00\x00\x00\x00end" {
		t.Errorf("%s, %q", r.Status, got)
	}
}

func TestADirectoryComesAsAnArchive(t *testing.T) {
	r := get(open(t, "gpt.qed"), "/tar/p2/etc")
	if got := r.Header.Get("Content-Disposition"); got != "attachment; filename=etc.tar" {
		t.Error(got)
	}
	count := 0
	for a := tar.NewReader(r.Body); ; count++ {
		if _, err := a.Next(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if count != 6 {
		t.Errorf("%d members", count)
	}
}

func TestOnlyOwnNamesAreAnswered(t *testing.T) {
	h := open(t, "gpt.qed")
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost:8080": 200, "LocalHost": 200, "[::1]:8080": 200, "192.0.2.7": 200,
		"box.example:8080": 200, "BOX.example": 200,
		"evil.example": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example:8080": 421, "": 421,
	} {
		if r := get(h, "/files/p2/etc/hostname", "Host", host); r.StatusCode != want {
			t.Errorf("%q: %s, want %d", host, r.Status, want)
		}
	}
}

func TestWhatIsNotThereOrCannotBeRead(t *testing.T) {
	h := open(t, "lvm.qed")
	for target, want := range map[string]int{
		"/files/vg-root/nothing":    404,
		"/files/nothing":            404,
		"/files/vg-root/etc/../etc": 307, // to the clean path
		"/tar/vg-root/nothing":      404,
		"/files/p1":                 501,
		"/files":                    307,
		"/nothing":                  404,
	} {
		if r := get(h, target); r.StatusCode != want {
			t.Errorf("%s: %s, want %d", target, r.Status, want)
		}
	}
	r := httptest.NewRequest("POST", "/files/vg-root", nil)
	r.Host = "localhost"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestNamesFromTheImageAreNoMarkup(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(images, "mbr-logical.qed"))
	if err != nil {
		t.Fatal(err)
	}
	const evil = `<img src=a>` // as long as config.yaml
	b = bytes.ReplaceAll(b, []byte("config.yaml"), []byte(evil))
	image, err := qedfile.New(backend.NewMemory(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	disk, err := imagefs.OpenDisk(image, nil)
	text := body(t, get(site(t, disk, err), "/files/p5/app"))
	if strings.Contains(text, evil) || !strings.Contains(text, "&lt;img src=a&gt;") || !strings.Contains(text, `href="/files/p5/app/%3Cimg%20src=a%3E"`) {
		t.Error(text)
	}
}

func TestVolumesThatCannotBeReadSayWhy(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(images, "gpt.qed"))
	if err != nil {
		t.Fatal(err)
	}
	// A magic number of ext4 is in a superblock; its feature flags come after.
	magic := bytes.Index(b, []byte("\x53\xef\x01\x00\x01\x00"))
	if magic < 0 {
		t.Fatal("no ext4 in the image")
	}
	copy(b[magic+0x28:], "\xf7\xff\xff\xff") // s_feature_incompat
	h := damaged(t, b)
	text := body(t, get(h, "/"))
	for _, want := range []string{"<bdi>p2</bdi>", `<p class="problem" role="alert"><bdi>`, "<bdi>ext4</bdi>"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if r := get(h, "/files/p2/etc"); r.StatusCode < 500 {
		t.Errorf("a file of it: %s", r.Status)
	}
	name, list := lastMember(t, get(h, "/tar/"))
	if name != "./LEFT-OUT.txt" || !strings.Contains(list, "\np2: ") {
		t.Errorf("the archive ends with %s:\n%s", name, list)
	}
}

// lastMember is the name and contents of the last member of an archive.
func lastMember(t *testing.T, r *http.Response) (name, text string) {
	t.Helper()
	for a := tar.NewReader(r.Body); ; {
		h, err := a.Next()
		if err == io.EOF {
			return name, text
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(a)
		if err != nil {
			t.Fatal(err)
		}
		name, text = h.Name, string(b)
	}
}

func TestNothingFromTheImageChangesWhatIsReadBesideIt(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(images, "mbr-logical.qed"))
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.ReplaceAll(b, []byte("config.yaml"), []byte("cod\u202eexe.g"))
	h := damaged(t, b)
	text := body(t, get(h, "/files/p5/app"))
	if strings.Contains(text, "\u202e") || !strings.Contains(text, `<bdi>cod\u202eexe.g</bdi>`) {
		t.Error(text)
	}
	title := body(t, get(h, "/files/p5/app/cod%E2%80%AEexe.g/x"))
	if strings.Contains(title, "\u202e") || !strings.Contains(title, `<title>p5/app/cod\u202eexe.g/x in`) {
		t.Error(title)
	}
	r := get(h, "/files/p5/app/cod%E2%80%AEexe.g")
	if got := r.Header.Get("Content-Disposition"); r.StatusCode != http.StatusOK || got != "attachment; filename=cod_exe.g" {
		t.Errorf("%s, %s", r.Status, got)
	}
}

func TestNotesAndProblemsOfTheDiskAreOnItsPage(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(images, "gpt.qed"))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte("EFI PART"))
	if at < 0 {
		t.Fatal("no GPT in the image")
	}
	b[at] = 'X' // the primary header; the backup is used
	text := body(t, get(damaged(t, b), "/"))
	if !strings.Contains(text, `<p class="note"><bdi>`) || !strings.Contains(text, `<a href="/files/p2/" data-row`) {
		t.Error(text)
	}
}
