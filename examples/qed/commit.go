package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/qedfile"
)

func newCommit(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "commit [flags] IMAGE",
		Short: "Merge an image into its backing file",
		Long: `Merge an image into its backing file, which then shows what the
image does. A backing file that is shorter is made as long. The image itself
stays as it is, as qemu-img leaves it, unless --empty removes what the
backing file now has.

-b names a file deeper in the chain: what lies over it is written there.

Other images over the same backing file are spoilt by this.`,
		Args: oneImage(),
	}
	c := &commitCommand{app: a}
	a.addBackingFlag(cmd)
	a.addDescriptionFlags(cmd)
	flags := cmd.Flags()
	addFormatFlag(cmd, &a.open.format, "format", "f", "format of the image")
	base := flags.StringP("base", "b", "", "the `file` of the chain to write to (default: the one right beneath)")
	flags.BoolVar(&c.empty, "empty", false, "remove from the image what the backing file then has")
	flags.BoolP("keep", "d", false, "leave the image as it is, as always without --empty")
	cmd.MarkFlagsMutuallyExclusive("keep", "empty")
	cmd.MarkFlagsMutuallyExclusive("base", "empty")
	rate := int64(0)
	addRateFlag(cmd, &rate)
	addCacheFlag(cmd, &c.cache)
	asked := addProgressFlag(cmd)
	quiet := flags.BoolP("quiet", "q", false, "print nothing but errors")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if a.open.described && a.open.format != "" {
			return qemutext.Errorf("--image-opts and --format are mutually exclusive")
		}
		if flags.Changed("base") {
			c.base = base
		}
		spec, err := a.describe(args[0], a.open.described)
		if err != nil {
			return &openError{name: args[0], err: err}
		}
		c.image, c.shown = spec.Path, args[0]
		top, err := c.open(spec.Path)
		var opening *openError
		if errors.As(err, &opening) {
			return err
		}
		progress := a.newPercentage("commit", *asked && !*quiet)
		defer progress.finish()
		progress.begin()
		if err != nil {
			return err
		}
		err = c.commit(cmd.Context(), top, limitRate(cmd.Context(), rate, progress.set))
		if err = errors.Join(err, top.Close()); err != nil || *quiet {
			return fileError(args[0], err)
		}
		progress.finish()
		_, err = fmt.Fprintln(a.stdout, "Image committed.")
		return err
	}
	return cmd
}

// commitCommand is commit with its flags, and what it found.
type commitCommand struct {
	*app
	image  string  // path of the top
	shown  string  // as it was named
	base   *string // -b, relative to the top; nil when not told
	empty  bool
	cache  string
	target *disk // the disk that is written to
	depth  int   // how many layers lie over it
}

// open opens an image and its chain, and the target for writing.
func (c *commitCommand) open(name string) (*qedfile.Image, error) {
	flag := os.O_RDONLY
	if c.empty {
		flag = os.O_RDWR
	}
	if fi, err := os.Stat(name); err == nil && fi.IsDir() {
		return nil, &openError{name: name, err: &fs.PathError{Op: "open", Path: name, Err: syscall.EISDIR}, write: true}
	}
	f, err := backend.OpenFile(name, flag, nil)
	if err != nil {
		return nil, &openError{name: name, err: err, write: c.empty}
	}
	top, err := c.openTop(f, name)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if top.Backing() == nil && c.base == nil {
		return nil, errors.Join(qemutext.Errorf("Image does not have a backing file"), top.Close())
	}
	if c.target == nil {
		return nil, errors.Join(c.noBackingFile(), top.Close())
	}
	return top, nil
}

func (c *commitCommand) openTop(f *backend.File, name string) (*qedfile.Image, error) {
	if c.source().format == formatRaw {
		return nil, c.noBackingFile()
	}
	if err := requireQED(f); err != nil {
		if looks, probeErr := qedfile.Probe(f); c.asQemu() && probeErr == nil && looks == formatRaw {
			c.warnOfGuess(name)
			return nil, c.noBackingFile()
		}
		return nil, &openError{name: name, err: err}
	}
	top, err := qedfile.New(f, &qedfile.Options{Backing: namedBacking(name, c.backing(name)), Writable: c.empty})
	if err != nil {
		return nil, &openError{name: name, err: c.explainBacking(err)}
	}
	return top, nil
}

// noBackingFile is what qemu says of a disk that is not over another.
func (c *commitCommand) noBackingFile() error {
	if c.base != nil {
		return qemutext.Errorf("Did not find '%s' in the backing chain of '%s'", *c.base, c.shown)
	}
	return qemutext.Errorf("Image does not have a backing file")
}

// backing opens the backing file of an image of the chain: the target for
// writing, one over it for reading.
func (c *commitCommand) backing(image string) qedfile.BackingFunc {
	return func(ref qedfile.BackingRef) (qedfile.Disk, error) {
		c.depth++
		format, err := c.allowedFormat(image, ref)
		if err != nil {
			return nil, err
		}
		path := backingFile(image, ref.Name)
		if c.base == nil || c.isBase(image, ref.Name) {
			if c.target, err = c.openDiskFor(path, access{format: format, write: true, unsynced: c.cache == cacheUnsafe}); err != nil {
				return nil, errors.Unwrap(err)
			}
			return c.target.Disk, nil
		}
		f, err := backend.OpenFile(path, os.O_RDONLY, nil)
		if err != nil {
			return nil, err
		}
		if format != formatQED {
			return qedfile.NewRaw(f)
		}
		d, err := qedfile.New(f, &qedfile.Options{Backing: c.backing(path)})
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return d, nil
	}
}

// isBase reports whether a name in an image means the file of -b.
func (c *commitCommand) isBase(image, name string) bool {
	path, errPath := filepath.Abs(backingFile(image, name))
	base, errBase := filepath.Abs(backingFile(c.image, *c.base))
	return *c.base == name || *c.base != "" && errPath == nil && errBase == nil && path == base
}

// allowedFormat is the format of the backing file of an image, if --backing
// allows to open it at all: what that opens is closed again.
func (a *app) allowedFormat(image string, ref qedfile.BackingRef) (string, error) {
	allowed := a.backingFunc(nil, image)
	if allowed == nil {
		return "", qedfile.ErrBackingDenied
	}
	d, err := allowed(ref)
	if err != nil {
		return "", err
	}
	return formatOf(d), d.Close()
}

func (c *commitCommand) commit(ctx context.Context, top *qedfile.Image, progress func(done, total int64)) error {
	base := c.target.writable()
	if c.depth == 1 {
		return qedfile.Commit(ctx, base, top, &qedfile.CommitOptions{Empty: c.empty, Progress: progress})
	}
	err := qedfile.Convert(ctx, base, layersOver{top, c.depth}, &qedfile.ConvertOptions{SameBacking: true, Progress: progress})
	if err != nil {
		return err
	}
	return base.Sync()
}

// layersOver is the upper layers of a chain as if they were one.
type layersOver struct {
	*qedfile.Image
	depth int // how many they are
}

var _ qedfile.Layer = layersOver{}

// OwnExtents implements [qedfile.Layer].
func (l layersOver) OwnExtents(off, n int64) iter.Seq2[qedfile.Extent, error] {
	return func(yield func(qedfile.Extent, error) bool) {
		for e, err := range l.Extents(off, n) {
			if e.Depth >= l.depth {
				e.Kind, e.Offset = qedfile.Unallocated, -1
			}
			e.Depth = 0
			if !yield(e, err) {
				return
			}
		}
	}
}
