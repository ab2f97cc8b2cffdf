//go:build (linux && !386 && !arm && !mips && !mipsle) || darwin

package mounted

import (
	"strings"
	"sync"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/guest"
)

// numbers gives inode numbers that tell all files of a mount apart: the
// kernel, and go-fuse, take files of one number for one file. A number is the
// stored one, with the volume and the subvolume in its upper bits:
//
//	63    62..52    51..40      39..0
//	0     volume    subvolume   inode
//
// What does not fit there, which no real image has, is numbered as it comes,
// with bit 63 set.
type numbers struct {
	volumes map[string]uint64 // by name, from 1; empty where one volume is mounted alone
	top     uint64            // subvolume that is mounted
	guest   *Guest            // whose root is mounted; nil for volumes

	mu     sync.Mutex
	other  map[fileKey]uint64
	mounts map[guest.MountID]uint64 // of the guest, from 0 for its root
}

// fileKey is a file of the mount.
type fileKey struct {
	volume uint64
	id     fstree.ID
	ino    uint64
}

const (
	inoBits       = 40
	subvolumeBits = 12
	volumeBits    = 11
)

// rootNumber is the number of the directory over the volumes, which is stored
// nowhere.
const rootNumber = 1

// of is the number of the file at a path.
func (n *numbers) of(path string, st *fstree.Stat) uint64 {
	var volume uint64
	if n.guest != nil {
		volume = n.mountOf(path)
	}
	if len(n.volumes) > 0 {
		if path == "." {
			return rootNumber
		}
		name, _, _ := strings.Cut(path, "/")
		volume = n.volumes[name]
	}
	id := st.FileID().ID
	subvolume := id.Tree ^ n.top
	if st.Ino != 0 && st.Ino>>inoBits == 0 && subvolume>>subvolumeBits == 0 && volume>>volumeBits == 0 {
		return volume<<(inoBits+subvolumeBits) | subvolume<<inoBits | st.Ino
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	key := fileKey{volume, id, st.Ino}
	number, known := n.other[key]
	if !known {
		if n.other == nil {
			n.other = make(map[fileKey]uint64)
		}
		number = 1<<63 | uint64(len(n.other)+1)
		n.other[key] = number
	}
	return number
}

// mountOf numbers what the guest has mounted, as it comes: the same file has other
// numbers where it is bound to, for what lies on it there may be another one.
func (n *numbers) mountOf(path string) uint64 {
	at, err := n.guest.Root.Locate(path)
	if err != nil {
		return 0 // it has been described a moment ago
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	number, known := n.mounts[at.Mount]
	if !known {
		if n.mounts == nil {
			n.mounts = make(map[guest.MountID]uint64)
		}
		number = uint64(len(n.mounts))
		n.mounts[at.Mount] = number
	}
	return number
}
