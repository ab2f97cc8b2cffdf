package archive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

const (
	bufferSize = 256 << 10 // bytes that are read ahead as one
	buffers    = 24
	gather     = 32 << 10 // bytes; what is shorter is gathered before it is written
)

// ErrSocket is given to [Options].Problem for a socket, which tar cannot hold.
// It matches [errors.ErrUnsupported].
var ErrSocket = fmt.Errorf("socket, which an archive cannot hold: %w", errors.ErrUnsupported)

// Options say how an archive is written.
type Options struct {
	// Paths are what is archived, with all below each: paths of the tree that
	// lie below root. A link that is one of them is archived as a link. None
	// stands for root, with everything.
	Paths []string

	// Problem is told of each file that is left out, or whose contents are
	// zeroes where they could not be read. It is called from one goroutine,
	// which is not the caller's. The path is one of the tree. If it is nil,
	// Write returns the first of these errors when the archive is complete.
	Problem func(path string, err error)

	// LeftOut is the name of a member for whoever has the archive and no
	// messages: a text at its end that lists what Problem is told
	// of. It is not there where nothing is left out. A name that a file
	// of the archive has gets a number. "" writes no such list.
	LeftOut string
}

// Write archives a file, or a directory and all below it. Members are named
// relative to it: "./etc/hostname", as tar -C root -c . names them. It returns
// an error when it cannot write, or when ctx ends.
func Write(ctx context.Context, w io.Writer, tree fstree.Walker, root string, opts *Options) (err error) {
	s := &stream{
		report: newReport(tree, root, opts),
		w:      bufio.NewWriterSize(w, gather),
		order:  make(chan *queued, buffers),
		work:   make(chan *queued, buffers),
		free:   make(chan *buffer, buffers),
		links:  make(map[fstree.FileID]*member),
	}
	defer func() { err = s.join(err) }()
	for range buffers {
		s.free <- new(buffer)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(s.order)
		defer close(s.work)
		return s.produce(ctx)
	})
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for q := range s.work {
				q.job.load(s)
				close(q.done)
			}
			return nil
		})
	}
	g.Go(func() error { return s.consume(ctx) })
	return g.Wait()
}

// stream is an archive that is being written.
type stream struct {
	report
	w     *bufio.Writer
	batch *batch // that is being made

	order chan *queued // what is written, in order
	work  chan *queued // the same for those who load it
	free  chan *buffer // those that nothing is read into
	links map[fstree.FileID]*member
}

type buffer [bufferSize]byte

// job is a step of the archive.
type job interface {
	load(*stream)        // reads ahead, on any goroutine
	write(*stream) error // writes to the archive, in order
}

type queued struct {
	job  job
	done chan struct{} // closed when it is loaded
}

// produce walks the tree and queues the jobs.
func (s *stream) produce(ctx context.Context) error {
	err := s.walk(ctx, func(e *fstree.WalkEntry, err error) error {
		if err != nil {
			return s.queue(ctx, &problem{e.Path, err})
		}
		return s.queueFile(ctx, e)
	})
	if err != nil {
		return err
	}
	return s.queueBatch(ctx)
}

// queue queues a job, after the members that came before it.
func (s *stream) queue(ctx context.Context, j job) error {
	if err := s.queueBatch(ctx); err != nil {
		return err
	}
	return s.enqueue(ctx, j)
}

func (s *stream) enqueue(ctx context.Context, j job) error {
	q := &queued{j, make(chan struct{})}
	select {
	case s.order <- q:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.work <- q // has room: it holds nothing that order does not hold, or held
	return nil
}

// takeBuffer waits for a buffer. Those that are out are written in the order
// in which they were taken, so that one always comes back.
func (s *stream) takeBuffer(ctx context.Context) (*buffer, error) {
	select {
	case b := <-s.free:
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// consume writes the jobs.
func (s *stream) consume(ctx context.Context) error {
	for q := range s.order {
		<-q.done
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := q.job.write(s); err != nil {
			return err
		}
	}
	if err := s.writeLeftOut(); err != nil {
		return err
	}
	var end [2 * blockSize]byte
	if _, err := s.w.Write(end[:]); err != nil {
		return err
	}
	return s.w.Flush()
}

// memberName is the name of a path of the tree in the archive.
func (r *report) memberName(path string, dir bool) string {
	rel := strings.TrimPrefix(path, r.root)
	switch {
	case r.root == ".":
		rel = "/" + path
	case rel == "" && !dir:
		rel = path[strings.LastIndexByte(path, '/'):]
	}
	if path == r.root && dir {
		return "./"
	}
	name := "." + fstree.OutwardPath(rel)
	if dir {
		name += "/"
	}
	return name
}

// problem is something that could not be read.
type problem struct {
	path string
	err  error
}

func (p *problem) load(*stream) {}

func (p *problem) write(s *stream) error {
	s.problem(p.path, p.err)
	return nil
}

var errUnknownType = errors.New("of no type that tar knows")

// typeFlag is the type of a member.
func typeFlag(m fs.FileMode) (byte, error) {
	switch m.Type() {
	case 0:
		return typeFile, nil
	case fs.ModeDir:
		return typeDir, nil
	case fs.ModeSymlink:
		return typeSymlink, nil
	case fs.ModeDevice | fs.ModeCharDevice:
		return typeChar, nil
	case fs.ModeDevice:
		return typeBlock, nil
	case fs.ModeNamedPipe:
		return typeFIFO, nil
	case fs.ModeSocket:
		return 0, ErrSocket
	}
	return 0, fmt.Errorf("%v: %w", m.Type(), errUnknownType)
}
