package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/examples/qed/internal/optlist"
	"github.com/qedfs/qedfs/examples/qed/internal/qemuio"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/qedfile"
)

// exitAborted is what a shell reports for a process that died of SIGABRT.
const exitAborted = 134

func newIO(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "io [flags] [IMAGE]",
		Short: "Read, write and examine the disk with qemu-io's commands",
		Long: `Run commands in the language of qemu-io, from -c options or else from
standard input, a line each:

  qed io -c 'write -P 0x11 64k 128k' -c 'read -P 0x11 64k 128k' -c map disk.qed

What they print is what qemu-io prints, times aside. The command "help" lists
them. The exit code is 1 if any of them failed.

-m, -k, -i and, but for the end of a raw disk, -n and -t, which choose how qemu
asks its host, and --trace are checked and change nothing.`,
		Args: a.ioArgs(),
	}
	c := &ioCommand{app: a}
	a.addOpenFlags(cmd)
	a.addDescriptionFlags(cmd)
	flags := cmd.Flags()
	flags.StringArrayVarP(&c.lines, "cmd", "c", nil, "run this `command`; may be given several times")
	flags.BoolVarP(&c.opts.ReadOnly, "read-only", "r", false, "open the image for reading only")
	temporary := "temporary"
	if a.asQemu() {
		temporary = "snapshot"
	}
	flags.BoolVarP(&c.opts.Snapshot, temporary, "s", false, "forget what is written when the image is closed")
	flags.BoolVarP(&c.opts.CopyOnRead, "copy-on-read", "C", false, "leave what is read of the backing file in the image")
	flags.BoolVarP(&c.opts.Direct, "nocache", "n", false, "as -t none")
	flags.BoolP("misalign", "m", false, "how qemu places its buffers")
	flags.BoolVarP(&c.opts.NativeAIO, "native-aio", "k", false, "as -i native")
	flags.VarP(modeFlag(func(s string) error {
		c.opts.NativeAIO = s == "native"
		return qemuio.CheckAIO(s)
	}), "aio", "i", "how qemu asks its host: threads, native or io_uring")
	flags.VarP(modeFlag(func(s string) (err error) {
		c.opts.Direct, err = qemuio.DirectCache(s)
		return err
	}), "cache", "t", "a cache mode of qemu; with none and directsync whole sectors of a raw disk are written")
	flags.VarP(modeFlag(func(s string) (err error) {
		c.opts.IgnoreDiscard, err = qemuio.IgnoresDiscard(s)
		return err
	}), "discard", "d", "whether a discard does anything: ignore or unmap")
	flags.StringP("trace", "T", "", "what qemu is to trace")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if a.open.described && a.open.format != "" {
			return qemutext.Errorf("--image-opts and -f are mutually exclusive")
		}
		return c.run(cmd, args)
	}
	return cmd
}

// ioArgs demands one image at most.
func (a *app) ioArgs() cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) <= 1:
			return nil
		case a.asQemu():
			return errors.Join(cmd.Help(), &exitError{code: exitFailed})
		}
		return fmt.Errorf("one image at most, not %d", len(args))
	}
}

// ioFlagError is a mistake in the options in the place of qemu-io, which tells
// it as getopt_long(3) does and prints its help.
func ioFlagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		err = qemutext.Errorf("invalid option -- '%.1s'", unknown.GetSpecifiedShortnames())
	case errors.As(err, &unknown):
		err = qemutext.Errorf("unrecognized option '--%s'", unknown.GetSpecifiedName())
	case errors.As(err, &missing) && missing.GetSpecifiedShortnames() != "":
		err = qemutext.Errorf("option requires an argument -- '%.1s'", missing.GetSpecifiedShortnames())
	case errors.As(err, &missing):
		err = qemutext.Errorf("option '--%s' requires an argument", missing.GetSpecifiedName())
	default:
		return flagError(cmd, err)
	}
	return &exitError{exitFailed, errors.Join(err, cmd.Help())}
}

// modeFlag is a flag whose value is checked.
type modeFlag func(string) error

func (modeFlag) Type() string         { return "mode" }
func (modeFlag) String() string       { return "" }
func (f modeFlag) Set(s string) error { return f(s) }

// ioCommand is io with its flags.
type ioCommand struct {
	*app
	lines []string
	opts  qemuio.OpenOptions
}

func (c *ioCommand) run(cmd *cobra.Command, args []string) error {
	out := bufio.NewWriter(c.stdout)
	s := &qemuio.Session{
		Out:  out,
		Err:  flushFirst{out, c.stderr},
		Open: c.openDevice,
	}
	s.Complain = func(err error) {
		var open *openError
		if errors.As(err, &open) {
			name := " device " + open.name
			if open.name == "" {
				name = ""
			}
			err = qemutext.Errorf("can't open%s: %s", name, c.reason(open, true))
		}
		c.complain(cmd, err)
	}
	c.stderr = s.Err // in its order
	for _, name := range args {
		opts := c.opts
		opts.Format, opts.ForceShare = c.open.format, c.open.forceShare
		if c.open.described {
			name, opts.Options = "", name
		}
		if !c.asQemu() {
			opts.ReadOnly = opts.ReadOnly || opts.ForceShare
		}
		if err := s.OpenFile(name, opts); err != nil {
			return &exitError{code: exitFailed}
		}
	}
	next := listed(c.lines)
	if len(c.lines) == 0 {
		next = prompted(c.stdin, out)
	}
	err := runSession(cmd.Context(), s, out, next)
	if s.Aborted() {
		return &exitError{code: exitAborted}
	}
	if err = errors.Join(err, s.Close(), out.Flush()); err != nil {
		return err
	}
	if s.Failed() {
		return &exitError{code: exitFailed}
	}
	return nil
}

// runSession runs commands until there are no more.
func runSession(ctx context.Context, s *qemuio.Session, out *bufio.Writer, next func() (string, bool)) error {
	for !s.Over() {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, ok := next()
		if !ok {
			return nil
		}
		s.Run(ctx, line)
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// listed gives the commands of the -c options.
func listed(lines []string) func() (string, bool) {
	return func() (string, bool) {
		if len(lines) == 0 {
			return "", false
		}
		line := lines[0]
		lines = lines[1:]
		return line, true
	}
}

// prompted gives the lines of the input, with qemu-io's prompt before each.
func prompted(in io.Reader, out *bufio.Writer) func() (string, bool) {
	scanner := bufio.NewScanner(in)
	return func() (string, bool) {
		fmt.Fprint(out, "qemu-io> ")
		_ = out.Flush() // a failure comes back from the next
		more := scanner.Scan()
		return scanner.Text(), more
	}
}

// openDevice opens a disk for the command language.
func (a *app) openDevice(name string, o qemuio.OpenOptions) (*qemuio.Device, error) {
	d, err := a.openForSession(name, o)
	if err != nil {
		return nil, withName(err, name)
	}
	dev := &qemuio.Device{Disk: d.Disk, Format: d.format, CopyOnRead: o.CopyOnRead, IgnoreDiscard: o.IgnoreDiscard}
	if d.image != nil {
		dev.ClusterSize = d.image.Header().ClusterSize
	}
	switch {
	case o.Snapshot && !o.ReadOnly:
		over, err := overlayOf(d)
		if err != nil {
			return nil, errors.Join(&openError{name: name, err: err}, d.Close())
		}
		dev.Disk, dev.Writable = over, over
	case !o.ReadOnly && (d.image != nil || d.raw != nil):
		dev.Writable = d.writable()
	}
	return dev, nil
}

func (a *app) openForSession(name string, o qemuio.OpenOptions) (*disk, error) {
	write := !o.ReadOnly && !o.Snapshot
	switch {
	case o.ForceShare && write:
		return nil, qemutext.Errorf("force-share=on can only be used with read-only images")
	case o.CopyOnRead && o.ReadOnly:
		return nil, qemutext.Errorf("Can't use copy-on-read on read-only device")
	case name == "" && o.Options == "":
		return nil, qemutext.Errorf("Must specify either driver or file")
	}
	acc := access{format: o.Format, write: write, share: o.ForceShare, direct: o.Direct, nativeAIO: o.NativeAIO, changes: o.Changes}
	if o.Options != "" {
		list := o.Options
		if name != "" && !strings.Contains(list, "file.filename=") {
			list += ",file.filename=" + optlist.Escape(name)
		}
		name, acc.described = list, true
	}
	d, err := a.openDiskFor(name, acc)
	if readOnly := (*readOnlyFormatError)(nil); errors.As(err, &readOnly) {
		acc.write = false // what would change it is refused, command by command
		return a.openDiskFor(name, acc)
	}
	return d, err
}

// withName has an error tell the name that the session knows the disk by.
func withName(err error, name string) error {
	var open *openError
	if errors.As(err, &open) {
		return &openError{name, open.err, open.write, open.described}
	}
	return &openError{name: name, err: err}
}

// overlayOf is a disk in memory that shows another until it is written.
func overlayOf(d *disk) (*qedfile.Image, error) {
	return qedfile.CreateIn(backend.NewMemory(nil), d.Size(), &qedfile.CreateOptions{
		BackingFile: "beneath",
		BackingRaw:  true,
		Backing:     func(qedfile.BackingRef) (qedfile.Disk, error) { return d.Disk, nil },
	})
}

// flushFirst keeps the two outputs in the order in which they were written.
type flushFirst struct {
	out *bufio.Writer
	err io.Writer
}

func (f flushFirst) Write(b []byte) (int, error) {
	_ = f.out.Flush() // a failure comes back from the next
	return f.err.Write(b)
}
