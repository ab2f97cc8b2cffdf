package ext4_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"golang.org/x/sys/unix"
)

// encrypted makes configurations with encrypted directories. The oracle's
// mount has no key, and neither have we.
func encrypted(c fstreetest.Config) fstreetest.Config {
	c.Fill = fillEncrypted
	return c
}

var encryptedConfigs = []fstreetest.Config{
	encrypted(config("encrypted-1k", 8*mib, "-t", "ext4", "-b", "1024", "-O", "encrypt,^has_journal")),
	encrypted(config("encrypted-4k", 12*mib, "-t", "ext4", "-b", "4096", "-O", "encrypt,^has_journal")),
	encrypted(config("encrypted-no-index", 8*mib, "-t", "ext4", "-b", "1024", "-O", "encrypt,^has_journal,^dir_index")),
	encrypted(config("encrypted-inline", 8*mib, "-t", "ext4", "-b", "1024", "-O", "encrypt,^has_journal,inline_data")),
}

func TestEncryptedNamesEqualTheKernels(t *testing.T) { fstreetest.Run(t, encryptedConfigs, open) }

func fillEncrypted(tb testing.TB, dir string) {
	tb.Helper()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	must(os.WriteFile(filepath.Join(dir, "plain"), []byte("not encrypted\n"), 0o644))
	for _, size := range []int{3, 60} {
		top := filepath.Join(dir, fmt.Sprintf("locked with %d", size))
		must(os.Mkdir(top, 0o755))
		encryptDir(tb, dir, top)
		must(os.Mkdir(filepath.Join(top, "sub"), 0o700))
		for i := range size {
			name := fmt.Sprintf("secret %d %s", i, strings.Repeat("n", i*4%240))
			// Encrypted blocks do not compress: few files have any.
			body := []byte(name)[:len(name)*(1-min(i, 4)/4)]
			must(os.WriteFile(filepath.Join(top, name), body, 0o640))
		}
		must(os.WriteFile(filepath.Join(top, "sub", strings.Repeat("m", 255)), nil, 0o600))
		must(os.Symlink("short", filepath.Join(top, "link")))
		must(os.Symlink(strings.Repeat("t", 200), filepath.Join(top, "long link")))
		must(unix.Mkfifo(filepath.Join(top, "fifo"), 0o600))
	}
}

// encryptDir gives an empty directory a policy (fscrypt's version 2, AES-256)
// and the mounted filesystem the key.
func encryptDir(tb testing.TB, root, dir string) {
	tb.Helper()
	const (
		addKey, setPolicy = 0xC0506617, 0x800C6613
		rawSize           = 64
	)
	// struct fscrypt_add_key_arg: a key specifier of 40 bytes, of which the
	// kernel fills the identifier, the size, and the key at 80.
	arg := make([]byte, 80+rawSize)
	binary.NativeEndian.PutUint32(arg, 2) // by identifier
	binary.NativeEndian.PutUint32(arg[40:], rawSize)
	for i := range rawSize {
		arg[80+i] = byte(i)
	}
	ioctl(tb, root, addKey, arg)
	policy := []byte{2, 1, 4, 3, 0, 0, 0, 0} // version, modes, padding
	ioctl(tb, dir, setPolicy, append(policy, arg[8:24]...))
}

func ioctl(tb testing.TB, name string, request uintptr, arg []byte) {
	tb.Helper()
	f, err := os.Open(name)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(&arg[0]))); errno != 0 {
		tb.Fatalf("ioctl %#x of %s: %v", request, name, errno)
	}
}
