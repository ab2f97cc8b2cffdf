package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/examples/qed/internal/bytesize"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
	"github.com/qedfs/qedfs/qedfile"
)

func newDD(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dd [flags] if=SRC of=DST [bs=SIZE] [count=N] [skip=N]",
		Short: "Copy a part of a disk into a new one",
		Long: `Copy a part of what a disk shows into a new raw file or image: count blocks of
bs bytes (default 512), after the first skip blocks. As with convert zeroes are
left out, and DST gets its name when it is complete.`,
	}
	c := &ddCommand{app: a, blockSize: 512, count: -1}
	a.addOpenFlags(cmd)
	a.addDescriptionFlags(cmd)
	addFormatFlag(cmd, &c.format, "output-format", "O", "format of the copy (default: raw)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, arg := range args {
			if err := c.operand(arg); err != nil {
				return err
			}
		}
		if !c.hasFrom || !c.hasTo {
			return qemutext.Errorf("Must specify both input and output files")
		}
		return c.dd(cmd.Context())
	}
	return cmd
}

// ddCommand is dd with its operands.
type ddCommand struct {
	*app
	format      string
	from, to    string
	hasFrom     bool // it was told, be it ""
	hasTo       bool
	blockSize   int64
	count, skip int64 // blocks; a count of -1 is all
}

// operand reads one of the form name=value.
func (c *ddCommand) operand(arg string) error {
	name, value, ok := strings.Cut(arg, "=")
	number := func(to *int64) (err error) {
		*to, err = parseSize(value, name)
		return err
	}
	switch {
	case ok && name == "if":
		c.from, c.hasFrom = value, true
	case ok && name == "of":
		c.to, c.hasTo = value, true
	case ok && name == "bs":
		n, err := bytesize.Parse(value)
		if (err == nil || errors.Is(err, bytesize.ErrRange)) && (n < 1 || n > math.MaxInt32) {
			return qemutext.Errorf("Invalid bs specified. Must be between 1 and %d.", math.MaxInt32)
		}
		return number(&c.blockSize)
	case ok && name == "count":
		return number(&c.count)
	case ok && name == "skip":
		return number(&c.skip)
	default:
		return qemutext.Errorf("unrecognized operand %s", name)
	}
	return nil
}

func (c *ddCommand) dd(ctx context.Context) error {
	src, err := c.openDisk(c.from)
	if err != nil {
		return err
	}
	defer src.Close()
	if c.format == "" {
		c.format = formatRaw
	}
	f, ok := findFormat(c.format)
	if !ok {
		return qemutext.Errorf("Unknown file format")
	}
	if !f.creatable {
		return qemutext.Errorf("Format driver '%s' does not support image creation", f.name)
	}
	end := src.Size()
	start := end
	if c.skip <= end/c.blockSize {
		start = c.skip * c.blockSize
	} else {
		fmt.Fprintf(c.stderr, "%s: %s: cannot skip to specified offset\n", c.program.name, show.Text(c.from))
	}
	// qemu-img 7.2 counts the blocks that it skips, too; dd(1) does not.
	if left := end - start; c.count >= 0 && c.count <= left/c.blockSize {
		end = start + c.count*c.blockSize
	}
	to, err := c.describe(c.to, false)
	if err != nil {
		return fileError(c.to, err)
	}
	part := &windowDisk{Disk: src.Disk, off: start, size: end - start}
	if isForeign(f.name) {
		image := &foreignCopy{format: f.name, options: &diskOptions{}}
		err = image.write(ctx, to.Path, part)
	} else {
		err = makeDisk(to.Path, f.name, part.size, &diskOptions{}, func(dst qedfile.WritableDisk) error {
			return qedfile.Convert(ctx, dst, part, nil)
		})
	}
	var text *qemutext.Error
	if errors.As(err, &text) {
		return about(c.to, qemutext.Errorf("error while creating output image: %s", text))
	}
	return err
}
