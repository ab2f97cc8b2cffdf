package find

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"unicode/utf8"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	chunkSize = 128 << 10 // bytes that are read at a time
	maxLine   = 16 << 20  // bytes of a line that are held
)

// ErrLongLine is the error of a file with a line of more than 16 MiB: a match that
// lies across a multiple of that is not found.
var ErrLongLine = errors.New("a line of more than 16 MiB was searched in pieces")

// Content is what is looked for in files, line by line, as grep does.
//
// A file with a NUL or a hole in it is no text: there a NUL ends a line too, and
// that the expression matches is all that is found. Lines of other files that are
// not UTF-8 are not found either, only that there are such. Holes are not read.
type Content struct {
	Expr *regexp.Regexp

	Text      bool // treat all files as text
	FilesOnly bool // find each file once, without lines
	Without   bool // find the files in which Expr matches nothing
}

// Line is a line of a file.
type Line struct {
	Number int64  // from 1
	Text   []byte // without what ends it
}

// search calls found with what is found in a file.
func (c *Content) search(f *File, r fstree.File, found func(*Match, error) bool) {
	g := &grep{Content: c, file: f, found: found, number: 1}
	g.prefix, _ = c.Expr.LiteralPrefix()
	err := g.run(r)
	if err != nil && !g.over {
		g.over = !found(&Match{File: f}, atPath(f.Path, err))
	}
	if c.Without && !g.matched && err == nil && !g.over {
		found(&Match{File: f}, nil)
	}
}

// grep is the search of one file.
type grep struct {
	*Content
	file  *File
	found func(*Match, error) bool

	prefix  string // that every match begins with
	held    []byte // a line whose end has not been read
	number  int64  // of that line
	binary  bool   // a NUL has been seen
	cut     bool   // a line was cut into pieces
	matched bool
	told    bool // that there are binary lines
	over    bool // nothing else is wanted
}

func (g *grep) run(r fstree.File) error {
	for x, err := range r.Extents(0, math.MaxInt64) {
		if err != nil {
			break // said below, after what comes before it
		}
		if g.binary = x.Hole; x.Hole {
			break
		}
	}
	buf := make([]byte, chunkSize)
	for x, err := range r.Extents(0, math.MaxInt64) {
		if err != nil {
			return err
		}
		if x.Hole {
			g.hole()
			continue
		}
		for off, end := x.Start, x.Start+x.Length; off < end && !g.over; {
			n, err := r.ReadAt(buf[:min(chunkSize, end-off)], off)
			g.add(buf[:n])
			off += int64(n)
			if err == io.EOF && off < end {
				err = io.ErrUnexpectedEOF
			}
			if err != nil && err != io.EOF {
				return err
			}
		}
		if g.over {
			return nil
		}
	}
	g.lines(g.held)
	if g.cut && !g.over {
		return ErrLongLine
	}
	return nil
}

// hole is a run of NULs. That the file has one is known before.
func (g *grep) hole() {
	g.lines(g.held)
	g.held = g.held[:0]
}

// add searches what has been read, up to the last end of a line.
func (g *grep) add(p []byte) {
	g.binary = g.binary || bytes.IndexByte(p, 0) >= 0
	end := bytes.LastIndexByte(p, '\n')
	if g.binary {
		end = max(end, bytes.LastIndexByte(p, 0))
	}
	if end < 0 {
		g.hold(p)
		return
	}
	whole := p[:end+1]
	if len(g.held) > 0 {
		first := bytes.IndexByte(whole, '\n')
		if g.binary {
			first = bytes.IndexAny(whole, "\n\x00")
		}
		g.held = append(g.held, whole[:first+1]...)
		g.lines(g.held)
		g.held, whole = g.held[:0], whole[first+1:]
	}
	g.lines(whole)
	g.hold(p[end+1:])
}

func (g *grep) hold(p []byte) {
	if len(g.held)+len(p) > maxLine {
		g.lines(g.held)
		g.held, g.cut = g.held[:0], true
	}
	g.held = append(g.held, p...)
}

// lines searches lines that lie together; the last one may have no end.
func (g *grep) lines(p []byte) {
	for len(p) > 0 && !g.over {
		if g.prefix != "" {
			at := bytes.Index(p, []byte(g.prefix))
			if at < 0 {
				g.count(p)
				return
			}
			begin := g.lastEnd(p[:at]) + 1
			g.count(p[:begin])
			p = p[begin:]
		}
		line, end := p, len(p)
		if i := g.firstEnd(p); i >= 0 {
			line, end = p[:i], i+1
		}
		if g.Expr.Match(line) {
			g.report(line)
		}
		g.count(p[:end])
		p = p[end:]
	}
}

func (g *grep) count(p []byte) { g.number += int64(bytes.Count(p, []byte{'\n'})) }

func (g *grep) firstEnd(p []byte) int {
	end := bytes.IndexByte(p, '\n')
	if !g.binary {
		return end
	}
	if end < 0 {
		end = len(p)
	}
	if nul := bytes.IndexByte(p[:end], 0); nul >= 0 {
		return nul
	}
	if end == len(p) {
		return -1
	}
	return end
}

func (g *grep) lastEnd(p []byte) int {
	end := bytes.LastIndexByte(p, '\n')
	if g.binary {
		end = max(end, bytes.LastIndexByte(p, 0))
	}
	return end
}

// report finds a line.
func (g *grep) report(line []byte) {
	g.matched = true
	m := &Match{File: g.file}
	switch {
	case g.Without:
		g.over = true
		return
	case g.FilesOnly:
		g.over = true
	case !g.Text && (g.binary || !utf8.Valid(line)):
		if g.told {
			return
		}
		g.told, m.Binary, g.over = true, true, g.binary
	default:
		m.Line = &Line{g.number, bytes.Clone(line)}
	}
	if !g.found(m, nil) {
		g.over = true
	}
}

// String is the line as grep -n prints it after the name of the file.
func (l *Line) String() string { return fmt.Sprintf("%d:%s", l.Number, l.Text) }
