package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/adapters/images/vhd"
	"github.com/qedfs/qedfs/adapters/images/vmdk"
	"github.com/qedfs/qedfs/adapters/source"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/qedfile"
)

// addReadFormatFlag gives a subcommand a flag that takes the format of an
// image that is only read; "" is not told.
func addReadFormatFlag(cmd *cobra.Command, format *string, name, short, usage string) {
	c := addChoice(cmd, format, name, short, "", usage, images.Formats()...)
	c.free, c.empty = true, "Unknown driver ''"
}

// probeFormat recognises an image by its first bytes. A format that is not read
// here is refused by name. Reading it as a raw disk would be a guess that the
// contents of a disk could provoke.
func probeFormat(r backend.Reader) (string, error) {
	format, err := qedfile.Probe(r)
	switch {
	case err != nil:
		return "", err
	case format == formatRaw:
		return "", errors.New("not a QED image; if it is a raw disk, say -f raw")
	case slices.Contains(images.Formats(), format):
		return format, nil
	}
	return "", errNotQED(format)
}

// requireQED refuses what is no QED image, and names what it is.
func requireQED(r backend.Reader) error {
	format, err := probeFormat(r)
	if err == nil && format != formatQED {
		err = errNotQED(format)
	}
	return err
}

func errNotQED(format string) error {
	return fmt.Errorf("not a QED image: it is %s", qedfile.FormatTitle(format))
}

// readOnlyFormatError refuses to change an image of another format.
type readOnlyFormatError struct{ format string }

func (e *readOnlyFormatError) Error() string {
	return qedfile.FormatTitle(e.format) + " is only read here, not changed"
}

// Unwrap makes the error match [errors.ErrUnsupported].
func (e *readOnlyFormatError) Unwrap() error { return errors.ErrUnsupported }

// imageFiles is what --backing allows of the files that the image in r, of this
// name, may use, or nil. What comes from elsewhere never reaches a file of this
// machine.
func (a *app) imageFiles(r backend.Reader, name string) images.Files {
	s, ok := r.(*source.Source)
	switch {
	case a.open.backing == "none":
		return nil
	case ok && s.Remote():
		return s.Files()
	case !source.Local(name): // an image in an image of another machine
		return nil
	case a.open.backing == "any":
		return images.Anywhere(name)
	}
	return images.Siblings(name)
}

// newForeignDisk opens an image that is neither QED nor raw.
func (a *app) newForeignDisk(f backend.Reader, name, format string, acc access) (*disk, error) {
	if acc.write {
		return nil, &readOnlyFormatError{format}
	}
	opts := &images.Options{Format: format, Files: a.imageFiles(f, name), ForceShare: acc.share, Alone: acc.topOnly, Snapshot: a.open.snapshot}
	d, err := images.NewReader(f, opts)
	if err != nil {
		if looks, probeErr := qedfile.Probe(f); probeErr == nil && looks != format {
			err = notOfFormat(format, err)
		}
		return nil, a.explainBacking(err)
	}
	return &disk{Disk: d, name: name, format: format}, nil
}

// notOfFormat is what qemu says of a file that is none of a format, or the
// error itself.
func notOfFormat(format string, err error) error {
	switch format {
	case formatQcow2:
		return qemutext.Errorf("Image is not in qcow2 format")
	case vmdk.Format:
		return qemutext.Errorf("invalid VMDK image descriptor")
	case vhd.Format:
		return qemutext.Errorf("invalid VPC image")
	}
	return err
}

// describeForeign is what an image of another format says of itself.
func describeForeign(name string, d images.Describer) (imageInfo, error) {
	about, err := d.Info()
	if about == nil {
		return imageInfo{}, err
	}
	info := imageInfo{
		Filename: name, Format: about.Format, VirtualSize: about.VirtualSize,
		ClusterSize: about.ClusterSize, Dirty: about.Dirty,
		Specific: newFormatSpecific(about),
	}
	for _, s := range about.Snapshots {
		info.Snapshots = append(info.Snapshots, newSnapshotInfo(&s))
	}
	if about.BackingFile != "" {
		info.BackingFilename = about.BackingFile
		info.FullBackingFilename = backingPath(name, about.BackingFile)
		info.BackingFormat = about.BackingFormat
	}
	return info, err
}

// formatOf is the name of the format of an open disk.
func formatOf(d qedfile.Disk) string {
	switch d := d.(type) {
	case *qedfile.Image:
		return formatQED
	case images.Describer:
		if about, _ := d.Info(); about != nil {
			return about.Format
		}
	}
	return formatRaw
}

// backingName is the name of the backing file as a layer stores it.
func backingName(layer qedfile.Layer) string {
	switch d := layer.(type) {
	case *qedfile.Image:
		return d.Header().BackingFile
	case images.Describer:
		if about, err := d.Info(); about != nil && err == nil {
			return about.BackingFile
		}
	}
	return ""
}
