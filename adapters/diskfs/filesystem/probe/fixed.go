package probe

import "fmt"

// fixed is a kind of volume that is known by a magic in a fixed place, with
// its label and its UUID in fixed places after it.
type fixed struct {
	kind    string
	at      []int64 // where its header may lie; counted from the end of the last whole sector where negative
	magic   string
	magicAt int64    // in the header
	label   field    // in the header; its text ends at a zero byte
	uuid    field    // in the header
	minimum int64    // size of the volume in bytes
	format  idFormat // nil is formatUUID
}

// field is a part of a header.
type field struct{ off, n int64 }

// idFormat prints the bytes of an identifier.
type idFormat func([]byte) string

func (k fixed) recognise(v *volume) Signature {
	if v.size < k.minimum {
		return Signature{}
	}
	for _, at := range k.at {
		if at < 0 {
			at += v.size &^ 511
		}
		if !v.has(at+k.magicAt, k.magic) {
			continue
		}
		format := k.format
		if format == nil {
			format = formatUUID
		}
		sig := Signature{Type: k.kind}
		if b := v.bytes(at+k.label.off, k.label.n); len(b) > 0 {
			sig.Label = text(b)
		}
		if b := v.bytes(at+k.uuid.off, k.uuid.n); len(b) > 0 {
			sig.UUID = format(b)
		}
		return sig
	}
	return Signature{}
}

// recogniseFixed makes a recogniser of a list.
func recogniseFixed(kinds []fixed) func(*volume) Signature {
	return func(v *volume) Signature {
		for _, k := range kinds {
			if sig := k.recognise(v); sig.Type != "" {
				return sig
			}
		}
		return Signature{}
	}
}

// largerThanFloppy is the size from which blkid looks for RAID.
const largerThanFloppy = 1440<<10 + 1

// firmwareRAID are the members of what a controller or its BIOS puts together
// (libblkid/src/superblocks/*_raid.c, dmraid's lib/format/ataraid).
var firmwareRAID = []fixed{
	{kind: "isw_raid_member", at: []int64{-1024}, magic: "Intel Raid ISM Cfg Sig. ", minimum: largerThanFloppy},
	{kind: "lsi_mega_raid_member", at: []int64{-512}, magic: "$XIDE$", minimum: largerThanFloppy},
	{kind: "nvidia_raid_member", at: []int64{-1024}, magic: "NVIDIA", minimum: largerThanFloppy},
	promise(63, 255, 256, 16),
	{kind: "hpt45x_raid_member", at: []int64{-11 * 512}, magic: "\xf3\x16\x78\x5a", minimum: largerThanFloppy},
	{kind: "hpt45x_raid_member", at: []int64{-11 * 512}, magic: "\xfd\x16\x78\x5a", minimum: largerThanFloppy},
	{kind: "hpt37x_raid_member", at: []int64{4608}, magicAt: 32, magic: "\xf0\x16\x78\x5a", minimum: largerThanFloppy},
	{kind: "hpt37x_raid_member", at: []int64{4608}, magicAt: 32, magic: "\xfd\x16\x78\x5a", minimum: largerThanFloppy},
}

// seldomPromise are places far from the end, looked at only where nothing
// else is recognised: each is a read of its own.
var seldomPromise = []fixed{promise(399, 591, 675, 735, 911, 974, 991, 951, 3087)}

// promise is a member whose header lies a number of sectors before the end.
func promise(sectors ...int64) fixed {
	k := fixed{kind: "promise_fasttrack_raid_member", magic: "Promise Technology, Inc.", minimum: largerThanFloppy}
	for _, n := range sectors {
		k.at = append(k.at, -n*512)
	}
	return k
}

// layers are what other volumes are made of.
var layers = []fixed{
	{kind: "ceph_bluestore", at: []int64{0}, magic: "bluestore block device"},
	{kind: "drbdproxy_datalog", at: []int64{0}, magic: "DRBDdlh*", uuid: field{16, 16}, minimum: 16 << 10},
	{kind: "DM_snapshot_cow", at: []int64{0}, magic: "SnAp"},
	{kind: "VMFS_volume_member", at: []int64{1 << 20}, magic: "\x0d\xd0\x01\xc0", uuid: field{532, 35}, format: text},
	{kind: "ubi", at: []int64{0}, magic: "UBI#", uuid: field{24, 4}, format: decimal},
	{kind: "vdo", at: []int64{0}, magic: "dmvdo001", uuid: field{40, 16}},
}

// strangers are filesystems that are named and that nobody here reads.
var strangers = []fixed{
	{kind: "reiser4", at: []int64{64 << 10}, magic: "ReIsEr4", label: field{36, 16}, uuid: field{20, 16}, minimum: 128 << 10},
	{kind: "ocfs", at: []int64{8 << 10}, magic: "OracleCFS", label: field{560, 64}, uuid: field{626, 16}, minimum: 14000 << 10},
	{kind: "ocfs2", at: []int64{1 << 10, 2 << 10, 4 << 10, 8 << 10}, magic: "OCFSV2", label: field{272, 64}, uuid: field{336, 16}, minimum: 14000 << 10},
	{kind: "oracleasm", at: []int64{0}, magicAt: 32, magic: "ORCLDISK", label: field{40, 24}},
	{kind: "vxfs", at: []int64{1 << 10}, magic: "\xf5\xfc\x01\xa5"},
	{kind: "vxfs", at: []int64{8 << 10}, magic: "\xa5\x01\xfc\xf5"},
	{kind: "nss", at: []int64{4 << 10}, magic: "SPB5", uuid: field{348, 16}},
	{kind: "ubifs", at: []int64{0}, magic: "\x31\x18\x10\x06", uuid: field{108, 16}},
	{kind: "bfs", at: []int64{0}, magic: "\xce\xfa\xad\x1b"},
	{kind: "VMFS", at: []int64{2 << 20}, magic: "\x5e\xf1\xab\x2f", label: field{29, 128}, uuid: field{9, 16}, format: vmfsID},
	{kind: "mpool", at: []int64{0}, magic: "mpoolDev", label: field{8, 32}, uuid: field{40, 16}},
	{kind: "zonefs", at: []int64{0}, magic: "SFOZ", label: field{8, 32}, uuid: field{40, 16}},
}

func decimal(b []byte) string { return fmt.Sprint(be.Uint32(b)) }

// vmfsID prints the parts of a number in the order of VMware's tools: two
// words and a half word of Intel's byte order, then six bytes as they stand.
func vmfsID(b []byte) string {
	return fmt.Sprintf("%08x-%08x-%04x-%x", le.Uint32(b), le.Uint32(b[4:]), le.Uint16(b[8:]), b[10:16])
}

// serial16 prints eight bytes as one number, "" for none.
func serial16(b []byte, word func([]byte) uint64) string {
	if allZero(b[:8]) {
		return ""
	}
	return fmt.Sprintf("%016x", word(b))
}
