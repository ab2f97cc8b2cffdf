package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/qedfs/qedfs/backend"
)

// pending is a file that is being made. It has a temporary name beside its
// own until commit, so that nothing unfinished is ever found under the final
// name.
type pending struct {
	temp  string // write here
	final string
	done  bool
}

// newPending begins a file that shall become name. A name that is a symbolic
// link stays one: the file it leads to is replaced. An image that another
// process uses is not replaced.
func newPending(name string) (*pending, error) {
	final := name
	if resolved, err := filepath.EvalSymlinks(name); err == nil {
		final = resolved
	}
	mode, err := replaceable(final)
	if err != nil {
		return nil, fileError(name, err)
	}
	dir, base := filepath.Split(final)
	for range 100 {
		temp := filepath.Join(dir, fmt.Sprintf(".%s.%08x.partial", base, rand.Uint32()))
		f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, fileError(name, errors.Unwrap(err))
		}
		return &pending{temp: temp, final: final}, f.Close()
	}
	return nil, fmt.Errorf("%s: no free temporary name beside it", name)
}

// replaceable returns the permissions of the file that takes the place of
// name: those of the old one if there is one.
func replaceable(name string) (fs.FileMode, error) {
	st, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0o666, nil
	}
	if err != nil {
		return 0, err
	}
	if !st.Mode().IsRegular() {
		return 0, errors.New("not a regular file")
	}
	f, err := backend.OpenFile(name, os.O_RDWR, nil)
	if err != nil {
		return 0, err
	}
	return st.Mode().Perm(), f.Close()
}

// commit gives the file its name, replacing what was there. Its writer has
// closed it.
func (p *pending) commit() error {
	if err := os.Rename(p.temp, p.final); err != nil {
		return err
	}
	p.done = true
	return nil
}

// discard removes the file unless it was committed. It is meant for defer.
func (p *pending) discard() {
	if !p.done {
		os.Remove(p.temp)
	}
}
