package probe_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/probe"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// Images in which blkid sees two things, so that it names the weaker one or
// none.
func TestIdentifyTakesTheStrongerOfTwoMagics(t *testing.T) {
	erofs := []put{{1024, "\xe2\xe1\xf5\xe0"}, {1024 + 48, someID}}
	squashfs := []put{{0, "hsqs"}, {28, le16(4) + le16(0)}}
	minix := []put{{1024 + 4, le16(4) + le16(4)}, {1024 + 16, le16(0x138f) + le16(1)}}
	ext := put{1024 + 56, le16(0xef53)}
	for _, c := range []struct {
		name string
		puts []put
		want probe.Signature
	}{
		{"erofs whose counts are those of a minix filesystem", append(erofs, minix...), probe.Signature{Type: "erofs", UUID: someUUID}},
		{"erofs whose UUID has the magic of ext", []put{erofs[0], {1024 + 48, "\xf0\x0d\xfe\xed\x01\x23\x45\x67\x53\xef"}, {1024 + 76, le32(7)}},
			probe.Signature{Type: "erofs", UUID: "f00dfeed-0123-4567-53ef-000000000000"}},
		{"squashfs with the magic of minix 3 in its data", append(squashfs, put{1024, le32(99) + le16(0) + le16(9) + le16(9)}, put{1024 + 20, le32(99) + le16(0x4d5a)}), probe.Signature{Type: "squashfs"}},
		{"squashfs with the magic of ext in its data", append(squashfs, ext, put{1024 + 24, le32(77)}), probe.Signature{Type: "squashfs"}},
		{"squashfs with the magic of ext and its first block", append(squashfs, ext, put{1024 + 20, le32(77)}), probe.Signature{Type: "squashfs"}},
		{"squashfs with the magic of ext and its revision", append(squashfs, ext, put{1024 + 76, le32(77)}), probe.Signature{Type: "squashfs"}},
		{"a befs whose root is outside of it", append(befs(0, binary.LittleEndian), put{116, le32(1 << 20)}), probe.Signature{Type: "befs", Label: "haiku"}},
		{"udf whose blocks are larger than its descriptors", append(udf(2048, "0123456789abcdef"), put{256 * 2048, "\x00\x00"}, put{256 * 4096, udfAnchor(4096, 256)}), probe.Signature{Type: "udf"}},
		{"squashfs with the magic of hfs in its data", append(squashfs, put{1024, "H+"}), probe.Signature{Type: "squashfs"}},
		{"a damaged ext4 that is nothing else", []put{ext, {1024 + 24, le32(77)}, {1024 + 96, le32(0x40)}}, probe.Signature{Type: "ext4"}},
		{"an ext4 over what was a minix filesystem", append(minix, put{1024, le32(100)}, ext), probe.Signature{Type: "ext2"}},
		{"the later superblock of nilfs2", append(nilfs2(1024, 1), nilfs2(4<<20-4096, 2)...), probe.Signature{Type: "nilfs2", Label: "checkpoint 2", UUID: someUUID}},
		{"the later superblock of nilfs2, the first", append(nilfs2(1024, 3), nilfs2(4<<20-4096, 2)...), probe.Signature{Type: "nilfs2", Label: "checkpoint 3", UUID: someUUID}},
		{"a mirror's half is a member and not what it holds", append(mdV1(4096), put{64<<10 + 64, "_BHRfS_M"}), probe.Signature{Type: "linux_raid_member", Label: "host:0", UUID: someUUID}},
		{"bcachefs by the magic that it had from bcache", []put{{4096 + 8, le64(0x123456789)}, {4096 + 24, bcacheID}, {4096 + 56, someID + "cow"}}, probe.Signature{Type: "bcachefs", Label: "cow", UUID: someUUID}},
		{"bcachefs", []put{{4096 + 24, "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"}, {4096 + 56, someID + "cow"}}, probe.Signature{Type: "bcachefs", Label: "cow", UUID: someUUID}},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "img")
			create(t, img, 4<<20, c.puts)
			if got := identify(t, img); got != c.want {
				t.Errorf("\n got %#v\nwant %#v", got, c.want)
			}
		})
	}
}

// A disc with UDF and ISO 9660 is read by the latter, so that it is what is
// named; blkid says udf unless it is asked for the other.
func TestIdentifyNamesTheSideOfABridgeThatIsRead(t *testing.T) {
	dir := t.TempDir()
	img, tree := filepath.Join(dir, "img"), filepath.Join(dir, "tree")
	if err := os.Mkdir(tree, 0o700); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "genisoimage", "-quiet", "-udf", "-J", "-V", "BRIDGE", "-o", img, tree)
	if got := blkid(t, img).Type; got != "udf" {
		t.Fatalf("blkid calls it %s: no bridge", got)
	}
	want := probe.Signature{Type: "iso9660", Label: "BRIDGE"}
	uuid, err := exec.Command(oracle.Tool(t, "blkid"), "-p", "-n", "iso9660", "-o", "value", "-s", "UUID", img).Output()
	if err != nil {
		t.Fatal(err)
	}
	want.UUID = string(bytes.TrimSpace(uuid))
	if got := identify(t, img); got != want {
		t.Errorf("\n got %#v\nwant %#v", got, want)
	}
}
