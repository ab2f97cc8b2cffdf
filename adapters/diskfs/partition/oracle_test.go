package partition_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/partition"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// disks are made by the real tools; the input goes to sfdisk unless there is a
// command of sgdisk.
var disks = []struct {
	name   string
	size   int64
	sector int64
	sfdisk string
	sgdisk []string
}{
	{"gpt", 64 << 20, 512, "label: gpt\nsize=8M, type=U, name=\"EFI system\"\nsize=16M, name=\"größe\"\ntype=S\n", nil},
	{"gpt with gaps in the numbers", 64 << 20, 512, "", []string{"-n", "3:2048:+8M", "-n", "7:0:+8M", "-n", "128:0:+8M", "-A", "3:set:2"}},
	{"gpt out of order", 64 << 20, 512, "", []string{"-n", "2:2048:+8M", "-n", "1:40960:+8M"}},
	{"gpt with 256 entries", 64 << 20, 512, "", []string{"-S", "256", "-n", "1:0:+8M", "-n", "200:0:+8M"}},
	{"hybrid", 64 << 20, 512, "", []string{"-n", "1:0:+8M", "-n", "2:0:+8M", "-h", "1:2"}},
	{"gpt without partitions", 64 << 20, 512, "label: gpt\n", nil},
	{"mbr", 64 << 20, 512, "label: dos\nlabel-id: 0xcafe1234\nsize=8M, type=c, bootable\nsize=8M\nsize=8M, type=82\nsize=8M, type=ef\n", nil},
	{"mbr with gaps in the numbers", 64 << 20, 512, "label: dos\nIMG3: size=8M\nIMG1: start=40960, size=8M\n", nil},
	{"logical partitions", 64 << 20, 512, "label: dos\nsize=8M\ntype=5\nsize=8M, type=83\nsize=8M, type=7\nsize=8M, type=82\n", nil},
	{"logical partitions in type f", 64 << 20, 512, "label: dos\ntype=f, size=48M\nIMG2: start=100352, size=8M\nIMG5: size=8M\nIMG6: size=8M\n", nil},
	{"logical partitions in type 85", 64 << 20, 512, "label: dos\ntype=85\nIMG5: size=8M\nIMG6: size=8M\n", nil},
	{"an extended partition with nothing in it", 64 << 20, 512, "label: dos\nsize=8M\ntype=5\n", nil},
	{"fifty-six logical partitions", 128 << 20, 512, "label: dos\ntype=5\n" + strings.Repeat("size=1M\n", 56), nil},
	{"gpt in sectors of 4 KiB", 64 << 20, 4096, "label: gpt\nsize=8M\nsize=8M\n", nil},
	{"mbr in sectors of 4 KiB", 64 << 20, 4096, "label: dos\nsize=8M\ntype=5\nsize=8M\nsize=8M\n", nil},
}

func makeDisk(t *testing.T, size, sector int64, script string, sgdisk []string) string {
	t.Helper()
	img := filepath.Join(t.TempDir(), "img")
	if err := os.WriteFile(img, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(img, size); err != nil {
		t.Fatal(err)
	}
	if sgdisk != nil {
		partitioner(t, "", "sgdisk", append(sgdisk, img)...)
		return img
	}
	target := img
	if sector != 512 { // sfdisk takes the size of a sector from a device alone
		target = loop(t, img, sector)
	}
	partitioner(t, strings.ReplaceAll(script, "IMG", img), "sfdisk", "-q", "--no-reread", "--no-tell-kernel", target)
	return img
}

// partitioner runs a program that ends with sync(2), without that: it would
// wait for every disk of the machine.
func partitioner(t *testing.T, stdin, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(oracle.Tool(t, "eatmydata"), append([]string{oracle.Tool(t, name)}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// loop attaches an image to a loop device for the time of the test.
func loop(t *testing.T, img string, sector int64) string {
	t.Helper()
	oracle.Root(t)
	dev := strings.TrimSpace(oracle.Run(t, "losetup", "-P", "-b", strconv.FormatInt(sector, 10), "-f", "--show", img))
	t.Cleanup(func() { oracle.Run(t, "losetup", "-d", dev) })
	return dev
}

// partx lists the partitions as util-linux tells them to a kernel that does
// not parse tables itself: "number offset+size".
func partx(t *testing.T, img string, sector int64) []string {
	t.Helper()
	args := []string{"--raw", "-g", "-o", "NR,START,SECTORS", "--sector-size", strconv.FormatInt(sector, 10), img}
	cmd := exec.Command(oracle.Tool(t, "partx"), args...)
	out, err := cmd.Output()
	if err != nil && len(out) > 0 {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		var n, start, size int64
		if _, err := fmt.Sscan(line, &n, &start, &size); err != nil {
			t.Fatalf("partx said %q: %v", line, err)
		}
		list = append(list, fmt.Sprintf("%d %d+%d", n, start*512, size*512))
	}
	return list
}

func read(t *testing.T, img string, opts *partition.Options) (*partition.Table, error) {
	t.Helper()
	f, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return partition.Read(f, info.Size(), opts)
}

func places(table *partition.Table) []string {
	var list []string
	for n := 1; n <= 256; n++ {
		p, err := table.Partition(n)
		if err != nil {
			continue
		}
		list = append(list, fmt.Sprintf("%d %d+%d", n, p.Offset, p.Size))
	}
	return list
}

func TestPartitionsAndNumbersAreThoseOfPartx(t *testing.T) {
	for _, d := range disks {
		t.Run(d.name, func(t *testing.T) {
			img := makeDisk(t, d.size, d.sector, d.sfdisk, d.sgdisk)
			table, err := read(t, img, nil)
			if err != nil {
				t.Fatal(err)
			}
			if table.SectorSize != d.sector {
				t.Errorf("sectors of %d bytes found, want %d", table.SectorSize, d.sector)
			}
			if got, want := fmt.Sprint(places(table)), fmt.Sprint(partx(t, img, d.sector)); got != want {
				t.Errorf("\n   got %s\npartx  %s", got, want)
			}
		})
	}
}

func TestTableSaysWhatSfdiskSays(t *testing.T) {
	for _, d := range disks {
		if d.sector != 512 {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			img := makeDisk(t, d.size, d.sector, d.sfdisk, d.sgdisk)
			table, err := read(t, img, nil)
			if err != nil {
				t.Fatal(err)
			}
			var said struct {
				PartitionTable struct {
					Label, ID  string
					Partitions []struct {
						Node, Type, UUID, Name string
						Start, Size            int64
						Bootable               bool
						Attrs                  string
					}
				}
			}
			if err := json.Unmarshal([]byte(oracle.Run(t, "sfdisk", "--json", img)), &said); err != nil {
				t.Fatal(err)
			}
			want := said.PartitionTable
			if string(table.Scheme) != want.Label || table.ID != want.ID || len(table.Partitions) != len(want.Partitions) {
				t.Fatalf("%s %s with %d partitions, sfdisk says %s %s with %d", table.Scheme, table.ID, len(table.Partitions), want.Label, want.ID, len(want.Partitions))
			}
			for _, w := range want.Partitions {
				n, err := strconv.Atoi(strings.TrimPrefix(w.Node, img))
				if err != nil {
					t.Fatal(err)
				}
				p, err := table.Partition(n)
				if err != nil {
					t.Error(err)
					continue
				}
				kind, uuid := w.Type, strings.ToLower(w.UUID)
				if table.Scheme == partition.MBR {
					code, err := strconv.ParseUint(w.Type, 16, 8)
					if err != nil {
						t.Fatal(err)
					}
					kind, uuid = fmt.Sprintf("0x%02x", code), fmt.Sprintf("%s-%02x", strings.TrimPrefix(want.ID, "0x"), n)
				}
				bootable := w.Bootable || strings.Contains(w.Attrs, "LegacyBIOSBootable")
				if p.Offset != w.Start*512 || p.Size != w.Size*512 || p.Type != kind || p.UUID != uuid || p.Name != w.Name || p.Bootable != bootable {
					t.Errorf("partition %d is %+v, sfdisk says %+v", n, *p, w)
				}
			}
		})
	}
}
