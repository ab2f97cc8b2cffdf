package qedfile

// A placedWrite is a part of the disk whose clusters all have a place in the
// file, and that is yet to be written: several goroutines can write then,
// and the places are in the order in which they were asked for. It keeps
// [Image.Resize] waiting.
type placedWrite struct {
	m     *Image
	parts []placedPart
}

// place is the first half of a write of n bytes. The caller calls write or
// abandon.
func (m *Image) place(off, n int64) (*placedWrite, error) {
	m.write.cut.RLock()
	w := &placedWrite{m: m}
	err := m.checkWrite(off, n)
	for end := off + n; off < end && err == nil; {
		if err = m.placeTable(off); err != nil {
			break
		}
		var p placedPart
		if p, err = m.placePart(off, end-off); p.n > 0 {
			w.parts = append(w.parts, p)
			off += p.n
		}
	}
	if err != nil {
		w.abandon()
		return nil, err
	}
	return w, nil
}

// placeTable gives the table that maps pos its place before its clusters: who
// links the first of them is a matter of chance.
func (m *Image) placeTable(pos int64) error {
	m.write.mu.Lock()
	defer m.write.mu.Unlock()
	s, err := m.l2ForWriting(pos)
	if err == nil {
		m.unpinClean(s)
	}
	return err
}

// write writes b, as long as what was placed, and ends the write.
func (w *placedWrite) write(b []byte) error {
	defer w.abandon()
	for len(w.parts) > 0 {
		p := w.parts[0]
		w.parts = w.parts[1:]
		if err := w.m.writePart(&p, b[:p.n]); err != nil {
			return err
		}
		b = b[p.n:]
	}
	return nil
}

// abandon ends the write, and gives back the places that are not written. It
// does nothing after the first call.
func (w *placedWrite) abandon() {
	if w.m == nil {
		return
	}
	for i := range w.parts {
		if p := &w.parts[i]; !p.fresh.none() {
			w.m.abandon(&p.fresh)
		}
	}
	w.m.write.cut.RUnlock()
	w.m = nil
}
