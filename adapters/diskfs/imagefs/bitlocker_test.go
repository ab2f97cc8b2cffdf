package imagefs_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/bitlocker"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

const (
	bitLockerPassword = "pässwörd 🔑"
	lockedAt          = 1 << 20 // its metadata is 256 KiB after that, and after 2 and 3 times that
)

func TestAVolumeOfBitLockerIsWhatIsInside(t *testing.T) {
	var asked []imagefs.KeyRequest
	d := openEncrypted(t, rawDisk(t, "bitlocker.qed"), &imagefs.Options{Key: func(r imagefs.KeyRequest) ([]byte, error) {
		asked = append(asked, r)
		return []byte([]string{"wrong", bitLockerPassword}[r.Attempt]), nil
	}})
	for name, want := range map[string]string{"p1/hello.txt": "hello from LOCKED\n", "p2/hello.txt": "hello from SUSPENDED\n"} {
		if b, err := d.FS().ReadFile(name); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if len(asked) != 2 || asked[0].Volume != "p1" || asked[1].Attempt != 1 || asked[0].BitLocker == nil || len(asked[0].BitLocker.Protectors) != 6 || asked[0].Type != "BitLocker" {
		t.Errorf("asked %+v", asked)
	}
	v, err := d.Volume("p1")
	if err != nil {
		t.Fatal(err)
	}
	if e := v.Encryption; v.Encrypted() || v.Filesystem != "vfat" || v.Label != "LOCKED" || v.Offset != -1 || v.Size != 1<<20 ||
		e == nil || e.Type != "BitLocker" || e.Cipher != "aes-xts-plain64" || e.UUID != e.BitLocker.UUID || e.KeySize != 128 || e.Label != e.BitLocker.Description {
		t.Errorf("p1 is %+v, encrypted as %+v", v, v.Encryption)
	}
	notes, err := d.Notes()
	if err != nil || len(notes) != 1 || notes[0].Volume != "p2" || !strings.Contains(notes[0].Text, "suspended") {
		t.Errorf("notes %v, %v", notes, err)
	}
}

func TestAVolumeOfBitLockerStaysClosedWithoutItsKey(t *testing.T) {
	b := rawDisk(t, "bitlocker.qed")
	for what, tt := range map[string]struct {
		opts *imagefs.Options
		want error
	}{
		"nobody asks": {nil, imagefs.ErrLocked},
		"no answer":   {&imagefs.Options{Key: fixed(nil)}, fstree.ErrEncrypted},
		"a wrong key": {&imagefs.Options{Key: fixed(map[string][]string{"p1": {"wrong"}})}, bitlocker.ErrKey},
	} {
		d := openEncrypted(t, b, tt.opts)
		if _, err := d.FS().ReadDir("p1"); !errors.Is(err, tt.want) || !errors.Is(err, imagefs.ErrUnsupported) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := d.FS().ReadFile("p2/hello.txt"); err != nil {
			t.Errorf("%s: the suspended one: %v", what, err)
		}
		if v, err := d.Volume("p1"); err != nil || !v.Encrypted() || v.Offset != lockedAt {
			t.Errorf("%s: %+v, %v", what, v, err)
		}
	}
}

func TestADamagedCopyOfBitLockersMetadataIsTold(t *testing.T) {
	b := rawDisk(t, "bitlocker.qed")
	b[lockedAt+256<<10+200] ^= 1
	key := fixed(map[string][]string{"p1": {bitLockerPassword}})
	d := openEncrypted(t, b, &imagefs.Options{Key: key})
	if _, err := d.FS().ReadFile("p1/hello.txt"); err != nil {
		t.Error(err)
	}
	if notes, err := d.Notes(); err != nil || len(notes) != 2 || !strings.Contains(notes[0].Text, "copy 2 of the BitLocker metadata is used") {
		t.Errorf("notes %v, %v", notes, err)
	}
	lost := bytes.Clone(b)
	for i := range 3 {
		lost[lockedAt+(i+1)<<18+200] ^= 2
	}
	d = openEncrypted(t, lost, &imagefs.Options{Key: key})
	if _, err := d.FS().ReadDir("p1"); !errors.Is(err, bitlocker.ErrDamaged) || errors.Is(err, imagefs.ErrUnsupported) {
		t.Error(err)
	}
}
