package imagefs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/adapters/diskfs/luks"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// The partitions of encrypted.qed, in bytes.
const (
	oldAt, oldSize = 128 * 512, 4992 * 512
	newAt          = 5120 * 512
)

// fixed answers with the keys of volumes, one attempt after another.
func fixed(keys map[string][]string) func(imagefs.KeyRequest) ([]byte, error) {
	return func(r imagefs.KeyRequest) ([]byte, error) {
		if list := keys[r.Volume]; r.Attempt < len(list) {
			return []byte(list[r.Attempt]), nil
		}
		return nil, imagefs.ErrLocked
	}
}

func openEncrypted(t *testing.T, b []byte, opts *imagefs.Options) *imagefs.Disk {
	t.Helper()
	d, err := imagefs.OpenDisk(memoryDisk(t, b), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestAnEncryptedVolumeIsWhatIsInside(t *testing.T) {
	d := openEncrypted(t, rawDisk(t, "encrypted.qed"), &imagefs.Options{Key: fixed(map[string][]string{"p1": {"no", "one"}, "p2": {"three"}})})
	for _, name := range []string{"p1/hostname", "vault-root/hostname"} {
		if b, err := d.FS().ReadFile(name); err != nil || string(b) != "example\n" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	volumes, err := d.Volumes()
	if err != nil || len(volumes) != 3 {
		t.Fatalf("%v, %v", volumes, err)
	}
	v := volumes[0]
	if v.Name != "p1" || v.Kind != imagefs.PartitionVolume || v.Partition == nil || v.Offset != -1 || v.Size != 2027520 || v.Filesystem != "ext2" || v.Label != "secret1" {
		t.Errorf("p1 is %+v", v)
	}
	if e := v.Encryption; e == nil || e.Type != "LUKS1" || e.Cipher != "aes-cbc-essiv:sha256" || e.UUID == v.UUID {
		t.Errorf("encrypted as %+v", v.Encryption)
	}
	if v = volumes[1]; v.Filesystem != "LVM2_member" || v.Encryption.Type != "LUKS2" || v.Encryption.Label != "vault" {
		t.Errorf("p2 is %+v", v)
	}
	if v = volumes[2]; v.Kind != imagefs.LogicalVolume || v.Filesystem != "ext4" || v.Encryption != nil {
		t.Errorf("the logical volume is %+v", v)
	}
	if notes, err := d.Notes(); err != nil || len(notes) != 0 {
		t.Errorf("notes %v, %v", notes, err)
	}
	var got []byte
	if got, err = io.ReadAll(volumes[0].Reader()); err != nil || len(got) != 2027520 || !bytes.Contains(got, []byte("secret1")) {
		t.Errorf("its bytes: %d, %v", len(got), err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range volumes {
		if _, err := volumes[i].Reader().ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s after Close: %v", volumes[i].Name, err)
		}
	}
}

func TestWithoutItsKeyAVolumeStaysClosed(t *testing.T) {
	var asked []string
	failing := errors.New("no terminal")
	for what, tt := range map[string]struct {
		key  func(imagefs.KeyRequest) ([]byte, error)
		want []error
	}{
		"nobody asks": {nil, []error{imagefs.ErrLocked, imagefs.ErrUnsupported, errors.ErrUnsupported, fstree.ErrEncrypted}},
		"no answer":   {fixed(nil), []error{imagefs.ErrLocked, imagefs.ErrUnsupported}},
		"a wrong key": {fixed(map[string][]string{"p1": {"wrong", "too"}, "p2": {"wrong"}}), []error{luks.ErrKey}},
		"another":     {func(imagefs.KeyRequest) ([]byte, error) { return nil, failing }, []error{failing}},
		"never a good": {func(r imagefs.KeyRequest) ([]byte, error) {
			asked = append(asked, fmt.Sprint(r.Volume, r.Attempt))
			return []byte("x"), nil
		}, []error{luks.ErrKey}},
	} {
		d := openEncrypted(t, rawDisk(t, "encrypted.qed"), &imagefs.Options{Key: tt.key})
		list, err := d.FS().ReadDir(".")
		if err != nil || len(list) != 2 {
			t.Errorf("%s: %v, %v", what, list, err)
		}
		for _, name := range []string{"p1", "p2"} {
			_, err := d.FS().ReadDir(name)
			for _, want := range tt.want {
				if !errors.Is(err, want) {
					t.Errorf("%s: %s: %v", what, name, err)
				}
			}
			if v, err := d.Volume(name); err != nil || v.Filesystem != "crypto_LUKS" || v.Offset < 0 || v.Encryption != nil {
				t.Errorf("%s: %+v, %v", what, v, err)
			}
		}
	}
	if len(asked) != 32 || asked[0] != "p10" || asked[31] != "p215" {
		t.Errorf("asked %v", asked)
	}
}

func TestTheKeyIsOverwritten(t *testing.T) {
	var keys [][]byte
	d := openEncrypted(t, rawDisk(t, "encrypted.qed"), &imagefs.Options{Key: func(r imagefs.KeyRequest) ([]byte, error) {
		k := []byte([]string{"two", "one", "end"}[min(r.Attempt, 2)])
		keys = append(keys, k)
		return k, nil
	}})
	if _, err := d.Volumes(); err != nil {
		t.Fatal(err)
	}
	for i, k := range keys {
		if string(k) != "\x00\x00\x00" {
			t.Errorf("%d: %q", i, k)
		}
	}
	if len(keys) != 3 {
		t.Errorf("%d keys, want 2 for the first volume and 1 for the second", len(keys))
	}
}

func TestAKeySlotOfAnUnknownKindIsUnsupported(t *testing.T) {
	b := rawDisk(t, "encrypted.qed")
	copy(b[oldAt+72:], "stribog\x00") // what the hash is called
	d := openEncrypted(t, b, &imagefs.Options{Key: fixed(map[string][]string{"p1": {"one"}})})
	if _, err := d.FS().ReadDir("p1"); !errors.Is(err, imagefs.ErrUnsupported) || !strings.Contains(err.Error(), "stribog") {
		t.Error(err)
	}
}

func TestAHeaderForAVolumeThatIsNotThereIsTold(t *testing.T) {
	header := bytes.NewReader(make([]byte, 4096))
	d := openEncrypted(t, rawDisk(t, "encrypted.qed"), &imagefs.Options{
		Headers: []imagefs.Header{{Volume: "p9", Reader: header, Size: 4096}},
	})
	if _, err := fs.ReadDir(d.FS(), "."); err == nil || !strings.Contains(err.Error(), "there is no volume p9") {
		t.Error(err)
	}
}

func TestAHeaderThatIsKeptApart(t *testing.T) {
	b := rawDisk(t, "encrypted.qed")
	header := slices.Clone(b[oldAt : oldAt+oldSize])
	clear(b[oldAt : oldAt+592])
	key := fixed(map[string][]string{"p1": {"one"}, "p2": {"two"}})
	opts := &imagefs.Options{Key: key, Headers: []imagefs.Header{{Volume: "p1", Reader: bytes.NewReader(header), Size: int64(len(header))}}}
	if got, err := openEncrypted(t, b, opts).FS().ReadFile("p1/hostname"); err != nil || string(got) != "example\n" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := openEncrypted(t, b, &imagefs.Options{Key: key}).FS().ReadFile("p1/hostname"); !errors.Is(err, imagefs.ErrNoFilesystem) {
		t.Errorf("without it: %v", err)
	}
}

func TestWhatLUKSRefusesIsUnsupported(t *testing.T) {
	b := rawDisk(t, "encrypted.qed")
	copy(b[oldAt+8:], "serpent\x00")
	b[newAt+5000] ^= 1
	d := openEncrypted(t, b, &imagefs.Options{Key: fixed(map[string][]string{"p1": {"one"}, "p2": {"two"}})})
	if _, err := d.FS().ReadDir("p1"); !errors.Is(err, imagefs.ErrUnsupported) || !strings.Contains(err.Error(), "serpent") {
		t.Errorf("serpent: %v", err)
	}
	if notes, err := d.Notes(); err != nil || len(notes) != 1 || notes[0].Volume != "p2" || !strings.Contains(notes[0].Text, "second LUKS header") {
		t.Errorf("notes %v, %v", notes, err)
	}
}

// An image can hold any number of volumes in each other; one is opened.
func TestAnEncryptedVolumeInAnotherIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	inner, outer := filepath.Join(dir, "inner"), filepath.Join(dir, "outer")
	if err := os.WriteFile(inner, rawDisk(t, "encrypted.qed")[oldAt:][:oldSize], 0o600); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "qemu-img", "convert", "-f", "raw", "-O", "luks", "--object", "secret,id=key,data=one", "-o", "key-secret=key,iter-time=10", inner, outer)
	b, err := os.ReadFile(outer)
	if err != nil {
		t.Fatal(err)
	}
	d := openEncrypted(t, b, &imagefs.Options{Key: fixed(map[string][]string{"disk": {"one"}})})
	if _, err := d.FS().ReadDir("disk"); !errors.Is(err, imagefs.ErrUnsupported) || !strings.Contains(err.Error(), "within an encrypted volume") {
		t.Errorf("got %v", err)
	}
}

func ExampleOptions_key() {
	disk, err := imagefs.Open("../../../testdata/encrypted.qed", &imagefs.Options{
		Key: func(r imagefs.KeyRequest) ([]byte, error) {
			if r.Volume == "p1" && r.Attempt == 0 {
				return []byte("one"), nil
			}
			return nil, imagefs.ErrLocked
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	b, err := disk.FS().ReadFile("p1/hostname")
	fmt.Printf("%s%v\n", b, err)
	_, err = disk.FS().ReadDir("p2")
	fmt.Println(err)
	// Output:
	// example
	// <nil>
	// readdir p2: encrypted (LUKS 2): no key was given
}
