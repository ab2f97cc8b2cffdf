package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/qedfs/qedfs/adapters/source"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/examples/qed/internal/imagespec"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
)

// openHost opens what holds an image: a file, a URL, or a device of the host.
func (a *app) openHost(spec *imagespec.Spec, acc access) (backend.Reader, error) {
	switch {
	case strings.HasPrefix(spec.Protocol, "null-"):
		return &nullDisk{size: spec.Size, zeroes: spec.Zeroes}, nil
	case spec.Path == "":
		return nil, qemutext.Errorf("The 'file' block driver requires a file name")
	}
	fi, err := os.Stat(spec.Path)
	if err != nil || !source.Local(spec.Path) {
		return a.openSource(spec.Path, acc) // which tells what is wrong
	}
	mode := fi.Mode()
	switch {
	case mode.IsDir() && acc.write:
		return nil, &fs.PathError{Op: "open", Path: spec.Path, Err: syscall.EISDIR}
	case spec.Protocol == "file" && !mode.IsRegular():
		return nil, qemutext.Errorf("'file' driver requires '%s' to be a regular file", spec.Path)
	case spec.Protocol != "file" && spec.Protocol != "" && mode&fs.ModeDevice == 0:
		return nil, qemutext.Errorf("'%s' driver requires '%s' to be either a character or block device", spec.Protocol, spec.Path)
	case mode&fs.ModeCharDevice != 0 && (a.asQemu() || spec.Protocol != ""):
		return openCharDevice(spec.Path, acc.write)
	}
	return a.openSource(spec.Path, acc)
}

// charDevice is a character device of the host, as long as it says it is:
// /dev/null has no bytes.
type charDevice struct {
	*os.File
	size int64
}

var _ backend.Storage = charDevice{}

func openCharDevice(name string, write bool) (backend.Reader, error) {
	flag := os.O_RDONLY
	if write {
		flag = os.O_RDWR
	}
	f, err := os.OpenFile(name, flag, 0)
	if err != nil {
		return nil, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return charDevice{f, size}, nil
}

func (d charDevice) Size() (int64, error) { return d.size, nil }

// Truncate implements [backend.Storage].
func (d charDevice) Truncate(int64) error { return qemutext.Errorf("Cannot resize device files") }
