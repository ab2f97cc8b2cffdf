package imagefs

import (
	"errors"
	"fmt"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend/errs"
	"github.com/qedfs/qedfs/qedfile"
)

// NamedDisk is one of the disks of a machine.
type NamedDisk struct {
	// Name tells the disk from the others: in messages, in Volume.Disk, and in
	// the name of a volume where two disks have one of the same name.
	Name string
	Disk qedfile.Disk
}

// OpenDisks opens the disks of one machine as a whole: volume groups and
// arrays that span them are put together by their UUIDs, as the machine's
// kernel does. The first disk's volumes have the names that they have without
// the others; a volume of another disk that would have the name of one before
// it gets its disk's: "data.p1". What [OpenDisk] says of opts holds for each
// disk. Closing the Disk closes all of them.
func OpenDisks(disks []NamedDisk, opts *Options) (*Disk, error) {
	if opts == nil {
		opts = &Options{}
	}
	switch opts.SectorSize {
	case 0, 512, 4096:
	default:
		return nil, errs.Invalidf("imagefs", "sector size %d", opts.SectorSize)
	}
	if len(disks) == 0 {
		return nil, errs.Invalidf("imagefs", "no disks")
	}
	return &Disk{disks: apart(disks), opts: *opts}, nil
}

// apart gives each of several disks a name of its own that can be an element of
// a path.
func apart(disks []NamedDisk) []NamedDisk {
	if len(disks) == 1 {
		return []NamedDisk{{Disk: disks[0].Disk}}
	}
	taken := make(map[string]bool)
	list := make([]NamedDisk, len(disks))
	for i, d := range disks {
		name := fstree.EscapeName(d.Name)
		if name == "" {
			name = fmt.Sprintf("disk%d", i+1)
		}
		unique := name
		for n := 2; taken[unique]; n++ {
			unique = fmt.Sprintf("%s.%d", name, n)
		}
		taken[unique] = true
		list[i] = NamedDisk{unique, d.Disk}
	}
	return list
}

// Disks are the disks that the Disk is made of, the first one first, with the
// names by which Volume.Disk refers to them.
func (d *Disk) Disks() []NamedDisk {
	return append([]NamedDisk(nil), d.disks...)
}

func (d *Disk) closeDisks() error {
	var errs []error
	for _, nd := range d.disks {
		errs = append(errs, nd.Disk.Close())
	}
	return errors.Join(errs...)
}

// about says which of several disks an error is about.
func (nd NamedDisk) about(err error) error {
	if nd.Name == "" {
		return err
	}
	return errs.Errorf("imagefs", "disk %s: %w", nd.Name, err)
}
