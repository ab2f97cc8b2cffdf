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
	var pe *fs.PathError
	if errors.As(err, &pe) && err == error(pe) {
		err = pe.Err
	}
	if l.list.Len() > maxLeftOut {
		l.more++
		return
	}
	fmt.Fprintf(&l.list, "%s: %s\n", oneLine(path), oneLine(errs.Message(err)))
}

// oneLine is text from an image as a part of a line that shows all of it.
func oneLine(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	return strings.Trim(strconv.Quote(s), `"`)
}

// writeLeftOut writes the last member, if anything was left out.
func (s *stream) writeLeftOut() error {
	if s.leftOut == nil || s.leftOut.list.Len() == 0 {
		return nil
	}
	text := "Left out of this archive, or not whole in it:\n\n" + s.leftOut.list.String()
	if s.leftOut.more > 0 {
		text += fmt.Sprintf("... and %d more\n", s.leftOut.more)
	}
	h := header{name: "./" + s.freeName(s.leftOutName), flag: typeFile, mode: 0o644, mtime: time.Unix(0, 0), size: int64(len(text))}
	b := append(h.appendTo(nil), text...)
	_, err := s.w.Write(pad(b, len(text)))
	return err
}

// freeName is a name that no file beside it in the archive has: extracted, one
// of the two would replace the other.
func (s *stream) freeName(name string) string {
	free := name
	for n := 2; ; n++ {
		shown := fstree.EscapeName(free)
		if s.root != "." {
			shown = s.root + "/" + shown
		}
		if _, err := s.tree.Lstat(shown); errors.Is(err, fs.ErrNotExist) {
			return free
		} else if errors.Is(err, fstree.ErrNotDir) && s.memberName(s.root, false) != "./"+free {
			return free // the archive has one member besides
		}
		free = fmt.Sprintf("%s-%d", name, n)
	}
}
