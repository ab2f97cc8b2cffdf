package luks_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/luks"
)

const headerSize = 16 << 10 // of each header of the second partition

// object is a part of the JSON of a header.
type object = map[string]any

// at returns what lies at a path in an object.
func at(o object, path ...string) object {
	for _, p := range path {
		o = o[p].(object)
	}
	return o
}

// seal gives a header that was changed the right checksum.
func seal(header []byte) {
	clear(header[448:512])
	sum := sha256.Sum256(header)
	copy(header[448:], sum[:])
}

// edit changes the JSON of both headers of the second partition.
func edit(tb testing.TB, change func(o object)) []byte {
	tb.Helper()
	b := second(tb)
	for _, h := range [][]byte{b[:headerSize], b[headerSize : 2*headerSize]} {
		var o object
		if err := json.Unmarshal(bytes.TrimRight(h[4096:], "\x00"), &o); err != nil {
			tb.Fatal(err)
		}
		change(o)
		text, err := json.Marshal(o)
		if err != nil {
			tb.Fatal(err)
		}
		clear(h[4096:])
		copy(h[4096:], text)
		seal(h)
	}
	return b
}

func TestADamagedHeaderIsReplacedByTheOther(t *testing.T) {
	for _, tt := range []struct {
		what, note string
		damage     func(b []byte)
	}{
		{"nothing", "", func([]byte) {}},
		{"the first is gone", "the second LUKS header is used: the first: no LUKS header", func(b []byte) { clear(b[:headerSize]) }},
		{"its text", "the second LUKS header is used: the first: wrong checksum", func(b []byte) { b[5000] ^= 1 }},
		{"its numbers", "the second LUKS header is used: the first: wrong checksum", func(b []byte) { b[40] ^= 1 }},
		{"its size", "the second LUKS header is used: the first: 17 bytes", func(b []byte) { b[14], b[15] = 0, 17 }},
		{"its place", "the second LUKS header is used: the first: at byte 0, says that it lies at 1", func(b []byte) { b[263] = 1 }},
		{"the second is damaged", "the second LUKS header cannot be used: wrong checksum", func(b []byte) { b[headerSize+5000] ^= 1 }},
		{"the second is gone", "the second LUKS header cannot be used: no LUKS header", func(b []byte) { clear(b[headerSize : 2*headerSize]) }},
		{"the second is newer", "the second LUKS header is used: it is newer than the first", func(b []byte) {
			b[headerSize+16]++
			seal(b[headerSize : 2*headerSize])
		}},
		{"the first is newer", "", func(b []byte) {
			b[16]++
			seal(b[:headerSize])
		}},
	} {
		b := second(t)
		tt.damage(b)
		c := open(t, b, nil)
		if got := strings.Join(c.Info().Notes, "; "); got != tt.note {
			t.Errorf("%s: %q", tt.what, got)
		}
		if i := c.Info(); i.Label != "vault" || i.Version != 2 || len(i.UUID) != 36 {
			t.Errorf("%s: %+v", tt.what, i)
		}
		_ = unlock(t, c, "two")
	}
	b := second(t)
	b[5000] ^= 1
	b[headerSize+5000] ^= 1
	if _, err := luks.Open(bytes.NewReader(b), int64(len(b)), nil); !errors.Is(err, luks.ErrDamaged) {
		t.Errorf("both: %v", err)
	}
}

func TestTheNewerHeaderDecides(t *testing.T) {
	newer := edit(t, func(o object) { delete(o["keyslots"].(object), "1") })
	b := second(t)
	copy(b[headerSize:], newer[headerSize:2*headerSize])
	b[headerSize+16]++
	seal(b[headerSize : 2*headerSize])
	if i := open(t, b, nil).Info(); len(i.Slots) != 1 {
		t.Errorf("%d slots, of the older header", len(i.Slots))
	}
}

func TestTheTweakAndTheSizeOfASegment(t *testing.T) {
	whole := unlock(t, open(t, second(t), nil), "two")
	want := make([]byte, whole.Size())
	if _, err := whole.ReadAt(want, 0); err != nil {
		t.Fatal(err)
	}
	b := edit(t, func(o object) {
		s := at(o, "segments", "0")
		s["offset"] = fmt.Sprint(640*512 + 4096)
		s["iv_tweak"] = "8"
		s["size"] = "8192"
	})
	read(t, unlock(t, open(t, b, nil), "two"), want[4096:4096+8192])
}

func TestKeySlotsAreTriedByPriority(t *testing.T) {
	slots := func(o object) object { return o["keyslots"].(object) }
	b := edit(t, func(o object) {
		at(slots(o), "0")["priority"] = 0
		at(slots(o), "1")["priority"] = 2
	})
	i := open(t, b, nil).Info()
	if i.Slots[0].Number != 1 || i.Slots[0].Priority != 2 || i.Slots[1].Priority != 0 {
		t.Errorf("%+v", i.Slots)
	}
	if i = open(t, second(t), nil).Info(); i.Slots[0].Number != 0 || i.Slots[1].Number != 1 {
		t.Errorf("%+v", i.Slots)
	}
}

// A slot that is bound to nothing may hold any key.
func TestAnUnboundKeySlotOpensNothing(t *testing.T) {
	b := edit(t, func(o object) { at(o, "digests", "0")["keyslots"] = []string{"0"} })
	c := open(t, b, nil)
	if i := c.Info(); i.Slots[0].Unbound || !i.Slots[1].Unbound {
		t.Errorf("%+v", i.Slots)
	}
	if _, err := c.Unlock(t.Context(), []byte("three")); !errors.Is(err, luks.ErrKey) {
		t.Errorf("got %v", err)
	}
	_ = unlock(t, c, "two")
}

func TestHeadersThatAreRefused(t *testing.T) {
	set := func(key string, value any, path ...string) func(object) {
		return func(o object) { at(o, path...)[key] = value }
	}
	for _, tt := range []struct {
		what, want string
		match      error
		change     func(o object)
	}{
		{"a requirement", `requirement "opal"`, luks.ErrUnsupported, set("requirements", object{"mandatory": []string{"opal"}}, "config")},
		{"reencryption", "a reencryption that is not finished (online-reencrypt-v2)", luks.ErrUnsupported, set("requirements", object{"mandatory": []string{"online-reencrypt-v2"}}, "config")},
		{"its slot", "a reencryption that is not finished", luks.ErrUnsupported, set("type", "reencrypt", "keyslots", "1")},
		{"integrity", "integrity tags (dm-integrity)", luks.ErrUnsupported, set("integrity", object{"type": "hmac(sha256)"}, "segments", "0")},
		{"a linear segment", `a segment of type "linear"`, luks.ErrUnsupported, set("type", "linear", "segments", "0")},
		{"a flag", `a segment with the flag "in-reencryption"`, luks.ErrUnsupported, set("flags", []string{"in-reencryption"}, "segments", "0")},
		{"two segments", "2 segments", luks.ErrUnsupported, set("1", object{"type": "crypt"}, "segments")},
		{"a cipher", `cipher "serpent-xts-plain64"`, luks.ErrUnsupported, set("encryption", "serpent-xts-plain64", "segments", "0")},
		{"a hash for xts", `cipher "aes-xts-plain64:sha256"`, luks.ErrUnsupported, set("encryption", "aes-xts-plain64:sha256", "segments", "0")},
		{"no cipher", `cipher "capi:xts(aes)-plain64"`, luks.ErrUnsupported, set("encryption", "capi:xts(aes)-plain64", "segments", "0")},
		{"sectors", "sectors of 8192 bytes", luks.ErrDamaged, set("sector_size", 8192, "segments", "0")},
		{"a size", `"0" bytes of data`, luks.ErrDamaged, set("size", "0", "segments", "0")},
		{"a size that is none", `"all" bytes of data`, luks.ErrDamaged, set("size", "all", "segments", "0")},
		{"a size of no sectors", "513 bytes of data", luks.ErrDamaged, set("size", "513", "segments", "0")},
		{"a size beyond the end", "2097152 bytes of data where", luks.ErrDamaged, set("size", "2097152", "segments", "0")},
		{"an offset beyond the end", "data at byte 9223372036854775807", luks.ErrDamaged, set("offset", "9223372036854775807", "segments", "0")},
		{"an offset that is a number", "its JSON", luks.ErrDamaged, set("offset", 5, "segments", "0")},
		{"a negative offset", "its JSON", luks.ErrDamaged, set("offset", "-512", "segments", "0")},
		{"no digest", "no digest of the key", luks.ErrDamaged, set("segments", []string{}, "digests", "0")},
		{"two digests", "no single digest", luks.ErrDamaged, func(o object) { at(o, "digests")["1"] = at(o, "digests", "0") }},
		{"a short digest", "no single digest", luks.ErrDamaged, set("digest", "AAAA", "digests", "0")},
		{"another digest", `a digest of type "none"`, luks.ErrUnsupported, set("type", "none", "digests", "0")},
		{"a slot without a number", `a key slot named "x"`, luks.ErrDamaged, func(o object) { at(o, "keyslots")["x"] = at(o, "keyslots", "1") }},
		{"a key of no length", `for "aes-xts-plain64"`, luks.ErrDamaged, set("key_size", 31, "keyslots", "0")},
		{"a key of a negative length", "a key of -1 bytes", luks.ErrDamaged, set("key_size", -1, "keyslots", "0")},
	} {
		b := edit(t, tt.change)
		_, err := luks.Open(bytes.NewReader(b), int64(len(b)), nil)
		if !errors.Is(err, tt.match) || !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("%s: %v", tt.what, err)
		}
	}
}

// What is wrong with one key slot leaves the other.
func TestAKeySlotThatCannotBeTriedSparesTheOther(t *testing.T) {
	for _, tt := range []struct {
		what, want string
		match      error
		key        string
		value      any
		path       []string
	}{
		{"memory", "argon2id with 2048 MiB of memory, more than 1024", luks.ErrTooCostly, "memory", 2 << 20, []string{"kdf"}},
		{"memory that overflows", "more than 1024", luks.ErrTooCostly, "memory", int64(1) << 62, []string{"kdf"}},
		{"negative memory", "argon2id with 4 passes, 0 KiB", luks.ErrDamaged, "memory", -1, []string{"kdf"}},
		{"little memory", "argon2id with 4 passes, 4 KiB", luks.ErrDamaged, "memory", 4, []string{"kdf"}},
		{"passes", "4294967296 passes of argon2id over 1 MiB", luks.ErrTooCostly, "time", int64(1) << 32, []string{"kdf"}},
		{"no passes", "argon2id with 0 passes", luks.ErrDamaged, "time", 0, []string{"kdf"}},
		{"no threads", "0 threads", luks.ErrDamaged, "cpus", 0, []string{"kdf"}},
		{"256 threads", "256 threads", luks.ErrDamaged, "cpus", 256, []string{"kdf"}},
		{"scrypt", `key derivation "scrypt"`, luks.ErrUnsupported, "type", "scrypt", []string{"kdf"}},
		{"another type", `type "luks9"`, luks.ErrUnsupported, "type", "luks9", nil},
		{"another area", `key material of type "datashift"`, luks.ErrUnsupported, "type", "datashift", []string{"area"}},
		{"another splitter", `key material of type "raw" and "luks9"`, luks.ErrUnsupported, "type", "luks9", []string{"af"}},
		{"another hash", `hash "md5"`, luks.ErrUnsupported, "hash", "md5", []string{"af"}},
		{"another cipher", `cipher "serpent-xts-plain64"`, luks.ErrUnsupported, "encryption", "serpent-xts-plain64", []string{"area"}},
		{"an area outside", "are outside its area", luks.ErrDamaged, "offset", "1048576", []string{"area"}},
		{"a small area", "are outside its area", luks.ErrDamaged, "size", "4096", []string{"area"}},
		{"no stripes", "in 0 stripes", luks.ErrDamaged, "stripes", 0, []string{"af"}},
		{"many stripes", "in 4611686018427387904 stripes", luks.ErrDamaged, "stripes", int64(1) << 62, []string{"af"}},
		{"an area key", "an area key of 1000 bytes", luks.ErrDamaged, "key_size", 1000, []string{"area"}},
	} {
		b := edit(t, func(o object) { at(at(o, "keyslots", "0"), tt.path...)[tt.key] = tt.value })
		c := open(t, b, nil)
		_, err := c.Unlock(t.Context(), []byte("two"))
		if !errors.Is(err, luks.ErrKey) || !errors.Is(err, tt.match) || !strings.Contains(fmt.Sprint(err), "key slot 0: ") || !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("%s: %v", tt.what, err)
		}
		_ = unlock(t, c, "three")
	}
}

func TestTheLimitsAreTheCallers(t *testing.T) {
	for _, tt := range []struct {
		opts luks.Options
		key  string
		want error
	}{
		{luks.Options{MaxMemory: 1 << 20}, "two", nil},
		{luks.Options{MaxMemory: 1<<20 - 1}, "two", luks.ErrTooCostly},
		{luks.Options{MaxWork: 4 << 10}, "two", nil}, // passes times KiB
		{luks.Options{MaxWork: 4<<10 - 1}, "two", luks.ErrTooCostly},
		{luks.Options{MaxWork: 1 << 20}, "two", nil},
	} {
		if _, err := open(t, second(t), &tt.opts).Unlock(t.Context(), []byte(tt.key)); !errors.Is(err, tt.want) {
			t.Errorf("%+v: %v", tt.opts, err)
		}
	}
	b := edit(t, func(o object) { at(o, "digests", "0")["iterations"] = 4<<10 + 1 })
	if _, err := open(t, b, &luks.Options{MaxWork: 4 << 10}).Unlock(t.Context(), []byte("two")); !errors.Is(err, luks.ErrTooCostly) || !strings.Contains(err.Error(), "digest: 4097 iterations") {
		t.Errorf("the digest: %v", err)
	}
	b = first(t)
	binary.BigEndian.PutUint32(b[208+4:], 1<<32-1)
	if _, err := open(t, b, nil).Unlock(t.Context(), []byte("one")); !errors.Is(err, luks.ErrTooCostly) {
		t.Errorf("pbkdf2: %v", err)
	}
	binary.BigEndian.PutUint32(b[208+4:], 0)
	if _, err := open(t, b, nil).Unlock(t.Context(), []byte("one")); !errors.Is(err, luks.ErrDamaged) {
		t.Errorf("pbkdf2: %v", err)
	}
}

func TestAVolumeThatEndsEarly(t *testing.T) {
	for _, whole := range [][]byte{first(t), second(t)} {
		for _, n := range []int{0, 5, 7, 100, 512, 591, 4096, 20000, 100000} {
			b := whole[:n]
			if _, err := luks.Open(bytes.NewReader(b), int64(n), nil); err == nil {
				t.Errorf("%d bytes are a volume", n)
			}
		}
	}
	b := second(t)
	v, err := luks.Open(bytes.NewReader(b[:700*512+100]), 701*512, nil) // its device is shorter than it says
	if err != nil {
		t.Fatal(err)
	}
	volume := unlock(t, v, "two")
	p := make([]byte, volume.Size())
	if n, err := volume.ReadAt(p, 0); n != 60*512 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if n, err := volume.ReadAt(p[:100], 60*512-10); n != 10 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestALimitIsTheMostThatIsDone(t *testing.T) {
	b := first(t)
	slot, digest := int64(binary.BigEndian.Uint32(b[208+4:])), int64(binary.BigEndian.Uint32(b[164:]))
	most := max(slot, digest)
	_ = unlock(t, open(t, b, &luks.Options{MaxWork: most}), "one")
	if _, err := open(t, b, &luks.Options{MaxWork: most - 1}).Unlock(t.Context(), []byte("one")); !errors.Is(err, luks.ErrTooCostly) {
		t.Errorf("one less: %v", err)
	}
}

func TestAPartOfASectorAtTheEndIsNoData(t *testing.T) {
	b := second(t)
	b = b[:len(b)-100]
	if i := open(t, b, nil).Info(); i.Size != size2-640*512-512 {
		t.Errorf("%d bytes", i.Size)
	}
}

// The second header lies after the first, whose size may be any power of two.
func TestTheSecondHeaderIsFoundWhereverItCanBe(t *testing.T) {
	whole := second(t)
	for at := headerSize; at <= 256<<10; at *= 2 {
		b := bytes.Clone(whole)
		h := bytes.Clone(b[headerSize : 2*headerSize])
		clear(b[:2*headerSize])
		binary.BigEndian.PutUint64(h[256:], uint64(at))
		seal(h)
		copy(b[at:], h)
		if i := open(t, b, nil).Info(); i.Label != "vault" {
			t.Errorf("at %d: %+v", at, i)
		}
	}
}

func TestAHeaderOfAnOddSizeIsDamaged(t *testing.T) {
	for _, size := range []uint64{20 << 10, 8 << 10, 8 << 20} {
		b := second(t)
		clear(b[headerSize:])
		binary.BigEndian.PutUint64(b[8:], size)
		if _, err := luks.Open(bytes.NewReader(b), int64(len(b)), nil); !errors.Is(err, luks.ErrDamaged) || !strings.Contains(err.Error(), fmt.Sprint(size, " bytes")) {
			t.Errorf("%d: %v", size, err)
		}
	}
}

// The 32 bits of "plain" begin anew after 2 TiB; those of "plain64" do not.
func TestThePlainNumbersOfSectorsWrap(t *testing.T) {
	content := func(cipher, tweak string) []byte {
		b := edit(t, func(o object) {
			s := at(o, "segments", "0")
			s["encryption"], s["iv_tweak"] = cipher, tweak
		})
		p := make([]byte, 4096)
		if _, err := unlock(t, open(t, b, nil), "two").ReadAt(p, 0); err != nil {
			t.Fatal(err)
		}
		return p
	}
	want := content("aes-xts-plain64", "0")
	if !bytes.Equal(content("aes-xts-plain", "4294967296"), want) {
		t.Error("plain does not wrap")
	}
	if bytes.Equal(content("aes-xts-plain64", "4294967296"), want) {
		t.Error("plain64 wraps")
	}
}

func FuzzOpen(f *testing.F) {
	images := [][]byte{first(f), second(f)}
	f.Add(uint8(0), uint16(104), []byte{0, 0, 1})
	f.Add(uint8(1), uint16(4096), []byte(`{"keyslots":{"0":{"kdf":{"memory":1e9}}}}`))
	f.Fuzz(func(t *testing.T, which uint8, off uint16, patch []byte) {
		b := images[int(which)%len(images)]
		b = b[:len(b):len(b)]
		image := bytes.Clone(b)
		copy(image[off:], patch)
		if which%4 == 1 {
			seal(image[:headerSize])
		}
		opts := &luks.Options{MaxMemory: 2 << 20, MaxWork: 1 << 14}
		c, err := luks.Open(bytes.NewReader(image), int64(len(image)), opts)
		if err != nil {
			return
		}
		begin := time.Now()
		v, err := c.Unlock(t.Context(), []byte("two"))
		if err == nil {
			_, err = v.ReadAt(make([]byte, 10000), 100)
		}
		_ = err
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("%v", took)
		}
	})
}
