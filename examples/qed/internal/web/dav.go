package web

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

// WebDAV (RFC 4918), class 1, as far as it reads. golang.org/x/net/webdav is not
// what answers here: it holds a directory's entries in memory with all that is
// known of them, looks each up again, and leaves entries out of a listing that
// it cannot read, or ends it there.
//
// WebDAV knows no links, so they are followed, as find -L does: one that leads
// to a directory that it lies in is listed as a file that cannot be had. So is
// whatever else cannot be read, for clients pass over an entry that has an
// error of its own; and a directory that is not whole has LEFT-OUT.txt in it, a
// file that cannot be had either. A client that copies everything fails on
// these, and has the rest.

// maxPropfind is the largest request that is read, in bytes.
const maxPropfind = 64 << 10

// davMethods are what is allowed.
const davMethods = "OPTIONS, GET, HEAD, PROPFIND"

func options(w http.ResponseWriter, _ *http.Request, _ place) {
	h := w.Header()
	h.Set("DAV", "1")
	h.Set("Allow", davMethods)
	h.Set("MS-Author-Via", "DAV") // Windows asks for it
}

var errLoop = errors.New("a link to a directory that it lies in")

// propfind describes a file, or a directory and what is in it.
func (s *server) propfind(w http.ResponseWriter, r *http.Request, p place) {
	m, ok := newMultistatus(w, r)
	if !ok {
		return
	}
	info, err := p.tree.Stat(p.path)
	if err != nil {
		s.fail(w, p, err)
		return
	}
	self := resource{href: p.link("files"), name: s.fileName(p), info: info, dir: info.IsDir()}
	if !self.dir || r.Header.Get("Depth") == "0" {
		m.begin(w)
		m.add(&self)
		m.end()
		return
	}
	l, err := s.listings.get(r.Context(), p, sorting{})
	if err != nil {
		return // the client is gone
	}
	if l.err != nil && len(l.names) == 0 {
		s.fail(w, p, l.err)
		return
	}
	above := s.above(p)
	m.begin(w)
	m.add(&self)
	for i, name := range l.names {
		if m.err != nil { // the client is gone
			return
		}
		m.add(s.resource(p.in(name), name, i < l.dirs, above))
	}
	if l.err != nil {
		s.problem(p.name(), l.err)
		m.add(&resource{href: p.in(leftOut).link("files"), name: leftOut, err: l.err})
	}
	m.end()
}

// above are the directories that a place lies in, itself among them.
func (s *server) above(p place) map[fstree.FileID]bool {
	ids := make(map[fstree.FileID]bool)
	for name := p.path; ; name = path.Dir(name) {
		if info, err := p.tree.Stat(name); err == nil {
			ids[info.Sys().(*fstree.Stat).FileID()] = true
		}
		if name == "." {
			return ids
		}
	}
}

// resource is a file as WebDAV has it.
type resource struct {
	href, name string
	dir        bool
	info       fs.FileInfo // nil with err
	err        error       // why nothing more is known
}

// resource describes a file in a directory.
func (s *server) resource(p place, name string, dir bool, above map[fstree.FileID]bool) *resource {
	r := &resource{href: p.link("files"), name: name, dir: dir}
	info, err := p.tree.Lstat(p.path)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		info, err = p.tree.Stat(p.path)
		if err == nil && info.IsDir() && above[info.Sys().(*fstree.Stat).FileID()] {
			err = errLoop
		}
	}
	if err != nil {
		s.problem(p.name(), err)
		r.err = err
		return r
	}
	r.info, r.dir = info, info.IsDir()
	return r
}

// loops reports whether a place is a link to a directory that it lies in.
func (s *server) loops(p place, info fs.FileInfo) bool {
	link, err := p.tree.Lstat(p.path)
	if err != nil || link.Mode()&fs.ModeSymlink == 0 {
		return false
	}
	p.path = path.Dir(p.path)
	return s.above(p)[info.Sys().(*fstree.Stat).FileID()]
}

// lost is the error of a directory of which a client asks for LEFT-OUT.txt, if
// no file has that name; nil where nothing is left out.
func (s *server) lost(p place) error {
	if path.Base(p.path) != leftOut {
		return nil
	}
	_, err := p.tree.ReadDir(path.Dir(p.path))
	return err
}

// collections answers for the directories that are above all files.
func (s *server) collections(w http.ResponseWriter, r *http.Request) {
	m, ok := newMultistatus(w, r)
	if !ok {
		return
	}
	systems, err := s.Systems()
	if err != nil && len(systems) == 0 {
		s.problem(".", err)
	}
	at := r.URL.EscapedPath()
	var in []string
	switch system := r.PathValue("system"); {
	case at == "/":
		in = []string{"files"}
		if len(systems) > 0 {
			in = append(in, "os")
		}
	case system == "":
		for _, sys := range systems {
			in = append(in, sys.Name)
		}
	default:
		if _, err := s.system(system); err != nil {
			s.fail(w, place{path: "."}, err)
			return
		}
		in = []string{"files"}
	}
	m.begin(w)
	m.add(&resource{href: at, name: s.Name, dir: true})
	if r.Header.Get("Depth") == "1" {
		for _, name := range in {
			m.add(&resource{href: at + url.PathEscape(name), name: name, dir: true})
		}
	}
	m.end()
}

// multistatus is an answer to PROPFIND that is being written.
type multistatus struct {
	all   bool       // properties with their values
	names bool       // names of properties alone
	asked []xml.Name // those that are asked for
	out   *bufio.Writer
	err   error
}

// newMultistatus reads a request. It answers those that cannot be met.
func newMultistatus(w http.ResponseWriter, r *http.Request) (*multistatus, bool) {
	if depth := r.Header.Get("Depth"); depth != "0" && depth != "1" {
		w.Header().Set("Content-Type", "application/xml; charset=utf-8")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, xml.Header+`<D:error xmlns:D="DAV:"><D:propfind-finite-depth/></D:error>`)
		return nil, false
	}
	var request struct {
		XMLName xml.Name  `xml:"DAV: propfind"`
		All     *struct{} `xml:"DAV: allprop"`
		Names   *struct{} `xml:"DAV: propname"`
		Prop    *struct {
			List []struct{ XMLName xml.Name } `xml:",any"`
		} `xml:"DAV: prop"`
	}
	err := xml.NewDecoder(http.MaxBytesReader(w, r.Body, maxPropfind)).Decode(&request)
	m := &multistatus{all: request.All != nil, names: request.Names != nil}
	switch {
	case err == io.EOF: // no body asks for everything
		m.all = true
	case err != nil || !m.all && !m.names && request.Prop == nil:
		http.Error(w, "not a request of WebDAV", http.StatusBadRequest)
		return nil, false
	}
	if request.Prop != nil {
		for _, p := range request.Prop.List {
			m.asked = append(m.asked, p.XMLName)
		}
	}
	return m, true
}

func (m *multistatus) begin(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/xml; charset=utf-8")
	w.WriteHeader(http.StatusMultiStatus)
	m.out = bufio.NewWriterSize(w, writePart)
	m.print(xml.Header + `<D:multistatus xmlns:D="DAV:">` + "\n")
}

func (m *multistatus) end() {
	m.print("</D:multistatus>\n")
	if err := m.out.Flush(); m.err == nil {
		m.err = err
	}
}

func (m *multistatus) print(s string) {
	if m.err == nil {
		_, m.err = m.out.WriteString(s)
	}
}

// text is a string as a part of XML.
func (m *multistatus) text(s string) {
	if m.err == nil {
		m.err = xml.EscapeText(m.out, []byte(s))
	}
}

// davProperties are the names of the properties that there are, and their
// values.
func davProperties(r *resource) (names []string, values map[string]string) {
	names = []string{"resourcetype", "displayname"}
	values = map[string]string{"displayname": show.Text(r.name), "resourcetype": ""}
	if r.info == nil {
		return names, values
	}
	set := func(name, value string) {
		names = append(names, name)
		values[name] = value
	}
	st := r.info.Sys().(*fstree.Stat)
	if !st.Mtime.IsZero() {
		set("getlastmodified", st.Mtime.UTC().Format(http.TimeFormat))
	}
	if !st.Btime.IsZero() {
		set("creationdate", st.Btime.UTC().Format(time.RFC3339))
	}
	if !r.dir {
		size := int64(0)
		if st.Mode.IsRegular() {
			size = st.Size
		}
		set("getcontentlength", strconv.FormatInt(size, 10))
		set("getcontenttype", "application/octet-stream")
	}
	return names, values
}

// add writes what is asked for of a file.
func (m *multistatus) add(r *resource) {
	names, values := davProperties(r)
	var missing []xml.Name
	if !m.all && !m.names {
		names = nil
		for _, n := range m.asked {
			if _, ok := values[n.Local]; ok && n.Space == "DAV:" {
				names = append(names, n.Local)
			} else {
				missing = append(missing, n)
			}
		}
	}
	href := r.href
	if r.dir && href[len(href)-1] != '/' {
		href += "/"
	}
	m.print("<D:response><D:href>")
	m.text(href)
	m.print("</D:href>")
	if len(names) > 0 || len(missing) == 0 {
		m.print("<D:propstat><D:prop>")
		for _, name := range names {
			m.property(name, values[name], r.dir)
		}
		m.status(http.StatusOK)
	}
	if len(missing) > 0 {
		m.print("<D:propstat><D:prop>")
		for _, n := range missing {
			m.print("<x:")
			m.text(n.Local)
			m.print(` xmlns:x="`)
			m.text(n.Space)
			m.print(`"/>`)
		}
		if r.err != nil {
			m.status(http.StatusInternalServerError)
		} else {
			m.status(http.StatusNotFound)
		}
	}
	if r.err != nil {
		m.print("<D:responsedescription>")
		m.text(show.Lines(reason(r.err)))
		m.print("</D:responsedescription>")
	}
	m.print("</D:response>\n")
}

func (m *multistatus) property(name, value string, dir bool) {
	switch {
	case m.names:
		m.print("<D:" + name + "/>")
	case name == "resourcetype" && dir:
		m.print("<D:resourcetype><D:collection/></D:resourcetype>")
	default:
		m.print("<D:" + name + ">")
		m.text(value)
		m.print("</D:" + name + ">")
	}
}

func (m *multistatus) status(code int) {
	m.print(fmt.Sprintf("</D:prop><D:status>HTTP/1.1 %d %s</D:status></D:propstat>", code, http.StatusText(code)))
}
