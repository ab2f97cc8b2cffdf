package probe_test

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// put is some bytes of an image.
type put struct {
	off  int64
	data string
}

func le16(n uint16) string { return string(binary.LittleEndian.AppendUint16(nil, n)) }
func le32(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }
func le64(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }
func be32(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }
func be64(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

const (
	someID   = "\xf0\x0d\xfe\xed\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67"
	someUUID = "f00dfeed-0123-4567-89ab-cdef01234567"
	bcacheID = "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"
)

// handMade are superblocks that are put byte by byte into an empty image, and
// what blkid says of them.
var handMade = []struct {
	name string
	size int64
	puts []put
	want probe.Signature
}{
	{"md 1.1", 8 << 20, mdV1(0), probe.Signature{Type: "linux_raid_member", Label: "host:0", UUID: someUUID}},
	{"md 1.2", 8 << 20, mdV1(4096), probe.Signature{Type: "linux_raid_member", Label: "host:0", UUID: someUUID}},
	{"md 1.0", 8 << 20, mdV1(8<<20 - 8192), probe.Signature{Type: "linux_raid_member", Label: "host:0", UUID: someUUID}},
	{"md 0.90", 8 << 20, []put{{8<<20 - 65536, le32(0xa92b4efc) + le32(0) + le32(90)},
		{8<<20 - 65536 + 20, le32(0x11223344)}, {8<<20 - 65536 + 52, le32(0x55667788) + le32(0x99aabbcc) + le32(0xddeeff00)}}, probe.Signature{Type: "linux_raid_member", UUID: "11223344-5566-7788-99aa-bbccddeeff00"}},
	{"md 0.90 big-endian", 8 << 20, []put{{8<<20 - 65536, be32(0xa92b4efc) + be32(0) + be32(90)},
		{8<<20 - 65536 + 20, be32(0x11223344)}, {8<<20 - 65536 + 52, be32(0x55667788) + be32(0x99aabbcc) + be32(0xddeeff00)}}, probe.Signature{Type: "linux_raid_member", UUID: "11223344-5566-7788-99aa-bbccddeeff00"}},
	{"jfs", 16 << 20, []put{{32768, "JFS1" + le32(1) + le64(100) + le32(4096) + le16(12) + le16(3) + le32(512) + le16(9)},
		{32768 + 136, someID}, {32768 + 152, "journaled"}}, probe.Signature{Type: "jfs", Label: "journaled", UUID: someUUID}},
	{"jfs of other sizes is none", 16 << 20, []put{{32768, "JFS1" + le32(1) + le64(100) + le32(4096) + le16(13) + le16(3) + le32(512) + le16(9)}}, probe.Signature{}},
	{"reiserfs 3.6", 8 << 20, []put{{65536 + 12, le32(18)}, {65536 + 44, le16(4096)}, {65536 + 52, "ReIsEr2Fs"}, {65536 + 84, someID}, {65536 + 100, "reiser"}}, probe.Signature{Type: "reiserfs", Label: "reiser", UUID: someUUID}},
	{"reiserfs 3.5", 8 << 20, []put{{8192 + 12, le32(18)}, {8192 + 44, le16(4096)}, {8192 + 52, "ReIsErFs"}}, probe.Signature{Type: "reiserfs"}},
	{"f2fs", 8 << 20, []put{{1024, le32(0xf2f52010) + le16(1) + le16(15)}, {1024 + 0x6c, someID}, {1024 + 0x7c, "f\x00l\x00a\x00s\x00h\x00"}}, probe.Signature{Type: "f2fs", Label: "flash", UUID: someUUID}},
	{"apfs", 8 << 20, []put{{24, le16(1) + le16(0x8000)}, {32, "NXSB" + le32(4096)}, {72, someID}}, probe.Signature{Type: "apfs", UUID: someUUID}},
	{"hfsplus", 8 << 20, hfsplus(1024), probe.Signature{Type: "hfsplus", Label: "Macs", UUID: "6095e009-5132-3fc5-87c2-d5a01745283e"}},
	{"hfs", 8 << 20, []put{{1024, "BD"}, {1024 + 20, be32(4096)}, {1024 + 36, "\x05OldHD"}, {1024 + 92 + 24, "\x01\x02\x03\x04\x05\x06\x07\x08"}}, probe.Signature{Type: "hfs", Label: "OldHD", UUID: "6095e009-5132-3fc5-87c2-d5a01745283e"}},
	{"ufs2", 8 << 20, []put{{65536 + 1372, le32(0x19540119)}, {65536 + 680, "freebsd"}, {65536 + 144, le32(0x1234) + le32(0xabcdef01)}}, probe.Signature{Type: "ufs", Label: "freebsd", UUID: "00001234abcdef01"}},
	{"ufs1 big-endian", 8 << 20, []put{{8192 + 1372, be32(0x00011954)}, {8192 + 144, be32(0x1234) + be32(0xabcdef01)}}, probe.Signature{Type: "ufs", UUID: "00001234abcdef01"}},
	{"ReFS", 8 << 20, []put{{0, "\x00\x00\x00ReFS\x00"}}, probe.Signature{Type: "ReFS"}},
	{"zfs", 64 << 20, zfs(), probe.Signature{Type: "zfs_member", Label: "tank", UUID: "81985529216486895"}},
	{"reiserfs in the journal of another is none", 8 << 20, []put{{65536 + 12, le32(8)}, {65536 + 44, le16(4096)}, {65536 + 52, "ReIsEr2Fs"}}, probe.Signature{}},
	{"squashfs 3", 1 << 20, []put{{0, "hsqs"}, {28, le16(3) + le16(1)}}, probe.Signature{Type: "squashfs3"}},
	{"hibernated", 1 << 20, []put{{4086, "S1SUSPEND\x00"}, {1024, le32(1) + le32(100)}, {1036, someID}}, probe.Signature{Type: "swsuspend", UUID: someUUID}},
	{"swap of the old kind", 1 << 20, []put{{4086, "SWAP-SPACE"}}, probe.Signature{Type: "swap"}},
	{"dm-integrity", 1 << 20, []put{{0, "integrt\x00\x01"}}, probe.Signature{Type: "DM_integrity"}},
	{"romfs", 1 << 20, []put{{0, "-rom1fs-" + be32(1024) + be32(0) + "read only"}}, probe.Signature{Type: "romfs", Label: "read only"}},
	{"minix big-endian", 1 << 20, []put{{1024, "\x01\x00\x04\x00\x00\x01\x00\x01\x00\x20\x00\x00"}, {1024 + 16, "\x13\x8f\x00\x01"}}, probe.Signature{Type: "minix"}},
	{"minix whose maps are too short is none", 1 << 20, []put{{1024, le16(9000) + le16(4) + le16(1) + le16(1) + le16(2) + le16(0)}, {1024 + 16, le16(0x138f) + le16(1)}}, probe.Signature{}},
	{"udf", 4 << 20, udf(2048, "0123456789abcdefSomething"), probe.Signature{Type: "udf", Label: "Video DVD", UUID: "0123456789abcdef"}},
	{"udf with sectors of 512 bytes", 4 << 20, udf(512, "01234567LinuxUDF"), probe.Signature{Type: "udf", Label: "Video DVD", UUID: "012345674c696e75"}},
	{"udf with a short name", 4 << 20, udf(2048, "0123456789"), probe.Signature{Type: "udf", Label: "Video DVD", UUID: "0123456738390000"}},
	{"udf with hardly a name", 4 << 20, udf(2048, "0123"), probe.Signature{Type: "udf", Label: "Video DVD"}},
	{"udf with a name that is no number", 4 << 20, udf(2048, "MyVolumeSetName0"), probe.Signature{Type: "udf", Label: "Video DVD", UUID: "4d79566f6c756d65"}},
	{"ddf", 4 << 20, []put{{4<<20 - 512, "\xde\x11\xde\x11\x00\x00\x00\x00Linux-MD of 24 letters.."}}, probe.Signature{Type: "ddf_raid_member", UUID: "Linux-MD of 24 letters.."}},
	{"ddf with a primary header, big-endian", 4 << 20, ddf(be32(0xde11de11), be64(100)), probe.Signature{Type: "ddf_raid_member", UUID: "Linux-MD of 24 letters.."}},
	{"ddf with a primary header, little-endian", 4 << 20, ddf(le32(0xde11de11), le64(100)), probe.Signature{Type: "ddf_raid_member", UUID: "Linux-MD of 24 letters.."}},
	{"ddf before what a controller keeps at the end", 4 << 20, []put{{4<<20 - 257*512, "\xde\x11\xde\x11\x00\x00\x00\x00Linux-MD of 24 letters.."}}, probe.Signature{Type: "ddf_raid_member", UUID: "Linux-MD of 24 letters.."}},
	{"ddf whose primary header is gone is none", 4 << 20, ddf(be32(0xde11de11), be64(100))[:3], probe.Signature{}},
	{"isw", 4 << 20, []put{{4<<20 - 1024, "Intel Raid ISM Cfg Sig. 1.0.00"}}, probe.Signature{Type: "isw_raid_member"}},
	{"isw on what does not end with a sector", 4<<20 + 100, []put{{4<<20 - 1024, "Intel Raid ISM Cfg Sig. 1.0.00"}}, probe.Signature{Type: "isw_raid_member"}},
	{"isw on a floppy is none", 1440 << 10, []put{{1440<<10 - 1024, "Intel Raid ISM Cfg Sig. 1.0.00"}}, probe.Signature{}},
	{"drbd on what is too small for it is none", 32 << 10, []put{{32<<10 - 4096 + 40, be64(0x123456789abc)}, {32<<10 - 4096 + 60, be32(0x83740267 + 4)}}, probe.Signature{}},
	{"drbdmanage whose line does not end is none", 4 << 20, []put{{0, "$DRBDmgr=q\x008765f402dcb246529acee269b0ba8f2e."}}, probe.Signature{}},
	{"log behind what is left of a filesystem is none", 16 << 20, []put{{4 << 10, "XFSB"}, {8 << 10, be32(0xfeedbabe)}, {8<<10 + 8, be32(2) + be32(512)}, {8<<10 + 300, be32(1)}}, probe.Signature{}},
	{"befs whose attribute goes on past its inode", 4 << 20, append(befs(0, binary.LittleEndian), put{(1<<8+3)<<11 + 232 + 4, le16(60000)}), probe.Signature{Type: "befs", Label: "haiku"}},
	{"md 1.2 that says to lie elsewhere is none", 8 << 20, append(mdV1(4096), put{4096 + 144, le64(9)}), probe.Signature{}},
	{"minix of a state that is none", 1 << 20, []put{{1024, le16(100) + le16(200) + le16(1) + le16(1) + le16(2) + le16(0)}, {1024 + 16, le16(0x138f) + le16(4)}}, probe.Signature{}},
	{"minix", 1 << 20, []put{{1024, le16(100) + le16(200) + le16(1) + le16(1) + le16(2) + le16(0)}, {1024 + 16, le16(0x138f) + le16(3)}}, probe.Signature{Type: "minix"}},
	{"fat32 with other entries before its label", 40 << 20, append(fat32("FILE    TXT"), put{(32+2*800)*512 + 11, " "},
		put{(32+2*800)*512 + 32, "Bl.o.n.g.  \x0f"}, put{(32+2*800)*512 + 64, "LABEL      \x08"}), probe.Signature{Type: "vfat", Label: "LABEL", UUID: "0403-0201"}},
	{"udf with its anchor in the other place alone", 4 << 20, append(udf(2048, "0123456789abcdef"), put{256 * 2048, "\x00\x00"}, put{512 * 2048, udfAnchor(2048, 512)}),
		probe.Signature{Type: "udf", Label: "Video DVD", UUID: "0123456789abcdef"}},
	{"lsi", 4 << 20, []put{{4<<20 - 512, "$XIDE$"}}, probe.Signature{Type: "lsi_mega_raid_member"}},
	{"via", 4 << 20, []put{{4<<20 - 512, "\x55\xaa\x02"}, {4<<20 - 512 + 50, "\x01"}}, probe.Signature{Type: "via_raid_member"}},
	{"via of another version is none", 4 << 20, []put{{4<<20 - 512, "\x55\xaa\x03"}, {4<<20 - 512 + 50, "\x02"}}, probe.Signature{}},
	{"via with a wrong checksum is none", 4 << 20, []put{{4<<20 - 512, "\x55\xaa\x02"}, {4<<20 - 512 + 50, "\x02"}}, probe.Signature{}},
	{"silicon", 4 << 20, silicon(1), probe.Signature{Type: "silicon_medley_raid_member"}},
	{"silicon with a wrong checksum is none", 4 << 20, silicon(1)[:2], probe.Signature{}},
	{"silicon of a disk that can't be is none", 4 << 20, silicon(8), probe.Signature{}},
	{"nvidia", 4 << 20, []put{{4<<20 - 1024, "NVIDIA"}}, probe.Signature{Type: "nvidia_raid_member"}},
	{"promise", 4 << 20, []put{{4<<20 - 63*512, "Promise Technology, Inc."}}, probe.Signature{Type: "promise_fasttrack_raid_member"}},
	{"promise far from the end", 4 << 20, []put{{4<<20 - 3087*512, "Promise Technology, Inc."}}, probe.Signature{Type: "promise_fasttrack_raid_member"}},
	{"hpt45x", 4 << 20, []put{{4<<20 - 11*512, le32(0x5a7816f3)}}, probe.Signature{Type: "hpt45x_raid_member"}},
	{"hpt45x, broken", 4 << 20, []put{{4<<20 - 11*512, le32(0x5a7816fd)}}, probe.Signature{Type: "hpt45x_raid_member"}},
	{"hpt37x", 4 << 20, []put{{4608 + 32, le32(0x5a7816f0)}}, probe.Signature{Type: "hpt37x_raid_member"}},
	{"hpt37x, broken", 4 << 20, []put{{4608 + 32, le32(0x5a7816fd)}}, probe.Signature{Type: "hpt37x_raid_member"}},
	{"adaptec", 4 << 20, []put{{4<<20 - 512, be32(0x37fc4d1e)}, {4<<20 - 256, "DPTM"}}, probe.Signature{Type: "adaptec_raid_member"}},
	{"adaptec without its second magic is none", 4 << 20, []put{{4<<20 - 512, be32(0x37fc4d1e)}}, probe.Signature{}},
	{"jmicron", 4 << 20, []put{{4<<20 - 512, "JM\x00\x01" + le16(0xb1b6)}, {4<<20 - 512 + 126, le16(0)}}, probe.Signature{Type: "jmicron_raid_member"}},
	{"bcache", 4 << 20, []put{{4096 + 8, le64(8)}, {4096 + 24, bcacheID + someID}}, probe.Signature{Type: "bcache", UUID: someUUID}},
	{"bluestore", 4 << 20, []put{{0, "bluestore block device"}}, probe.Signature{Type: "ceph_bluestore"}},
	{"drbd 8", 4 << 20, []put{{4<<20 - 4096 + 40, be64(0x123456789abc)}, {4<<20 - 4096 + 60, be32(0x83740267 + 4)}}, probe.Signature{Type: "drbd", UUID: "123456789abc"}},
	{"drbd 8, not clean", 4 << 20, []put{{4<<20 - 4096 + 40, be64(0x123456789abc)}, {4<<20 - 4096 + 60, be32(0x83740267 + 5)}}, probe.Signature{Type: "drbd", UUID: "123456789abc"}},
	{"drbd 9", 4 << 20, []put{{4<<20 - 4096 + 48, be64(0x123456789abc)}, {4<<20 - 4096 + 60, be32(0x83740267 + 6)}}, probe.Signature{Type: "drbd", UUID: "123456789abc"}},
	{"drbdmanage", 4 << 20, []put{{0, "$DRBDmgr=q\x008765f402dcb246529acee269b0ba8f2e\n"}}, probe.Signature{Type: "drbdmanage_control_volume", UUID: "8765f402dcb246529acee269b0ba8f2e"}},
	{"drbdmanage with a wrong number is none", 4 << 20, []put{{0, "$DRBDmgr=q\x008765f402dcb246529acee269b0ba8f2g\n"}}, probe.Signature{}},
	{"log of drbd's proxy", 4 << 20, []put{{0, "DRBDdlh*"}, {16, someID}}, probe.Signature{Type: "drbdproxy_datalog", UUID: someUUID}},
	{"lvm 2 in the last sector that may have it", 4 << 20, []put{{1536, lvm2(3, "abcdefGHIJklmnOPQRstuvWXYZ012345")}}, probe.Signature{Type: "LVM2_member", UUID: "abcdef-GHIJ-klmn-OPQR-stuv-WXYZ-012345"}},
	{"lvm 1", 4 << 20, []put{{0, "HM" + le16(1)}, {44, "abcdefGHIJklmnOPQRstuvWXYZ012345"}}, probe.Signature{Type: "LVM1_member", UUID: "abcdef-GHIJ-klmn-OPQR-stuv-WXYZ-012345"}},
	{"lvm 1 of another version is none", 4 << 20, []put{{0, "HM" + le16(3)}, {44, "abcdefGHIJklmnOPQRstuvWXYZ012345"}}, probe.Signature{}},
	{"copy-on-write store of a snapshot", 4 << 20, []put{{0, "SnAp"}}, probe.Signature{Type: "DM_snapshot_cow"}},
	{"dm-verity of another version is none", 4 << 20, []put{{0, "verity\x00\x00" + le32(2)}, {16, someID}}, probe.Signature{}},
	{"dm-integrity of no version is none", 4 << 20, []put{{0, "integrt\x00\x00"}}, probe.Signature{}},
	{"luks 2 whose first header is gone", 4 << 20, []put{{16 << 10, "SKUL\xba\xbe\x00\x02"}, {16<<10 + 24, "vault"}, {16<<10 + 168, someUUID}}, probe.Signature{Type: "crypto_LUKS", Label: "vault", UUID: someUUID}},
	{"vmfs member", 4 << 20, []put{{1 << 20, "\x0d\xd0\x01\xc0"}, {1<<20 + 532, "49edf842-dcb35d37-b383-0021280083cf"}}, probe.Signature{Type: "VMFS_volume_member", UUID: "49edf842-dcb35d37-b383-0021280083cf"}},
	{"vmfs", 4 << 20, []put{{2 << 20, "\x5e\xf1\xab\x2f"}, {2<<20 + 9, someID}, {2<<20 + 29, "datastore1"}}, probe.Signature{Type: "VMFS", Label: "datastore1", UUID: "edfe0df0-67452301-ab89-cdef01234567"}},
	{"ubi", 4 << 20, []put{{0, "UBI#"}, {24, be32(1329411831)}}, probe.Signature{Type: "ubi", UUID: "1329411831"}},
	{"ubifs", 4 << 20, []put{{0, "\x31\x18\x10\x06"}, {108, someID}}, probe.Signature{Type: "ubifs", UUID: someUUID}},
	{"vdo", 4 << 20, []put{{0, "dmvdo001"}, {40, someID}}, probe.Signature{Type: "vdo", UUID: someUUID}},
	{"stratis", 4 << 20, stratis(512), probe.Signature{Type: "stratis", UUID: someUUID}},
	{"stratis whose first header is gone", 4 << 20, stratis(9 * 512), probe.Signature{Type: "stratis", UUID: someUUID}},
	{"stratis with a wrong checksum is none", 4 << 20, stratis(512)[:2], probe.Signature{}},
	{"log of xfs", 16 << 20, []put{{8 << 10, be32(0xfeedbabe)}, {8<<10 + 8, be32(2) + be32(512)}, {8<<10 + 300, be32(1)}}, probe.Signature{Type: "xfs_external_log"}},
	{"log of a version that is none", 16 << 20, []put{{8 << 10, be32(0xfeedbabe)}, {8<<10 + 8, be32(4) + be32(512)}, {8<<10 + 300, be32(1)}}, probe.Signature{}},
	{"reiser4", 4 << 20, []put{{64 << 10, "ReIsEr4"}, {64<<10 + 20, someID + "four"}}, probe.Signature{Type: "reiser4", Label: "four", UUID: someUUID}},
	{"hpfs", 4 << 20, hpfs(), probe.Signature{Type: "hpfs", Label: "OS2 DISK", UUID: "0403-0201"}},
	{"hpfs without its own boot sector", 4 << 20, hpfs()[:2], probe.Signature{Type: "hpfs"}},
	{"hpfs without the spare block is none", 4 << 20, hpfs()[:1], probe.Signature{}},
	{"sysv", 4 << 20, []put{{512 + 440, "sysfs\x00"}, {512 + 504, le32(0xfd187e20)}}, probe.Signature{Type: "sysv", Label: "sysfs"}},
	{"sysv big-endian in a later block", 4 << 20, []put{{9*1024 + 512 + 440, "sysfs\x00"}, {9*1024 + 512 + 504, be32(0xfd187e20)}}, probe.Signature{Type: "sysv", Label: "sysfs"}},
	{"xenix", 4 << 20, []put{{1024 + 632, "xenix\x00"}, {2048, "\x2b\x55\x44"}}, probe.Signature{Type: "xenix", Label: "xenix"}},
	{"gfs", 64 << 20, gfs(1309, 1401), probe.Signature{Type: "gfs", Label: "cluster:name", UUID: someUUID}},
	{"gfs2", 64 << 20, gfs(1801, 1900), probe.Signature{Type: "gfs2", Label: "cluster:name", UUID: someUUID}},
	{"gfs2 of a format that is none", 64 << 20, gfs(1801, 2000), probe.Signature{}},
	{"ocfs", 16 << 20, []put{{8 << 10, "OracleCFS"}, {8<<10 + 512 + 48, "cluster"}, {8<<10 + 512 + 112, le16(7) + someID}}, probe.Signature{Type: "ocfs", Label: "cluster", UUID: someUUID}},
	{"ocfs2", 16 << 20, []put{{2 << 10, "OCFSV2"}, {2<<10 + 272, "cluster"}, {2<<10 + 336, someID}}, probe.Signature{Type: "ocfs2", Label: "cluster", UUID: someUUID}},
	{"oracleasm", 4 << 20, []put{{32, "ORCLDISKDATA1"}}, probe.Signature{Type: "oracleasm", Label: "DATA1"}},
	{"vxfs", 4 << 20, []put{{1024, "\xf5\xfc\x01\xa5"}}, probe.Signature{Type: "vxfs"}},
	{"vxfs of HP-UX", 4 << 20, []put{{8192, "\xa5\x01\xfc\xf5"}}, probe.Signature{Type: "vxfs"}},
	{"netware", 4 << 20, []put{{4096, "SPB5"}, {4096 + 348, someID}}, probe.Signature{Type: "nss", UUID: someUUID}},
	{"befs", 4 << 20, befs(0, binary.LittleEndian), probe.Signature{Type: "befs", Label: "haiku", UUID: "95d89dec82f6b73b"}},
	{"befs behind a boot sector, big-endian", 4 << 20, befs(512, binary.BigEndian), probe.Signature{Type: "befs", Label: "haiku", UUID: "95d89dec82f6b73b"}},
	{"zonefs", 4 << 20, []put{{0, "SFOZ"}, {8, "zoned"}, {40, someID}}, probe.Signature{Type: "zonefs", Label: "zoned", UUID: someUUID}},
	{"nilfs2", 4 << 20, nilfs2(1024, 1), probe.Signature{Type: "nilfs2", Label: "checkpoint 1", UUID: someUUID}},
	{"nilfs2 whose first superblock is gone", 4 << 20, nilfs2(4<<20-4096, 2), probe.Signature{Type: "nilfs2", Label: "checkpoint 2", UUID: someUUID}},
	{"nilfs2 with a wrong checksum is none", 4 << 20, append(nilfs2(1024, 1), put{1024 + 100, "x"}), probe.Signature{}},
	{"hfs with blocks that can't be is none", 8 << 20, []put{{1024, "BD"}, {1024 + 20, be32(100)}}, probe.Signature{}},
	{"hibernated by TuxOnIce", 1 << 20, []put{{0, "\xed\xc3\x02\xe9\x98\x56\xe5\x0c"}, {4086, "SWAPSPACE2"}, {1024, le32(1) + le32(100)}, {1036, someID}}, probe.Signature{Type: "swsuspend", UUID: someUUID}},
	{"fat32 with a root directory that says NO NAME", 40 << 20, fat32("NO NAME    "), probe.Signature{Type: "vfat", Label: "NO NAME", UUID: "0403-0201"}},
	{"fat32 with a label that begins with E5", 40 << 20, fat32("\x05LABEL     "), probe.Signature{Type: "vfat", Label: "\xe5LABEL", UUID: "0403-0201"}},
	{"minix 3 whose maps are too short is none", 1 << 20, []put{{1024, le32(9000) + le16(0) + le16(1) + le16(1) + le16(2) + le16(0)}, {1024 + 20, le32(100)}, {1024 + 24, le16(0x4d5a) + le16(0) + le16(1024)}}, probe.Signature{}},
	{"udf with blocks of 4 KiB", 4 << 20, udf(4096, "0123456789abcdef"), probe.Signature{Type: "udf", Label: "Video DVD", UUID: "0123456789abcdef"}},
}

func TestIdentifyKnowsSuperblocksMadeByHand(t *testing.T) {
	for _, c := range handMade {
		t.Run(c.name, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "img")
			create(t, img, c.size, c.puts)
			if got := identify(t, img); got != c.want {
				t.Errorf("\n got %#v\nwant %#v", got, c.want)
			}
		})
	}
}

// Where blkid recognises nothing, what a damaged FAT says of itself is believed:
// the kernel mounts the first two, and the reader uses the copy of the others.
func TestADamagedFATIsRecognisedWhereBlkidKnowsNothing(t *testing.T) {
	whole := probe.Signature{Type: "vfat", Label: "LABEL", UUID: "0403-0201", FATBits: 32}
	copied := func() []put {
		puts := fat32("LABEL      ")
		for _, p := range puts {
			if p.off < 512 {
				puts = append(puts, put{6*512 + p.off, p.data})
			}
		}
		return puts
	}
	for _, c := range []struct {
		name string
		puts []put
		want probe.Signature
	}{
		{"a second signature that is another", append(fat32("LABEL      "), put{512 + 484, "rrAb"}), whole},
		{"a sector of counts that is another", append(fat32("LABEL      "), put{512, "RRaB"}), whole},
		{"the boot sector", append(copied(), put{13, "\x55"}), whole},
		{"the boot sector, and its copy is of other sectors", append(copied(), put{13, "\x55"}, put{6*512 + 11, le16(1024)}), probe.Signature{Type: "vfat", FATBits: 32}},
		{"the boot sector without a copy", append(fat32("LABEL      "), put{13, "\x55"}), probe.Signature{Type: "vfat", FATBits: 32}},
	} {
		img := filepath.Join(t.TempDir(), "img")
		create(t, img, 40<<20, c.puts)
		f, err := os.Open(img)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got, err := probe.Identify(f, 40<<20); got != c.want || err != nil {
			t.Errorf("%s: %#v, want %#v (%v)", c.name, got, c.want, err)
		}
	}
}

func TestBlkidKnowsTheSuperblocksMadeByHandAsWell(t *testing.T) {
	oracle.Tool(t, "blkid")
	for _, c := range handMade {
		t.Run(c.name, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "img")
			create(t, img, c.size, c.puts)
			if got := blkid(t, img); got != c.want {
				t.Errorf("\nblkid %#v\n want %#v", got, c.want)
			}
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

func ddf(magic, primary string) []put {
	const anchor = 4<<20 - 512
	return []put{{anchor, magic}, {anchor + 8, "Linux-MD of 24 letters.."}, {anchor + 96, primary}, {100 * 512, magic}}
}

func silicon(disk byte) []put {
	const at = 4<<20 - 512
	sum := uint16(0x2f00) + uint16(disk)
	return []put{{at + 0x60, le32(0x2f000000)}, {at + 0x116, string(rune(disk))}, {at + 0x13e, le16(-sum)}}
}

func stratis(at int64) []put {
	header := make([]byte, 512)
	copy(header[4:], "!Stra0tis\x86\xff\x02^\x41rh")
	copy(header[64:], "f00dfeed0123456789abcdef01234567")
	sum := crc32.Checksum(header[4:], crc32.MakeTable(crc32.Castagnoli))
	return []put{{at + 4, string(header[4:20])}, {at + 64, string(header[64:96])}, {at, le32(sum)}}
}

func hpfs() []put {
	return []put{{8 << 10, "\x49\xe8\x95\xf9"}, {0x2200, "\x49\x18\x91\xf9"}, {0x26, "\x28\x01\x02\x03\x04OS2 DISK   HPFS    "}, {510, "\x55\xaa"}}
}

func gfs(format, multi uint32) []put {
	const at = 64 << 10
	return []put{{at, "\x01\x16\x19\x70"}, {at + 24, be32(format) + be32(multi)}, {at + 160, "cluster:name"}, {at + 256, someID}}
}

func befs(at int64, order binary.AppendByteOrder) []put {
	w := func(n uint32) string { return string(order.AppendUint32(nil, n)) }
	h := func(n uint16) string { return string(order.AppendUint16(nil, n)) }
	const group, start, groupShift, blockShift = 1, 3, 8, 11
	const root = (group<<groupShift + start) << blockShift
	return []put{
		{at, "haiku"}, {at + 32, w(0x42465331) + w(0x42494745) + w(1<<blockShift) + w(blockShift)},
		{at + 68, w(0xdd121031)}, {at + 76, w(groupShift)}, {at + 112, w(0x15b6830e)}, {at + 116, w(group) + h(start) + h(1)},
		{root, w(0x3bbe0ad9)}, {root + 64, w(2048)},
		{root + 232, w(0x43535452) + h(2) + h(3) + "be\x00\x00\x00abc\x00"},
		{root + 232 + 8 + 2 + 3 + 3 + 1, w(0x554c4c47) + h(12) + h(8) + "be:volume_id\x00\x00\x00" + string(order.AppendUint64(nil, 0x95d89dec82f6b73b)) + "\x00"},
	}
}

func nilfs2(at int64, checkpoint uint64) []put {
	sb := make([]byte, 280)
	copy(sb[6:], le16(0x3434)+le16(280))
	copy(sb[12:], le32(0x5eed))
	copy(sb[56:], le64(checkpoint))
	copy(sb[152:], someID)
	copy(sb[168:], "checkpoint "+string(rune('0'+checkpoint)))
	// Without the complement at either end.
	copy(sb[16:], le32(^crc32.Update(^uint32(0x5eed), crc32.IEEETable, sb)))
	return []put{{at, string(sb)}}
}

// fat32 is a volume with one directory entry, the label.
func fat32(label string) []put {
	return []put{
		{0, "\xeb\x58\x90mkfs.fat\x00\x02\x01\x20\x00\x02\x00\x00\x00\x00\xf8"}, {32, le32(80000) + le32(800)}, {44, le32(2) + le16(1)},
		{66, "\x29\x01\x02\x03\x04NO NAME    FAT32   "}, {510, "\x55\xaa"},
		{512, "RRaA"}, {512 + 484, "rrAa"}, {(32 + 2*800) * 512, label + "\x08"},
	}
}

func lvm2(sector uint64, id string) string {
	label := make([]byte, 512)
	copy(label, "LABELONE"+le64(sector))
	copy(label[20:], le32(32)+"LVM2 001"+id)
	copy(label[16:], le32(^crc32.Update(^uint32(0xf597a6cf), crc32.IEEETable, label[20:])))
	return string(label)
}

// udfAnchor is an anchor for the descriptors of [udf].
func udfAnchor(block int64, at uint32) string {
	b := []byte(le16(2) + le16(2) + "\x00\x00" + le16(1) + le16(0) + le16(496) + le32(at) + le32(uint32(16*block)) + le32(300))
	for _, c := range b[:16] {
		b[4] += c
	}
	return string(b)
}
