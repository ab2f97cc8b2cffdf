package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/source"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/examples/qed/internal/imagespec"
	"github.com/qedfs/qedfs/examples/qed/internal/optlist"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/qedfile"
)

// openFlags say how images are opened. They mean the same on every
// subcommand that has them.
type openFlags struct {
	format     string
	forceShare bool
	backing    string
	snapshot   string
	described  bool           // names are descriptions: --image-opts
	sectorSize int            // bytes; 0 finds it out
	zone       *time.Location // of times that are stored without one
	with       []string       // further disks

	ignoreChecksums bool // of the data of files
}

// addFormatFlag gives a subcommand a flag that takes an image format; "" is
// not told. What is no format is an error where it is used.
func addFormatFlag(cmd *cobra.Command, format *string, name, short, usage string) {
	c := addChoice(cmd, format, name, short, "", usage, newFormats()...)
	c.free, c.empty = true, "Unknown file format ''"
}

// addOpenFlags gives a subcommand the flags that say how its images are
// opened. Those that look at volumes add addSectorFlag.
func (a *app) addOpenFlags(cmd *cobra.Command) {
	defer common(cmd)()
	addReadFormatFlag(cmd, &a.open.format, "format", "f", "format of the image (default: by its first bytes, never raw)")
	if !a.asQemu() { // where the name has another meaning
		cmd.Flags().StringVar(&a.open.snapshot, "snapshot", "", "read this internal snapshot of a qcow2 image, by its `name` or ID")
	}
	a.addShareFlags(cmd)
}

// addShareFlags is addOpenFlags without the format.
func (a *app) addShareFlags(cmd *cobra.Command) {
	defer common(cmd)()
	cmd.Flags().BoolVarP(&a.open.forceShare, "force-share", "U", false, "read an image even while another process writes it")
	a.addBackingFlag(cmd)
}

// addBackingFlag gives a subcommand the --backing flag.
func (a *app) addBackingFlag(cmd *cobra.Command) {
	defer common(cmd)()
	initial := os.Getenv("QED_BACKING")
	if initial != "none" && initial != "any" {
		initial = "sibling"
	}
	if a.asQemu() {
		// qemu's tools have no such options.
		a.open.backing = initial
		a.addSourceFlags(&cobra.Command{})
		return
	}
	addChoice(cmd, &a.open.backing, "backing", "", initial, "backing files that may be opened: none, those beside the image, or any", "none", "sibling", "any")
	a.addSourceFlags(cmd)
}

// addSectorFlag gives a subcommand the --sector-size flag.
func (a *app) addSectorFlag(cmd *cobra.Command) {
	defer common(cmd)()
	cmd.Flags().IntVar(&a.open.sectorSize, "sector-size", 0, "size of the disk's sectors, 512 or 4096 `bytes` (default: detected)")
	check := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if n := a.open.sectorSize; n != 0 && n != 512 && n != 4096 {
			return usageError(cmd, fmt.Errorf("--sector-size %d: neither 512 nor 4096", n))
		}
		if check != nil {
			return check(cmd, args)
		}
		return nil
	}
}

// backingFunc is what --backing allows for the image in r, of this name.
func (a *app) backingFunc(r backend.Reader, name string) qedfile.BackingFunc {
	if files := a.imageFiles(r, name); files != nil {
		return files.Backing
	}
	return nil
}

// disk is an open image or raw disk, and what the command line said of it.
// (The Disk is no embedded field: embedding would hide what else it can do, as
// to say where its data lies, from the functions that it is given to.)
type disk struct {
	Disk   qedfile.Disk
	name   string
	format string
	image  *qedfile.Image // nil for a raw disk
	raw    *qedfile.Raw   // nil for an image

	title    string // what qemu calls it; "" is the name
	base     int64  // where a raw disk begins in the file, in bytes
	fileSize int64  // bytes of the file when it was opened
}

func (d *disk) Size() int64  { return d.Disk.Size() }
func (d *disk) Close() error { return d.Disk.Close() }

// writable is the disk for what changes it; it was opened for that.
func (d *disk) writable() qedfile.WritableDisk {
	if d.raw != nil {
		return d.raw
	}
	return d.image
}

// access says what a disk is opened for.
type access struct {
	format    string // of this disk; "" looks at the file
	described bool   // the name is a description
	write     bool
	nativeAIO bool // refused without direct access
	direct    bool // whole sectors of a raw disk are read and written
	topOnly   bool // the chain beneath is not needed and is left alone
	unsynced  bool // leave what is written for the host to bring to its disk
	share     bool // read it, and the chain, even while another process writes it; -U says so for all
	dirty     qedfile.DirtyPolicy
	changes   []optlist.Option // of the description
}

// openDisk opens a disk for reading, in the format of the -f flag.
func (a *app) openDisk(name string) (*disk, error) {
	return a.openDiskFor(name, a.source())
}

// source says how the images that are named on the command line are opened.
func (a *app) source() access {
	return access{format: a.open.format, described: a.open.described}
}

// openDiskFor opens a disk. Errors name it.
func (a *app) openDiskFor(name string, acc access) (*disk, error) {
	if acc.described && acc.format != "" {
		return nil, qemutext.Errorf("--image-opts and --format are mutually exclusive")
	}
	d, err := a.openDescribed(name, acc)
	if err != nil {
		described := acc.described || strings.HasPrefix(name, "json:")
		return nil, &openError{source.Redacted(name), err, acc.write, described}
	}
	return d, nil
}

func (a *app) newDisk(f backend.Reader, name string, acc access) (*disk, error) {
	format := acc.format
	if format == "" {
		var err error
		if f, format, err = a.guessFormat(f, name, acc.write); err != nil {
			return nil, err
		}
	}
	if a.open.snapshot != "" && format != formatQcow2 {
		return nil, &noSnapshotsError{format}
	}
	if format != formatQED && format != formatRaw && !imagespec.IsProtocol(format) {
		return a.newForeignDisk(f, name, format, acc)
	}
	if s, ok := f.(backend.Storage); ok && acc.unsynced {
		f = backend.Unsynced(s)
	}
	if format != formatQED {
		if acc.direct {
			f = inSectors(f)
		}
		raw, err := qedfile.NewRaw(f)
		return &disk{Disk: raw, raw: raw, name: name, format: format}, err
	}
	opts := &qedfile.Options{Backing: namedBacking(name, a.backingFunc(f, name)), Writable: acc.write, Dirty: acc.dirty, ForceShare: acc.share}
	if acc.topOnly {
		opts.Backing = noBacking
	}
	image, err := qedfile.New(f, opts)
	if err != nil {
		return nil, a.explainBacking(err)
	}
	return &disk{Disk: image, image: image, name: name, format: format}, nil
}

// explainBacking tells what could be done about a refused backing file.
func (a *app) explainBacking(err error) error {
	if errors.Is(err, qedfile.ErrBackingDenied) && a.open.backing != "any" {
		return fmt.Errorf("%w; --backing any allows files anywhere, if the image is trusted", err)
	}
	return err
}

// noBacking stands for every backing file where what lies in it does not
// matter.
func noBacking(qedfile.BackingRef) (qedfile.Disk, error) {
	return qedfile.NewRaw(backend.NewMemory(nil))
}
