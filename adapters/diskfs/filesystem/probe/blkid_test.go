package probe_test

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// blkid asks the real tool what a file holds, value by value: its other
// outputs encode what is not ASCII.
func blkid(t *testing.T, name string) probe.Signature {
	t.Helper()
	value := func(key string) string {
		out, err := exec.Command(oracle.Tool(t, "blkid"), "-p", "-o", "value", "-s", key, name).Output()
		if code := new(exec.ExitError); err != nil && (!errors.As(err, &code) || code.ExitCode() != 2) { // 2: nothing recognised
			t.Fatalf("blkid: %v", err)
		}
		return strings.TrimSuffix(string(out), "\n")
	}
	return probe.Signature{Type: value("TYPE"), Label: value("LABEL"), UUID: value("UUID")}
}

func identify(t *testing.T, name string) probe.Signature {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	sig, err := probe.Identify(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	sig.FATBits = 0 // blkid says it elsewhere
	return sig
}

func TestIdentifySaysWhatBlkidSaysOfWhatTheRealToolsMake(t *testing.T) {
	tree := t.TempDir()
	if err := os.WriteFile(filepath.Join(tree, "file"), []byte("contents"), 0o600); err != nil {
		t.Fatal(err)
	}
	const uuid = "f00dfeed-0123-4567-89ab-cdef01234567"
	for _, c := range []struct {
		name string
		size int64
		cmd  []string // IMG stands for the image, DIR for a directory of files
	}{
		{"ext2", 4 << 20, []string{"mkfs.ext2", "-q", "-L", "a label", "-U", uuid, "IMG"}},
		{"ext2 of revision 0", 4 << 20, []string{"mkfs.ext2", "-q", "-r", "0", "IMG"}},
		{"ext3", 16 << 20, []string{"mkfs.ext3", "-q", "-L", "sixteen-letters!", "IMG"}},
		{"ext4", 16 << 20, []string{"mkfs.ext4", "-q", "-L", "grüße", "IMG"}},
		{"ext4 without journal", 16 << 20, []string{"mkfs.ext4", "-q", "-O", "^has_journal", "IMG"}},
		{"ext4 with blocks of 64 KiB", 64 << 20, []string{"mkfs.ext4", "-q", "-F", "-b", "65536", "IMG"}},
		{"journal of ext4", 16 << 20, []string{"mke2fs", "-q", "-O", "journal_dev", "-L", "log", "IMG"}},
		{"xfs", 320 << 20, []string{"mkfs.xfs", "-q", "-L", "twelve-chars", "-m", "uuid=" + uuid, "IMG"}},
		{"xfs v4", 320 << 20, []string{"mkfs.xfs", "-q", "-m", "crc=0", "IMG"}},
		{"btrfs", 128 << 20, []string{"mkfs.btrfs", "-q", "-L", "butter", "-U", uuid, "IMG"}},
		{"fat12", 2 << 20, []string{"mkfs.fat", "-F", "12", "-n", "FLOPPY", "-i", "1234ABCD", "IMG"}},
		{"fat16", 32 << 20, []string{"mkfs.fat", "-F", "16", "-n", "With space", "IMG"}},
		{"fat32", 64 << 20, []string{"mkfs.fat", "-F", "32", "-n", "ESP", "IMG"}},
		{"fat without a label", 2 << 20, []string{"mkfs.fat", "IMG"}},
		{"fat with sectors of 4 KiB", 64 << 20, []string{"mkfs.fat", "-S", "4096", "-n", "LARGE", "IMG"}},
		{"exfat", 64 << 20, []string{"mkfs.exfat", "-L", "Größe", "IMG"}},
		{"exfat without a label", 8 << 20, []string{"mkfs.exfat", "IMG"}},
		{"ntfs", 16 << 20, []string{"mkntfs", "-q", "-F", "-f", "-L", "Lokaler Datenträger", "IMG"}},
		{"ntfs with clusters of 64 KiB", 64 << 20, []string{"mkntfs", "-q", "-F", "-f", "-c", "65536", "-L", "big", "IMG"}},
		{"squashfs", 0, []string{"mksquashfs", "DIR", "IMG", "-quiet", "-no-progress", "-noappend"}},
		{"erofs", 0, []string{"mkfs.erofs", "--quiet", "-U" + uuid, "IMG", "DIR"}},
		{"iso9660", 0, []string{"xorriso", "-as", "mkisofs", "-quiet", "-V", "PLAIN", "-o", "IMG", "DIR"}},
		{"iso9660 with Rock Ridge and Joliet", 0, []string{"xorriso", "-as", "mkisofs", "-quiet", "-R", "-J", "-V", "A_LABEL_OF_MORE_THAN_16", "-o", "IMG", "DIR"}},
		{"swap", 4 << 20, []string{"mkswap", "-q", "-L", "swapped", "-U", uuid, "IMG"}},
		{"swap with pages of 64 KiB", 4 << 20, []string{"mkswap", "-q", "-p", "65536", "IMG"}},
		{"luks1", 4 << 20, []string{"sh", "-c", "echo secret | cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations 1000 --uuid " + uuid + " IMG"}},
		{"luks2", 20 << 20, []string{"sh", "-c", "echo secret | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --label vault IMG"}},
		{"dm-verity", 4 << 20, []string{"sh", "-c", "truncate -s 1M IMG.data && veritysetup format --uuid " + uuid + " IMG.data IMG"}},
		{"minix", 8 << 20, []string{"mkfs.minix", "-1", "IMG"}},
		{"minix with short names", 8 << 20, []string{"mkfs.minix", "-1", "-n", "14", "IMG"}},
		{"minix 2", 80 << 20, []string{"mkfs.minix", "-2", "IMG"}},
		{"minix 3", 8 << 20, []string{"mkfs.minix", "-3", "IMG"}},
		{"bfs", 1 << 20, []string{"mkfs.bfs", "IMG"}},
		{"cramfs", 0, []string{"mkfs.cramfs", "-n", "small", "DIR", "IMG"}},
		{"cramfs of another byte order", 0, []string{"mkfs.cramfs", "-N", "big", "DIR", "IMG"}},
		{"nothing", 1 << 20, []string{"true"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "img")
			if c.size > 0 {
				if err := os.WriteFile(img, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Truncate(img, c.size); err != nil {
					t.Fatal(err)
				}
			}
			args := make([]string, len(c.cmd))
			for i, a := range c.cmd {
				args[i] = strings.NewReplacer("IMG", img, "DIR", tree).Replace(a)
			}
			oracle.Run(t, args[0], args[1:]...)
			compare(t, img)
		})
	}
}

func compare(t *testing.T, img string) {
	t.Helper()
	if got, want := identify(t, img), blkid(t, img); got != want {
		t.Errorf("\n  got %+v\nblkid %+v", got, want)
	}
}

// put is some bytes of an image.
type put struct {
	off  int64
	data string
}

func le16(n uint16) string { return string(binary.LittleEndian.AppendUint16(nil, n)) }
func le32(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }
func le64(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }
func be32(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

const someID = "\xf0\x0d\xfe\xed\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67"

// The tools that make these are seldom at hand: the bytes that identify them
// are put into an empty image.
func TestIdentifySaysWhatBlkidSaysOfSuperblocksMadeByHand(t *testing.T) {
	for _, c := range []struct {
		name string
		size int64
		puts []put
	}{
		{"md 1.1", 8 << 20, mdV1(0)},
		{"md 1.2", 8 << 20, mdV1(4096)},
		{"md 1.0", 8 << 20, mdV1(8<<20 - 8192)},
		{"md 0.90", 8 << 20, []put{{8<<20 - 65536, le32(0xa92b4efc) + le32(0) + le32(90)},
			{8<<20 - 65536 + 20, le32(0x11223344)}, {8<<20 - 65536 + 52, le32(0x55667788) + le32(0x99aabbcc) + le32(0xddeeff00)}}},
		{"md 0.90 big-endian", 8 << 20, []put{{8<<20 - 65536, be32(0xa92b4efc) + be32(0) + be32(90)},
			{8<<20 - 65536 + 20, be32(0x11223344)}, {8<<20 - 65536 + 52, be32(0x55667788) + be32(0x99aabbcc) + be32(0xddeeff00)}}},
		{"jfs", 16 << 20, []put{{32768, "JFS1" + le32(1) + le64(100) + le32(4096) + le16(12) + le16(3) + le32(512) + le16(9)},
			{32768 + 136, someID}, {32768 + 152, "journaled"}}},
		{"jfs of other sizes is none", 16 << 20, []put{{32768, "JFS1" + le32(1) + le64(100) + le32(4096) + le16(13) + le16(3) + le32(512) + le16(9)}}},
		{"reiserfs 3.6", 8 << 20, []put{{65536 + 12, le32(18)}, {65536 + 44, le16(4096)}, {65536 + 52, "ReIsEr2Fs"}, {65536 + 84, someID}, {65536 + 100, "reiser"}}},
		{"reiserfs 3.5", 8 << 20, []put{{8192 + 12, le32(18)}, {8192 + 44, le16(4096)}, {8192 + 52, "ReIsErFs"}}},
		{"f2fs", 8 << 20, []put{{1024, le32(0xf2f52010) + le16(1) + le16(15)}, {1024 + 0x6c, someID}, {1024 + 0x7c, "f\x00l\x00a\x00s\x00h\x00"}}},
		{"apfs", 8 << 20, []put{{24, le16(1) + le16(0x8000)}, {32, "NXSB" + le32(4096)}, {72, someID}}},
		{"hfsplus", 8 << 20, hfsplus(1024)},
		{"hfs", 8 << 20, []put{{1024, "BD"}, {1024 + 20, be32(4096)}, {1024 + 36, "\x05OldHD"}, {1024 + 92 + 24, "\x01\x02\x03\x04\x05\x06\x07\x08"}}},
		{"ufs2", 8 << 20, []put{{65536 + 1372, le32(0x19540119)}, {65536 + 680, "freebsd"}, {65536 + 144, le32(0x1234) + le32(0xabcdef01)}}},
		{"ufs1 big-endian", 8 << 20, []put{{8192 + 1372, be32(0x00011954)}, {8192 + 144, be32(0x1234) + be32(0xabcdef01)}}},
		{"ReFS", 8 << 20, []put{{0, "\x00\x00\x00ReFS\x00"}}},
		{"zfs", 64 << 20, zfs()},
		{"reiserfs in the journal of another is none", 8 << 20, []put{{65536 + 12, le32(8)}, {65536 + 44, le16(4096)}, {65536 + 52, "ReIsEr2Fs"}}},
		{"squashfs 3", 1 << 20, []put{{0, "hsqs"}, {28, le16(3) + le16(1)}}},
		{"hibernated", 1 << 20, []put{{4086, "S1SUSPEND\x00"}, {1024, le32(1) + le32(100)}, {1036, someID}}},
		{"swap of the old kind", 1 << 20, []put{{4086, "SWAP-SPACE"}}},
		{"dm-integrity", 1 << 20, []put{{0, "integrt\x00\x01"}}},
		{"romfs", 1 << 20, []put{{0, "-rom1fs-" + be32(1024) + be32(0) + "read only"}}},
		{"minix big-endian", 1 << 20, []put{{1024, "\x01\x00\x04\x00\x00\x01\x00\x01\x00\x20\x00\x00"}, {1024 + 16, "\x13\x8f\x00\x01"}}},
		{"minix whose maps are too short is none", 1 << 20, []put{{1024, le16(9000) + le16(4) + le16(1) + le16(1) + le16(2) + le16(0)}, {1024 + 16, le16(0x138f) + le16(1)}}},
		{"udf", 4 << 20, udf(2048, "0123456789abcdefSomething")},
		{"udf with sectors of 512 bytes", 4 << 20, udf(512, "01234567LinuxUDF")},
		{"udf with a short name", 4 << 20, udf(2048, "0123456789")},
		{"udf with hardly a name", 4 << 20, udf(2048, "0123")},
		{"udf with a name that is no number", 4 << 20, udf(2048, "MyVolumeSetName0")},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "img")
			f, err := os.Create(img)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := f.Truncate(c.size); err != nil {
				t.Fatal(err)
			}
			for _, p := range c.puts {
				if _, err := f.WriteAt([]byte(p.data), p.off); err != nil {
					t.Fatal(err)
				}
			}
			compare(t, img)
		})
	}
}

func mdV1(at int64) []put {
	return []put{{at, le32(0xa92b4efc) + le32(1)}, {at + 16, someID}, {at + 32, "host:0"}, {at + 144, le64(uint64(at / 512))}}
}

func hfsplus(at int64) []put {
	const block, catalog, leaf, node = 4096, 10, 2, 4096
	return []put{
		{at, "H+"}, {at + 40, be32(block)}, {at + 104, "\x01\x02\x03\x04\x05\x06\x07\x08"},
		{at + 288, be32(catalog) + be32(4)},
		{catalog*block + 8, "\x01\x00"}, {catalog*block + 14, "\x00\x01" + be32(leaf) + be32(1) + be32(leaf) + be32(leaf) + "\x10\x00"},
		{catalog*block + leaf*node + 8, "\xff\x01\x00\x01"},
		{catalog*block + leaf*node + 14, "\x00\x0e" + be32(1) + "\x00\x04\x00M\x00a\x00c\x00s"},
	}
}

func zfs() []put {
	pair := func(name string, kind uint32, value string) string {
		padded := name + strings.Repeat("\x00", (4-len(name)%4)%4)
		body := be32(0) + be32(uint32(len(name))) + padded + be32(kind) + be32(1) + value
		return be32(uint32(len(body)+4)) + body
	}
	list := "\x01\x01\x00\x00" + be32(0) + be32(1) +
		pair("version", 8, be32(0)+be32(5000)) +
		pair("name", 9, be32(4)+"tank") +
		pair("pool_guid", 8, be32(0x01234567)+be32(0x89abcdef)) + be32(0) + be32(0)
	puts := []put{{16 << 10, list}, {256<<10 + 16<<10, list}}
	for i := range int64(8) {
		puts = append(puts, put{128<<10 + i*1024, le64(0x00bab10c)}, put{256<<10 + 128<<10 + i*1024, le64(0x00bab10c)})
	}
	return puts
}

func udf(block int64, set string) []put {
	dstring := func(s string, n int) string {
		b := make([]byte, n)
		b[0] = 8
		copy(b[1:], s)
		b[n-1] = byte(len(s) + 1)
		return string(b)
	}
	tag := func(id uint16, location uint32) string {
		b := []byte(le16(id) + le16(2) + "\x00\x00" + le16(1) + le16(0) + le16(496) + le32(location))
		for _, c := range b {
			b[4] += c
		}
		return string(b)
	}
	const vsd, charset = 32768, "\x00OSTA Compressed Unicode"
	step := max(block, 2048)
	return []put{
		{vsd, "\x00BEA01\x01"}, {vsd + step, "\x00NSR02\x01"}, {vsd + 2*step, "\x00TEA01\x01"},
		{256 * block, tag(2, 256) + le32(uint32(16*block)) + le32(300)},
		{300 * block, tag(1, 300)}, {300*block + 72, dstring(set, 128) + charset},
		{301 * block, tag(6, 301) + le32(0) + charset}, {301*block + 84, dstring("Video DVD", 128)}, {301*block + 212, le32(uint32(block))},
		{302 * block, tag(8, 302)},
	}
}
