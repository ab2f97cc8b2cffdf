package imagetest

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"unicode/utf16"
)

// A Difference is a layer over another image, in a format for which qemu-img
// makes none.
type Difference struct {
	ID         [16]byte // of the layer itself; of VHDX that of its contents
	ParentID   [16]byte // the same of the parent
	ParentName string   // as Windows has it, relative to the layer
	Data       []byte   // the disk; the layer holds what Written says
	Written    func(sector int64) bool
}

const sectorBytes = 512

// VHD returns the layer as a differencing VHD image with blocks of blockSize
// bytes.
func (d *Difference) VHD(blockSize int64) []byte {
	be := binary.BigEndian
	size := int64(len(d.Data))
	blocks := (size + blockSize - 1) / blockSize
	footer := make([]byte, 512)
	copy(footer, "conectix\x00\x00\x00\x02\x00\x01\x00\x00")
	be.PutUint64(footer[16:], 512)
	copy(footer[28:], "win \x00\x0a\x00\x00Wi2k")
	be.PutUint64(footer[40:], uint64(size))
	be.PutUint64(footer[48:], uint64(size))
	copy(footer[56:], "\x00\x10\x04\x11\x00\x00\x00\x04")
	copy(footer[68:], d.ID[:])
	be.PutUint32(footer[64:], onesComplement(footer))

	name := encodeUTF16(d.ParentName, binary.LittleEndian)
	header := make([]byte, 1024)
	copy(header, "cxsparse\xff\xff\xff\xff\xff\xff\xff\xff")
	be.PutUint64(header[16:], 2048)
	be.PutUint32(header[24:], 1<<16)
	be.PutUint32(header[28:], uint32(blocks))
	be.PutUint32(header[32:], uint32(blockSize))
	copy(header[40:], d.ParentID[:])
	copy(header[64:], encodeUTF16("C:\\disks\\"+d.ParentName, binary.BigEndian))
	copy(header[576:], "W2ru")
	be.PutUint32(header[580:], 512)
	be.PutUint32(header[584:], uint32(len(name)))
	be.PutUint64(header[592:], 1536)
	be.PutUint32(header[36:], onesComplement(header))

	file := append(append([]byte{}, footer...), header...)
	file = append(file, padTo(name, 512)...)
	table := padTo(bytes.Repeat([]byte{0xff}, int(4*blocks)), 512)
	file = append(file, table...)
	for i := range blocks {
		bitmap := make([]byte, max(512, (blockSize/sectorBytes/8+511)/512*512))
		block := make([]byte, blockSize)
		if !d.fill(i*blockSize, block, func(sector int64) { bitmap[sector/8] |= 0x80 >> (sector % 8) }) {
			continue
		}
		be.PutUint32(file[2048+4*i:], uint32(len(file)/512))
		file = append(append(file, bitmap...), block...)
	}
	return append(file, footer...)
}

// fill copies to block what the layer holds of the disk from an offset on, and
// reports its sectors. What it does not hold is made of bytes that nobody must
// see.
func (d *Difference) fill(off int64, block []byte, sector func(int64)) bool {
	some := false
	for i := range int64(len(block)) / sectorBytes {
		b := block[i*sectorBytes:][:sectorBytes]
		at := off + i*sectorBytes
		if at >= int64(len(d.Data)) || !d.Written(at/sectorBytes) {
			copy(b, bytes.Repeat([]byte{0xdb}, sectorBytes))
			continue
		}
		copy(b, d.Data[at:])
		sector(i)
		some = true
	}
	return some
}

// VDI returns the layer as a differencing VDI image with blocks of blockSize
// bytes. It holds those that are written at all. The parent must have
// the identity also as that of its contents.
func (d *Difference) VDI(blockSize, blockExtra int64) []byte {
	le := binary.LittleEndian
	blocks := (int64(len(d.Data)) + blockSize - 1) / blockSize
	file := make([]byte, 512+(4*blocks+511)/512*512)
	copy(file, "<<< Oracle VM VirtualBox Disk Image >>>\n")
	data := len(file)
	used := uint32(0)
	for i := range blocks {
		block := make([]byte, blockSize)
		written := false
		for s := i * blockSize / sectorBytes; s < min((i+1)*blockSize, int64(len(d.Data)))/sectorBytes; s++ {
			written = written || d.Written(s)
		}
		if !written {
			le.PutUint32(file[512+4*i:], 0xffffffff)
			continue
		}
		copy(block, d.Data[i*blockSize:])
		if bytes.Count(block, []byte{0}) == len(block) {
			le.PutUint32(file[512+4*i:], 0xfffffffe)
			continue
		}
		le.PutUint32(file[512+4*i:], used)
		used++
		file = append(append(file, make([]byte, blockExtra)...), block...)
	}
	for at, v := range map[int]int64{
		0x40: 0xbeda107f, 0x44: 0x10001, 0x48: 0x190, 0x4c: 4, 0x154: 512, 0x158: int64(data), 0x168: 512,
		0x178: int64(blockSize), 0x17c: int64(blockExtra), 0x180: int64(blocks), 0x184: int64(used),
	} {
		le.PutUint32(file[at:], uint32(v))
	}
	le.PutUint64(file[0x170:], uint64(len(d.Data)))
	for at, id := range map[int][16]byte{0x188: d.ID, 0x198: d.ID, 0x1a8: d.ParentID, 0x1b8: d.ParentID} {
		copy(file[at:], id[:])
	}
	return file
}

// Places in a crafted VHDX image.
const (
	mib          = 1 << 20
	VHDXLogAt    = mib
	vhdxMetadata = 2 * mib
	VHDXTableAt  = 3 * mib
	vhdxData     = 4 * mib
)

// VHDX returns the layer as a differencing VHDX image with blocks of 1 MiB, for
// a disk with sectors of sectorSize bytes. Blocks that are written in part have
// a bitmap.
func (d *Difference) VHDX(sectorSize int64) []byte {
	le := binary.LittleEndian
	file := make([]byte, vhdxData)
	copy(file, "vhdxfile")
	for i, at := range []int{64 << 10, 128 << 10} {
		h := file[at:][:4096]
		copy(h, "head")
		le.PutUint64(h[8:], uint64(i+1))
		copy(h[32:], d.ID[:])
		le.PutUint16(h[66:], 1)
		le.PutUint32(h[68:], mib)
		le.PutUint64(h[72:], VHDXLogAt)
		SumVHDX(h)
	}
	for _, at := range []int{192 << 10, 256 << 10} {
		t := file[at:][:64<<10]
		copy(t, "regi")
		le.PutUint32(t[8:], 2)
		region(t[16:], "\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08", VHDXTableAt)
		region(t[48:], "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e", vhdxMetadata)
		SumVHDX(t)
	}
	d.vhdxMetadata(file[vhdxMetadata:VHDXTableAt], sectorSize)
	perChunk := 1 << 23 * sectorSize / mib
	size := int64(len(d.Data))
	for chunk := range (size + perChunk*mib - 1) / (perChunk * mib) {
		file = d.vhdxChunk(file, chunk, perChunk, sectorSize)
	}
	return file
}

func region(e []byte, id string, at uint64) {
	copy(e, id)
	binary.LittleEndian.PutUint64(e[16:], at)
	binary.LittleEndian.PutUint32(e[24:], mib)
	binary.LittleEndian.PutUint32(e[28:], 1)
}

// SumVHDX sets the checksum of a header, a region table or an entry of the log.
func SumVHDX(b []byte) {
	clear(b[4:8])
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// vhdxChunk appends the blocks that one bitmap maps, and the bitmap.
func (d *Difference) vhdxChunk(file []byte, chunk, perChunk, sectorSize int64) []byte {
	le := binary.LittleEndian
	bitmap := make([]byte, mib)
	needed := false
	for i := chunk * perChunk; i < min((chunk+1)*perChunk, (int64(len(d.Data))+mib-1)/mib); i++ {
		block := make([]byte, mib)
		in := (i - chunk*perChunk) * mib
		sectors := int64(0)
		if !d.fill(i*mib, block, func(s int64) {
			bit := (in + s*sectorBytes) / sectorSize
			bitmap[bit/8] |= 1 << (bit % 8)
			sectors++
		}) {
			continue
		}
		state := uint64(7)
		if sectors == mib/sectorBytes {
			state = 6
		}
		needed = needed || state == 7
		le.PutUint64(file[VHDXTableAt+8*(i+i/perChunk):], uint64(len(file))|state)
		file = append(file, block...)
	}
	if needed {
		le.PutUint64(file[VHDXTableAt+8*(chunk*(perChunk+1)+perChunk):], uint64(len(file))|6)
		file = append(file, bitmap...)
	}
	return file
}

func (d *Difference) vhdxMetadata(b []byte, sectorSize int64) {
	le := binary.LittleEndian
	copy(b, "metadata")
	parameters := le.AppendUint32(le.AppendUint32(nil, mib), 2)
	for i, item := range []struct {
		id string
		b  []byte
	}{
		{"\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b", parameters},
		{"\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8", le.AppendUint64(nil, uint64(len(d.Data)))},
		{"\xab\x12\xca\xbe\xe6\xb2\x23\x45\x93\xef\xc3\x09\xe0\x00\xc7\x46", d.ID[:]},
		{"\x1d\xbf\x41\x81\x6f\xa9\x09\x47\xba\x47\xf2\x33\xa8\xfa\xab\x5f", le.AppendUint32(nil, uint32(sectorSize))},
		{"\xc7\x48\xa3\xcd\x5d\x44\x71\x44\x9c\xc9\xe9\x88\x52\x51\xc5\x56", le.AppendUint32(nil, 4096)},
		{"\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c", d.vhdxLocator()},
	} {
		e := b[32+32*i:]
		at := 64<<10 + 1024*i
		copy(e, item.id)
		le.PutUint32(e[16:], uint32(at))
		le.PutUint32(e[20:], uint32(len(item.b)))
		le.PutUint32(e[24:], 4)
		copy(b[at:], item.b)
		le.PutUint16(b[10:], uint16(i+1))
	}
}

func (d *Difference) vhdxLocator() []byte {
	le := binary.LittleEndian
	pairs := [][2]string{
		{"parent_linkage", GUIDText(d.ParentID)}, {"relative_path", d.ParentName}, {"absolute_win32_path", `C:\disks\` + d.ParentName},
	}
	b := make([]byte, 20+12*len(pairs))
	copy(b, "\xb7\xef\x4a\xb0\x9e\xd1\x81\x4a\xb7\x89\x25\xb8\xe9\x44\x59\x13")
	le.PutUint16(b[18:], uint16(len(pairs)))
	for i, p := range pairs {
		for k, s := range p {
			text := encodeUTF16(s, le)
			le.PutUint32(b[20+12*i+4*k:], uint32(len(b)))
			le.PutUint16(b[20+12*i+8+2*k:], uint16(len(text)))
			b = append(b, text...)
		}
	}
	return b
}

// GUIDText is a GUID as Windows writes it.
func GUIDText(g [16]byte) string {
	const digits = "0123456789ABCDEF"
	s := []byte("{")
	for i, at := range []int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15} {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			s = append(s, '-')
		}
		s = append(s, digits[g[at]>>4], digits[g[at]&15])
	}
	return string(append(s, '}'))
}

func onesComplement(b []byte) uint32 {
	sum := uint32(0)
	for _, c := range b {
		sum += uint32(c)
	}
	return ^sum
}

func encodeUTF16(s string, order binary.AppendByteOrder) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return b
}

func padTo(b []byte, unit int) []byte {
	for len(b)%unit != 0 {
		b = append(b, 0xff)
	}
	return b
}
