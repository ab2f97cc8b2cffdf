package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/images/vhd"
	"github.com/qedfs/qedfs/adapters/images/vmdk"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
	"github.com/qedfs/qedfs/qedfile"
)

func newCreate(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create [flags] IMAGE [SIZE]",
		Short: "Make an empty image",
		Long: `Make an empty image of SIZE bytes (with a suffix k, M, G, T, P or E: times
1024 and so on), rounded up to 512. An old file of that name is replaced.

With -b the image begins as a copy of the backing file, in its size unless
one is given, and stores only what is changed. A relative name of the backing
file is relative to the image. -b and -F come before what -o says.

preallocation acts on a raw disk: falloc takes the space from the host, and
writes zeroes only where the host cannot; full writes them. On an empty QED
image it has no effect. On Linux nocow=on has btrfs write the file in
place, and extent_size_hint has XFS take space for it in extents of so many
bytes; other filesystems do neither.`,
	}
	c := &createCommand{app: a}
	a.addShareFlags(cmd)
	addObjectFlag(cmd)
	addFormatFlag(cmd, &c.format, "format", "f", "format of the new image (default: qed; raw in the place of qemu-img)")
	c.options = addDiskOptions(cmd)
	backing := cmd.Flags().StringP("backing-file", "b", "", "`file` that shows through where the image stores nothing")
	var backingFmt string
	addFormatFlag(cmd, &backingFmt, "backing-format", "F", "format of the backing file")
	cmd.Flags().BoolVarP(&c.unsafe, "unsafe", "u", false, "do not open the backing file; needs SIZE")
	cmd.Flags().BoolVarP(&c.quiet, "quiet", "q", false, "print nothing but errors")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if c.options.help {
			return a.helpOptions(c.format, len(args) > 0)
		}
		if len(args) == 0 {
			return usageError(cmd, qemutext.Errorf("Expecting image file name"))
		}
		size := int64(-1)
		if len(args) >= 2 {
			var err error
			if size, err = parseSize(args[1], "image size"); err != nil {
				return err
			}
		}
		if len(args) > 2 {
			return usageError(cmd, qemutext.Errorf("Unexpected argument: %s", args[2]))
		}
		if cmd.Flags().Changed("backing-file") {
			c.backing = backing
		}
		c.backingFmt = backingFmt
		return about(args[0], c.create(cmd.Context(), args[0], size))
	}
	return cmd
}

// createCommand is create with its flags.
type createCommand struct {
	*app
	format        string
	options       *diskOptions
	backing       *string // nil when not told
	backingFmt    string
	unsafe, quiet bool
}

// errNoBackingName is what qemu says of a backing file that has no name.
var errNoBackingName = qemutext.Errorf("Expected backing file name, got empty string")

// defaultFormat is the format of a new disk that is not told.
func (a *app) defaultFormat() string {
	if a.asQemu() {
		return formatRaw
	}
	return formatQED
}

// helpOptions lists what -o takes.
func (a *app) helpOptions(format string, named bool) error {
	if format == "" {
		format = a.defaultFormat()
	}
	f, err := targetFormat(format)
	if err != nil {
		return err
	}
	return printOptions(a.stdout, f, named)
}

func (c *createCommand) create(ctx context.Context, name string, size int64) error {
	o, told := c.options, c.format != ""
	if !told {
		c.format = c.defaultFormat()
	}
	f, err := targetFormat(c.format)
	if err != nil {
		return err
	}
	if err := o.resolve(f); err != nil {
		return err
	}
	if err := c.addBacking(f); err != nil {
		return err
	}
	if err := o.resolve(f); err != nil {
		return err
	}
	if name, told := o.given["backing_file"]; told && name == "" {
		return errNoBackingName
	}
	if o.size >= 0 && size >= 0 {
		return qemutext.Errorf("The image size must be specified only once")
	}
	o.size = max(o.size, size)
	if err := c.lookAtBacking(name, o); err != nil {
		return err
	}
	if o.size < 0 {
		return qemutext.Errorf("Image creation needs a size parameter")
	}
	if !c.quiet {
		if _, err := fmt.Fprintf(c.stdout, "Formatting '%s', fmt=%s%s\n", name, f.name, o.describe(f)); err != nil {
			return err
		}
	}
	c.warnOfBacking(name, o.backing)
	if ext := strings.ToLower(filepath.Ext(name)); !told && f.name == formatQED && (ext == ".raw" || ext == ".img") {
		fmt.Fprintf(c.stderr, "qed: create: note: %s becomes a QED image; -f raw makes a raw disk\n", name)
	}
	path, err := c.describe(name, false)
	if err != nil {
		return fileError(name, err)
	}
	if isForeign(f.name) {
		return c.createForeign(ctx, path.Path, name)
	}
	o.warn = c.warn
	return makeDisk(path.Path, f.name, o.size, o, func(qedfile.WritableDisk) error { return nil })
}

// createForeign makes an empty image of a format that is neither QED nor raw.
func (c *createCommand) createForeign(ctx context.Context, path, name string) error {
	o := c.options
	if err := o.check(c.format, o.size); err != nil {
		return fileError(name, err)
	}
	image := &foreignCopy{format: c.format, options: o}
	if _, given := o.foreign["force_size"]; c.format == vhd.Format && !given {
		o.foreign["force_size"] = "off" // qemu-img's default; a copy keeps its size
	}
	if o.backing != "" && c.format == vmdk.Format { // which says what is in its parent
		base, err := c.openDiskFor(backingPath(name, o.backing), access{format: vmdk.Format, topOnly: true})
		if err != nil {
			return err
		}
		defer base.Close()
		image.backing = base.Disk
	}
	return image.write(ctx, path, emptyLayer{emptyDisk(roundUp(o.size))})
}

// addBacking puts -b and -F after the options of -o.
func (c *createCommand) addBacking(f format) error {
	switch {
	case c.backing != nil && !f.backed:
		return qemutext.Errorf("Backing file not supported for file format '%s'", f.name)
	case c.backingFmt != "" && !f.backed:
		return qemutext.Errorf("Backing file format not supported for file format '%s'", f.name)
	case c.backing != nil && *c.backing == "":
		return errNoBackingName
	}
	if c.backing != nil {
		c.options.add("backing_file", *c.backing)
	}
	if c.backingFmt != "" {
		c.options.add("backing_fmt", c.backingFmt)
	}
	return nil
}

// lookAtBacking checks the backing file, and takes its size where none is told.
func (a *createCommand) lookAtBacking(name string, o *diskOptions) error {
	if o.backing == "" {
		return nil
	}
	if o.backing == name {
		return qemutext.Errorf("Error: Trying to create an image with the same filename as the backing file")
	}
	path := backingPath(name, o.backing)
	if o.backingFmt == "" {
		err := qemutext.Errorf("Backing file specified without backing format")
		if a.unsafe {
			return err
		}
		if format, probeErr := a.probeName(path); probeErr == nil {
			err = err.WithHint(fmt.Sprintf("Detected format of %s.", format))
			err.Unended = true
			return err
		}
	}
	if a.unsafe {
		return nil
	}
	// Whoever typed this name may open it, wherever it is.
	base, err := a.openDiskFor(path, access{format: o.backingFmt})
	if err != nil {
		var open *openError
		if errors.As(err, &open) {
			err = qemutext.Errorf("%s", a.reason(open, true))
		}
		return &qemutext.Error{Lines: []string{message(err)}, Hint: "Could not open backing image.", Err: err}
	}
	defer base.Close()
	if o.backingFmt == "" {
		return qemutext.Errorf("Backing file specified without backing format")
	}
	if o.size < 0 {
		o.size = base.Size()
	}
	return nil
}

// probeName is the format that a file looks like.
func (a *app) probeName(path string) (string, error) {
	spec, err := a.describe(path, false)
	if err != nil {
		return "", err
	}
	f, err := backend.OpenFile(spec.Path, 0, &backend.FileOptions{ForceShare: true})
	if err != nil {
		return "", err
	}
	defer f.Close()
	return qedfile.Probe(f)
}

// warnOfBacking warns of a backing file that an image is to name, and that
// later commands will not open.
func (a *app) warnOfBacking(image, backing string) {
	if backing == "" || a.open.backing == "any" || qedfile.Siblings(image).Allows(backing) == nil {
		return
	}
	hint := "--backing any"
	if a.asQemu() {
		hint = "QED_BACKING=any in the environment"
	}
	fmt.Fprintf(a.stderr, "%s: warning: the backing file '%s' is not in the image's directory, so that it is only opened with %s\n", a.program.name, show.Text(backing), hint)
}

// warn prints a warning.
func (a *app) warn(text string) { fmt.Fprintf(a.stderr, "%s: warning: %s\n", a.program.name, text) }

// about says which file an error is about, in qemu's form.
func about(name string, err error) error {
	if err == nil {
		return nil
	}
	var text *qemutext.Error
	if errors.As(err, &text) && text.Error() == err.Error() {
		with := *text
		with.Lines = append([]string{name + ": " + text.Lines[0]}, text.Lines[1:]...)
		with.Err = err
		return &with
	}
	return fileError(name, err)
}
