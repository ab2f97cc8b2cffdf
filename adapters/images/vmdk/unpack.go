package vmdk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zlib"
)

// maxPackedGrain bounds compressed grains, in bytes. VMware's are 64 KiB
// large.
const maxPackedGrain = 4 << 20

// grainMarkerBytes is the header of a compressed grain: its first sector on the
// disk, and how many bytes it has.
const grainMarkerBytes = 12

// An unpacker reads the compressed grains of an extent. It is safe for
// concurrent use. The grain that was unpacked last is kept, for reads that are
// smaller than a grain.
type unpacker struct {
	tables  *grainTables
	markers bool
	last    atomic.Pointer[grainBytes]
	pool    sync.Pool // of *inflater
}

// grainBytes is a grain as the disk has it. It is not changed.
type grainBytes struct {
	index int64
	b     []byte
}

// ReadAt implements io.ReaderAt for bytes of the extent that lie in
// compressed grains.
func (u *unpacker) ReadAt(p []byte, off int64) (done int, err error) {
	size := u.tables.grain
	for done < len(p) {
		pos := off + int64(done)
		index, in := pos/size, pos%size
		n := min(int64(len(p)-done), size-in)
		part := p[done : done+int(n)]
		if in == 0 && n == min(size, u.tables.size-pos) {
			err = u.grain(part, index)
		} else {
			err = u.part(part, index, in)
		}
		if err != nil {
			return done, corrupt("grain %d: %w", index, err)
		}
		done += int(n)
	}
	return done, nil
}

// part reads a part of a grain, from the byte in on.
func (u *unpacker) part(p []byte, index, in int64) error {
	g := u.last.Load()
	if g == nil || g.index != index {
		g = &grainBytes{index, make([]byte, min(u.tables.grain, u.tables.size-index*u.tables.grain))}
		if err := u.grain(g.b, index); err != nil {
			return err
		}
		u.last.Store(g)
	}
	copy(p, g.b[in:])
	return nil
}

// An inflater unpacks one grain after the other.
type inflater struct {
	packed []byte
	in     bytes.Reader
	z      io.ReadCloser
}

// grain unpacks a grain into p, which is as long as what the disk has of it.
func (u *unpacker) grain(p []byte, index int64) error {
	t := u.tables
	at, err := t.lookup(index)
	if err != nil {
		return err
	}
	i, _ := u.pool.Get().(*inflater)
	if i == nil {
		i = &inflater{}
	}
	defer u.pool.Put(i)
	if err := u.readPacked(i, at); err != nil {
		return err
	}
	i.in.Reset(i.packed)
	if i.z == nil {
		i.z, err = zlib.NewReader(&i.in)
	} else {
		err = i.z.(zlib.Resetter).Reset(&i.in, nil)
	}
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	if _, err := io.ReadFull(i.z, p); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	// The rest of a grain that reaches past the end of the disk may follow.
	// At its end the checksum is compared.
	if n, err := io.Copy(io.Discard, io.LimitReader(i.z, t.grain-int64(len(p))+1)); err != nil {
		return fmt.Errorf("unpack: %w", err)
	} else if n > t.grain-int64(len(p)) {
		return errors.New("unpack: it is larger than a grain")
	}
	return nil
}

// readPacked reads the compressed bytes of the grain that is stored at an
// offset.
func (u *unpacker) readPacked(i *inflater, at int64) error {
	t := u.tables
	n := t.grain // without a marker it is not known where they end
	if u.markers {
		var marker [grainMarkerBytes]byte
		if _, err := t.file.ReadAt(marker[:], at); err != nil {
			return fmt.Errorf("read its marker at %d: %w", at, err)
		}
		n, at = int64(binary.LittleEndian.Uint32(marker[8:])), at+grainMarkerBytes
		if n == 0 || n > 2*t.grain || at+n > t.file.Bytes {
			return fmt.Errorf("its marker at %d says that it has %d bytes", at-grainMarkerBytes, n)
		}
	}
	n = min(n, t.file.Bytes-at)
	if int64(cap(i.packed)) < n {
		i.packed = make([]byte, n)
	}
	i.packed = i.packed[:n]
	if _, err := t.file.ReadAt(i.packed, at); err != nil {
		return fmt.Errorf("read %d bytes at %d: %w", n, at, err)
	}
	return nil
}
