package qedfile_test

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

func TestEverythingFailsAfterCloseEvenWhatIsCached(t *testing.T) {
	l := small()
	l.entries[8192] = 3 * 4096
	for name, opts := range map[string]*qedfile.Options{"reading": nil, "writing": writable} {
		m, err := l.open(opts)
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 512)
		if _, err := m.ReadAt(p, 0); err != nil {
			t.Fatal(err) // its tables are in the cache now
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		_, readErr := m.ReadAt(p, 0)
		_, emptyErr := m.ReadAt(nil, 0)
		_, endErr := m.ReadAt(p, m.Size())
		_, streamErr := m.Read(p)
		_, seekErr := m.Seek(0, io.SeekStart)
		_, writeToErr := m.WriteTo(io.Discard)
		_, writeErr := m.WriteAt(p, 0)
		_, checkErr := m.Check(t.Context(), nil)
		var extentsErr, findingsErr error
		for _, err := range m.Extents(0, m.Size()) {
			extentsErr = err
		}
		for _, err := range m.Findings(t.Context()) {
			findingsErr = err
		}
		for call, err := range map[string]error{
			"ReadAt": readErr, "ReadAt of nothing": emptyErr, "ReadAt at the end": endErr, "Read": streamErr, "Seek": seekErr,
			"WriteTo": writeToErr, "Extents": extentsErr, "Findings": findingsErr, "Check": checkErr,
			"WriteAt": writeErr, "WriteZeroes": m.WriteZeroes(0, 512), "Discard": m.Discard(0, 512),
			"Resize": m.Resize(512), "Sync": m.Sync(), "SetBacking": m.SetBacking("", nil), "Close": m.Close(),
			"Compact": qedfile.Compact(t.Context(), backend.NewMemory(nil), m, nil),
			"Convert": convertErr(t, m),
		} {
			if !errors.Is(err, fs.ErrClosed) {
				t.Errorf("opened for %s, after Close %s: %v, want fs.ErrClosed", name, call, err)
			}
		}
	}
}

func convertErr(t *testing.T, src qedfile.Disk) error {
	dst, err := qedfile.NewRaw(backend.NewMemory(nil))
	if err != nil {
		t.Fatal(err)
	}
	return qedfile.Convert(t.Context(), dst, src, nil)
}

func TestARawDiskFailsAfterClose(t *testing.T) {
	d, err := qedfile.NewRaw(backend.NewMemory(make([]byte, 1024)))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 512)
	_, readErr := d.ReadAt(p, 0)
	_, endErr := d.ReadAt(p, 1024)
	_, writeErr := d.WriteAt(p, 0)
	var extentsErr error
	for _, err := range d.Extents(0, 1024) {
		extentsErr = err
	}
	for call, err := range map[string]error{
		"ReadAt": readErr, "ReadAt at the end": endErr, "WriteAt": writeErr, "Extents": extentsErr,
		"WriteZeroes": d.WriteZeroes(0, 512), "Resize": d.Resize(512), "Sync": d.Sync(), "Close": d.Close(),
	} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("after Close %s: %v, want fs.ErrClosed", call, err)
		}
	}
}

func TestErrorsMatchTheStandardOnes(t *testing.T) {
	m := small().mustOpen(t, nil)
	w := small().mustOpen(t, writable)
	unknown := small()
	unknown.features = 1 << 40
	_, unknownErr := unknown.open(nil)
	denied := backed()
	_, deniedErr := denied.open(nil)
	_, geometryErr := qedfile.CreateIn(backend.NewMemory(nil), 1<<20, &qedfile.CreateOptions{ClusterSize: 5})
	_, negativeErr := m.ReadAt(make([]byte, 1), -1)
	_, seekErr := m.Seek(0, 9)
	_, readOnlyErr := m.WriteAt([]byte("x"), 0)
	_, rangeErr := w.WriteAt([]byte("x"), w.Size())
	_, missingErr := qedfile.Open(filepath.Join(t.TempDir(), "none"), nil)
	for name, tt := range map[string]struct{ err, want error }{
		"unknown feature":     {unknownErr, errors.ErrUnsupported},
		"backing file denied": {deniedErr, fs.ErrPermission},
		"impossible geometry": {geometryErr, fs.ErrInvalid},
		"negative offset":     {negativeErr, fs.ErrInvalid},
		"seek by 9":           {seekErr, fs.ErrInvalid},
		"read-only":           {readOnlyErr, backend.ErrReadOnly},
		"read-only, as fs":    {readOnlyErr, fs.ErrPermission},
		"past the end":        {rangeErr, fs.ErrInvalid},
		"missing":             {missingErr, fs.ErrNotExist},
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: %v does not match %v", name, tt.err, tt.want)
		}
	}
}
