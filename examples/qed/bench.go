package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/qedfs/qedfs/examples/qed/internal/qemuio"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
)

func newBench(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench [flags] IMAGE",
		Short: "Time reads or writes of the disk",
		Long: `Send requests to the disk, a number of them at the same time, and tell how
long they took. Writes change what the disk shows.

-i, -n, -t and --no-drain, which choose how qemu asks its host, are checked and
change nothing.`,
		Args: oneImage(),
	}
	b := &bench{app: a, count: 75000, depth: 64, size: 4 << 10}
	a.addOpenFlags(cmd)
	a.addDescriptionFlags(cmd)
	flags := cmd.Flags()
	flags.VarP(countFlag{&b.count, "request count"}, "count", "c", "how many requests")
	flags.VarP(countFlag{&b.depth, "queue depth"}, "depth", "d", "how many at the same time")
	addIntSizeFlag(cmd, &b.size, "buffer-size", "s", "buffer size", "bytes of a request (default: 4k)")
	addIntSizeFlag(cmd, &b.step, "step-size", "S", "step_size", "bytes from one request to the next (default: those of a request)")
	addSizeFlag(cmd, &b.offset, "offset", "o", "offset", "where the first request is")
	flags.BoolVarP(&b.write, "write", "w", false, "write in the place of reading")
	flags.VarP(countFlag{&b.pattern, "pattern byte"}, "pattern", "", "the byte to write")
	flags.VarP(countFlag{&b.flush, "flush interval"}, "flush-interval", "", "with -w, make what was written durable after so many requests")
	flags.Bool("no-drain", false, "do not wait for requests before a flush")
	aio := ""
	addChoice(cmd, &aio, "aio", "i", "threads", "how qemu asks its host", "threads", "native", "io_uring").otherwise = "Invalid aio option: %s"
	native := flags.BoolP("native", "n", false, "as -i native")
	cache := ""
	addChoice(cmd, &cache, "cache", "t", "writeback", "a cache mode of qemu; all are the same here", cacheModes()...).otherwise = "Invalid cache mode"
	flags.BoolP("quiet", "q", false, "print nothing but errors and the result, as qemu-img does")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if b.step == 0 {
			b.step = b.size
		}
		switch {
		case b.flush > 0 && !b.write:
			return qemutext.Errorf("--flush-interval is only available in write tests")
		case b.flush > 0 && b.flush < b.depth:
			return qemutext.Errorf("Flush interval can't be smaller than depth")
		}
		b.direct, _ = qemuio.DirectCache(cache) // which is one of the modes
		b.nativeAIO = *native || aio == "native"
		return b.run(cmd.Context(), args[0])
	}
	return cmd
}

// countFlag is a flag that takes a number.
type countFlag struct {
	value *int
	what  string
}

func (f countFlag) Type() string { return "int" }
func (f countFlag) String() string {
	if f.value == nil {
		return ""
	}
	return strconv.Itoa(*f.value)
}

func (f countFlag) Set(s string) error {
	n, err := strconv.ParseInt(s, 0, 32)
	most := int64(1<<31 - 1)
	if f.what == "pattern byte" {
		most = 0xff
	}
	if err != nil || n < 0 || n > most || f.what == "queue depth" && n == 0 {
		return qemutext.Errorf("Invalid %s specified", f.what)
	}
	*f.value = int(n)
	return nil
}

// bench is bench with its flags.
type bench struct {
	*app
	count, depth, pattern, flush int
	size, step, offset           int64
	write, direct, nativeAIO     bool
}

func (b *bench) run(ctx context.Context, name string) error {
	acc := b.source()
	acc.write, acc.direct, acc.nativeAIO = b.write, b.direct, b.nativeAIO
	d, err := b.openDiskFor(name, acc)
	if err != nil {
		return err
	}
	defer d.Close()
	kind := "read"
	if b.write {
		kind = "write"
	}
	fmt.Fprintf(b.stdout, "Sending %d %s requests, %d bytes each, %d in parallel (starting at offset %d, step size %d)\n",
		b.count, kind, b.size, b.depth, b.offset, b.step)
	if b.flush > 0 {
		fmt.Fprintf(b.stdout, "Sending flush every %d requests\n", b.flush)
	}
	began := time.Now()
	if err := b.requests(ctx, d); err != nil {
		return qemutext.Errorf("Failed request: %s", osReason(err))
	}
	took := time.Since(began)
	if err := d.Close(); err != nil {
		return fileError(name, err)
	}
	_, err = fmt.Fprintf(b.stdout, "Run completed in %3.3f seconds.\n", took.Seconds())
	return err
}

// requests sends them all: as many at the same time as asked for, and a flush
// after each group that was to have one.
func (b *bench) requests(ctx context.Context, d *disk) error {
	group := b.count
	if b.flush > 0 {
		group = b.flush
	}
	offset := b.offset
	for left := b.count; left > 0; left -= group {
		var g errgroup.Group
		g.SetLimit(b.depth)
		for range min(group, left) {
			if ctx.Err() != nil {
				break
			}
			at := offset
			if at > d.Size()-b.size {
				return syscall.EIO
			}
			g.Go(func() error { return b.request(d, at) })
			if offset += b.step; offset > d.Size()-b.size {
				offset = 0
			}
		}
		if err := g.Wait(); err != nil {
			return err
		}
		if b.flush > 0 && left >= group {
			if err := d.writable().Sync(); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func (b *bench) request(d *disk, at int64) error {
	if b.write {
		_, err := d.writable().WriteAt(bytes.Repeat([]byte{byte(b.pattern)}, int(b.size)), at)
		return err
	}
	_, err := d.Disk.ReadAt(make([]byte, b.size), at)
	if err == io.EOF {
		return nil
	}
	return err
}
