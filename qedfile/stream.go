package qedfile

import (
	"errors"
	"io"
	"io/fs"
)

// Read implements [io.Reader] at the offset that Seek sets.
func (m *Image) Read(p []byte) (int, error) {
	m.seek.Lock()
	defer m.seek.Unlock()
	n, err := m.ReadAt(p, m.seek.offset)
	m.seek.offset += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// Seek implements [io.Seeker] for Read and WriteTo.
func (m *Image) Seek(offset int64, whence int) (int64, error) {
	if m.closed.Load() {
		return 0, fs.ErrClosed
	}
	m.seek.Lock()
	defer m.seek.Unlock()
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += m.seek.offset
	case io.SeekEnd:
		offset += m.Size()
	default:
		return 0, invalid("seek with whence %d", whence)
	}
	if offset < 0 {
		return 0, errNegativeOffset
	}
	m.seek.offset = offset
	return offset, nil
}

// WriteTo implements [io.WriterTo]: it writes the disk from the current offset
// to its end. [io.Copy] calls it.
//
// Where w is a file that ends at its current offset, what reads as zeroes is
// not written but left out as a hole.
func (m *Image) WriteTo(w io.Writer) (int64, error) {
	m.seek.Lock()
	defer m.seek.Unlock()
	start := m.seek.offset
	out := newHoleWriter(w)
	buf := make([]byte, 1<<20)
	for e, err := range m.Extents(start, max(0, m.Size()-start)) {
		if err == nil {
			err = m.copyExtent(out, e, buf)
		}
		if err != nil {
			return m.seek.offset - start, err
		}
	}
	return m.seek.offset - start, out.finish()
}

// copyExtent writes one run and moves the offset past it.
func (m *Image) copyExtent(out *holeWriter, e Extent, buf []byte) error {
	if e.Kind != Data {
		n, err := out.skip(e.Length, buf)
		m.seek.offset += n
		return err
	}
	for end := e.Start + e.Length; m.seek.offset < end; {
		n, err := m.ReadAt(buf[:min(int64(len(buf)), end-m.seek.offset)], m.seek.offset)
		if n == 0 && err != nil {
			return unexpectedEOF(err) // the disk was cut meanwhile
		}
		n, err = out.w.Write(buf[:n])
		m.seek.offset += int64(n)
		if err != nil {
			return err
		}
	}
	return nil
}

// A holeWriter writes to w, and leaves out zeroes where w is a file that has
// nothing after its offset.
type holeWriter struct {
	w    io.Writer
	file sparseFile // nil when holes cannot be made
	hole bool       // the last thing was a hole: the file is too short
}

// sparseFile is what an os.File has; bytes that are skipped in it are zeroes.
type sparseFile interface {
	io.WriteSeeker
	io.WriterAt
	Truncate(size int64) error
}

func newHoleWriter(w io.Writer) *holeWriter {
	out := &holeWriter{w: w}
	f, ok := w.(sparseFile)
	if !ok {
		return out
	}
	// A file opened for appending writes at its end wherever one seeks to,
	// and refuses WriteAt for that.
	if _, err := f.WriteAt(nil, 0); err != nil {
		return out
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return out // a pipe
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(at, io.SeekStart)
	}
	if err == nil && at == end {
		out.file = f
	}
	return out
}

// skip writes n zeroes, as a hole if it can. It uses buf otherwise.
func (out *holeWriter) skip(n int64, buf []byte) (int64, error) {
	if out.file != nil {
		if _, err := out.file.Seek(n, io.SeekCurrent); err != nil {
			return 0, err
		}
		out.hole = true
		return n, nil
	}
	clear(buf)
	var done int64
	for done < n {
		k, err := out.w.Write(buf[:min(int64(len(buf)), n-done)])
		done += int64(k)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// finish makes the file long enough for a hole at its end.
func (out *holeWriter) finish() error {
	if !out.hole {
		return nil
	}
	end, err := out.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	size, err := out.file.Seek(0, io.SeekEnd)
	if err == nil && size < end {
		err = out.file.Truncate(end)
	}
	_, seekErr := out.file.Seek(end, io.SeekStart)
	return errors.Join(err, seekErr)
}
