package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/source"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/examples/qed/internal/imagespec"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/qedfile"
)

// addDescriptionFlags gives a subcommand that qemu-img has the flags by which
// images are described there.
func (a *app) addDescriptionFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.open.described, "image-opts", false, "take IMAGE for a description: driver=qed,file.filename=disk.qed")
	addObjectFlag(cmd)
}

// errDash is the error for an image that is named -. Where a command writes one
// file that is no image, this means standard output.
var errDash = errors.New("an image is neither read from standard input nor written to standard output; a file of this name is ./-")

// describe reads the name of an image, or its description. Every name on the
// command line comes through here.
func (a *app) describe(name string, described bool) (*imagespec.Spec, error) {
	parser := &imagespec.Parser{
		Strict: a.asQemu(),
		Known: func(format string) bool {
			_, known := findFormat(format)
			return known
		},
		Warn: a.warn,
	}
	if described {
		return parser.ParseOptions(name)
	}
	if name == "-" && !a.asQemu() { // qemu's tools have no meaning for it
		return nil, errDash
	}
	if !source.Local(name) && !strings.HasPrefix(name, "file:") {
		return &imagespec.Spec{Path: name}, nil
	}
	return parser.Parse(name)
}

// openDescribed opens the disk that a name means.
func (a *app) openDescribed(name string, acc access) (*disk, error) {
	if acc.format != "" && !acc.described {
		if err := knownFormat(acc.format); err != nil {
			return nil, err
		}
	}
	spec, err := a.describe(name, acc.described)
	if err != nil {
		return nil, err
	}
	if acc.format != "" {
		spec.Driver = acc.format // as qemu has it, the one of -f wins
	}
	for _, o := range acc.changes {
		if err := spec.Set(o.Name, o.Value); err != nil {
			return nil, err
		}
	}
	return a.openSpec(spec, acc)
}

func (a *app) openSpec(spec *imagespec.Spec, acc access) (*disk, error) {
	if spec.Driver != "" {
		acc.format = spec.Driver
	}
	if acc.format != "" && !imagespec.IsProtocol(acc.format) {
		if err := knownFormat(acc.format); err != nil {
			return nil, err
		}
	}
	if acc.write && (spec.ForceShare || a.open.forceShare) && a.asQemu() {
		return nil, qemutext.Errorf("force-share=on can only be used with read-only images")
	}
	acc.share = (acc.share || spec.ForceShare || a.open.forceShare) && !acc.write
	acc.direct = acc.direct || spec.Direct
	if (acc.nativeAIO || spec.NativeAIO) && !acc.direct {
		return nil, qemutext.Errorf("aio=native was specified, but it requires cache.direct=on, which was not specified.")
	}
	if acc.write && spec.ReadOnly {
		return nil, qemutext.Errorf("Block node is read-only")
	}
	if spec.Driver == formatRaw && spec.File != nil && spec.Offset == 0 && !spec.Sized {
		// The disk itself: what it stores where is known.
		d, err := a.openSpec(spec.File, access{write: acc.write, share: acc.share, unsynced: acc.unsynced})
		if err != nil {
			return nil, err
		}
		d.format, d.title = formatRaw, spec.Name()
		return d, nil
	}
	f, err := a.openBeneath(spec, acc)
	if err != nil {
		return nil, err
	}
	var d *disk
	r, err := partOf(f, spec)
	if err == nil {
		d, err = a.newDisk(r, source.Redacted(spec.Path), acc)
	}
	if err == nil {
		if title := spec.Name(); title != spec.Path {
			d.title = title
		}
		d.base = spec.Offset
		d.fileSize, err = f.Size()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return d, nil
}

// openBeneath opens what an image lies in: a file, or the disk of another image.
func (a *app) openBeneath(spec *imagespec.Spec, acc access) (backend.Reader, error) {
	if spec.File == nil {
		return a.openHost(spec, acc)
	}
	d, err := a.openSpec(spec.File, access{write: acc.write, share: acc.share, unsynced: acc.unsynced})
	switch {
	case err != nil:
		return nil, err
	case acc.write:
		return diskStorage{diskReader{d}}, nil
	}
	return diskReader{d}, nil
}

// knownFormat returns an error if no format has this name.
func knownFormat(format string) error {
	if _, ok := findFormat(format); ok {
		return nil
	}
	return qemutext.Errorf("Unknown driver '%s'", format)
}

// guessFormat finds the format out. In the place of qemu's tools a file of no
// known format is a raw disk, as there, which is never to become anything else
// by what is written.
func (a *app) guessFormat(r backend.Reader, name string, write bool) (backend.Reader, string, error) {
	looks, err := qedfile.Probe(r)
	if err != nil {
		return nil, "", err
	}
	if !a.asQemu() || looks != formatRaw {
		looks, err = probeFormat(r)
		return r, looks, err
	}
	if _, storage := r.(backend.Storage); !write || !storage {
		return r, formatRaw, nil
	}
	a.warnOfGuess(name)
	if f, ok := r.(*backend.File); ok {
		r = guardedRaw{f}
	}
	return r, formatRaw, nil
}

// warnOfGuess says that a disk is to be written that is raw by guess.
func (a *app) warnOfGuess(name string) {
	fmt.Fprintf(a.stderr, "WARNING: Image format was not specified for '%s' and probing guessed raw.\n"+
		"         Automatically detecting the format is dangerous for raw images, write operations on block 0 will be restricted.\n"+
		"         Specify the 'raw' format explicitly to remove the restrictions.\n", name)
}

// guardedRaw is a file that is raw by guess.
type guardedRaw struct{ *backend.File }

// WriteAt refuses what would make the guess come out otherwise the next time.
func (g guardedRaw) WriteAt(p []byte, off int64) (int, error) {
	const sector = 512
	if off < sector {
		first := make([]byte, sector)
		if _, err := g.File.ReadAt(first, 0); err != nil && err != io.EOF {
			return 0, err
		}
		copy(first[off:], p)
		if format, err := qedfile.Probe(backend.NewMemory(first)); err != nil || format != formatRaw {
			return 0, errors.Join(err, fmt.Errorf("the first sector of a disk whose format was guessed is not made %s", format))
		}
	}
	return g.File.WriteAt(p, off)
}
