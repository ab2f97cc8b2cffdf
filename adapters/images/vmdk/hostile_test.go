package vmdk_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/images/internal/imagetest"
	"github.com/qedfs/qedfs/adapters/images/vmdk"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

const module = "../../.."

// anyParent shows zeroes and has the CID of the committed parent.
type anyParent struct {
	*qedfile.Raw
	cid uint32
}

func (p anyParent) CID() uint32 { return p.cid }

// opener opens images whose extents are all the same file.
func opener(extent []byte) imagetest.Opener {
	return func(r backend.Reader) (qedfile.Disk, error) {
		m, err := vmdk.Open(r, &vmdk.Options{
			Extent: func(string) (backend.Reader, error) { return backend.NewMemory(extent), nil },
			Backing: func(qedfile.BackingRef) (qedfile.Disk, error) {
				raw, err := qedfile.NewRaw(backend.NewMemory(nil))
				return anyParent{raw, 0x12345678}, err
			},
		})
		if err != nil {
			return nil, err
		}
		return m, nil
	}
}

// single are the images that lie in one file.
func single(tb testing.TB) map[string][]byte {
	tb.Helper()
	images := imagetest.MachineImages(tb, module, "[sz]*.vmdk")
	delete(images, "split.vmdk")
	delete(images, "split-s001.vmdk")
	delta := imagetest.MachineImages(tb, module, "delta.vmdk")["delta.vmdk"]
	i := bytes.Index(delta, []byte("parentCID="))
	copy(delta[i:], "parentCID=12345678")
	images["delta.vmdk"] = delta
	return images
}

func TestMutantsEndInAnErrorAtWorst(t *testing.T) {
	images := single(t)
	end := int64(len(images["stream.vmdk"]))
	imagetest.Mutants(t, images, []int64{0, 0, 512, 21 * 512, 22 * 512, 26 * 512, 65536, 128 * 1024, end - 1024}, nil, opener(nil))
}

func TestMutantExtentsEndInAnErrorAtWorst(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	disk := randomDisk(rng)
	for kind, extent := range map[string][]byte{"VMFSSPARSE": craftCOWD(disk, 4096), "SESPARSE": craftSESparse(rng, disk)} {
		d := descriptor("RW " + strconv.Itoa(len(disk)/512) + " " + kind + " \"x\"")
		open := func(r backend.Reader) (qedfile.Disk, error) {
			size, _ := r.Size()
			b := make([]byte, size)
			r.ReadAt(b, 0)
			return opener(b)(backend.NewMemory([]byte(d)))
		}
		imagetest.Mutants(t, map[string][]byte{kind: extent}, []int64{0, 512, 1024, 2048, 4096}, nil, open)
	}
}

func FuzzOpen(f *testing.F) { imagetest.FuzzPatches(f, single(f), nil, opener(nil)) }

func FuzzDescriptor(f *testing.F) {
	for _, name := range []string{"flat.vmdk", "split.vmdk"} {
		f.Add(imagetest.MachineImages(f, module, name)[name])
	}
	f.Add([]byte(descriptor("RW 1 ZERO", "RDONLY 1 FLAT \"x\" 1")))
	extent := imagetest.MachineImages(f, module, "split-s001.vmdk")["split-s001.vmdk"]
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := vmdk.ParseDescriptor(b); err == nil {
			for _, e := range d.Extents {
				if e.Sectors <= 0 || e.Offset < 0 {
					t.Fatalf("accepted %+v", e)
				}
			}
		}
		imagetest.Exercise(t, opener(extent), b)
	})
}

// descriptor is one with some lines.
func descriptor(lines ...string) string {
	return "# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=ffffffff\ncreateType=\"custom\"\n# Extent description\n" + strings.Join(lines, "\n") + "\n"
}

func TestDescriptorsThatAreRefused(t *testing.T) {
	flat := make([]byte, 1024)
	for text, want := range map[string]error{
		descriptor():                                                         qedfile.ErrFormat,
		descriptor(`RW 3 FLAT "x" 0`):                                        qedfile.ErrFormat, // longer than its file
		descriptor(`RW 1 FLAT "x" 2`):                                        qedfile.ErrFormat, // behind it
		descriptor(`RW 0 FLAT "x" 0`):                                        qedfile.ErrFormat,
		descriptor(`RW -1 FLAT "x" 0`):                                       qedfile.ErrFormat,
		descriptor(`RW 1 FLAT "x" -1`):                                       qedfile.ErrFormat,
		descriptor(`RW 99999999999999999999 ZERO`):                           qedfile.ErrFormat,
		descriptor(`RW 18014398509481983 ZERO`, `RW 18014398509481983 ZERO`): qedfile.ErrFormat,
		descriptor(`RW 1 FLAT "x`):                                           qedfile.ErrFormat,
		descriptor(`NOACCESS 1 FLAT "x" 0`):                                  qedfile.ErrUnsupported,
		descriptor(`RW 1 VMFSRDM "x" 0`):                                     qedfile.ErrUnsupported,
		descriptor(`RW 2 SPARSE "x"`):                                        qedfile.ErrFormat, // no such file
		"version=1\n":                                                        qedfile.ErrFormat,
		"createType=\"custom\"\nCID=xyz\n":                                   qedfile.ErrFormat,
		"createType=\"custom\"\nparentCID=1\n":                               qedfile.ErrFormat, // a parent without a name
		descriptor(`parentFileNameHint="base.vmdk"`):                         qedfile.ErrFormat, // and a name without one
	} {
		if _, err := opener(flat)(backend.NewMemory([]byte(text))); !errors.Is(err, want) {
			t.Errorf("%s%v, want %v", text, err, want)
		}
	}
	text := []byte(descriptor(`RW 1 FLAT "x" 0`))
	if _, err := vmdk.Open(backend.NewMemory(text), nil); !errors.Is(err, qedfile.ErrBackingDenied) {
		t.Errorf("extents that nobody allowed: %v", err)
	}
}

func TestExtentsOfAllKindsAreOneDisk(t *testing.T) {
	flat := bytes.Repeat([]byte("0123456789abcdef"), 64)
	d, err := opener(flat)(backend.NewMemory([]byte(descriptor("RW 1 ZERO", `RDONLY 1 FLAT "x" 1`, `RW 2 VMFS "x"`))))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	b := make([]byte, d.Size())
	if _, err := d.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, append(append(make([]byte, 512), flat[512:]...), flat...)) {
		t.Error("the disk is not its extents one after the other")
	}
}

func TestExtentsWhoseOffsetsMeetStayApart(t *testing.T) {
	d, err := opener(make([]byte, 2048))(backend.NewMemory([]byte(descriptor(`RW 2 FLAT "a" 0`, `RW 2 FLAT "b" 2`))))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var got []qedfile.Extent
	for e, err := range d.(qedfile.Mapper).Extents(0, d.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if len(got) != 2 || got[0].Length != 1024 || got[1].Offset != 1024 || got[0].File == got[1].File {
		t.Errorf("the map is %+v, want a run in each of two files", got)
	}
}

func TestAParentThatNobodyAllowedIsDenied(t *testing.T) {
	delta := single(t)["delta.vmdk"]
	if _, err := vmdk.Open(backend.NewMemory(delta), nil); !errors.Is(err, qedfile.ErrBackingDenied) {
		t.Errorf("%v, want %v", err, qedfile.ErrBackingDenied)
	}
}

func TestHeadersThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, image string
		at          int
		b           string
		want        error
	}{
		{"version 4", "sparse.vmdk", 4, "\x04", qedfile.ErrUnsupported},
		{"a transfer as text", "sparse.vmdk", 73, "\r\n", qedfile.ErrFormat},
		{"grains of no bytes", "sparse.vmdk", 20, "\x00\x00\x00\x00\x00\x00\x00\x00", qedfile.ErrFormat},
		{"grains of 2 GiB", "sparse.vmdk", 20, "\x00\x00\x40\x00\x00\x00\x00\x00", qedfile.ErrFormat},
		{"tables of no entries", "sparse.vmdk", 44, "\x00\x00\x00\x00", qedfile.ErrFormat},
		{"tables of 513 entries", "sparse.vmdk", 44, "\x01\x02\x00\x00", qedfile.ErrFormat},
		{"a directory past all files", "sparse.vmdk", 56, "\xff\xff\xff\xff\xff\xff\xff\x7f", qedfile.ErrFormat},
		{"a directory past the end", "sparse.vmdk", 56, "\x00\x00\x00\x01", qedfile.ErrFormat},
		{"a directory longer than the file", "sparse.vmdk", 12, "\x00\x00\x00\x00\x00\x00\x10\x00", qedfile.ErrFormat},
		{"no descriptor", "sparse.vmdk", 28, "\x00", qedfile.ErrFormat},
		{"an unknown compression", "stream.vmdk", 77, "\x02", qedfile.ErrUnsupported},
		{"a footer that is not there", "stream.vmdk", 56, "\xff\xff\xff\xff\xff\xff\xff\xff", qedfile.ErrFormat},
		{"compressed grains of 8 MiB", "stream.vmdk", 20, "\x00\x40\x00\x00\x00\x00\x00\x00", qedfile.ErrUnsupported},
	} {
		b := imagetest.MachineImages(t, module, c.image)[c.image]
		copy(b[c.at:], c.b)
		if _, err := opener(nil)(backend.NewMemory(b)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for name, b := range map[string][]byte{"a COWD extent": craftCOWD(make([]byte, 512), 512), "three bytes": []byte("KDM"), "nothing": nil} {
		if _, err := opener(nil)(backend.NewMemory(b)); !errors.Is(err, qedfile.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestADamagedGrainIsAnErrorForItselfAlone changes what a table says of the
// first grain, and the bytes of a compressed one.
func TestADamagedGrainIsAnErrorForItselfAlone(t *testing.T) {
	images := imagetest.MachineImages(t, module, "s[pt]*.vmdk")
	sparse, stream := images["sparse.vmdk"], images["stream.vmdk"]
	directory := int64(binary.LittleEndian.Uint64(sparse[56:])) * 512
	table := int64(binary.LittleEndian.Uint32(sparse[directory:])) * 512
	copy(sparse[table:], "\x00\x00\xff\x00")
	stream[128*512+12+10] ^= 0x55
	for name, b := range map[string][]byte{"an entry past the end": sparse, "bytes that do not unpack": stream} {
		d, err := opener(nil)(backend.NewMemory(b))
		if err != nil {
			t.Fatal(name, err)
		}
		p := make([]byte, 100)
		if _, err := d.ReadAt(p, 65436); !errors.Is(err, qedfile.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := d.ReadAt(p, 65536); err != nil {
			t.Errorf("%s: the grain behind it: %v", name, err)
		}
		d.Close()
	}
}
