package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"syscall"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/newfile"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/qedfile"
)

// makeDisk makes a disk file and has fill write to it. Only when all of it
// has succeeded, and is on the host's disk, the file gets its name.
func makeDisk(name, format string, size int64, o *diskOptions, fill func(qedfile.WritableDisk) error) error {
	if format == formatRaw && isDevice(name) {
		return fillDevice(name, size, fill)
	}
	if err := o.check(format, size); err != nil {
		return err
	}
	f, err := newfile.Create(name, &newfile.Options{Unsynced: o.unsynced})
	if err != nil {
		return couldNotCreate(name, err)
	}
	defer f.Close()
	o.layOut(f.OSFile())
	dst, err := newDiskIn(f.Storage(), format, size, o)
	if err != nil {
		return fileError(name, err)
	}
	if err := fill(dst); err != nil {
		_ = dst.Close() // fails for the same reason
		return err
	}
	if err := dst.Close(); err != nil {
		return fileError(name, err)
	}
	return fileError(name, f.Commit())
}

func newDiskIn(s backend.Storage, format string, size int64, o *diskOptions) (qedfile.WritableDisk, error) {
	if format == formatQED {
		return qedfile.CreateIn(s, size, o.create())
	}
	raw, err := qedfile.NewRaw(s)
	if err != nil {
		return nil, err
	}
	if err := raw.Resize(roundUp(size)); err != nil {
		return raw, err
	}
	if o.preallocates() {
		return raw, preallocate(raw, 0, o.preallocation)
	}
	return raw, writeFirstBlock(raw)
}

// writeFirstBlock has a raw file that was empty begin with a block that is no
// hole. Programs that read without the memory of the host find out by it in
// which units they may (block/file-posix.c, allocate_first_block).
func writeFirstBlock(raw *qedfile.Raw) error {
	_, err := raw.WriteAt(make([]byte, min(4096, raw.Size())), 0)
	return err
}

// layOut tells the host how a file that is empty yet shall lie on its disk. As
// in qemu, a host that cannot is no failure.
func (o *diskOptions) layOut(f *os.File) {
	if o.nocow {
		_ = turnOffCopyOnWrite(f)
	}
	if _, told := o.given["extent_size_hint"]; !told {
		return
	}
	if err := hintExtentSize(f, uint32(o.extentHint)); err != nil && o.extentHint != 0 && o.warn != nil {
		o.warn("Failed to set extent size hint: " + osReason(err))
	}
}

// couldNotCreate is what qemu says of a file that cannot be made.
func couldNotCreate(name string, err error) error {
	if errors.Is(err, backend.ErrLocked) {
		return qemutext.Errorf("%s", lockWords(name, true))
	}
	switch fi, statErr := os.Stat(name); {
	case name == "":
		err = syscall.ENOENT
	case statErr == nil && fi.IsDir():
		err = syscall.EISDIR
	}
	return qemutext.Errorf("Could not create '%s': %s", name, osReason(err))
}

// roundUp is a size in whole sectors, as disks have it.
func roundUp(size int64) int64 {
	if size > math.MaxInt64-(sectorSize-1) {
		return math.MaxInt64
	}
	return (size + sectorSize - 1) &^ (sectorSize - 1)
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

// preallocate takes the space of a raw disk from off on from the host. With
// "full", and where the host takes no space ahead, zeroes are written.
func preallocate(dst *qedfile.Raw, off int64, mode string) error {
	if mode == "falloc" {
		if err := dst.Allocate(off, dst.Size()-off); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	zeroes := make([]byte, 1<<20)
	for size := dst.Size(); off < size; {
		n, err := dst.WriteAt(zeroes[:min(int64(len(zeroes)), size-off)], off)
		if err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}
