package web

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"sync"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend/errs"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

//go:embed static
var static embed.FS

// pages are parsed when the first is asked for: most runs of the command show
// none. Whatever comes from an image is put on a page by bdi, and where markup
// cannot stand (titles, attributes, pictures) by text.
var pages = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"bdi": bdi, "text": show.Text, "lines": lines, "keysHash": keysHash,
	}).ParseFS(static, "static/*.html"))
})

// keysHash is the hash of the script, as policies and pages have it.
var keysHash = sync.OnceValue(func() string {
	b, err := static.ReadFile("static/keys.js")
	if err != nil {
		panic(err) // it is part of the program
	}
	sum := sha256.Sum256(b)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
})

// bdi is text from an image as a part of a page: what could pass for something
// else is shown as an escape, and its direction of writing ends with it.
func bdi(s string) template.HTML { return isolated(show.Text(s)) }

func isolated(shown string) template.HTML {
	return template.HTML("<bdi>" + template.HTMLEscapeString(shown) + "</bdi>")
}

// lines is bdi for text of several lines, each by itself.
func lines(s string) template.HTML {
	var b strings.Builder
	for line := range strings.Lines(s) {
		end := ""
		if strings.HasSuffix(line, "\n") {
			line, end = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), "\n"
		}
		b.WriteString(string(isolated(show.Lines(line))) + end)
	}
	return template.HTML(b.String())
}

// page is what the templates show.
type page struct {
	Image    string // its name
	Title    string
	Crumbs   []crumb
	Actions  []action
	Problems []string
	Notes    []string
	Body     any

	at place
}

// action is a way from one page of a place to another.
type action struct {
	Label, URL string
	Here       bool // this is the page
}

// page begins a page about a place.
func (s *server) page(p place) *page {
	v := &page{Image: s.Name, Title: s.Name, Crumbs: p.crumbs(), at: p}
	if name := p.name(); name != "." {
		v.Title = name + " in " + s.Name
	}
	return v
}

// actions are what there is about a place beside the page that is shown.
func actions(p place, here string, dir bool) []action {
	list := []struct{ verb, label string }{{"files", "Files"}, {"details", "Details"}, {"space", "Space"}, {"tar", "tar"}, {"zip", "zip"}}
	if !dir {
		list = list[1:2]
	}
	var actions []action
	for _, a := range list {
		actions = append(actions, action{a.label, p.link(a.verb), a.verb == here})
	}
	return actions
}

// reason is an error as a page says it, which names the file or volume already.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) && err == error(pe) {
		err = pe.Err
	}
	var ve *imagefs.VolumeError
	if errors.As(err, &ve) && err == error(ve) {
		err = ve.Err
	}
	return errs.Message(err)
}

// reasons are the errors that are joined in one, each as reason has it.
func reasons(err error) []string {
	if err == nil {
		return nil
	}
	inner := err
	if pe, ok := err.(*fs.PathError); ok {
		inner = pe.Err
	}
	joined, ok := inner.(interface{ Unwrap() []error })
	if !ok || !strings.Contains(inner.Error(), "\n") {
		return []string{reason(err)}
	}
	var list []string
	for _, one := range joined.Unwrap() {
		list = append(list, reason(one))
	}
	return list
}

// render writes a page.
func (s *server) render(w http.ResponseWriter, code int, name string, p *page) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	err := pages().ExecuteTemplate(w, name, p)
	if a, ok := w.(*answer); err != nil && (!ok || a.err == nil) { // else the client is gone
		s.problem(p.at.name(), fmt.Errorf("page: %w", err))
	}
}

// Up is the address of the directory that the page is below.
func (p *page) Up() string {
	if n := len(p.Crumbs); n > 1 {
		return p.Crumbs[n-2].URL
	}
	return "/"
}
