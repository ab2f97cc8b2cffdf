package xfs_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// TestVersion4LogIsReplayed writes by hand a log that no kernel at hand writes
// any more, with an inode in it, and has xfs_logprint read it too.
func TestVersion4LogIsReplayed(t *testing.T) {
	for _, c := range []struct {
		name    string
		flushes uint16 // of the inode on disk; the log has 5
		want    bool
	}{
		{"inode older than the log", 4, true},
		{"inode newer than the log", 6, false},
		{"count of flushes gone round", 0xffff, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "image")
			b := fstreetest.Image(t, "xfs-v4")
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
			image, err := os.OpenFile(name, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer image.Close()
			before := stat(t, image, "sizes/4096")
			place := locateLog(t, name)
			inodeAt := int(before.Ino) * int(binary.BigEndian.Uint16(b[104:]))
			binary.BigEndian.PutUint16(b[inodeAt+30:], c.flushes)
			record := inodeRecord(b, inodeAt, uint32(place.head))
			copy(b[int(place.start)+place.head*512:], record)
			if _, err := image.WriteAt(b, 0); err != nil {
				t.Fatal(err)
			}

			printed := oracle.Run(t, "xfs_logprint", "-t", "-i", name)
			if !strings.Contains(printed, "<DIRTY>") || !strings.Contains(printed, "uid:12345") {
				t.Fatalf("xfs_logprint: %s", printed)
			}
			after := stat(t, image, "sizes/4096")
			if replayed := after.UID == 12345 && after.Mode.Perm() == 0o711; replayed != c.want {
				t.Errorf("owner %d, mode %v", after.UID, after.Mode)
			}
			if after.Size != before.Size || !after.Mtime.Equal(before.Mtime) || after.Blocks != before.Blocks {
				t.Errorf("what was logged unchanged: %+v, was %+v", after, before)
			}
		})
	}
}

// inodeRecord is a log record with one transaction, which gives an inode
// another owner and mode.
func inodeRecord(image []byte, inodeAt int, sector uint32) []byte {
	be, le := binary.BigEndian, binary.LittleEndian
	var data []byte
	operations := uint32(0)
	operation := func(flags uint8, region []byte) {
		data = be.AppendUint32(data, 0x77) // transaction
		data = be.AppendUint32(data, uint32(len(region)))
		data = append(data, 0x69, flags, 0, 0)
		data = append(data, region...)
		operations++
	}
	const cluster = 8192
	format := make([]byte, 56)
	le.PutUint16(format, 0x123b)
	le.PutUint16(format[2:], 2) // regions
	le.PutUint32(format[4:], 1) // the core alone
	le.PutUint64(format[16:], uint64(inodeAt/int(be.Uint16(image[104:]))))
	le.PutUint64(format[40:], uint64(inodeAt/cluster*cluster/512))
	le.PutUint32(format[48:], cluster/512)
	le.PutUint32(format[52:], uint32(inodeAt%cluster))
	operation(0x01, nil)
	operation(0, []byte("NART\x01\x00\x00\x00\x77\x00\x00\x00\x01\x00\x00\x00"))
	operation(0, format)
	operation(0, loggedInode(image[inodeAt:]))
	operation(0x02, nil)

	lsn := uint64(1)<<32 | uint64(sector)
	header := make([]byte, 512)
	for i, v := range []uint32{0xfeedbabe, 1, 2, uint32((len(data) + 511) &^ 511)} {
		be.PutUint32(header[4*i:], v)
	}
	be.PutUint64(header[16:], lsn)
	be.PutUint64(header[24:], lsn) // the tail
	be.PutUint32(header[40:], operations)
	be.PutUint32(header[300:], 1) // little-endian
	copy(header[304:], image[32:48])
	be.PutUint32(header[320:], 32768)
	data = append(data, bytes.Repeat([]byte{0}, (512-len(data)%512)%512)...)
	for i := 0; i < len(data); i += 512 {
		copy(header[44+i/128:], data[i:i+4]) // the word that the cycle displaces
		be.PutUint32(data[i:], 1)
	}
	return append(header, data...)
}

// loggedInode turns an inode on disk into one in the log (struct
// xfs_log_dinode), changed.
func loggedInode(disk []byte) []byte {
	out := make([]byte, 96)
	copy(out, disk)
	swap := func(width int, offsets ...int) {
		for _, at := range offsets {
			for i := range width {
				out[at+i] = disk[at+width-1-i]
			}
		}
	}
	swap(2, 0, 2, 6, 20, 22, 30, 80, 88, 90)
	swap(4, 8, 12, 16, 32, 36, 40, 44, 48, 52, 72, 76, 84, 92)
	swap(8, 56, 64)
	binary.LittleEndian.PutUint16(out[2:], 0o100711)
	binary.LittleEndian.PutUint32(out[8:], 12345)
	binary.LittleEndian.PutUint16(out[30:], 5)
	return out
}
