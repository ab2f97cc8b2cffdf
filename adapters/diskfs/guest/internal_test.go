package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/adapters/diskfs/luks"
	"github.com/qedfs/qedfs/adapters/diskfs/partition"
)

func TestDevicesAreFoundByAllTheirNames(t *testing.T) {
	part := func(number int, label, uuid, name, partUUID string) imagefs.Volume {
		return imagefs.Volume{
			Name: "p" + string(rune('0'+number)), Kind: imagefs.PartitionVolume, Label: label, UUID: uuid,
			Partition: &partition.Partition{Number: number, Name: name, UUID: partUUID},
		}
	}
	volumes := []imagefs.Volume{
		part(1, "ESP", "0EF1-0EF1", "EFI system", "aaaa-01"),
		part(2, "", "", "", ""),
		part(3, "root", "01234567-89ab", "", "bbbb"),
		{Name: "vg-root", Kind: imagefs.LogicalVolume, UUID: "cccc", Label: "my root"},
		{Name: "vg-my--data", Kind: imagefs.LogicalVolume},
	}
	for _, c := range []struct{ disk, name, want string }{
		{"", "UUID=0ef1-0ef1", "p1"},
		{"", "uuid=01234567-89AB", "p3"},
		{"", "UUID=", ""},
		{"", "LABEL=", ""},
		{"", "LABEL=root", "p3"},
		{"", "LABEL=ROOT", ""},
		{"", "PARTUUID=AAAA-01", "p1"},
		{"", "PARTLABEL=EFI system", "p1"},
		{"", "PARTLABEL=", ""},
		{"", "/dev/disk/by-uuid/cccc", "vg-root"},
		{"", `/dev/disk/by-label/my\x20root`, "vg-root"},
		{"", "/dev/disk/by-partuuid/bbbb", "p3"},
		{"", `/dev/disk/by-partlabel/EFI\x20system`, "p1"},
		{"", "/dev/disk/by-path/pci-1", ""},
		{"", "/dev/sda3", "p3"},
		{"", "/dev/vda1", "p1"},
		{"", "/dev/xvda2", "p2"},
		{"", "/dev/hda2", "p2"},
		{"", "/dev/nvme0n1p3", "p3"},
		{"", "/dev/nvme0n13", ""},
		{"", "/dev/nvme1n1p3", ""},
		{"", "/dev/mmcblk0p1", "p1"},
		{"", "/dev/sdap1", ""},
		{"", "/dev/sdb1", ""},
		{"", "/dev/sda4", ""},
		{"", "/dev/sda", ""},
		{"sdb", "/dev/sdb1", "p1"},
		{"sdb", "/dev/sda1", ""},
		{"nvme1n1", "/dev/nvme1n1p3", "p3"},
		{"", "/dev/vg/root", "vg-root"},
		{"", "/dev/vg/my-data", "vg-my--data"},
		{"", "/dev/mapper/vg-my--data", "vg-my--data"},
		{"", "/dev/disk/by-id/dm-name-vg-my--data", "vg-my--data"},
		{"", "/dev/mapper/p1", ""},
		{"", "/dev/", ""},
		{"", "p1", ""},
		{"", "", ""},
	} {
		got := ""
		if v, ok := (devices{volumes: volumes, disk: c.disk}).find(c.name); ok {
			got = v.Name
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if v, ok := (devices{volumes: []imagefs.Volume{{Name: "disk", Kind: imagefs.WholeDisk}}}).find("/dev/vda"); !ok || v.Name != "disk" {
		t.Error("a disk without partitions")
	}
}

func TestEncryptedVolumesHaveTheirNames(t *testing.T) {
	names, err := parseCryptTab([]byte("# name device key\nroot UUID=\"aaaa\" none luks\nhome /dev/sda2 none\nloop /dev/mapper/loop\nlv /dev/vg/x\nnothing\n"))
	if err != nil || len(names) != 4 {
		t.Fatal(names, err)
	}
	volumes := []imagefs.Volume{
		{Name: "p1", UUID: "inner", Filesystem: "ext4", Encryption: &imagefs.Encryption{Info: luks.Info{UUID: "AAAA"}}},
		{Name: "p2", UUID: "bbbb", Filesystem: "crypto_LUKS", Partition: &partition.Partition{Number: 2}},
		{Name: "p3", UUID: "cccc", Filesystem: "ext4"},
		{Name: "vg-x", Kind: imagefs.LogicalVolume},
	}
	d := devices{volumes: volumes, encrypted: names}
	for name, want := range map[string]string{
		"root": "p1", "home": "p2", "loop": "", "lv": "vg-x", "luks-bbbb": "p2", "luks-aaaa": "p1", "luks-inner": "",
		"luks-cccc": "", "luks-": "", "vg-x": "vg-x", "nothing": "",
	} {
		got := ""
		if v, ok := d.find("/dev/mapper/" + name); ok {
			got = v.Name
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if names, err := parseCryptTab([]byte(strings.Repeat("a b\n", 2))); len(names) != 1 || err != nil {
		t.Error(names, err)
	}
	var long strings.Builder
	for i := range maxMounts + 1 {
		fmt.Fprintf(&long, "%d b\n", i)
	}
	if names, err := parseCryptTab([]byte(long.String())); len(names) != maxMounts || err == nil {
		t.Error(len(names), err)
	}
}

func TestTableIsReadAsMountDoes(t *testing.T) {
	got, err := parseTable([]byte("# comment\n\n  LABEL=\"a\\040b\" /with\\040space ext4 rw,x=1,x=2 0 0\n/dev/sda1 /\n#/dev/x /y\nonly\n"))
	want := []tableLine{
		{"LABEL=a b", "/with space", "ext4", []string{"rw", "x=1", "x=2"}},
		{"/dev/sda1", "/", "", nil},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	if v, ok := got[0].option("x"); v != "2" || !ok {
		t.Errorf("the last option counts: %q", v)
	}
	for in, want := range map[string]string{`a\0`: `a\0`, `\`: `\`, `\777`: `\777`, `\134040`: `\040`} {
		if got := unescapeOctal(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
	if lines, err := parseTable([]byte(strings.Repeat("a b\n", 10000))); len(lines) != maxMounts || err == nil {
		t.Errorf("%d lines, %v", len(lines), err)
	}
	if lines, err := parseTable([]byte(strings.Repeat("a", 1<<17) + " b\nc d\n")); len(lines) != 2 || err != nil {
		t.Errorf("a long line: %d lines, %v", len(lines), err)
	}
}

// debian mounts another table on the Debian system's root.
func debian(t testing.TB, lines ...string) (*Root, []Mount) {
	t.Helper()
	d, err := imagefs.Open(filepath.Join("../../../testdata/guest/debian.qed"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return mountTable(t, d, strings.Join(lines, "\n"))
}

func mountTable(t testing.TB, d *imagefs.Disk, lines string) (*Root, []Mount) {
	volumes, err := d.Volumes()
	if err != nil {
		t.Fatal(err)
	}
	v, err := d.Volume("p3")
	if err != nil {
		t.Fatal(err)
	}
	fsys, err := v.FS()
	if err != nil {
		t.Fatal(err)
	}
	root := candidate{name: "p3", volume: v, fsys: fsys}.root()
	table := &table{root: root, devices: devices{volumes: volumes}}
	parsed, _ := parseTable([]byte(lines))
	table.mountAll(parsed)
	return root, table.mounts
}

func count(t testing.TB, r *Root) (n int) {
	for _, err := range r.Walk(context.Background(), ".", nil) {
		if err == nil {
			n++
		}
	}
	return n
}

func TestMountsWaitForWhatTheyNeed(t *testing.T) {
	root, mounts := debian(t,
		"/home/user/shared /srv/shared none bind",
		"/dev/sda1 /boot/efi vfat",
		"/dev/sda2 /boot ext2",
		"/dev/sda4 /home ext4",
	)
	for _, m := range mounts {
		if m.Err != nil {
			t.Errorf("%s: %v", m.Point, m.Err)
		}
	}
	for _, name := range []string{"srv/shared/file", "boot/efi/EFI", "boot/efi/../vmlinuz-6.1.0-18-amd64"} {
		if _, _, err := root.walkPath(name, true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestALaterMountCoversAnEarlierOne(t *testing.T) {
	root, _ := debian(t, "/dev/sda4 /home ext4", "/dev/sda2 /home ext2")
	if _, err := root.Stat("home/vmlinuz-6.1.0-18-amd64"); err != nil {
		t.Error(err)
	}
	if at, _, err := root.walkPath("home/..", true); err != nil || at != root.top {
		t.Errorf("above both: %v, %v", at, err)
	}
}

func TestMountPointsAreFoundThroughLinks(t *testing.T) {
	root, mounts := debian(t, "/dev/sda4 /shared ext4") // a link to srv/shared
	if mounts[0].Err != nil {
		t.Fatal(mounts[0].Err)
	}
	if _, err := root.Stat("srv/shared/user/note"); err != nil {
		t.Error(err)
	}
}

func TestARootThatIsBoundInItselfEnds(t *testing.T) {
	alone, _ := debian(t)
	n := count(t, alone)
	root, _ := debian(t, "/ /srv/shared none bind")
	if got := count(t, root); got != 2*n-1 {
		t.Errorf("%d files, %d without the mount", got, n)
	}
	if _, err := root.Stat("srv/shared/srv/shared"); err != nil {
		t.Error(err)
	}
	root, _ = debian(t, "/dev/sda4 /home ext4", "/ /srv/shared none rbind")
	if _, err := root.Stat("srv/shared/home/user/note"); err != nil {
		t.Errorf("mounts below: %v", err)
	}
	root, _ = debian(t, "/dev/sda4 /home ext4", "/ /srv/shared none bind")
	if _, err := root.Stat("srv/shared/home/user/note"); err == nil {
		t.Error("mounts below are bound without being asked for")
	}
}

func TestMountsAreBounded(t *testing.T) {
	var lines []string
	for _, dir := range []string{"boot", "net", "tmp", "root", "proc", "srv", "mnt", "sbin", "bin", "home", "usr", "etc"} {
		lines = append(lines, "/ /"+dir+" none rbind")
	}
	root, mounts := debian(t, lines...)
	var refused int
	for _, m := range mounts {
		if errors.Is(m.Err, imagefs.ErrUnsupported) {
			refused++
		}
	}
	if refused == 0 {
		t.Error("twelve doublings were mounted")
	}
	if n := count(t, root); n > 300*maxMounts {
		t.Errorf("%d files", n)
	}
}

func TestALongTableTakesNoTime(t *testing.T) {
	var lines []string
	for i := range maxMounts {
		lines = append(lines, strings.Repeat("/a", 1000+i)+" "+strings.Repeat("/a", maxPath/2-i)+" none bind")
	}
	lines[7] = "/ " + strings.Repeat("/a", 1<<17) + " none bind"
	start := time.Now()
	_, mounts := debian(t, lines...)
	if took := time.Since(start); took > 5*time.Second || len(mounts) != maxMounts {
		t.Errorf("%d mounts in %v", len(mounts), took)
	}
}

func FuzzTable(f *testing.F) {
	f.Add([]byte("UUID=\"a\" / ext4 defaults 0 0\n/ /a none rbind 0 0\n/a /b none bind 0 0\nLABEL=home /a/b ext4 x 0 0\n"))
	f.Add([]byte("/dev/sda4 /home/../srv/shared auto subvol=x,subvolid=5\n/home /home/.. none rbind\n/note /home/user none bind\n"))
	b, err := os.ReadFile("../../../testdata/guest/make.sh")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	d, err := imagefs.Open("../../../testdata/guest/debian.qed", nil)
	if err != nil {
		f.Fatal(err)
	}
	defer d.Close()
	f.Fuzz(func(t *testing.T, b []byte) {
		root, mounts := mountTable(t, d, string(b))
		if len(mounts) > maxMounts {
			t.Errorf("%d mounts", len(mounts))
		}
		n := 0
		for e, err := range root.Walk(context.Background(), ".", nil) {
			if n++; n > 5000 {
				break
			}
			if err == nil && e.Path == "" {
				t.Error("a file without a path")
			}
		}
	})
}

func TestOptionsSayWhetherAMountIsMadeAtBoot(t *testing.T) {
	for line, want := range map[string]string{
		"/dev/sda4 /home ext4 noauto":                             "note: not mounted at boot",
		"/dev/sda4 /home ext4 noauto,x-systemd.automount":         "p4",
		"/home/user /srv/shared none bind,noauto":                 "note: not mounted at boot",
		"/not/there /srv/shared none bind":                        "problem: file does not exist",
		"/not/there /srv/shared none bind,nofail":                 "note: file does not exist (nofail)",
		"/dev/sdb1 /home ext4 nofail":                             "note: no such device on this disk (nofail)",
		"/dev/sda4 /mnt/not/there ext4 nofail":                    "p4 problem: /mnt/not/there: mount point is not there",
		"overlay /srv overlay noauto":                             "note: not mounted at boot",
		"overlay /srv overlay nofail":                             "problem: a filesystem of type overlay: unsupported",
		"/dev/disk/by-partlabel/home\\040of\\040all /home auto x": "p4",
	} {
		_, mounts := debian(t, line)
		m := mounts[0]
		got := m.Volume
		if m.Note != "" {
			got += " note: " + m.Note
		}
		if m.Problem != "" {
			got += " problem: " + m.Problem
		}
		if strings.TrimSpace(got) != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
