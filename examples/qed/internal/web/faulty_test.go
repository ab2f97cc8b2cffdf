package web_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/examples/qed/internal/web"
)

// faulty is bytes of which one block cannot be read.
type faulty struct {
	*bytes.Reader
	bad int64
}

var errMedium = errors.New("medium error")

func (f *faulty) ReadAt(p []byte, off int64) (int, error) {
	if off <= f.bad && f.bad < off+int64(len(p)) {
		n, err := f.Reader.ReadAt(p[:f.bad-off], off)
		return n, errors.Join(errMedium, err)
	}
	return f.Reader.ReadAt(p, off)
}

// serveFaulty serves a disk with a byte that cannot be read.
func serveFaulty(tb testing.TB, b []byte, bad int64) string {
	tb.Helper()
	disk, err := imagefs.NewReader(&faulty{bytes.NewReader(b), bad}, int64(len(b)), &imagefs.Options{Format: imagefs.FormatRaw})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { disk.Close() })
	server := httptest.NewServer((&web.Site{Name: "faulty", Disk: disk}).Handler())
	tb.Cleanup(server.Close)
	return server.URL
}

// faultyQED is a site of a QED image with a byte that cannot be read.
func faultyQED(tb testing.TB, b []byte, bad int64, problem func(string, error)) http.Handler {
	tb.Helper()
	disk, err := imagefs.NewReader(&faulty{bytes.NewReader(b), bad}, int64(len(b)), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { disk.Close() })
	return (&web.Site{Name: "faulty", Disk: disk, Problem: problem}).Handler()
}
