package manifest

import (
	"context"
	"errors"
	"hash"
	"io"
	"io/fs"
	"iter"
	"path"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/internal/inorder"
)

// Options say what is listed. Nil, and the zero value, list without checksums.
type Options struct {
	// Hash makes what the contents of regular files are summed up by; nil reads no
	// contents.
	Hash func() hash.Hash

	// Follow has a root that is a symbolic link stand for what it leads to.
	Follow bool

	// Progress is called from one goroutine with the bytes that have been summed
	// up so far.
	Progress func(bytes int64)
}

// Entry is a file of the list.
type Entry struct {
	Path   string // in the tree
	Stat   *fstree.Stat
	Target string // of a symbolic link, as it is stored
	Sum    []byte // of a regular file, where there is a Hash
}

// Files yields a file, or a directory and all below it. An error comes with the path
// that it concerns, in the place of the file; only an error of ctx ends the list.
func Files(ctx context.Context, tree fstree.Walker, root string, opts *Options) iter.Seq2[*Entry, error] {
	if opts == nil {
		opts = &Options{}
	}
	return func(yield func(*Entry, error) bool) {
		l := &list{ctx: ctx, tree: tree, root: root, Options: *opts}
		var done int64
		inorder.Run(ctx, l.walk, func(r *result) bool {
			if done += r.bytes; r.bytes > 0 && l.Progress != nil {
				l.Progress(done)
			}
			return r.entry == nil || yield(r.entry, r.err)
		})
		if err := ctx.Err(); err != nil {
			yield(&Entry{Path: root}, err)
		}
	}
}

// list is one run of Files.
type list struct {
	Options
	ctx  context.Context
	tree fstree.Walker
	root string
}

// result is an entry, or how much of one has been read.
type result struct {
	entry *Entry
	err   error
	bytes int64
}

func (l *list) walk(submit func(inorder.Task[*result]) bool) {
	stat := l.tree.Lstat
	if l.Follow {
		stat = l.tree.Stat
	}
	info, err := stat(l.root)
	if err == nil && !info.IsDir() { // a walk would follow a link
		e := &Entry{Path: l.root, Stat: info.Sys().(*fstree.Stat)}
		l.submit(e, func() (fs.File, error) { return l.tree.Open(l.root) }, submit)
		return
	}
	if err != nil {
		fail(&Entry{Path: l.root}, err, submit)
		return
	}
	for e, err := range l.tree.Walk(l.ctx, l.root, &fstree.WalkOptions{Stat: true}) {
		entry := &Entry{Path: e.Path}
		if err == nil {
			entry.Stat, err = e.Stat()
		}
		ok := false
		if err != nil {
			ok = fail(entry, err, submit)
		} else {
			ok = l.submit(entry, func() (fs.File, error) {
				f, err := e.Open()
				if errors.Is(err, fs.ErrInvalid) { // an entry that does not know its file
					return l.tree.Open(entry.Path)
				}
				return f, err
			}, submit)
		}
		if !ok {
			return
		}
	}
}

// fail puts an error in the place of an entry.
func fail(e *Entry, err error, submit func(inorder.Task[*result]) bool) bool {
	return submit(func(emit func(*result) bool) { emit(&result{entry: e, err: atPath(e.Path, err)}) })
}

// submit has the contents of a file read and the entry yielded. It opens the file at
// once, for the walk goes on.
func (l *list) submit(e *Entry, open func() (fs.File, error), submit func(inorder.Task[*result]) bool) bool {
	switch {
	case e.Stat.Mode.Type() == fs.ModeSymlink:
		target, err := l.tree.ReadLink(e.Path)
		if err != nil {
			return fail(e, err, submit)
		}
		e.Target = target
	case e.Stat.Mode.IsRegular() && l.Hash != nil:
		f, err := open()
		if err != nil {
			return fail(e, err, submit)
		}
		return submit(func(emit func(*result) bool) {
			defer f.Close()
			sum := l.Hash()
			// A hash takes everything; that its Write fails means that nobody waits.
			if _, err := io.Copy(&meter{w: sum, emit: emit}, f); err != nil {
				emit(&result{entry: e, err: atPath(e.Path, err)})
				return
			}
			e.Sum = sum.Sum(nil)
			emit(&result{entry: e})
		})
	}
	return submit(func(emit func(*result) bool) { emit(&result{entry: e}) })
}

const meterStep = 8 << 20 // bytes between two reports of progress

// meter reports how much was written, and fails when nobody wants to know.
type meter struct {
	w    io.Writer
	emit func(*result) bool
	n    int64
}

var errOver = errors.New("manifest: the list is over")

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	if m.n += int64(n); m.n >= meterStep && err == nil {
		if !m.emit(&result{bytes: m.n}) {
			return n, errOver
		}
		m.n = 0
	}
	return n, err
}

// atPath gives an error the whole path of the file in the tree.
func atPath(name string, err error) error {
	op := "read"
	if pe, ok := err.(*fs.PathError); ok {
		op, err = pe.Op, pe.Err
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// Relative returns the path of a file below a directory, "." for the directory.
func Relative(dir, name string) string {
	switch {
	case name == dir:
		return "."
	case dir == ".":
		return name
	}
	return name[len(path.Join(dir, "x"))-1:]
}
