package web

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"iter"
	"net/http"
	"strings"
	"sync"

	"github.com/dustin/go-humanize"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend/errs"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

//go:embed static
var static embed.FS

// pages are parsed when the first is asked for: most runs of the command show
// none. Whatever comes from an image is put on a page by bdi, in a title by
// text.
var pages = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{"bdi": bdi, "text": show.Text}).ParseFS(static, "static/*.html"))
})

// bdi is text from an image as a part of a page: what could pass for something
// else is shown as an escape, and its direction of writing ends with it.
func bdi(s string) template.HTML {
	return template.HTML("<bdi>" + template.HTMLEscapeString(show.Text(s)) + "</bdi>")
}

// page is what the templates show.
type page struct {
	Image    string // its name
	Crumbs   []crumb
	Problems []string
	Notes    []string

	Volumes []volume

	Rows  iter.Seq[row]
	Count string
	Turns *turns
}

// page begins a page about a path of the tree.
func (s *server) page(name string) *page { return &page{Image: s.Name, Crumbs: crumbs(name)} }

// Path is where a page is in the tree.
func (p *page) Path() string {
	if len(p.Crumbs) == 0 {
		return "."
	}
	return p.Crumbs[len(p.Crumbs)-1].path
}

// Title is the title of a page.
func (p *page) Title() string {
	if len(p.Crumbs) == 0 {
		return p.Image
	}
	return p.Path() + " in " + p.Image
}

// Tar is the address of what is shown as an archive.
func (p *page) Tar() string {
	if len(p.Crumbs) == 0 {
		return "/tar/"
	}
	return link("/tar/", p.Path())
}

// crumb is an element of a path, with the way to it.
type crumb struct{ Name, URL, path string }

func crumbs(name string) []crumb {
	if name == "." {
		return nil
	}
	var list []crumb
	for i := 0; i <= len(name); i++ {
		if i == len(name) || name[i] == '/' {
			list = append(list, crumb{name[strings.LastIndexByte(name[:i], '/')+1 : i], link("/files/", name[:i]), name[:i]})
		}
	}
	return list
}

// volume is a line of the first page.
type volume struct {
	imagefs.Volume
	URL      string // empty where it is not in the tree, or cannot be read
	Empty    string // why it is not in the tree
	Why      string // why it cannot be read
	Total    string
	Used     string
	Percent  int
	Notes    []string
	PartName string
}

// volumes shows what is on the disk, and what may be missing.
func (s *server) volumes(w http.ResponseWriter, _ *http.Request) {
	p := s.page(".")
	volumes, err := s.Disk.Volumes()
	problems, _ := s.Disk.Problems() // its error is that of Volumes
	for _, err := range append(problems, err) {
		if err != nil {
			p.Problems = append(p.Problems, reason(err))
		}
	}
	for _, v := range volumes {
		p.Volumes = append(p.Volumes, newVolume(v))
	}
	for _, n := range s.Notes() {
		if n.Volume == "" { // those of a volume stand beside it
			p.Notes = append(p.Notes, n.Text)
		}
	}
	s.render(w, http.StatusOK, "volumes", p)
}

func newVolume(of imagefs.Volume) volume {
	v := volume{Volume: of, Total: humanize.IBytes(uint64(of.Size))}
	if of.Partition != nil {
		v.PartName = of.Partition.Name
	}
	fsys, err := of.FS()
	switch {
	case errors.Is(err, imagefs.ErrNoFiles):
		v.Empty = reason(err)
		return v
	case err != nil:
		v.Why = reason(err)
		return v
	}
	v.URL = link("/files/", v.Name)
	info := fsys.Info()
	v.Notes = info.Notes
	if used := info.Size - info.Free; info.Size > 0 && used >= 0 && used <= info.Size {
		v.Used = humanize.IBytes(uint64(used))
		v.Percent = int(float64(used) * 100 / float64(info.Size))
	}
	return v
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

// render writes a page.
func (s *server) render(w http.ResponseWriter, code int, name string, p *page) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	err := pages().ExecuteTemplate(w, name, p)
	if a, ok := w.(*answer); err != nil && (!ok || a.err == nil) { // else the client is gone
		s.problem(p.Path(), fmt.Errorf("page: %w", err))
	}
}
