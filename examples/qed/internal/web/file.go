package web

import (
	"io"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

// file sends a file as a download, or as plain text.
func (s *server) file(w http.ResponseWriter, r *http.Request, p place) {
	kind := "application/octet-stream"
	if r.URL.Query().Has("view") {
		kind = "text/plain; charset=utf-8"
	} else {
		w.Header().Set("Content-Disposition", attachment(path.Base(p.path)))
	}
	s.send(w, r, p, func(string) (string, bool) { return kind, true })
}

// raw sends a picture or a PDF for a page to show.
func (s *server) raw(w http.ResponseWriter, r *http.Request, p place) {
	s.send(w, r, p, func(sniffed string) (string, bool) {
		if sniffed == pdf {
			h := w.Header()
			h.Set("Content-Security-Policy", pdfPolicy)
			h.Set("X-Frame-Options", "SAMEORIGIN")
		}
		return sniffed, shownRaw(sniffed)
	})
}

// send sends a file under the type that choose makes of its first bytes, in
// parts where the client asks for them.
func (s *server) send(w http.ResponseWriter, r *http.Request, p place, choose func(sniffed string) (string, bool)) {
	f, err := p.tree.Open(p.path)
	if err != nil {
		s.fail(w, p, err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		s.fail(w, p, err)
		return
	}
	content, ok := f.(fstree.File)
	if !ok {
		s.fail(w, p, fstree.ErrIsDir)
		return
	}
	h := w.Header()
	policy := h.Get("Content-Security-Policy")
	h.Set("Content-Security-Policy", filePolicy)
	sniffed, _ := sniff(content) // what cannot be read fails again below
	kind, ok := choose(sniffed)
	if !ok {
		http.Error(w, "not a picture or a PDF", http.StatusUnsupportedMediaType)
		return
	}
	h.Set("Content-Type", kind)
	reader, late := &failing{File: content}, &lateHeader{ResponseWriter: w}
	http.ServeContent(late, r, "", info.ModTime(), reader)
	switch {
	case reader.err == nil:
		late.send()
		return
	case !late.sent:
		for _, name := range []string{"Content-Length", "Content-Range", "Content-Disposition", "Accept-Ranges", "Last-Modified"} {
			h.Del(name)
		}
		h.Set("Content-Security-Policy", policy)
		s.fail(w, p, reader.err)
		return
	}
	s.problem(p.name(), reader.err)
	panic(http.ErrAbortHandler) // a cut connection is how a client learns of it
}

// failing is a file that remembers why it could not be read.
type failing struct {
	fstree.File
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// WriteTo hides that of the file, which would not go through Read.
func (f *failing) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{f})
}

// lateHeader is a response whose header is sent with the first bytes: until
// then it can become an error.
type lateHeader struct {
	http.ResponseWriter
	code int
	sent bool
}

func (l *lateHeader) WriteHeader(code int) { l.code = code }

func (l *lateHeader) Write(p []byte) (int, error) {
	l.send()
	return l.ResponseWriter.Write(p)
}

func (l *lateHeader) send() {
	if !l.sent && l.code != 0 {
		l.ResponseWriter.WriteHeader(l.code)
	}
	l.sent = true
}

const pdf = "application/pdf"

// sniff is the type of a file by its first bytes, not by its name.
func sniff(r io.ReaderAt) (string, error) {
	var b [512]byte
	n, err := r.ReadAt(b[:], 0)
	if err == io.EOF {
		err = nil
	}
	return http.DetectContentType(b[:n]), err
}

// isPicture reports whether browsers decode a type without any script. SVG is
// none: it is a document, and shown as text.
func isPicture(sniffed string) bool {
	switch sniffed {
	case "image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "image/x-icon":
		return true
	}
	return false
}

func shownRaw(sniffed string) bool { return isPicture(sniffed) || sniffed == pdf }

func isText(sniffed string) bool { return strings.HasPrefix(sniffed, "text/") }

func attachment(name string) string {
	return mime.FormatMediaType("attachment", map[string]string{"filename": show.FileName(name)})
}
