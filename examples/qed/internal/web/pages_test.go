package web_test

import (
	"archive/zip"
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/examples/qed/internal/web"
)

// namesOn are the names of a page's rows.
func namesOn(page string) (names []string) {
	for _, m := range regexp.MustCompile(`data-row><bdi>(.*?)</bdi>`).FindAllStringSubmatch(page, -1) {
		names = append(names, m[1])
	}
	return names
}

func wants(tb testing.TB, target, text string, want ...string) {
	tb.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			tb.Errorf("%s: no %s in\n%s", target, w, text)
		}
	}
}

func TestDirectoriesAreSortedAndFiltered(t *testing.T) {
	h := open(t, "gpt.qed")
	for target, want := range map[string][]string{
		"/files/p2/etc":                               {"app", "hello", "hostname", "os-release"},
		"/files/p2/etc?order=desc":                    {"app", "os-release", "hostname", "hello"},
		"/files/p2/etc?sort=size":                     {"app", "hostname", "hello", "os-release"},
		"/files/p2/etc?sort=size&order=desc":          {"app", "os-release", "hello", "hostname"},
		"/files/p2/etc?filter=S":                      {"hostname", "os-release"},
		"/files/p2/etc?filter=*e":                     {"hostname", "os-release"},
		"/files/p2/etc?filter=s&sort=size&order=desc": {"os-release", "hostname"},
		"/files/p2/etc?filter=nothing":                nil,
		"/files/p2/etc?filter=%5C":                    nil,
		"/os/p2/files/etc?filter=app":                 {"app"},
		"/search/p2/etc?name=host":                    {"hostname"},
		"/search/p2/etc?name=*.yaml":                  {"app/config.yaml"},
		"/search/p2":                                  nil,
		"/os/p2/search/?name=os-rel":                  {"etc/os-release"},
	} {
		r := get(h, target)
		if got := namesOn(body(t, r)); !slices.Equal(got, want) || r.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %q, want %q", target, r.Status, got, want)
		}
	}
	for target, want := range map[string]int{
		"/files/p2/etc?sort=colour": 404, "/search/p2/nothing?name=a": 404,
		"/files/p2/etc?filter=S&page=2": 404,
	} {
		if r := get(h, target); r.StatusCode != want {
			t.Errorf("%s: %s, want %d", target, r.Status, want)
		}
	}
	text := body(t, get(h, "/files/p2/etc?sort=size&order=desc&filter=s"))
	wants(t, "the form", text, `name="filter" value="s"`, `<input type="hidden" name="sort" value="size">`, `<input type="hidden" name="order" value="desc">`,
		`aria-sort="descending"><a href="/files/p2/etc/?filter=s&amp;sort=size">Size`, "2 of 1 directory, 3 files")
}

func TestDetailsSayAllThatTheFilesystemDoes(t *testing.T) {
	h := open(t, "gpt.qed")
	wants(t, "a file", body(t, get(h, "/details/p2/etc/hostname")), "<bdi>regular file</bdi>", "<bdi>8 bytes</bdi>", "Inode", "Links", "Modified", "Accessed", "Changed",
		"<bdi>example</bdi>", "Extents", `href="/files/p2/etc/hostname">Download`)
	link := body(t, get(h, "/details/p2/etc/hello"))
	wants(t, "a link", link, "<bdi>symbolic link</bdi>", `Leads to <a href="/files/p2/etc/hello"><bdi>../usr/bin/hello</bdi>`)
	wants(t, "a directory", body(t, get(h, "/details/p2/etc")), "<bdi>directory</bdi>", `href="/zip/p2/etc"`)
	sparse := body(t, get(h, "/details/p2/var/log/sparse"))
	wants(t, "a sparse file", sparse, `<span class="faint">hole</span>`, "00000000  00 00", "0004aff0  ")
	if strings.Contains(sparse, "00001000  ") {
		t.Error("the middle of a large file is shown")
	}
	part := body(t, get(h, "/details/p2/var/log/sparse?as=hex&at=4096"))
	wants(t, "a part", part, "00001000  00", `rel="prev" href="/details/p2/var/log/sparse?as=hex&amp;at=0"`, `rel="next" href="/details/p2/var/log/sparse?as=hex&amp;at=8192"`)
	if n := strings.Count(part, "|................|"); n != 256 {
		t.Errorf("a part has %d lines", n)
	}
	for target, want := range map[string]string{
		"/details/p2/etc/hostname?as=picture": "cannot be shown in this way", "/details/p2/etc/hostname?as=hex&at=8": "no such part", "/details/p2/etc/hostname?as=text&at=-1": "no such part",
	} {
		r := get(h, target)
		if wants(t, target, body(t, r), want); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", target, r.Status)
		}
	}
}

func TestOnlyPicturesAndPDFsAreSentAsWhatTheyAre(t *testing.T) {
	h := open(t, "gpt.qed")
	r := get(h, "/raw/p2/etc/hostname")
	if r.StatusCode != http.StatusUnsupportedMediaType || !strings.HasPrefix(r.Header.Get("Content-Security-Policy"), "sandbox;") {
		t.Errorf("%s, %v", r.Status, r.Header)
	}
}

func TestASystemIsDescribed(t *testing.T) {
	h := openGuest(t, "debian.qed", func(string, error) {})
	text := body(t, get(h, "/"))
	wants(t, "/", text, `href="/os/p3/" data-row`, "2 packages")
	wants(t, "/os", body(t, get(h, "/os/p3/")), "Distribution", "<bdi>debian</bdi>", `href="/os/p3/packages"`, "<bdi>LABEL=nowhere</bdi>", "no such device on this disk", "<bdi>root</bdi>")
	packages := body(t, get(h, "/os/p3/packages?filter=libc"))
	wants(t, "packages", packages, "<bdi>libc6</bdi>", "<bdi>2.36-9+deb12u4</bdi>", "1 package<")
	root := body(t, get(h, "/os/p3/files/"))
	wants(t, "root", root, `href="/os/p3/files/etc/"`, `href="/os/p3/"><bdi>p3</bdi></a>`)
	for _, target := range []string{"/os/p9/", "/os/p9/files/etc", "/os/p9/packages", "/os/p3/files/nothing", "/os/p3/packages?page=2"} {
		if r := get(h, target); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", target, r.Status)
		}
	}
}

func openGuest(tb testing.TB, image string, problem func(string, error)) http.Handler {
	tb.Helper()
	disk, err := imagefs.Open(filepath.Join(images, "guest", image), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { disk.Close() })
	return (&web.Site{Name: image, Disk: disk, Problem: problem}).Handler()
}

func TestWhatAGuestLacksIsSaidWhereItWouldBe(t *testing.T) {
	var told []string
	h := openGuest(t, "debian.qed", func(path string, _ error) { told = append(told, path) })
	wants(t, "mnt", body(t, get(h, "/os/p3/files/mnt")), `<p class="problem" role="alert"><bdi>`, "no such device on this disk")
	if !slices.Contains(told, "/mnt") {
		t.Errorf("told of %q", told)
	}
	l := propfind(t, h, "/os/p3/files/mnt/", "1", "")
	last := l.Responses[len(l.Responses)-1]
	if last.Href != "/os/p3/files/mnt/LEFT-OUT.txt" || last.Description == "" {
		t.Fatalf("%+v", l)
	}
	if r := get(h, last.Href, "Accept", "*/*"); r.StatusCode < 400 || !strings.Contains(body(t, r), "no such device") {
		t.Errorf("it can be had: %s", r.Status)
	}
	text := body(t, get(h, "/os/p3/space/"))
	wants(t, "space", text, `<p class="problem" role="alert"><bdi>/mnt`, "no such device")
	r := get(h, "/os/p3/zip/mnt")
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if name := z.File[len(z.File)-1].Name; name != "LEFT-OUT.txt" || r.Header.Get("Content-Disposition") != "attachment; filename=mnt.zip" {
		t.Errorf("the archive ends with %s, %v", name, r.Header)
	}
	wants(t, "after the archive", body(t, get(h, "/os/p3/files/mnt")), "The last archive of this directory lacks")
	if text := body(t, get(h, "/os/p3/files/etc")); strings.Contains(text, "The last archive") {
		t.Error("another directory says it, too")
	}
}

func TestSpaceIsWhatIsAllocated(t *testing.T) {
	h := open(t, "gpt.qed")
	text := body(t, get(h, "/space/p2"))
	wants(t, "space", text, `<svg class="treemap"`, `href="/space/p2/etc"`, "<title>etc</title>")
	names := namesOn(text)
	if !slices.Contains(names, "var") || !slices.Contains(names, "etc") {
		t.Errorf("%q", names)
	}
	if names := namesOn(body(t, get(h, "/space/p2/etc"))); !slices.Contains(names, "app") || !slices.Contains(names, "hostname") {
		t.Errorf("%q", names)
	}
}

func TestAFileThatCannotBeReadIsAnError(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(images, "gpt.qed"))
	if err != nil {
		t.Fatal(err)
	}
	content := `NAME="Example Linux"`
	at := bytes.Index(b, []byte(content))
	if at < 0 {
		t.Fatal("the file is not in the image")
	}
	var told []string
	h := faultyQED(t, b, int64(at), func(path string, _ error) { told = append(told, path) })
	r := get(h, "/files/p2/etc/os-release")
	if text := body(t, r); r.StatusCode != http.StatusInternalServerError || !strings.Contains(text, "medium error") || r.Header.Get("Content-Disposition") != "" ||
		!strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") || !strings.Contains(r.Header.Get("Content-Security-Policy"), "style-src") {
		t.Errorf("%s, %v, %s", r.Status, r.Header, text)
	}
	if !slices.Contains(told, "p2/etc/os-release") {
		t.Errorf("told of %q", told)
	}
	wants(t, "details", body(t, get(h, "/details/p2/etc/os-release")), `<p class="problem" role="alert"><bdi>`, "medium error", "Inode")
}
