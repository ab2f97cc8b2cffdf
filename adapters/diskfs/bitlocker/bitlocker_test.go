package bitlocker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

const (
	testPassword = "pässwörd 🔑"
	testRecovery = "236808-089419-192665-495704-618299-073414-538373-542366"
	volumeSize   = 1 << 20
)

// volume is an encrypter of which everything lies somewhere.
func volume(method uint16) *encrypter {
	return &encrypter{method: method, metadata: [3]int64{256 << 10, 512 << 10, 768 << 10}, headerBlock: 900 << 10, suspended: true}
}

// content is what a volume holds: each sector something else.
func content() []byte {
	rng := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, volumeSize)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	copy(b, "\xeb\x52\x90NTFS    \x00\x02\x08")
	return b
}

// shown is what of it is seen when the volume is open.
func (w *encrypter) shown(b []byte) []byte {
	out := bytes.Clone(b)
	clear(out[w.headerBlock:][:firstSectors])
	for _, at := range w.metadata {
		clear(out[at:][:metadataSize])
	}
	return out
}

func unlock(tb testing.TB, image, key []byte) (*Volume, error) {
	tb.Helper()
	c, err := Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		tb.Fatal(err)
	}
	return c.Unlock(context.Background(), key)
}

func all(tb testing.TB, v *Volume) []byte {
	tb.Helper()
	b, err := io.ReadAll(io.NewSectionReader(v, 0, v.Size()))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

var methods = map[string]*encrypter{
	"elephant 128": volume(0x8000), "elephant 256": volume(0x8001), "cbc 128": volume(0x8002), "cbc 256": volume(0x8003),
	"xts 128": volume(0x8004), "xts 256": volume(0x8005),
	"xts 128 in 4k": with(volume(0x8004), func(w *encrypter) { w.sector = 4096 }),
	"cbc 256 in 4k": with(volume(0x8003), func(w *encrypter) { w.sector = 4096 }),
	"to go":         with(volume(0x8002), func(w *encrypter) { w.toGo = true }),
}

func with(w *encrypter, change func(*encrypter)) *encrypter {
	change(w)
	return w
}

func TestAVolumeIsWhatWasEncrypted(t *testing.T) {
	for name, w := range methods {
		image := w.encrypt(t, content())
		v, err := unlock(t, image, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := w.shown(content())
		if got := all(t, v); !bytes.Equal(got, want) {
			t.Errorf("%s: differs from byte %d", name, differs(got, want))
		}
		for range 50 {
			off := w.rng.IntN(len(want))
			p := make([]byte, w.rng.IntN(20000))
			n, err := v.ReadAt(p, int64(off))
			if end := min(off+len(p), len(want)); n != end-off || !bytes.Equal(p[:n], want[off:end]) || (err == io.EOF) != (n < len(p)) || err != nil && err != io.EOF {
				t.Fatalf("%s: %d bytes at %d: %d, %v", name, len(p), off, n, err)
			}
		}
	}
}

func differs(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// dislocker is what everybody opens such volumes with on Linux.
func TestDislockerSeesTheSame(t *testing.T) {
	for name, w := range methods {
		t.Run(name, func(t *testing.T) { sameAsDislocker(t, w) })
	}
}

func sameAsDislocker(t *testing.T, w *encrypter) {
	t.Helper()
	image := w.encrypt(t, content())
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, image, 0o600); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "dislocker-file", "-q", "-V", in, "-c", "--", out)
	theirs, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	v, err := unlock(t, image, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := all(t, v); !bytes.Equal(got, theirs) {
		t.Errorf("differs from byte %#x, %d and %d bytes", differs(got, theirs), len(got), len(theirs))
	}
}

// locked is a volume with every kind of key.
func locked() *encrypter {
	w := volume(0x8004)
	w.suspended, w.password, w.recovery, w.startup = false, testPassword, testRecovery, bytes.Repeat([]byte{7, 9}, 16)
	w.others = []uint16{0x0100, 0x1000, 0x7777}
	return w
}

func TestEveryKindOfKeyOpensAVolume(t *testing.T) {
	w := locked()
	image := w.encrypt(t, content())
	letter := "\xff\xfe"
	for _, u := range utf16.Encode([]rune("Recovery Key:\r\n\r\n\t" + testRecovery + "\r\n")) {
		letter += string([]byte{byte(u), byte(u >> 8)})
	}
	for what, key := range map[string]string{
		"password": testPassword, "recovery password": testRecovery, "with a line's end": testRecovery + "\n",
		"the letter": letter, "startup key": string(w.startupFile()),
	} {
		v, err := unlock(t, image, []byte(key))
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if !bytes.Equal(all(t, v), w.shown(content())) {
			t.Errorf("%s: other bytes", what)
		}
	}
	other := *w
	other.startup = bytes.Repeat([]byte{7}, 32)
	for what, key := range map[string]string{
		"nothing": "", "wrong": "wrong", "another recovery password": strings.Replace(testRecovery, "236808", "236819", 1),
		"not times 11": strings.Replace(testRecovery, "236808", "236809", 1), "over 16 bits": strings.Replace(testRecovery, "236808", "720896", 1),
		"in a longer number": "1" + testRecovery, "nine groups": testRecovery + "-111111", "another startup key": string(other.startupFile()), "not text": "\xff\xff\xff",
	} {
		_, err := unlock(t, image, []byte(key))
		if !errors.Is(err, ErrKey) || !errors.Is(err, ErrUnsupported) || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "TPM 0000ff00") {
			t.Errorf("%s: %v", what, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c, err := Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Unlock(ctx, []byte(testPassword)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if c.Suspended() {
		t.Error("suspended")
	}
	var list []string
	for _, p := range c.Info().Protectors {
		list = append(list, p.Kind+" "+p.ID[:8]+" "+p.Name)
	}
	want := "TPM 0000ff00 Other, smart card 0000ff01 Other, protector 0x7777 0000ff02 Other, password 000000aa DiskPassword, recovery password 000000bb DiskPassword, startup key 04030201 ExternalKey"
	if got := strings.Join(list, ", "); got != want {
		t.Errorf("protectors %s", got)
	}
	if i := c.Info(); i.Version != 2 || i.Cipher != "aes-xts-plain64" || i.KeySize != 128 || i.SectorSize != 512 || i.Size != volumeSize ||
		i.Description != "MACHINE drive 1/2/2026" || i.UUID != "33323130-3534-3736-3839-616263646566" || i.Created.Format("2006-01-02") != "2020-12-30" || i.Notes != nil {
		t.Errorf("%+v", i)
	}
}

func TestTheNextCopyIsUsedWhereOneIsDamaged(t *testing.T) {
	for _, w := range []*encrypter{methods["xts 128"], methods["cbc 128"]} {
		sound := w.encrypt(t, content())
		for damage := 1; damage < 8; damage++ {
			image := bytes.Clone(sound)
			first := 0
			for i, at := range w.metadata {
				if damage>>i&1 != 0 {
					image[at+100+int64(i)*8] ^= 0x10
				} else if first == 0 {
					first = i + 1
				}
			}
			c, err := Open(bytes.NewReader(image), int64(len(image)))
			if damage == 7 {
				if !errors.Is(err, ErrDamaged) || strings.Count(err.Error(), "wrong checksum") != 3 {
					t.Errorf("all copies: %v", err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			notes := c.Info().Notes
			if want := fmt.Sprintf("copy %d of", first); first > 1 && (len(notes) != 1 || !strings.Contains(notes[0], want)) || first == 1 && len(notes) > 0 {
				t.Errorf("damage %b: notes %v", damage, notes)
			}
			if v, err := c.Unlock(context.Background(), nil); err != nil || !bytes.Equal(all(t, v), w.shown(content())) {
				t.Errorf("damage %b: %v", damage, err)
			}
		}
	}
}

func TestWhatIsNotReadIsRefusedByName(t *testing.T) {
	w := volume(0x8004)
	sound := w.encrypt(t, content())
	meta := w.metadata[0]
	sum := func(b []byte) {
		for _, at := range w.metadata {
			copy(b[at:], b[meta:meta+metadataSize])
			fix(b[at:])
		}
	}
	for says, change := range map[string]func(b []byte){
		"encryption on write": func(b []byte) { copy(b[160:], kindEncryptOnWrite[:]) },
		"Vista":               func(b []byte) { b[1] = 0x52 },
		"of the kind":         func(b []byte) { b[160]++ },
		"sectors of 1024":     func(b []byte) { b[12] = 4 },
		"state 2, next 4":     func(b []byte) { b[meta+12] = 2; sum(b) },
		"state 4, next 1":     func(b []byte) { b[meta+14] = 1; sum(b) },
		"method 0x8006":       func(b []byte) { b[meta+64+36] = 6; sum(b) },
		"version 3":           func(b []byte) { b[meta+10] = 3; sum(b) },
	} {
		image := bytes.Clone(sound)
		change(image)
		if _, err := Open(bytes.NewReader(image), int64(len(image))); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	for _, b := range [][]byte{nil, make([]byte, 511), make([]byte, 4096)} {
		if _, err := Open(bytes.NewReader(b), int64(len(b))); !errors.Is(err, ErrNotThis) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}

// fix corrects the checksum of a copy.
func fix(b []byte) {
	n := int(le.Uint16(b[8:])) * 16
	if n+8 <= len(b) {
		le.PutUint32(b[n+4:], checksum(b[:n]))
	}
}

func TestAClosedVolumeHasForgottenItsKey(t *testing.T) {
	v, err := unlock(t, volume(0x8004).encrypt(t, content()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.ReadAt(make([]byte, 1), -1); !errors.Is(err, fs.ErrInvalid) {
		t.Error(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := v.ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
	if err := v.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
}

func TestAVolumeThatIsCutOffIsReadToItsEnd(t *testing.T) {
	w := volume(0x8004)
	image := w.encrypt(t, content())
	c, err := Open(bytes.NewReader(image[:len(image)-700]), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	v, err := c.Unlock(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 4096)
	n, err := v.ReadAt(p, volumeSize-4096)
	if want := w.shown(content())[volumeSize-4096:][:4096-1024]; n != len(want) || !bytes.Equal(p[:n], want) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d, %v", n, err)
	}
}

func FuzzOpen(f *testing.F) {
	var images [][]byte
	for _, name := range []string{"xts 128", "elephant 128", "cbc 256", "to go"} {
		images = append(images, methods[name].encrypt(f, content()))
	}
	f.Add(uint8(0), uint32(256<<10+64), []byte{16})
	f.Add(uint8(2), uint32(11), []byte{0xff, 0xff})
	f.Fuzz(func(t *testing.T, which uint8, off uint32, patch []byte) {
		image := bytes.Clone(images[int(which)%len(images)])
		off %= uint32(len(image))
		copy(image[off:], patch)
		for _, at := range volume(0).metadata {
			fix(image[at:])
		}
		c, err := Open(bytes.NewReader(image), int64(len(image)))
		if err != nil || len(c.locks) > 1 { // passwords take too long
			return
		}
		v, err := c.Unlock(context.Background(), nil)
		if err != nil {
			return
		}
		if n, err := io.Copy(io.Discard, io.NewSectionReader(v, 0, v.Size())); err != nil && n > v.Size() {
			t.Fatal(n, err)
		}
	})
}
