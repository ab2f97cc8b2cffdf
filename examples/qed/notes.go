package main

import (
	"errors"
	"fmt"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// Close says what a user should know of what was opened, and closes the image,
// unless other commands of a shell go on with it.
func (f *files) Close() error {
	if f.shared {
		return nil
	}
	f.reportNotes()
	return f.Disk.Close()
}

// reportNotes says what there is to know of the image, the disk and the
// filesystems that have been opened: each note once, and no failure.
func (f *files) reportNotes() {
	for _, n := range f.allNotes() {
		text := n.Text
		if n.Missing {
			text += withHint
		}
		if n.Volume == "" {
			f.note(errors.New(text))
		} else {
			f.note(fmt.Errorf("%s: %s", n.Volume, text))
		}
	}
}

// allNotes are what there is to know, for every command and the pages of serve.
func (f *files) allNotes() []imagefs.Note {
	var list []imagefs.Note
	if m, ok := f.disk.(*qedfile.Image); ok && m.Header().NeedCheck() {
		list = append(list, imagefs.Note{Text: "the image was not closed properly; 'qed check' looks whether it is sound"})
	}
	if format := f.looksLike(); format != "" {
		list = append(list, imagefs.Note{Text: "read as a raw disk, but it looks like " + qedfile.FormatTitle(format)})
	}
	notes, err := f.Notes()
	if err != nil {
		return list // reported by the caller that asked for the volumes
	}
	return append(list, notes...)
}

// looksLike is the format of an image or archive that is read as a raw disk:
// its bytes are not those of a disk.
func (f *files) looksLike() string {
	if _, ok := f.disk.(*qedfile.Raw); !ok {
		return ""
	}
	section, err := backend.NewSection(f.disk, 0, f.disk.Size())
	if err != nil {
		return ""
	}
	if format, err := qedfile.Probe(section); err == nil && format != formatRaw {
		return format
	}
	return ""
}
