package ext4

import "slices"

// inlineData returns what lies in the inode instead of blocks: the place of
// the block map, and the rest as the value of an attribute
// (fs/ext4/inline.c).
func (e *engine) inlineData(in *inode) ([]byte, error) {
	entries, err := in.bodyXattrs()
	if err != nil {
		return nil, err
	}
	for _, x := range entries {
		if x.index == xattrSystem && x.name == "data" && x.ino == 0 {
			return slices.Concat(in.block, x.value), nil
		}
	}
	return nil, in.damaged(-1, "inline data without the attribute system.data")
}

// inlineDir returns the entries of a directory that lies in its inode. Four
// bytes stand for "." and "..": the parent's number.
func (e *engine) inlineDir(in *inode) (dirBlock, error) {
	data, err := e.inlineData(in)
	if err != nil {
		return dirBlock{}, err
	}
	return dirBlock{data: data[4:], at: -1}, nil
}

// inlineFile returns the bytes of a file that lies in its inode.
func (e *engine) inlineFile(in *inode) ([]byte, error) {
	data, err := e.inlineData(in)
	if err != nil {
		return nil, err
	}
	if in.size > int64(len(data)) {
		return nil, in.damaged(-1, "%d bytes of inline data, not %d", len(data), in.size)
	}
	return data[:in.size], nil
}
