package archive

import (
	"context"
	"errors"
	"slices"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend"
)

// member is one file of the archive. Its contents come with it if they fit
// into a buffer, else in the chunks that follow.
type member struct {
	path   string
	stat   *fstree.Stat // nil once it is formatted: further names need no more than the path
	head   header
	file   fstree.File // nil without contents, or with chunks
	sparse []byte      // what lies between the header and the chunks
	taken  bool        // it is in the archive
}

// queueFile queues all of one file.
func (s *stream) queueFile(ctx context.Context, e *fstree.WalkEntry) error {
	st, err := e.Stat()
	if err != nil {
		return s.queue(ctx, &problem{e.Path, err})
	}
	if st.FileID() == (fstree.FileID{}) {
		return nil // the root over the volumes is stored nowhere
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
		key := e.FileID()
		if first := s.links[key]; first != nil {
			return s.queue(ctx, &furtherName{m, first})
		}
		s.links[key] = m
	}
	if flag == typeSymlink {
		if m.head.link, err = e.ReadLink(); err != nil {
			return s.queue(ctx, &problem{e.Path, err})
		}
	}
	if flag != typeFile || st.Size == 0 {
		return s.queueMember(ctx, m)
	}
	f, err := e.Open()
	if err != nil {
		return s.queue(ctx, &problem{e.Path, err})
	}
	m.head.size, m.file = st.Size, f.(fstree.File)
	// Fewer blocks than bytes: there may be holes.
	if st.Size > bufferSize || m.most() > bufferSize || st.Blocks < (st.Size+511)/512 {
		return s.queueChunks(ctx, m)
	}
	return s.queueMember(ctx, m)
}

// most is how many bytes of the archive a member takes, extended attributes
// not counted.
func (m *member) most() int64 {
	n := int64(4*blockSize + 2*len(m.head.name) + len(m.head.link) + len(m.sparse))
	if m.file != nil {
		n += m.head.size
	}
	return n
}

// appendTo appends the member's part of the archive. lacks says why it is
// without its extended attributes, err why it is left out.
func (m *member) appendTo(b []byte) (_ []byte, lacks, err error) {
	m.head.xattrs, lacks = m.stat.Xattrs()
	start := len(b)
	b = append(m.head.appendTo(b), m.sparse...)
	if m.file != nil {
		b, err = m.appendContents(b)
	}
	if err != nil {
		return b[:start], nil, err
	}
	m.taken = true
	m.stat, m.head.xattrs, m.sparse = nil, nil, nil
	return b, lacks, nil
}

func (m *member) appendContents(b []byte) ([]byte, error) {
	start, size := len(b), int(m.head.size)
	b = slices.Grow(b, size+blockSize)[:start+size]
	_, err := backend.ReadFull(m.file, b[start:], 0)
	err = errors.Join(fstree.WithoutPath(err), m.file.Close())
	m.file = nil
	return pad(b, size), err
}

// furtherName is one more name of a file.
type furtherName struct {
	*member
	first *member // has the contents
}

func (l *furtherName) load(*stream) {}

func (l *furtherName) write(s *stream) error {
	if !l.first.taken {
		s.problem(l.path, errors.New("another name of "+l.first.path+", which is left out"))
		return nil
	}
	l.head.flag, l.head.link = typeLink, l.first.head.name
	_, err := s.w.Write(l.head.appendTo(nil))
	return err
}
