package backend

// Unsynced returns s with a Sync that does nothing, for a file that is being
// made and thrown away if that fails: waiting for the disk in between gains
// nothing then. It is qemu's cache=unsafe. Sync s itself in the end where the
// file must outlive a crash of the machine.
func Unsynced(s Storage) Storage { return unsynced{s} }

type unsynced struct{ Storage }

var (
	_ DataFinder  = unsynced{}
	_ HolePuncher = unsynced{}
	_ Allocator   = unsynced{}
)

// Sync does nothing; it fails where s is closed.
func (u unsynced) Sync() error {
	_, err := u.Size()
	return err
}

// NextData implements [DataFinder].
func (u unsynced) NextData(off int64) (start, end int64, err error) { return NextData(u.Storage, off) }

// PunchHole implements [HolePuncher].
func (u unsynced) PunchHole(off, n int64) error { return PunchHole(u.Storage, off, n) }

// Allocate implements [Allocator].
func (u unsynced) Allocate(off, n int64) error { return Allocate(u.Storage, off, n) }
