package web

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/dustin/go-humanize/english"

	"github.com/qedfs/qedfs/adapters/diskfs/guest"
)

// systemBase is what the addresses of a system begin with.
func systemBase(name string) string { return "/os/" + url.PathEscape(name) }

// system returns the system of a name.
func (s *server) system(name string) (*guest.System, error) {
	found, err := s.Systems()
	for _, sys := range found {
		if sys.Name == name {
			return sys, nil
		}
	}
	if err == nil {
		err = fs.ErrNotExist
	}
	return nil, fmt.Errorf("no system is named %s: %w", name, err)
}

// inspected is what a system is, once somebody asked.
type inspected struct {
	once sync.Once
	info *guest.Info
	err  error
}

func (s *server) inspected(of *guest.System) (*guest.Info, error) {
	s.mu.Lock()
	i := s.inspect[of.Name]
	if i == nil {
		i = new(inspected)
		s.inspect[of.Name] = i
	}
	s.mu.Unlock()
	i.once.Do(func() { i.info, i.err = of.Inspect() })
	return i.info, i.err
}

// systems describes the systems for the first page. What is wrong with a volume
// stands beside it already.
func (s *server) systems(volumes []volume) (list []systemRow, problems []error) {
	found, err := s.Systems()
	for _, sys := range found {
		info, err := s.inspected(sys)
		base := systemBase(sys.Name)
		r := systemRow{Name: sys.Name, URL: base + "/", Files: base + "/files/", Product: info.Product}
		if r.Product == "" {
			r.Product = strings.TrimSpace(info.Distro + " " + info.Version)
		}
		var facts []string
		for _, fact := range []string{string(info.Type), info.Arch, info.Hostname} {
			if fact != "" {
				facts = append(facts, fact)
			}
		}
		if n := len(info.Packages); n > 0 {
			facts = append(facts, english.Plural(n, "package", ""))
		}
		r.Facts = strings.Join(facts, ", ")
		r.Problems = len(reasons(err))
		for _, m := range info.Mounts {
			if m.Err != nil {
				r.Problems++
			}
		}
		list = append(list, r)
	}
	for _, err := range apart(err) {
		said := false
		for _, v := range volumes {
			said = said || v.Why != "" && strings.Contains(err.Error(), v.Name)
		}
		if !said {
			problems = append(problems, err)
		}
	}
	return list, problems
}

// apart are the errors that are joined in one.
func apart(err error) []error {
	var joined interface{ Unwrap() []error }
	switch {
	case err == nil:
		return nil
	case errors.As(err, &joined):
		return joined.Unwrap()
	}
	return []error{err}
}

// systemPage is what a system is.
type systemPage struct {
	Facts    []fact
	Files    string // address
	Packages string // address, "" where there are none
	Mounts   []mountRow
	Users    []guest.User
	Drives   []guest.Drive
	Kernels  []string
	Initrds  []string
}

type fact struct{ Label, Value string }

type mountRow struct {
	guest.Mount
	Options string
}

// about shows what a system is.
func (s *server) about(w http.ResponseWriter, r *http.Request) {
	at := place{tree: s.tree, path: "."}
	sys, err := s.system(r.PathValue("system"))
	if err != nil {
		s.fail(w, at, err)
		return
	}
	info, err := s.inspected(sys)
	at.base, at.tree = systemBase(sys.Name), sys.Root()
	v := s.page(at)
	v.Title = sys.Name + " in " + s.Name
	v.Crumbs = v.Crumbs[:1]
	v.Actions = []action{{"Files", at.link("files"), false}, {"Space", at.link("space"), false}}
	v.Problems = reasons(err)
	if err != nil {
		s.problem(sys.Name, err)
	}
	b := &systemPage{Users: info.Users, Drives: info.Drives, Kernels: info.Kernels, Initrds: info.Initrds, Files: at.link("files")}
	for _, f := range []fact{
		{"Product", info.Product}, {"Type", string(info.Type)}, {"Distribution", info.Distro}, {"Version", info.Version},
		{"Variant", info.Variant}, {"Build", info.Build}, {"Architecture", info.Arch}, {"Host name", info.Hostname},
		{"Time zone", info.TimeZone}, {"Init", info.Init}, {"Boot loader", info.BootLoader}, {"Root volume", info.Volume},
		{"Package format", info.PackageFormat}, {"Package manager", info.PackageManager},
	} {
		if f.Value != "" {
			b.Facts = append(b.Facts, f)
		}
	}
	if n := len(info.Packages); n > 0 {
		b.Packages = at.base + "/packages"
		b.Facts = append(b.Facts, fact{"Packages", strconv.Itoa(n)})
	}
	for _, m := range info.Mounts {
		b.Mounts = append(b.Mounts, mountRow{m, strings.Join(m.Options, ",")})
	}
	v.Body = b
	s.render(w, http.StatusOK, "system", v)
}

// packagesPage is the installed packages of a system.
type packagesPage struct {
	Rows   []guest.Package
	Count  string
	Filter string
	At     string
	Turns  *turns
}

func (s *server) packages(w http.ResponseWriter, r *http.Request) {
	at := place{tree: s.tree, path: "."}
	sys, err := s.system(r.PathValue("system"))
	if err != nil {
		s.fail(w, at, err)
		return
	}
	at.base, at.tree = systemBase(sys.Name), sys.Root()
	query := r.URL.Query()
	filter, err := pattern(query.Get("filter"))
	if err != nil {
		s.fail(w, at, fmt.Errorf("%w: %w", err, fs.ErrInvalid))
		return
	}
	info, err := s.inspected(sys)
	v := s.page(at)
	v.Crumbs = append(v.Crumbs[:1:1], crumb{"packages", at.base + "/packages"})
	v.Title = "Packages of " + sys.Name + " in " + s.Name
	v.Problems = reasons(err)
	list := info.Packages
	if filter != nil {
		list = nil
		for _, p := range info.Packages {
			if filter.Match(p.Name) {
				list = append(list, p)
			}
		}
	}
	number := pageNumber(r)
	if number < 1 || number > pagesOf(len(list)) {
		s.fail(w, at, fmt.Errorf("no such page: %w", fs.ErrNotExist))
		return
	}
	b := &packagesPage{Filter: query.Get("filter"), At: at.base + "/packages", Count: english.Plural(len(list), "package", "")}
	b.Turns = newTurns(b.At, query, number, len(list))
	b.Rows = list[(number-1)*pageRows : min(number*pageRows, len(list))]
	v.Body = b
	s.render(w, http.StatusOK, "packages", v)
}
