package main

import (
	"errors"
	"fmt"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// Close says what a user should know of what was opened, and closes the image.
func (f *files) Close() error {
	f.reportNotes()
	return f.Disk.Close()
}

// reportNotes says what there is to know of the disk and of the filesystems
// that have been opened: each note once, and no failure.
func (f *files) reportNotes() {
	if m, ok := f.disk.(*qedfile.Image); ok && m.Header().NeedCheck() {
		f.note(errors.New("the image was not closed properly; 'qed check' looks whether it is sound"))
	}
	f.noteForeign()
	notes, err := f.Notes()
	if err != nil {
		return // said by whoever asked for the volumes
	}
	for _, n := range notes {
		if n.Volume == "" {
			f.note(errors.New(n.Text))
		} else {
			f.note(fmt.Errorf("%s: %s", n.Volume, n.Text))
		}
	}
}

// noteForeign says so where what is read as a raw disk looks like an image or
// an archive: its bytes are not those of a disk.
func (f *files) noteForeign() {
	if _, ok := f.disk.(*qedfile.Raw); !ok {
		return
	}
	section, err := backend.NewSection(f.disk, 0, f.disk.Size())
	if err != nil {
		return
	}
	if format, err := qedfile.Probe(section); err == nil && format != formatRaw {
		f.note(fmt.Errorf("read as a raw disk, but it looks like %s", qedfile.FormatTitle(format)))
	}
}
