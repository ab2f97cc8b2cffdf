package fstree

import "strings"

const (
	leastChunk = 256  // bytes
	mostChunk  = 4096 // which the longest-lived string of a chunk keeps alive
)

// Strings makes many strings in few allocations: the names of a directory, or
// the paths of a walk. The zero value is ready. It is not safe for concurrent
// use; the strings are like any others.
type Strings struct {
	chunk strings.Builder // what it has returned stays as it is: it is never grown
	size  int
}

// String returns a copy of b as a string.
func (s *Strings) String(b []byte) string {
	if !s.room(len(b)) {
		return string(b)
	}
	start := s.chunk.Len()
	s.chunk.Write(b)
	return s.chunk.String()[start:]
}

// Join returns dir and name with a slash between them, or name alone if dir is
// empty.
func (s *Strings) Join(dir []byte, name string) string {
	if len(dir) == 0 {
		return name
	}
	if !s.room(len(dir) + 1 + len(name)) {
		return string(dir) + "/" + name
	}
	start := s.chunk.Len()
	s.chunk.Write(dir)
	s.chunk.WriteByte('/')
	s.chunk.WriteString(name)
	return s.chunk.String()[start:]
}

// room makes sure that n more bytes fit in the chunk. It returns false for what
// is better off by itself.
func (s *Strings) room(n int) bool {
	if n > mostChunk/8 {
		return false
	}
	if s.chunk.Cap()-s.chunk.Len() < n {
		s.size = min(max(2*s.size, leastChunk), mostChunk)
		s.chunk.Reset()
		s.chunk.Grow(max(s.size, n))
	}
	return true
}
