package web_test

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/examples/qed/internal/web"
)

const manyFiles = 20_000

// owned is what a page says once something of the image has run.
const owned = "document.title='owned';alert(1)"

const document = `%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(app.alert\(1\))>>>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]>>endobj
trailer<</Root 1 0 R>>
`

// guestTree makes a tree of what a page has to show, and of what should not run
// on it.
func guestTree(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	write := func(name, text string) {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	write("etc/os-release", "ID=example\nVERSION_ID=1\nPRETTY_NAME='Example <b>Linux</b> \u202e1'\n")
	write("etc/fstab", "/dev/vda1 / ext4 defaults 0 1\nUUID=0-0 /data<i> ext4 defaults 0 2\nproc /proc proc defaults 0 0\n")
	write("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n<i>u</i>:x:1000:1000::/home/u:/bin/<script>"+owned+"</script>\n")
	write("etc/hostname", "<script>"+owned+"</script>\n")
	write("var/lib/dpkg/status", "Package: <b>hello</b>\nStatus: install ok installed\nVersion: 1.0\nArchitecture: amd64\n\n")
	write("hostile/<img src=x onerror="+strings.ReplaceAll(owned, "/", "")+">", "x")
	write("hostile/cod\u202eexe.gpj", "x")
	write("hostile/new\nline", "x")
	write("hostile/\xff\xfebytes", "x")
	write(`hostile/a&b"c'd \ ?#%25`, "x")
	write("hostile/page.html", "<script>"+owned+"</script>")
	write("hostile/picture.svg", `<svg xmlns="http://www.w3.org/2000/svg"><script>`+owned+`</script></svg>`)
	write("hostile/script.js", owned)
	write("docs/text", "one\r\ntwo\ttab\r\n\x1b[31mred \u202eevil <script>"+owned+"</script>\n\xff\n")
	write("docs/document", document)
	write("docs/empty", "")
	var log strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&log, "line %05d of a long file\n", i)
	}
	write("docs/log", log.String())
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 300, 100))); err != nil {
		tb.Fatal(err)
	}
	write("docs/picture", picture.String())
	for from, to := range map[string]string{"docs/up": "..", "docs/link": "log", "docs/nowhere": "/nowhere"} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// guestImage is a filesystem of a tree in a file.
func guestImage(tb testing.TB, tree string) string {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "guest.img")
	oracle.Run(tb, "mkfs.ext4", "-q", "-L", "la<b>el", "-N", "40000", "-d", tree, name, "200M")
	return name
}

// addMany puts a large directory into an image: mkfs takes a minute for one that
// the kernel fills in a second.
func addMany(tb testing.TB, name string) {
	tb.Helper()
	dir := tb.TempDir()
	oracle.Run(tb, "mount", "-o", "loop", name, dir)
	defer oracle.Run(tb, "umount", dir)
	if err := os.Mkdir(filepath.Join(dir, "many"), 0o755); err != nil {
		tb.Fatal(err)
	}
	for i := range manyFiles {
		if err := os.WriteFile(filepath.Join(dir, "many", fmt.Sprintf("file-%05d.txt", i)), []byte(strings.Repeat("x", i%7)), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
}

// serveGuest serves a disk of a raw file.
func serveGuest(tb testing.TB, name string) string {
	tb.Helper()
	disk, err := imagefs.Open(name, &imagefs.Options{Format: imagefs.FormatRaw})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { disk.Close() })
	s := &web.Site{
		Name: "guest.img", Disk: disk,
		Map: func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9"/><script>`+owned+`</script></svg>`)
			return err
		},
	}
	server := httptest.NewServer(s.Handler())
	tb.Cleanup(server.Close)
	return server.URL
}

func TestInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser asks one thing after another, and shows no race")
	}
	oracle.Tool(t, "chromium")
	start := time.Now()
	name := guestImage(t, guestTree(t))
	addMany(t, name)
	url := serveGuest(t, name)
	t.Log("image made in", time.Since(start))
	b := startBrowser(t)
	t.Log("browser started after", time.Since(start))
	t.Cleanup(func() { t.Log("after", time.Since(start)) })
	for _, test := range []struct {
		name string
		run  func(*testing.T, *browser, string)
	}{
		{"a listing of 20,000 files comes in pages", listsInPages},
		{"pages have no barriers and fit", hasNoBarriers},
		{"nothing of the image runs", runsNothing},
		{"it can be used without scripts", worksWithoutScripts},
		{"keys move between rows", movesByKeys},
		{"a picture and a text are shown", showsContents},
	} {
		t.Run(test.name, func(t *testing.T) {
			b.t = t
			b.look(1280, "light")
			test.run(t, b, url)
		})
	}
}

func listsInPages(t *testing.T, b *browser, url string) {
	quickest := func(page string) float64 {
		least := 1e9
		for range 3 { // other work goes on beside a test
			b.open(url + page)
			var took float64
			b.eval("performance.getEntriesByType('navigation')[0].loadEventEnd", &took)
			if t.Logf("%s: %.0f ms", page, took); took > 0 {
				least = min(least, took)
			}
		}
		return least
	}
	for _, page := range []string{"/files/disk/many/?sort=size&order=desc", "/files/disk/many"} {
		t.Logf("%s: %.0f ms at best, of 1000 that it should take", page, quickest(page))
	}
	if got := b.text("document.querySelectorAll('tbody tr').length"); got != "250" {
		t.Errorf("%s rows", got)
	}
}

// pagesOfGuest are one of each kind of page.
var pagesOfGuest = map[string]string{
	"start": "/", "directory": "/files/disk/docs", "hostile": "/files/disk/hostile", "many": "/files/disk/many?sort=time",
	"text": "/details/disk/docs/text", "hex": "/details/disk/docs/log?as=hex", "log": "/details/disk/docs/log", "picture": "/details/disk/docs/picture",
	"link": "/details/disk/docs/link", "empty": "/details/disk/docs/empty", "search": "/search/disk?name=e", "space": "/space/disk",
	"map": "/map", "system": "/os/disk/", "packages": "/os/disk/packages", "root": "/os/disk/files/", "error": "/files/disk/nothing",
}

func hasNoBarriers(t *testing.T, b *browser, url string) {
	axe, err := os.ReadFile(oracle.File(t, "../../../../.ci/axe/node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	for name, page := range pagesOfGuest {
		start := time.Now()
		for _, screen := range []struct {
			width  int
			scheme string
		}{{1280, "light"}, {1280, "dark"}, {500, "light"}, {400, "light"}, {400, "dark"}} {
			b.look(screen.width, screen.scheme)
			b.open(url + page)
			b.shoot(fmt.Sprintf("%s-%d-%s", name, screen.width, screen.scheme))
			if got := b.text("document.documentElement.scrollWidth - document.documentElement.clientWidth"); got != "0" {
				t.Errorf("%s is %s wider than a screen of %d", page, got, screen.width)
			}
			if (screen.width == 1280) != (screen.scheme == "light") {
				continue
			}
			b.eval(string(axe)+";0", nil)
			var found string
			b.eval(`axe.run().then(r => JSON.stringify(r.violations.map(v => [v.id, v.nodes.slice(0, 3).map(n => n.html + n.failureSummary)])))`, &found)
			if found != "[]" {
				t.Errorf("%s, %d, %s: %s", page, screen.width, screen.scheme, found)
			}
		}
		t.Log(page, time.Since(start))
	}
}

func runsNothing(t *testing.T, b *browser, url string) {
	const hostile = "/disk/hostile/"
	pages := []string{
		"/files/disk/hostile/page.html?view", "/files/disk/hostile/script.js?view", "/raw/disk/hostile/picture.svg", "/raw/disk/hostile/page.html", "/map.svg",
		"/details" + hostile + "page.html", "/details" + hostile + "picture.svg", "/details/disk/docs/document", "/search/disk?name=%3Cscript%3Ealert(1)%3C/script%3E",
		"/files/disk/hostile/?filter=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "/raw/disk/docs/document",
	}
	for _, page := range pagesOfGuest {
		pages = append(pages, page)
	}
	for _, page := range pages {
		b.open(url + page)
		if title := b.text("document.title"); strings.Contains(title, "owned") {
			t.Errorf("%s has run something", page)
		}
		for _, said := range b.said {
			if !strings.Contains(said, "Failed to load resource") && !strings.Contains(said, "Blocked script execution") && page != "/raw/disk/docs/document" { // an error's status is one, too
				t.Errorf("%s: %s", page, said)
			}
		}
		if got := b.text("document.querySelectorAll('body script, img[onerror], dd i, td i').length"); got != "0" {
			t.Errorf("%s has %s elements of the image", page, got)
		}
	}
	// Even markup that got into a page could not run a script of the image.
	b.open(url + "/files/disk/hostile")
	b.eval(`new Promise(done => { const s = document.createElement("script"); s.src = "/files/disk/hostile/script.js?view"; s.onerror = s.onload = done; document.body.append(s); }).then(() => 0)`, nil)
	if title := b.text("document.title"); strings.Contains(title, "owned") {
		t.Error("a script of the image ran")
	}
}

func worksWithoutScripts(t *testing.T, b *browser, url string) {
	b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	defer b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": false}, nil)
	b.open(url + "/files/disk/many")
	b.follow(`document.querySelector('[name=filter]').value = '1999'; document.querySelector('form').submit()`)
	if got := b.text("[...document.querySelectorAll('tbody .name')].map(e => e.innerText.trim())"); got != "file-01999.txt,file-11999.txt,"+
		"file-19990.txt,file-19991.txt,file-19992.txt,file-19993.txt,file-19994.txt,file-19995.txt,file-19996.txt,file-19997.txt,file-19998.txt,file-19999.txt" {
		t.Error(got)
	}
	b.follow(`document.querySelector('th:nth-child(2) a').click()`)
	if got := b.text("document.querySelector('tbody .number').title + ' ' + document.querySelector('[aria-sort]').ariaSort + ' ' + document.querySelector('[name=filter]').value"); got != "6 bytes descending 1999" {
		t.Error(got)
	}
	b.follow(`document.querySelector('tbody .name a').click()`)
	if got := b.text("document.querySelector('pre').innerText"); got != "xxxxxx" {
		t.Error(got)
	}
}

func movesByKeys(t *testing.T, b *browser, url string) {
	b.open(url + "/files/disk/many")
	here := func() string { return b.text("document.activeElement.innerText") }
	for _, step := range []struct{ key, want string }{
		{"j", "file-00000.txt"}, {"ArrowDown", "file-00001.txt"}, {"j", "file-00002.txt"}, {"k", "file-00001.txt"},
		{"End", "file-00249.txt"}, {"ArrowUp", "file-00248.txt"}, {"Home", "file-00000.txt"},
	} {
		if b.key(step.key); here() != step.want {
			t.Errorf("%s leads to %q, want %s", step.key, here(), step.want)
		}
	}
	b.loaded = false
	b.key("n")
	b.wait()
	if b.key("j"); here() != "file-00250.txt" {
		t.Errorf("the next page begins with %q", here())
	}
	if b.key("/"); b.text("document.activeElement.name") != "filter" {
		t.Error("/ does not lead to the filter")
	}
	if b.key("j"); b.text("document.activeElement.value") != "j" {
		t.Error("a letter does not go into the filter")
	}
	b.key("Escape")
	b.loaded = false
	b.key("u")
	b.wait()
	if got := b.text("location.pathname"); got != "/files/disk" {
		t.Errorf("u leads to %s", got)
	}
	if b.key("?"); b.text("document.getElementById('keys').hidden") != "false" {
		t.Error("? shows no help")
	}
}

func showsContents(t *testing.T, b *browser, url string) {
	b.open(url + "/details/disk/docs/picture")
	if got := b.text("document.querySelector('img').naturalWidth"); got != "300" {
		t.Errorf("a picture of %s", got)
	}
	b.open(url + "/details/disk/docs/text")
	if got := b.text("document.querySelector('pre').innerText"); got != "one\ntwo\ttab\n\\x1b[31mred \\u202eevil <script>"+owned+"</script>\n\\xff\n" {
		t.Errorf("%q", got)
	}
	b.open(url + "/details/disk/docs/log")
	const head, tail = "line 02520 of a ", "ne 09999 of a long file\n"
	if got := b.text("[...document.querySelectorAll('pre')].map(p => p.innerText.slice(0, 10) + '...' + p.innerText.slice(-24)).join('|')"); !strings.HasPrefix(got, "line 00000...") || !strings.HasSuffix(got, tail) || !strings.Contains(got, head) {
		t.Errorf("%q", got)
	}
	if got := b.text("document.querySelector('.skipped').innerText"); got != "178,080 bytes are not shown: go on from here" {
		t.Errorf("%q", got)
	}
	b.follow("document.querySelector('.skipped a').click()")
	if got := b.text("document.querySelector('pre').innerText.slice(0, 20)"); got != "long file\nline 02521" {
		t.Errorf("the part after the head begins with %q", got)
	}
}

func TestEmbeddedPDFsMayShowThemselvesAndNothingElse(t *testing.T) {
	url := serveGuest(t, guestImage(t, smallTree(t)))
	r, err := http.Get(url + "/raw/disk/document")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || crc32.ChecksumIEEE(b) != crc32.ChecksumIEEE([]byte(document)) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	policy := r.Header.Get("Content-Security-Policy")
	if r.Header.Get("Content-Type") != "application/pdf" || r.Header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "script-src 'none'") || !strings.Contains(policy, "frame-ancestors 'self'") {
		t.Errorf("%v", r.Header)
	}
}

func smallTree(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "document"), []byte(document), 0o644); err != nil {
		tb.Fatal(err)
	}
	return dir
}
