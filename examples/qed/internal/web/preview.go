package web

import (
	"encoding/hex"
	"io"
	"io/fs"
	"net/url"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend/errs"
)

// How many bytes of a file a page shows of its head, of its tail, and where it
// is asked for another part.
const (
	textHead, textTail = 64 << 10, 16 << 10
	hexHead, hexTail   = 4 << 10, 1 << 10
)

// What a request asks for and there is not matches [fs.ErrInvalid].
var (
	errNoWay  = errs.New("web", "this file cannot be shown in this way", fs.ErrInvalid)
	errNoPart = errs.New("web", "the file has no such part", fs.ErrInvalid)
)

// preview is what is in a file.
type preview struct {
	Kind  string // by its first bytes
	As    string // "picture", "pdf", "text" or "hex"
	Raw   string // address of a picture or PDF
	Ways  []action
	Parts []part
	// Prev and Next are addresses of the parts before and after that which was
	// asked for.
	Prev, Next string
}

// part is a run of a file's bytes.
type part struct {
	Label   string
	Text    string
	Skipped string // bytes between it and the part before it, "" for none
	Go      string // address of what is skipped
}

// newPreview shows what is in a file: as which kind, and which part, the query
// may say.
func newPreview(at place, f fstree.File, size int64, query url.Values) (*preview, error) {
	kind, err := sniff(f)
	if err != nil {
		kind = "application/octet-stream"
	}
	p := &preview{Kind: kind, As: query.Get("as")}
	possible := []string{"text", "hex"}
	switch {
	case isPicture(kind):
		possible = []string{"picture", "hex", "text"}
	case kind == pdf:
		possible = []string{"pdf", "hex", "text"}
	case !isText(kind):
		possible = []string{"hex", "text"}
	}
	if p.As == "" {
		p.As = possible[0]
	}
	found := false
	for _, as := range possible {
		p.Ways = append(p.Ways, action{as, at.link("details") + "?as=" + as, as == p.As})
		found = found || as == p.As
	}
	if !found {
		return nil, errNoWay
	}
	if size == 0 {
		p.Ways, p.As = nil, "empty"
		return p, nil
	}
	if p.As == "picture" || p.As == "pdf" {
		p.Raw = at.link("raw")
		return p, nil
	}
	return p, p.parts(at, f, size, query)
}

// parts reads what is shown: the head and the tail, or the part that is asked
// for.
func (p *preview) parts(at place, f fstree.File, size int64, query url.Values) error {
	head, tail := int64(textHead), int64(textTail)
	if p.As == "hex" {
		head, tail = hexHead, hexTail
	}
	to := func(off int64) string {
		return at.link("details") + "?" + url.Values{"as": {p.As}, "at": {strconv.FormatInt(off, 10)}}.Encode()
	}
	if query.Has("at") {
		off, err := strconv.ParseInt(query.Get("at"), 10, 64)
		if err != nil || off < 0 || off >= size {
			return errNoPart
		}
		if off > 0 {
			p.Prev = to(max(off-head, 0))
		}
		if off+head < size {
			p.Next = to(off + head)
		}
		return p.read(f, "Part of the file", off, min(head, size-off))
	}
	if size <= head+tail {
		return p.read(f, "The file", 0, size)
	}
	if p.As == "hex" {
		tail += size % 16 // lines begin at multiples of 16
	}
	headErr := p.read(f, "Head of the file", 0, head)
	tailErr := p.read(f, "Tail of the file", size-tail, tail)
	last := &p.Parts[len(p.Parts)-1]
	last.Skipped, last.Go = humanize.Comma(size-tail-head), to(head)
	if headErr != nil {
		return headErr
	}
	return tailErr
}

// read adds a part. What can be read of it is shown.
func (p *preview) read(f io.ReaderAt, label string, off, n int64) error {
	b := make([]byte, n) // at most the head, the tail and a line
	m, err := f.ReadAt(b, off)
	if err == io.EOF && int64(m) == n {
		err = nil
	}
	one := part{Label: label, Text: string(b[:m])}
	if p.As == "hex" {
		one.Text = hexLines(b[:m], off)
	}
	p.Parts = append(p.Parts, one)
	return err
}

// hexLines are bytes as hexdump -C prints them.
func hexLines(b []byte, off int64) string {
	var out strings.Builder
	for len(b) > 0 {
		line := b[:min(16, len(b))]
		b = b[len(line):]
		digits := strconv.FormatInt(off, 16)
		out.WriteString(strings.Repeat("0", max(8-len(digits), 0)) + digits + "  ")
		var text [16]byte
		for i := range 16 {
			if i == 8 {
				out.WriteByte(' ')
			}
			if i >= len(line) {
				out.WriteString("   ")
				continue
			}
			out.WriteString(hex.EncodeToString(line[i:i+1]) + " ")
			if text[i] = line[i]; line[i] < 0x20 || line[i] >= 0x7f {
				text[i] = '.'
			}
		}
		out.WriteString(" |" + string(text[:len(line)]) + "|\n")
		off += int64(len(line))
	}
	return out.String()
}
