package main

import (
	"errors"
	"io"
)

// printout is standard output. It remembers the first failure, so that no
// command, and no help, that was not printed ends with exit code 0.
type printout struct {
	io.Writer
	err error
}

func (o *printout) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// Close is for a command that gives its standard output up while it runs.
func (o *printout) Close() error {
	if c, ok := o.Writer.(io.Closer); ok {
		return c.Close()
	}
	return errors.ErrUnsupported
}
