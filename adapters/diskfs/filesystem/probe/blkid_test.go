package probe_test

import (
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
	dir := t.TempDir()
	tree, key := filepath.Join(dir, "tree"), filepath.Join(dir, "key")
	for _, f := range []struct{ name, data string }{{filepath.Join(tree, "file"), "contents"}, {key, "secret"}} {
		if err := os.MkdirAll(filepath.Dir(f.name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.name, []byte(f.data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const uuid = "f00dfeed-0123-4567-89ab-cdef01234567"
	for _, c := range []struct {
		name string
		size int64
		cmd  string // IMG stands for the image, DIR for a directory of files, KEY for a file with a secret, ~ for a space
	}{
		{"ext2", 4 << 20, "mkfs.ext2 -q -L a~label -U " + uuid + " IMG"},
		{"ext2 of revision 0", 4 << 20, "mkfs.ext2 -q -r 0 IMG"},
		{"ext3", 16 << 20, "mkfs.ext3 -q -L sixteen-letters! IMG"},
		{"ext4", 16 << 20, "mkfs.ext4 -q -L grüße IMG"},
		{"ext4 without journal", 16 << 20, "mkfs.ext4 -q -O ^has_journal IMG"},
		{"ext4 with blocks of 64 KiB", 64 << 20, "mkfs.ext4 -q -F -b 65536 IMG"},
		{"journal of ext4", 16 << 20, "mke2fs -q -O journal_dev -L log IMG"},
		{"xfs", 320 << 20, "mkfs.xfs -q -L twelve-chars -m uuid=" + uuid + " IMG"},
		{"xfs v4", 320 << 20, "mkfs.xfs -q -m crc=0 IMG"},
		{"btrfs", 128 << 20, "mkfs.btrfs -q -L butter -U " + uuid + " IMG"},
		{"fat12", 2 << 20, "mkfs.fat -F 12 -n FLOPPY -i 1234ABCD IMG"},
		{"fat16", 32 << 20, "mkfs.fat -F 16 -n With~space IMG"},
		{"fat32", 64 << 20, "mkfs.fat -F 32 -n ESP IMG"},
		{"fat without a label", 2 << 20, "mkfs.fat IMG"},
		{"fat with sectors of 4 KiB", 64 << 20, "mkfs.fat -S 4096 -n LARGE IMG"},
		{"exfat", 64 << 20, "mkfs.exfat -L Größe IMG"},
		{"exfat without a label", 8 << 20, "mkfs.exfat IMG"},
		{"ntfs", 16 << 20, "mkntfs -q -F -f -L Lokaler~Datenträger IMG"},
		{"ntfs with clusters of 64 KiB", 64 << 20, "mkntfs -q -F -f -c 65536 -L big IMG"},
		{"f2fs", 64 << 20, "mkfs.f2fs -q -l flash~Ü IMG"},
		{"nilfs2", 132 << 20, "mkfs.nilfs2 -q -L snapshots IMG"},
		{"jfs", 16 << 20, "mkfs.jfs -q -L journaled IMG"},
		{"reiserfs", 40 << 20, "mkfs.reiserfs -ff -q -l reiser IMG"},
		{"reiserfs 3.5", 40 << 20, "mkfs.reiserfs --format 3.5 -ff -q IMG"},
		{"gfs2", 64 << 20, "mkfs.gfs2 -q -O -p lock_dlm -t cluster:name -j 1 IMG"},
		{"ocfs2", 64 << 20, "mkfs.ocfs2 -q -F -N 1 -M local -L cluster IMG"},
		{"ocfs2 with blocks of 1 KiB", 64 << 20, "mkfs.ocfs2 -q -F -N 1 -M local -b 1024 IMG"},
		{"hfs", 8 << 20, "hformat -l Old~Mac IMG"},
		{"udf", 16 << 20, "mkudffs --label=Ümlaut IMG"},
		{"udf with blocks of 512 bytes", 16 << 20, "mkudffs -b 512 IMG"},
		{"udf with blocks of 1 KiB", 16 << 20, "mkudffs -b 1024 IMG"},
		{"udf with blocks of 2 KiB", 16 << 20, "mkudffs -b 2048 -m cdrw IMG"},
		{"udf with blocks of 4 KiB", 16 << 20, "mkudffs -b 4096 --label=large IMG"},
		{"squashfs", 0, "mksquashfs DIR IMG -quiet -no-progress -noappend"},
		{"erofs", 0, "mkfs.erofs --quiet -U" + uuid + " IMG DIR"},
		{"romfs", 0, "genromfs -f IMG -d DIR -V read~only -a 2048"},
		{"iso9660", 0, "xorriso -as mkisofs -quiet -V PLAIN -o IMG DIR"},
		{"iso9660 with Rock Ridge and Joliet", 0, "xorriso -as mkisofs -quiet -R -J -V A_LABEL_OF_MORE_THAN_16 -o IMG DIR"},
		{"iso9660 beside hfs", 0, "genisoimage -quiet -hfs -V HYBRID -o IMG DIR"},
		{"swap", 4 << 20, "mkswap -q -L swapped -U " + uuid + " IMG"},
		{"swap with pages of 64 KiB", 4 << 20, "mkswap -q -p 65536 IMG"},
		{"luks1", 4 << 20, "cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations 1000 --uuid " + uuid + " IMG KEY"},
		{"luks2", 20 << 20, "cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --label vault IMG KEY"},
		{"dm-verity", 4 << 20, "veritysetup format --data-blocks 64 --uuid " + uuid + " IMG IMG.hashes"},
		{"bcache", 16 << 20, "make-bcache -B IMG"},
		{"cache of bcache", 128 << 20, "make-bcache -C IMG"},
		{"drbd 9", 16 << 20, "drbdmeta --force 0 v09 IMG internal create-md 1"},
		{"drbd 8", 16 << 20, "drbdmeta --force 0 v08 IMG internal create-md"},
		{"minix", 8 << 20, "mkfs.minix -1 IMG"},
		{"minix with short names", 8 << 20, "mkfs.minix -1 -n 14 IMG"},
		{"minix 2", 80 << 20, "mkfs.minix -2 IMG"},
		{"minix 3", 8 << 20, "mkfs.minix -3 IMG"},
		{"bfs", 1 << 20, "mkfs.bfs IMG"},
		{"cramfs", 0, "mkfs.cramfs -n small DIR IMG"},
		{"cramfs of another byte order", 0, "mkfs.cramfs -N big DIR IMG"},
		{"nothing", 1 << 20, "truncate -s 1M IMG"},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "img")
			if c.size > 0 {
				create(t, img, c.size, nil)
			}
			args := strings.Fields(c.cmd)
			for i, a := range args {
				args[i] = strings.NewReplacer("~", " ", "IMG", img, "DIR", tree, "KEY", key).Replace(a)
			}
			oracle.Run(t, args[0], args[1:]...)
			if hashes := img + ".hashes"; args[len(args)-1] == hashes {
				img = hashes
			}
			compare(t, img)
		})
	}
}

// create makes a file of some size with some bytes in it.
func create(t *testing.T, name string, size int64, puts []put) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	for _, p := range puts {
		if _, err := f.WriteAt([]byte(p.data), p.off); err != nil {
			t.Fatal(err)
		}
	}
}

func compare(t *testing.T, img string) {
	t.Helper()
	if got, want := identify(t, img), blkid(t, img); got != want {
		t.Errorf("\n  got %+v\nblkid %+v", got, want)
	}
}
