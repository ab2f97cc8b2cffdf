package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/examples/qed/internal/qemuio"
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
them. The exit code is 1 if any of them failed.`,
		Args: cobra.MaximumNArgs(1),
	}
	a.addOpenFlags(cmd)
	lines := cmd.Flags().StringArrayP("cmd", "c", nil, "run this `command`; may be given several times")
	readOnly := cmd.Flags().BoolP("read-only", "r", false, "open the image for reading only")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		out := bufio.NewWriter(a.stdout)
		s := &qemuio.Session{
			Out:  out,
			Err:  flushFirst{out, a.stderr},
			Open: a.openDevice,
		}
		s.Complain = func(err error) {
			fmt.Fprintf(s.Err, "%s: %s\n", commandPrefix(cmd), message(err))
		}
		for _, name := range args {
			opts := qemuio.OpenOptions{ReadOnly: *readOnly || a.open.forceShare, Format: a.open.format, ForceShare: a.open.forceShare}
			if err := s.OpenFile(name, opts); err != nil {
				return &exitError{code: exitFailed}
			}
		}
		next := listed(*lines)
		if len(*lines) == 0 {
			next = prompted(a.stdin, out)
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
	return cmd
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
	d, err := a.openDiskFor(name, access{format: o.Format, write: !o.ReadOnly, share: o.ForceShare})
	if err != nil {
		return nil, err
	}
	dev := &qemuio.Device{Disk: d.Disk, Format: d.format}
	if !o.ReadOnly {
		dev.Writable = d.writable()
	}
	if d.image != nil {
		dev.ClusterSize = d.image.Header().ClusterSize
	}
	return dev, nil
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
