package ext4_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

// TestMain lets tests run in a virtual machine too.
func TestMain(m *testing.M) { os.Exit(fstreetest.Main(m)) }

// guestConfig makes a configuration that many kernels are built without.
func guestConfig(name string, fill func(testing.TB, string), args ...string) fstreetest.Config {
	c := config(name, 8*mib, append([]string{"-t", "ext4", "-b", "4096"}, args...)...)
	c.Fill = fill
	return c
}

var guestConfigs = []fstreetest.Config{
	guestConfig("guest-casefold", fillCasefolded, "-O", "casefold,^has_journal", "-E", "encoding=utf8"),
	guestConfig("guest-verity", fillVerity, "-O", "verity,^has_journal"),
	guestConfig("guest-quota", fillLittle, "-O", "quota,project,^has_journal", "-E", "quotatype=usrquota:grpquota:prjquota"),
	guestConfig("guest-encrypted-casefold", fillEncryptedCasefolded, "-O", "casefold,encrypt,stable_inodes,^has_journal", "-E", "encoding=utf8"),
}

func TestTreeEqualsAnotherKernels(t *testing.T) {
	modules := []string{"crc32c_generic", "sha256_generic", "sha512_generic", "hmac", "aes_generic", "ecb", "cbc", "xts", "cts", "quota_v2", "ext4"}
	fstreetest.RunInGuest(t, modules, guestConfigs, open)
}

// casefold gives an empty directory the attribute.
func casefold(tb testing.TB, dir string) {
	tb.Helper()
	const getFlags, setFlags, flag = 0x80086601, 0x40086602, 0x40000000
	arg := make([]byte, 8)
	ioctl(tb, dir, getFlags, arg)
	binary.NativeEndian.PutUint32(arg, binary.NativeEndian.Uint32(arg)|flag)
	ioctl(tb, dir, setFlags, arg)
}

func fillCasefolded(tb testing.TB, dir string) {
	tb.Helper()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	top := filepath.Join(dir, "folded")
	must(os.MkdirAll(filepath.Join(dir, "exact"), 0o755))
	must(os.Mkdir(top, 0o755))
	casefold(tb, top)
	for i := range 300 { // enough for an index
		must(os.WriteFile(filepath.Join(top, fmt.Sprintf("A Name, Number %d", i)), []byte("folded"), 0o644))
	}
	for _, name := range []string{"README", "Ünïcödé", "straße", "ΣΊΣΥΦΟΣ", "\xff\xfe"} {
		must(os.WriteFile(filepath.Join(dir, "exact", name), []byte(name), 0o644))
		must(os.WriteFile(filepath.Join(top, name), []byte(name), 0o644))
		must(os.Mkdir(filepath.Join(top, name+".D"), 0o755))
		must(os.WriteFile(filepath.Join(top, name+".D", "Inside"), nil, 0o644))
	}
}

func TestCasefoldedNamesAreFoundInAnyCase(t *testing.T) {
	image := fstreetest.Image(t, "guest-casefold")
	vol, err := openImage(image)
	if err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[string]string{
		"folded/readme": "README", "folded/ÜNÏCÖDÉ": "Ünïcödé", "folded/Σίσυφος.d/INSIDE": "", "exact/README": "README",
	} {
		b, err := fs.ReadFile(vol, asked)
		if err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", asked, b, err)
		}
	}
	if _, err := fs.Stat(vol, "exact/readme"); err == nil {
		t.Error("case does not count in an ordinary directory")
	}
}

func fillVerity(tb testing.TB, dir string) {
	tb.Helper()
	for _, size := range []int{0, 100, 4096, 100000} {
		name := filepath.Join(dir, fmt.Sprintf("sealed %d", size))
		if err := os.WriteFile(name, bytes.Repeat([]byte("verity"), size)[:size], 0o644); err != nil {
			tb.Fatal(err)
		}
		arg := make([]byte, 128) // struct fsverity_enable_arg
		binary.NativeEndian.PutUint32(arg, 1)
		binary.NativeEndian.PutUint32(arg[4:], 1) // SHA-256
		binary.NativeEndian.PutUint32(arg[8:], 4096)
		ioctl(tb, name, 0x40806685, arg)
	}
}

// fillEncryptedCasefolded makes directories that are both, in which a hash
// follows each name.
func fillEncryptedCasefolded(tb testing.TB, dir string) {
	tb.Helper()
	for _, size := range []int{3, 200} {
		top := filepath.Join(dir, fmt.Sprintf("locked with %d", size))
		if err := os.Mkdir(top, 0o755); err != nil {
			tb.Fatal(err)
		}
		encryptDir(tb, dir, top)
		casefold(tb, top)
		for i := range size {
			name := fmt.Sprintf("Secret %d %s", i, strings.Repeat("n", i%100))
			if err := os.WriteFile(filepath.Join(top, name), nil, 0o640); err != nil {
				tb.Fatal(err)
			}
		}
	}
}
