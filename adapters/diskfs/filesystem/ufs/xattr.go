package ufs

import (
	"fmt"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Xattrs implements [fstree.Engine]. UFS2 keeps attributes in at most two blocks of
// their own, one record after the other (struct extattr in sys/ufs/ufs/extattr.h).
func (e *engine) Xattrs(id fstree.ID) (map[string][]byte, error) {
	in, err := e.inode(id.Ino)
	if err != nil || in.attrsSize == 0 {
		return nil, err
	}
	s := e.sb
	if in.attrsSize > 2*s.blockSize {
		return nil, in.damaged("%d bytes of attributes in two blocks", in.attrsSize)
	}
	var b []byte
	for n := int64(0); n < 2 && n*s.blockSize < in.attrsSize; n++ {
		frag, size := s.address(in.attrs, n), min(s.blockSize, in.attrsSize-n*s.blockSize)
		if !s.holds(frag, (size-1)/s.fragSize+1) {
			return nil, in.damaged("attributes at fragment %d of %d", frag, s.size)
		}
		part, err := e.cache.Bytes(frag*s.fragSize, size)
		if err != nil {
			return nil, fmt.Errorf("ufs: attributes of inode %d: %w", in.num, err)
		}
		b = append(b, part...)
	}
	return in.attributes(s, b)
}

func (in *inode) attributes(s *superblock, b []byte) (map[string][]byte, error) {
	list := map[string][]byte{}
	for len(b) >= 8 {
		length := int64(s.order.Uint32(b))
		if length == 0 {
			break // what is left is empty
		}
		space, padding, size := b[4], int64(b[5]), int64(b[6])
		base := (7 + size + 7) &^ 7
		if length > int64(len(b)) || base+padding > length {
			return list, in.damaged("an attribute of %d bytes, where %d are left", length, len(b))
		}
		prefix := map[byte]string{1: "user.", 2: "system."}[space]
		if prefix == "" {
			prefix = fmt.Sprintf("%d.", space)
		}
		list[prefix+string(b[7:7+size])] = append([]byte{}, b[base:length-padding]...)
		b = b[length:]
	}
	return list, nil
}
