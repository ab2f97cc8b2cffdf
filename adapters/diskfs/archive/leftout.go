package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend/errs"
)

// maxLeftOut is how many bytes of the list of what is left out are kept.
const maxLeftOut = 1 << 20

// leftOut is the list of what is left out of an archive.
type leftOut struct {
	list strings.Builder
	more int // lines that it has no room for
}

// add adds a line: the path of the tree, and why.
func (l *leftOut) add(path string, err error) {
	if l.list.Len() > maxLeftOut {
		l.more++
		return
	}
	fmt.Fprintf(&l.list, "%s: %s\n", oneLine(path), oneLine(errs.Message(fstree.WithoutPath(err))))
}

// oneLine is text from an image as a part of a line that shows all of it.
func oneLine(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	return strings.Trim(strconv.Quote(s), `"`)
}

// text is the list as the last member has it, "" where nothing is left out.
func (l *leftOut) text() string {
	if l == nil || l.list.Len() == 0 {
		return ""
	}
	text := "Left out of this archive, or not whole in it:\n\n" + l.list.String()
	if l.more > 0 {
		text += fmt.Sprintf("... and %d more\n", l.more)
	}
	return text
}

// writeLeftOut writes the last member, if anything was left out.
func (s *stream) writeLeftOut() error {
	text := s.leftOut.text()
	if text == "" {
		return nil
	}
	h := header{name: "./" + s.freeName(), flag: typeFile, mode: 0o644, mtime: time.Unix(0, 0), size: int64(len(text))}
	b := append(h.appendTo(nil), text...)
	_, err := s.w.Write(pad(b, len(text)))
	return err
}

// freeName is a name that no file beside it in the archive has: extracted, one
// of the two would replace the other.
func (r *report) freeName() string {
	free := r.leftOutName
	for n := 2; ; n++ {
		shown := fstree.EscapeName(free)
		if r.root != "." {
			shown = r.root + "/" + shown
		}
		if _, err := r.tree.Lstat(shown); errors.Is(err, fs.ErrNotExist) {
			return free
		} else if errors.Is(err, fstree.ErrNotDir) && r.memberName(r.root, false) != "./"+free {
			return free // the archive has one member besides
		}
		free = fmt.Sprintf("%s-%d", r.leftOutName, n)
	}
}
