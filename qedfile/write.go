package qedfile

// DirtyPolicy says what happens when an image that was not closed properly is
// opened for writing.
type DirtyPolicy uint8

const (
	// DirtyRepair checks and repairs the image first.
	DirtyRepair DirtyPolicy = iota
)

func (m *Image) beginWriting(DirtyPolicy) error { return ErrReadOnly }
func (m *Image) endWriting() error              { return nil }
