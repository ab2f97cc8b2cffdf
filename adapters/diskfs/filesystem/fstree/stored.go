package fstree

// MoreThanStored reports whether runs of a file hold more bytes than the size
// bytes of its volume: some are mapped again and again, which is damage where
// files share no blocks. A small volume could otherwise hold files without end.
// What cannot be mapped is left to whoever reads it.
func MoreThanStored(c Content, size int64) bool {
	if c.Size() <= size {
		return false
	}
	stored := int64(0)
	for x, err := range c.Extents(0, c.Size()) {
		if err != nil {
			return false
		}
		if x.Hole || x.Offset < 0 {
			continue
		}
		if stored += x.Length; stored > size {
			return true
		}
	}
	return false
}
