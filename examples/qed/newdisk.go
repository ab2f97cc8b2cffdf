package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/newfile"
	"github.com/qedfs/qedfs/examples/qed/internal/bytesize"
	"github.com/qedfs/qedfs/qedfile"
)

// diskOptions say what a disk that is to be made is like: the -o flag of
// create, convert, measure and compact.
type diskOptions struct {
	clusterSize int64 // bytes, 0 for the default
	tableSize   int64 // clusters, 0 for the default
	size        int64 // bytes, -1 when not told
	backing     string
	backingFmt  string
	foreign     map[string]string   // what only images of other formats have
	unsynced    bool                // do not wait until the new file is on the host's disk
	chain       qedfile.BackingFunc // opens the backing file while the disk is filled; nil where it does not matter
}

// addDiskOptions gives a subcommand the -o flag.
func addDiskOptions(cmd *cobra.Command) *diskOptions {
	o := &diskOptions{size: -1}
	cmd.Flags().VarP((*diskOptionsFlag)(o), "options", "o", "what a new image is like: cluster_size=N, table_size=N")
	return o
}

type diskOptionsFlag diskOptions

func (f *diskOptionsFlag) Type() string   { return "name=value,..." }
func (f *diskOptionsFlag) String() string { return "" }

func (f *diskOptionsFlag) Set(s string) error {
	for _, option := range strings.Split(s, ",") {
		name, value, _ := strings.Cut(option, "=")
		var err error
		switch name {
		case "cluster_size":
			f.clusterSize, err = parsePositive(value)
		case "table_size":
			f.tableSize, err = parsePositive(value)
		case "size":
			f.size, err = bytesize.Parse(value)
		case "backing_file":
			f.backing = value
		case "backing_fmt":
			f.backingFmt = value
		default:
			err = (*diskOptions)(f).setForeign(name, value)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", option, err)
		}
	}
	return nil
}

// parsePositive reads a size that has to be told to have a default.
func parsePositive(s string) (int64, error) {
	n, err := bytesize.Parse(s)
	if err == nil && n == 0 {
		err = errors.New("zero is not possible")
	}
	return n, err
}

// describe is the part of the line that create prints.
func (o *diskOptions) describe() string {
	s := ""
	if o.backing != "" {
		s += fmt.Sprintf(" backing_file=%s backing_fmt=%s", o.backing, o.backingFmt)
	}
	s += fmt.Sprintf(" cluster_size=%d", o.create().ClusterSize)
	if o.tableSize != 0 {
		s += fmt.Sprintf(" table_size=%d", o.tableSize)
	}
	return s
}

// create is what the library needs to make a QED image.
func (o *diskOptions) create() *qedfile.CreateOptions {
	c := &qedfile.CreateOptions{
		ClusterSize: o.clusterSize,
		TableSize:   o.tableSize,
		BackingFile: o.backing,
		BackingRaw:  o.backingFmt == formatRaw,
		Open:        qedfile.Options{Backing: o.chain},
	}
	if c.Open.Backing == nil {
		c.Open.Backing = noBacking
	}
	if c.ClusterSize == 0 {
		c.ClusterSize = qedfile.DefaultClusterSize
	}
	return c
}

// onlyGeometry refuses the options that have no meaning where a disk is a copy
// of another.
func (o *diskOptions) onlyGeometry() error {
	if o.size >= 0 || o.backing != "" || o.backingFmt != "" || len(o.foreign) > 0 {
		return errors.New("-o: only cluster_size and table_size can be told here")
	}
	return nil
}

// checkBacking refuses a backing file of unknown format.
func (o *diskOptions) checkBacking() error {
	if o.backing != "" && o.backingFmt != formatRaw && o.backingFmt != formatQED {
		return errors.New("a backing file needs its format told, -F raw or -F qed")
	}
	return nil
}

// makeDisk makes a disk file and has fill write to it. Only when all of it
// has succeeded, and is on the host's disk, the file gets its name.
func makeDisk(name, format string, size int64, o *diskOptions, fill func(qedfile.WritableDisk) error) error {
	if format == formatRaw && isDevice(name) {
		return fillDevice(name, size, fill)
	}
	f, err := newfile.Create(name, &newfile.Options{Unsynced: o.unsynced})
	if err != nil {
		return fileError(name, err)
	}
	defer f.Close()
	dst, err := newDiskIn(f.Storage(), format, size, o)
	if err != nil {
		return fileError(name, err)
	}
	if err := errors.Join(fill(dst), dst.Close()); err != nil {
		return err
	}
	return fileError(name, f.Commit())
}

func newDiskIn(s backend.Storage, format string, size int64, o *diskOptions) (qedfile.WritableDisk, error) {
	if err := o.noForeign(format); err != nil {
		return nil, err
	}
	if format == formatQED {
		return qedfile.CreateIn(s, size, o.create())
	}
	raw, err := qedfile.NewRaw(s)
	if err != nil {
		return nil, err
	}
	return raw, raw.Resize(roundUp(size))
}

// roundUp is a size in whole sectors, as disks have it.
func roundUp(size int64) int64 {
	if size > math.MaxInt64-511 {
		return math.MaxInt64
	}
	return (size + 511) &^ 511
}

func isDevice(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.Mode()&os.ModeDevice != 0
}

// fillDevice writes a raw disk to a device of the host, which has a name and
// a size already.
func fillDevice(name string, size int64, fill func(qedfile.WritableDisk) error) error {
	f, err := backend.OpenFile(name, os.O_RDWR, nil)
	if err != nil {
		return fileError(name, err)
	}
	dst, err := qedfile.NewRaw(f)
	if err == nil && dst.Size() < size {
		err = fmt.Errorf("the device has %d bytes, but %d are needed", dst.Size(), size)
	}
	if err != nil {
		return errors.Join(fileError(name, err), f.Close())
	}
	// It may be unplugged as soon as the command ends.
	return errors.Join(fill(dst), dst.Sync(), dst.Close())
}
