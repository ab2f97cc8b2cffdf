package tarstream

import (
	"context"
	"errors"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// member is one file of the archive. Its contents come with it if they fit
// into a buffer, else in the chunks that follow.
type member struct {
	path  string
	stat  *fstree.Stat // nil once it is written: further names need no more than the path
	head  header
	first *member     // of a further name of a file: the one that has the contents
	file  fstree.File // nil without contents, or with chunks, and so
	buf   *buffer
	err   error // why it is left out
	lacks error // why its extended attributes are
	taken bool  // written to the archive
}

// queueFile queues all of one file.
func (s *stream) queueFile(ctx context.Context, e *fstree.WalkEntry) error {
	if e.Path == "." {
		return nil // the root over the volumes is stored nowhere
	}
	st, err := e.Stat()
	if err != nil {
		return s.queue(ctx, &problem{e.Path, err})
	}
	flag, err := typeFlag(st.Mode)
	if err != nil {
		return s.queue(ctx, &problem{e.Path, err})
	}
	m := &member{path: e.Path, stat: st}
	m.head = header{
		name: s.memberName(e.Path, st.Mode.IsDir()), flag: flag, mode: fstree.UnixBits(st.Mode) & 0o7777, uid: st.UID, gid: st.GID,
		mtime: st.Mtime, major: st.Major, minor: st.Minor,
	}
	if st.Nlink > 1 && !st.Mode.IsDir() {
		key := linkKey{volumeOf(e.Path), e.ID}
		if m.first = s.links[key]; m.first != nil {
			m.head.flag, m.head.link = typeLink, m.first.head.name
			return s.queue(ctx, m)
		}
		s.links[key] = m
	}
	if flag == typeSymlink {
		if m.head.link, err = e.ReadLink(); err != nil {
			return s.queue(ctx, &problem{e.Path, err})
		}
	}
	if flag != typeFile || st.Size == 0 {
		return s.queue(ctx, m)
	}
	m.head.size = st.Size
	f, err := e.Open()
	if err != nil {
		return s.queue(ctx, &problem{e.Path, err})
	}
	// Fewer blocks than bytes: there may be holes.
	if st.Size > bufferSize || st.Blocks < (st.Size+511)/512 {
		return s.queueChunks(ctx, m, f.(fstree.File))
	}
	m.file = f.(fstree.File)
	if m.buf, err = s.takeBuffer(ctx); err != nil {
		return err
	}
	return s.queue(ctx, m)
}

// load reads what the header and a small file need.
func (m *member) load(*stream) {
	if m.first != nil {
		return
	}
	m.head.xattrs, m.lacks = m.stat.Xattrs()
	if m.file != nil {
		m.err = errors.Join(readFull(m.file, m.buf[:m.head.size], 0), m.file.Close())
	}
}

func (m *member) write(s *stream) error {
	if m.buf != nil {
		defer func() { s.free <- m.buf }()
	}
	if m.err == nil && m.first != nil && !m.first.taken {
		m.err = errors.New("another name of " + m.first.path + ", which is left out")
	}
	if m.err != nil {
		s.problem(m.path, m.err)
		return nil
	}
	if m.lacks != nil {
		s.problem(m.path, m.lacks)
	}
	m.taken = true
	m.stat, m.file = nil, nil
	s.head = m.head.appendTo(s.head[:0])
	if _, err := s.w.Write(s.head); err != nil || m.buf == nil {
		return err
	}
	if _, err := s.w.Write(m.buf[:m.head.size]); err != nil {
		return err
	}
	return s.writePadding(m.head.size)
}
