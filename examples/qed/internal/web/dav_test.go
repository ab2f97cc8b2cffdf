package web_test

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listed is an answer to PROPFIND, as far as the tests look at it.
type listed struct {
	Responses []struct {
		Href        string `xml:"href"`
		Description string `xml:"responsedescription"`
		Stats       []struct {
			Status string `xml:"status"`
			Prop   struct {
				Collection *struct{} `xml:"resourcetype>collection"`
				Length     string    `xml:"getcontentlength"`
				Modified   string    `xml:"getlastmodified"`
				Name       string    `xml:"displayname"`
				Any        []struct {
					XMLName xml.Name
				} `xml:",any"`
			} `xml:"prop"`
		} `xml:"propstat"`
	} `xml:"response"`
}

func (l *listed) hrefs() (list []string) {
	for _, r := range l.Responses {
		list = append(list, r.Href)
	}
	return list
}

func dav(h http.Handler, method, target, depth, body string) *http.Response {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "127.0.0.1:8080"
	if depth != "" {
		r.Header.Set("Depth", depth)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func propfind(tb testing.TB, h http.Handler, target, depth, request string) *listed {
	tb.Helper()
	r := dav(h, "PROPFIND", target, depth, request)
	text := body(tb, r)
	if r.StatusCode != http.StatusMultiStatus {
		tb.Fatalf("%s: %s, %s", target, r.Status, text)
	}
	l := new(listed)
	if err := xml.Unmarshal([]byte(text), l); err != nil {
		tb.Fatalf("%s: %v in\n%s", target, err, text)
	}
	return l
}

func TestWebDAVListsVolumesSystemsAndFiles(t *testing.T) {
	h := open(t, "gpt.qed")
	for target, want := range map[string][]string{
		"/":              {"/", "/files/", "/os/"},
		"/os/":           {"/os/", "/os/p2/"},
		"/os/p2/":        {"/os/p2/", "/os/p2/files/"},
		"/files/":        {"/files/", "/files/p1/", "/files/p2/"},
		"/files/p2/etc/": {"/files/p2/etc/", "/files/p2/etc/app/", "/files/p2/etc/greeting", "/files/p2/etc/hostname", "/files/p2/etc/os-release"},
	} {
		got := propfind(t, h, target, "1", "").hrefs()
		if !slices.Equal(got, want) && target != "/files/p2/etc/" || len(got) != len(want) {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
		if got := propfind(t, h, target, "0", "").hrefs(); !slices.Equal(got, want[:1]) {
			t.Errorf("%s by itself: %q", target, got)
		}
	}
}

func TestWebDAVSaysWhatIsAskedFor(t *testing.T) {
	h := open(t, "gpt.qed")
	l := propfind(t, h, "/files/p2/etc/hostname", "0", `<?xml version="1.0"?><propfind xmlns="DAV:"><prop><getcontentlength/><x:mine xmlns:x="urn:a&quot;b"/><resourcetype/></prop></propfind>`)
	stats := l.Responses[0].Stats
	if len(stats) != 2 || stats[0].Status != "HTTP/1.1 200 OK" || stats[0].Prop.Length != "8" || stats[0].Prop.Modified != "" || stats[0].Prop.Collection != nil {
		t.Errorf("%+v", stats)
	}
	if len(stats) == 2 && (stats[1].Status != "HTTP/1.1 404 Not Found" || len(stats[1].Prop.Any) != 1 || stats[1].Prop.Any[0].XMLName != xml.Name{Space: `urn:a"b`, Local: "mine"}) {
		t.Errorf("%+v", stats[1])
	}
	names := propfind(t, h, "/files/p2/etc/hostname", "0", `<propfind xmlns="DAV:"><propname/></propfind>`).Responses[0].Stats[0].Prop
	if names.Length != "" || names.Name != "" {
		t.Errorf("names alone have values: %+v", names)
	}
	all := propfind(t, h, "/files/p2/etc", "0", `<propfind xmlns="DAV:"><allprop/></propfind>`).Responses[0].Stats[0].Prop
	if all.Collection == nil || all.Name != "etc" || all.Modified == "" || all.Length != "" {
		t.Errorf("%+v", all)
	}
}

func TestWebDAVReadsAndNothingElse(t *testing.T) {
	h := open(t, "gpt.qed")
	for _, method := range []string{"PUT", "DELETE", "MKCOL", "MOVE", "COPY", "LOCK", "UNLOCK", "PROPPATCH", "POST", "PATCH"} {
		r := dav(h, method, "/files/p2/etc/hostname", "", "")
		if r.StatusCode != http.StatusMethodNotAllowed || !strings.Contains(r.Header.Get("Allow"), "PROPFIND") {
			t.Errorf("%s: %s, allowed are %s", method, r.Status, r.Header.Get("Allow"))
		}
	}
	for _, target := range []string{"/", "/files/p2/etc/hostname", "/os/p2/files/"} {
		r := dav(h, "OPTIONS", target, "", "")
		if r.StatusCode != http.StatusOK || r.Header.Get("DAV") != "1" || r.Header.Get("Allow") != "OPTIONS, GET, HEAD, PROPFIND" {
			t.Errorf("%s: %s, %v", target, r.Status, r.Header)
		}
	}
}

func TestWebDAVRefusesWhatItCannotAnswer(t *testing.T) {
	h := open(t, "gpt.qed")
	for _, test := range []struct {
		target, depth, body string
		want                int
	}{
		{"/files/p2", "infinity", "", http.StatusForbidden},
		{"/files/p2", "", "", http.StatusForbidden},
		{"/files/p2", "1", "<propfind xmlns='DAV:'>", http.StatusBadRequest},
		{"/files/p2", "1", "<propfind xmlns='DAV:'/>", http.StatusBadRequest},
		{"/files/p2", "1", "<other xmlns='DAV:'/>", http.StatusBadRequest},
		{"/files/p2", "1", "<propfind xmlns='DAV:'><prop>" + strings.Repeat("<a/>", 20_000) + "</prop></propfind>", http.StatusBadRequest},
		{"/files/p2/nothing", "1", "", http.StatusNotFound},
		{"/files/p9", "0", "", http.StatusNotFound},
		{"/os/p9/", "0", "", http.StatusNotFound},
	} {
		if r := dav(h, "PROPFIND", test.target, test.depth, test.body); r.StatusCode != test.want {
			t.Errorf("%s, depth %q, %.40s: %s, want %d", test.target, test.depth, test.body, r.Status, test.want)
		}
	}
}

func TestWebDAVShowsVolumesThatCannotBeRead(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(images, "gpt.qed"))
	if err != nil {
		t.Fatal(err)
	}
	magic := bytes.Index(b, []byte("\x53\xef\x01\x00\x01\x00"))
	copy(b[magic+0x28:], "\xf7\xff\xff\xff") // s_feature_incompat
	h := damaged(t, b)
	l := propfind(t, h, "/files/", "1", "")
	if got := l.hrefs(); !slices.Equal(got, []string{"/files/", "/files/p1/", "/files/p2/"}) {
		t.Fatalf("%q", got)
	}
	if p2 := l.Responses[2]; p2.Description == "" || p2.Stats[0].Prop.Collection == nil || p2.Stats[0].Status != "HTTP/1.1 200 OK" {
		t.Errorf("%+v", p2)
	}
	if r := dav(h, "PROPFIND", "/files/p2/", "1", ""); r.StatusCode != http.StatusNotImplemented || !strings.Contains(body(t, r), "feature") {
		t.Errorf("what is in it: %s", r.Status)
	}
}
