package layer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/qedfs/qedfs/qedfile"
)

// CheckOptions say how an image is checked. The zero value, and nil, are the
// defaults.
type CheckOptions struct {
	// Found is called for each finding. An error that it returns ends the
	// check.
	Found func(Finding) error
}

// A Finding is one thing that a check found.
type Finding struct {
	Kind  qedfile.FindingKind
	Count int64 // how many of the report's corruptions, leaks or errors it is
	Why   string
}

// CheckReport counts what a check found, as "qemu-img check" does. What a format
// does not count is 0.
type CheckReport struct {
	Corruptions int64 // places that break the format's rules
	Leaks       int64 // clusters that nothing refers to, and counts that are too high
	CheckErrors int64 // parts that could not be checked

	TotalClusters      int64 // of the disk
	AllocatedClusters  int64 // of these, that are stored
	FragmentedClusters int64 // of these, that do not follow their predecessor in the file
	CompressedClusters int64 // of these, that are compressed
	ImageEnd           int64 // end of the last cluster in use, in bytes of the file
}

// Clean reports whether nothing is wrong but, perhaps, leaks.
func (r *CheckReport) Clean() bool { return r.Corruptions == 0 && r.CheckErrors == 0 }

// A Checker is an image that can be checked. It is only read.
type Checker interface {
	Check(context.Context, *CheckOptions) (*CheckReport, error)
}

// A Tally fills a report with findings.
type Tally struct {
	CheckReport
	found func(Finding) error
	err   error // of found
}

// NewTally returns a tally without findings.
func NewTally(opts *CheckOptions) *Tally {
	t := new(Tally)
	if opts != nil {
		t.found = opts.Found
	}
	return t
}

// Add counts n findings of one kind. The rest of the arguments are those of
// [fmt.Errorf].
func (t *Tally) Add(kind qedfile.FindingKind, n int64, why string, args ...any) {
	switch kind {
	case qedfile.Corruption:
		t.Corruptions += n
	case qedfile.Leak:
		t.Leaks += n
	case qedfile.CheckFailure:
		t.CheckErrors += n
	}
	if t.found != nil && t.err == nil && n > 0 {
		t.err = t.found(Finding{kind, n, fmt.Errorf(why, args...).Error()})
	}
}

// Err returns what ends the check: the end of the context, or an error of the
// function that findings go to.
func (t *Tally) Err(ctx context.Context) error {
	if t.err != nil {
		return t.err
	}
	return ctx.Err()
}

// CheckRuns checks that each part of a disk that the image stores itself has its
// place inside the files. What the host cannot read is a failure of the check.
func (d *Disk) CheckRuns(ctx context.Context, opts *CheckOptions) (*CheckReport, error) {
	if err := d.Usable(); err != nil {
		return nil, err
	}
	t := NewTally(opts)
	for e, err := range d.OwnExtents(0, d.size) {
		if host := (*fs.PathError)(nil); errors.As(err, &host) {
			t.Add(qedfile.CheckFailure, 1, "%d bytes at %d of the disk: %w", e.Length, e.Start, err)
		} else if err != nil {
			t.Add(qedfile.Corruption, 1, "%d bytes at %d of the disk: %w", e.Length, e.Start, err)
		}
		if err := t.Err(ctx); err != nil {
			return nil, err
		}
	}
	return &t.CheckReport, nil
}
