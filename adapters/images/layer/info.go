package layer

// Info is what an image says of itself. Names of formats and keys are those of
// qemu-img info.
type Info struct {
	Format        string
	VirtualSize   int64 // bytes
	ClusterSize   int64 // bytes; 0 for formats without clusters
	BackingFile   string
	BackingFormat string // empty when the image does not state it
	Dirty         bool   // not closed properly

	// Files are the further files that hold parts of the image, by the names
	// that it has for them. A [qedfile.Extent] with File i lies in the one
	// before index i; 0 is the image's own file.
	Files []string

	Snapshots []Snapshot
	Details   []Detail // "format specific information", in qemu's order
}

// A Detail is one line of the information that only one format has. The Value
// is a string, a bool, an int64 or uint64, a []string, or a [][]Detail: a list of
// groups of further ones.
type Detail struct {
	Key   string // as in JSON: words with hyphens between them
	Value any
}

// A Snapshot is a state of the disk that an image keeps inside.
type Snapshot struct {
	ID          string
	Name        string
	VMStateSize int64 // bytes
	DateSec     int64 // Unix time
	DateNsec    int64
	ClockNsec   int64 // time that the guest had run
	ICount      int64 // instructions that the guest had executed; -1 when not known
	DiskSize    int64 // bytes
}
