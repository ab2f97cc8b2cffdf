package web

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/examples/qed/internal/unixmode"
)

// maxView is the largest file that a page offers to show as text, in bytes.
const maxView = 8 << 20

// page is what the templates show.
type page struct {
	Site    *Site
	Crumbs  []crumb
	Volumes []volume
	Rows    []row
	Problem string
	Dirs    int
	Files   int
}

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
		return p.Site.Name
	}
	return p.Path() + " in " + p.Site.Name
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

// Count says what is in a directory.
func (p *page) Count() string {
	return english.Plural(p.Dirs, "directory", "") + ", " + english.Plural(p.Files, "file", "")
}

// volume is a line of the first page.
type volume struct {
	imagefs.Volume
	URL     string // empty where it cannot be read
	Why     string
	Total   string
	Used    string
	Percent int
	Notes   []string
}

// volumes shows what is on the disk.
func (s *Site) volumes(w http.ResponseWriter, _ *http.Request) {
	p := &page{Site: s}
	for i := range s.Volumes {
		v := volume{Volume: s.Volumes[i], Total: humanize.IBytes(uint64(s.Volumes[i].Size))}
		fsys, err := s.Volumes[i].FS()
		if err != nil {
			v.Why = reason(err)
			p.Volumes = append(p.Volumes, v)
			continue
		}
		v.URL = link("/files/", v.Name)
		info := fsys.Info()
		v.Notes = info.Notes
		if used := info.Size - info.Free; info.Size > 0 && used >= 0 && used <= info.Size {
			v.Used = humanize.IBytes(uint64(used))
			v.Percent = int(float64(used) * 100 / float64(info.Size))
		}
		p.Volumes = append(p.Volumes, v)
	}
	s.render(w, http.StatusOK, "volumes", p)
}

func reason(err error) string {
	if errors.Is(err, imagefs.ErrNoFilesystem) {
		return "no filesystem"
	}
	if errors.Is(err, imagefs.ErrUnsupported) {
		return "not a filesystem that can be read here"
	}
	return err.Error()
}

// row is a file in a directory.
type row struct {
	Name, URL, View  string
	Kind             string // dir, link, file or other
	Target           string
	Size, Bytes      string
	Mode, Owner      string
	Time, TimeMoment string
}

// directory shows a directory, and what is wrong with it.
func (s *Site) directory(w http.ResponseWriter, name string) {
	list, err := s.Tree.ReadDir(name)
	p := &page{Site: s, Crumbs: crumbs(name)}
	if err != nil {
		p.Problem = err.Error()
		var pe *fs.PathError
		if errors.As(err, &pe) {
			p.Problem = pe.Err.Error()
		}
	}
	// Directories first; both parts are in order already.
	slices.SortStableFunc(list, func(a, b fs.DirEntry) int {
		return rank(a) - rank(b)
	})
	for _, d := range list {
		p.Rows = append(p.Rows, s.row(name+"/"+d.Name(), d))
		if d.IsDir() {
			p.Dirs++
		} else {
			p.Files++
		}
	}
	s.render(w, http.StatusOK, "directory", p)
}

func rank(d fs.DirEntry) int {
	if d.IsDir() {
		return 0
	}
	return 1
}

func (s *Site) row(name string, d fs.DirEntry) row {
	r := row{Name: d.Name(), URL: link("/files/", name), Kind: "other"}
	info, err := d.Info()
	if err != nil {
		r.Target = "damaged"
		return r
	}
	st := info.Sys().(*imagefs.Stat)
	r.Mode, r.Owner = unixmode.String(info.Mode()), fmt.Sprintf("%d:%d", st.UID, st.GID)
	if !st.Mtime.IsZero() {
		r.Time, r.TimeMoment = st.Mtime.Local().Format("2006-01-02 15:04"), st.Mtime.UTC().Format(time.RFC3339)
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		r.Kind = "dir"
		r.URL += "/"
	case fs.ModeSymlink:
		r.Kind = "link"
		if r.Target, err = s.Tree.ReadLink(name); err != nil {
			r.Target = "damaged"
		}
		r.Target = strings.ToValidUTF8(r.Target, "\uFFFD")
	case 0:
		r.Kind = "file"
		r.Size = humanize.IBytes(uint64(max(st.Size, 0)))
		r.Bytes = strconv.FormatInt(st.Size, 10)
		if st.Size <= maxView {
			r.View = r.URL + "?view"
		}
	}
	return r
}
