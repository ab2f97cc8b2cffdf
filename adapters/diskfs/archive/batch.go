package archive

import "context"

// batch is members that follow each other, and are read into one buffer as
// they stand in the archive.
type batch struct {
	members  []*member // those that are still to be read
	most     int64     // bytes that these take, extended attributes not counted
	buf      *buffer
	out      []byte // what was read; lies in buf unless attributes are large
	problems []problem
}

// queueMember adds a member to the batch that is being made.
func (s *stream) queueMember(ctx context.Context, m *member) error {
	most := m.most()
	if s.batch != nil && s.batch.most+most > bufferSize {
		if err := s.queueBatch(ctx); err != nil {
			return err
		}
	}
	if s.batch == nil {
		buf, err := s.takeBuffer(ctx)
		if err != nil {
			return err
		}
		s.batch = &batch{buf: buf}
	}
	s.batch.members = append(s.batch.members, m)
	s.batch.most += most
	return nil
}

// queueBatch queues the batch that was being made, if there is one.
func (s *stream) queueBatch(ctx context.Context) error {
	b := s.batch
	if b == nil {
		return nil
	}
	s.batch = nil
	return s.enqueue(ctx, b)
}

// load reads what fits into the buffer. That is all, unless extended
// attributes take much room.
func (b *batch) load(*stream) {
	b.out, b.problems = b.buf[:0], nil
	for len(b.members) > 0 {
		m := b.members[0]
		if len(b.out) > 0 && int64(len(b.out))+m.most() > bufferSize {
			return
		}
		b.members = b.members[1:]
		var lacks, err error
		if b.out, lacks, err = m.appendTo(b.out); err != nil {
			b.problems = append(b.problems, problem{m.path, err})
		} else if lacks != nil {
			b.problems = append(b.problems, problem{m.path, lacks})
		}
	}
}

func (b *batch) write(s *stream) error {
	defer func() { s.free <- b.buf }()
	for {
		for _, p := range b.problems {
			s.problem(p.path, p.err)
		}
		if _, err := s.w.Write(b.out); err != nil || len(b.members) == 0 {
			return err
		}
		b.load(s)
	}
}
