package fstree

import "fmt"

// CutOff is called by a reader that has filled in the rest, with the bytes that
// the filesystem says it lies in and those that the volume has. If these are
// fewer it notes so, and what is not there is neither size nor free; which of
// it was free is not asked.
func (i *Info) CutOff(claimed, size int64) {
	if size >= claimed {
		return
	}
	i.Notes = append(i.Notes, fmt.Sprintf("the volume is cut off: %d of %d bytes are there", size, claimed))
	i.Size = min(i.Size, size)
	i.Free = min(max(i.Free-(claimed-size), 0), i.Size)
}
