package luks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem"
	"github.com/qedfs/qedfs/adapters/diskfs/luks"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// Where the partitions of the committed disk lie, in bytes.
const (
	part1, size1 = 128 * 512, 4992 * 512
	part2, size2 = 5120 * 512, 2048 * 512
)

// partition returns the bytes of a partition of the committed disk.
func partition(tb testing.TB, off, size int64) []byte {
	tb.Helper()
	m, err := qedfile.Open("../../../testdata/encrypted.qed", nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer m.Close()
	b := make([]byte, size)
	if _, err := m.ReadAt(b, off); err != nil {
		tb.Fatal(err)
	}
	return b
}

func first(tb testing.TB) []byte  { return partition(tb, part1, size1) }
func second(tb testing.TB) []byte { return partition(tb, part2, size2) }

func open(tb testing.TB, b []byte, opts *luks.Options) *luks.Container {
	tb.Helper()
	c, err := luks.Open(bytes.NewReader(b), int64(len(b)), opts)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func unlock(tb testing.TB, c *luks.Container, key string) *luks.Volume {
	tb.Helper()
	v, err := c.Unlock(context.Background(), []byte(key))
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func TestTheCommittedVolumesOpen(t *testing.T) {
	for _, tt := range []struct {
		b            []byte
		key          string
		slots        int
		cipher, kind string
	}{
		{first(t), "one", 1, "aes-cbc-essiv:sha256", "ext2"},
		{second(t), "two", 2, "aes-xts-plain64", "LVM2_member"},
		{second(t), "three", 2, "aes-xts-plain64", "LVM2_member"},
	} {
		c := open(t, tt.b, nil)
		if i := c.Info(); i.Cipher != tt.cipher || len(i.Slots) != tt.slots || len(i.Notes) != 0 || i.UUID == "" {
			t.Errorf("%s: %+v", tt.key, i)
		}
		v := unlock(t, c, tt.key)
		head := make([]byte, 4096)
		if _, err := v.ReadAt(head, 0); err != nil {
			t.Fatal(err)
		}
		switch tt.kind {
		case "ext2":
			if _, err := filesystem.Open(v, v.Size()); err != nil {
				t.Error(err)
			}
		default:
			if !bytes.Contains(head, []byte("LABELONE")) {
				t.Errorf("%s: no physical volume inside", tt.key)
			}
		}
	}
}

func TestAWrongKeyOpensNothing(t *testing.T) {
	for _, b := range [][]byte{first(t), second(t)} {
		for _, key := range []string{"", "One", "one\n", "four"} {
			if _, err := open(t, b, nil).Unlock(t.Context(), []byte(key)); !errors.Is(err, luks.ErrKey) {
				t.Errorf("%q: %v", key, err)
			}
		}
	}
}

// read compares reads of all kinds with what is inside.
func read(t *testing.T, v *luks.Volume, want []byte) {
	t.Helper()
	if v.Size() != int64(len(want)) {
		t.Fatalf("%d bytes, want %d", v.Size(), len(want))
	}
	got := make([]byte, len(want)+1)
	if n, err := v.ReadAt(got, 0); n != len(want) || err != io.EOF || !bytes.Equal(got[:n], want) {
		t.Fatalf("all of it: %d bytes, %v, or they differ", n, err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		off := rng.IntN(len(want))
		n := rng.IntN(min(len(want)-off, 1<<rng.IntN(20)) + 1)
		p := make([]byte, n)
		if m, err := v.ReadAt(p, int64(off)); m != n || err != nil || !bytes.Equal(p, want[off:off+n]) {
			t.Fatalf("%d bytes at %d: %d, %v, or they differ", n, off, m, err)
		}
	}
	if _, err := v.ReadAt(got[:1], v.Size()); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	if _, err := v.ReadAt(got[:1], -1); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("before the beginning: %v", err)
	}
}

// plain is the clear text of the volumes that the tools make.
func plain() []byte {
	b := make([]byte, 512<<10)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(b)
	return b
}

// cryptsetup encrypts a file, with a header in another one.
func cryptsetup(t *testing.T, args ...string) (header, data []byte) {
	t.Helper()
	dir := t.TempDir()
	key, h, d := filepath.Join(dir, "key"), filepath.Join(dir, "header"), filepath.Join(dir, "data")
	if err := errors.Join(os.WriteFile(key, []byte("secret"), 0o600), os.WriteFile(d, plain(), 0o600)); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(args, "--pbkdf") {
		args = append(args, "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
	}
	oracle.Run(t, "cryptsetup", slices.Concat([]string{"reencrypt", "-q", "--encrypt", "--type", "luks2", "--header", h, "--key-file", key}, args, []string{d})...)
	header, err1 := os.ReadFile(h)
	data, err2 := os.ReadFile(d)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return header, data
}

func detached(header []byte) *luks.Options {
	return &luks.Options{Header: bytes.NewReader(header), HeaderSize: int64(len(header))}
}

func TestWhatCryptsetupEncryptsIsRead(t *testing.T) {
	if testing.Short() {
		t.Skip("fresh volumes are made without -short")
	}
	argon := func(kind, memory string, more ...string) []string {
		return append([]string{"--pbkdf", kind, "--pbkdf-memory", memory, "--pbkdf-force-iterations", "4"}, more...)
	}
	for _, args := range [][]string{
		{},
		{"--sector-size", "512"},
		{"--sector-size", "1024"},
		{"--sector-size", "2048"},
		{"--sector-size", "4096"},
		{"--cipher", "aes-xts-plain64", "--key-size", "256"},
		{"--cipher", "aes-xts-plain", "--key-size", "512"},
		{"--cipher", "aes-cbc-essiv:sha256", "--key-size", "256"},
		{"--cipher", "aes-cbc-essiv:sha256", "--key-size", "128", "--sector-size", "4096"},
		{"--cipher", "aes-cbc-plain64", "--key-size", "128"},
		{"--cipher", "aes-cbc-plain", "--key-size", "192"},
		{"--hash", "sha1"},
		{"--hash", "sha224"},
		{"--hash", "sha384"},
		{"--hash", "sha512"},
		{"--hash", "ripemd160"},
		argon("argon2i", "64", "--pbkdf-parallel", "1"),
		argon("argon2id", "1024", "--pbkdf-parallel", "3", "--hash", "sha512"),
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			header, data := cryptsetup(t, args...)
			if bytes.Equal(data, plain()) {
				t.Fatal("nothing was encrypted")
			}
			v := unlock(t, open(t, data, detached(header)), "secret")
			read(t, v, plain())
		})
	}
}

func TestWhatQemuEncryptsIsRead(t *testing.T) {
	if testing.Short() {
		t.Skip("fresh volumes are made without -short")
	}
	dir := t.TempDir()
	raw := filepath.Join(dir, "raw")
	if err := os.WriteFile(raw, plain(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, options := range []string{
		"cipher-alg=aes-256,cipher-mode=xts,ivgen-alg=plain64,hash-alg=sha512",
		"cipher-alg=aes-256,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=ripemd160",
		"cipher-alg=twofish-256,cipher-mode=xts,ivgen-alg=plain,hash-alg=sha256",
		"cipher-alg=twofish-256,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=sha1",
	} {
		t.Run(options, func(t *testing.T) {
			image := filepath.Join(t.TempDir(), "luks")
			oracle.Run(t, "qemu-img", "convert", "-f", "raw", "-O", "luks", "--object", "secret,id=key,data=secret", "-o", "key-secret=key,iter-time=10,"+options, raw, image)
			b, err := os.ReadFile(image)
			if err != nil {
				t.Fatal(err)
			}
			read(t, unlock(t, open(t, b, nil), "secret"), plain())
		})
	}
}

func TestWhatIsNotReadIsRefusedByName(t *testing.T) {
	_, err := luks.Open(bytes.NewReader(make([]byte, 8<<20)), 8<<20, nil)
	if !errors.Is(err, luks.ErrNotThis) {
		t.Errorf("zeroes: %v", err)
	}
	for _, tt := range []struct {
		what, want string
		b          []byte
	}{
		{"serpent", `cipher "serpent-cbc-essiv:sha256"`, patch(first(t), 8, []byte("serpent")...)},
		{"a mode", `cipher "aes-lrw-essiv:sha256"`, patch(first(t), 40, []byte("lrw")...)},
		{"an IV", `cipher "aes-cbc-benbi"`, patch(first(t), 40, []byte("cbc-benbi\x00\x00\x00\x00\x00\x00\x00")...)},
		{"a third version", "LUKS version 3", patch(first(t), 6, 0, 3)},
	} {
		_, err := luks.Open(bytes.NewReader(tt.b), int64(len(tt.b)), nil)
		if !errors.Is(err, luks.ErrUnsupported) || !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("%s: %v", tt.what, err)
		}
	}
}

// patch replaces bytes.
func patch(b []byte, at int, with ...byte) []byte {
	copy(b[at:], with)
	return b
}

func TestAReencryptionThatIsNotFinishedIsRefused(t *testing.T) {
	dir := t.TempDir()
	key, d := filepath.Join(dir, "key"), filepath.Join(dir, "data")
	if err := errors.Join(os.WriteFile(key, []byte("secret"), 0o600), os.WriteFile(d, make([]byte, 24<<20), 0o600)); err != nil {
		t.Fatal(err)
	}
	costs := []string{"-q", "--key-file", key, "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"}
	oracle.Run(t, "cryptsetup", slices.Concat([]string{"luksFormat", "--type", "luks2"}, costs, []string{d})...)
	oracle.Run(t, "cryptsetup", slices.Concat([]string{"reencrypt", "--init-only"}, costs, []string{d})...)
	b, err := os.ReadFile(d)
	if err != nil {
		t.Fatal(err)
	}
	_, err = luks.Open(bytes.NewReader(b), int64(len(b)), nil)
	if !errors.Is(err, luks.ErrUnsupported) || !strings.Contains(fmt.Sprint(err), "reencryption") {
		t.Errorf("got %v", err)
	}
}

func TestTheContextEndsADerivation(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, first(t), nil).Unlock(ctx, []byte("one")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	b := first(t)
	copy(b[208+4:], []byte{7, 0, 0, 0}) // 117 million iterations
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, err := open(t, b, nil).Unlock(ctx, []byte("one")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it went on for %v", took)
	}
}

func TestAClosedVolumeHasForgottenItsKey(t *testing.T) {
	v := unlock(t, open(t, first(t), nil), "one")
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := v.ReadAt(make([]byte, 512), 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read: %v", err)
	}
	if err := v.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed again: %v", err)
	}
}

func TestThePassphraseIsLeftAlone(t *testing.T) {
	key := []byte("one")
	if _, err := open(t, first(t), nil).Unlock(t.Context(), key); err != nil || string(key) != "one" {
		t.Errorf("%q, %v", key, err)
	}
}

func ExampleOpen() {
	disk, err := qedfile.Open("../../../testdata/encrypted.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	partition := io.NewSectionReader(disk, 128*512, 4992*512)

	c, err := luks.Open(partition, partition.Size(), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("LUKS %d, %s\n", c.Info().Version, c.Info().Cipher)
	v, err := c.Unlock(context.Background(), []byte("one"))
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	fsys, err := filesystem.Open(v, v.Size())
	if err != nil {
		log.Fatal(err)
	}
	b, err := fs.ReadFile(fsys, "hostname")
	fmt.Printf("%s%v\n", b, err)
	// Output:
	// LUKS 1, aes-cbc-essiv:sha256
	// example
	// <nil>
}

// What a header says before anybody has a key.
func ExampleContainer() {
	disk, err := qedfile.Open("../../../testdata/encrypted.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	partition := io.NewSectionReader(disk, 128*512, 4992*512)
	var c *luks.Container
	c, err = luks.Open(partition, partition.Size(), &luks.Options{MaxMemory: 256 << 20})
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range c.Info().Slots {
		var slot luks.Slot = s
		fmt.Println(slot.Number, slot.KDF, slot.Hash)
	}
	var v *luks.Volume
	v, err = c.Unlock(context.Background(), []byte("wrong"))
	fmt.Println(v == nil, errors.Is(err, luks.ErrKey))
	// Output:
	// 0 pbkdf2 sha256
	// true true
}
