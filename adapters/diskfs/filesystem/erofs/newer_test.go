package erofs_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

// newer makes an image with the mkfs.erofs of erofs-utils 1.9, which has
// compressions that Debian 12's has not.
func newer(without string, args ...string) func(tb testing.TB, image, source string) {
	return func(tb testing.TB, image, source string) {
		tb.Helper()
		help, err := exec.Command("mkfs.erofs", "--help").CombinedOutput()
		if err != nil && len(help) == 0 {
			tb.Skip(err)
		}
		if !bytes.Contains(help, []byte("--MZ")) {
			tb.Skip("this mkfs.erofs is older than 1.9; what is committed of its images is compared all the same")
		}
		mkfs(without, args...)(tb, image, source)
	}
}

// devices makes an image of a volume on two devices, one after the other. (That of
// mkfs.erofs 1.5 does not say where the second would lie.)
func devices(tb testing.TB, image, source string) {
	tb.Helper()
	blob := image + ".blob"
	newer("", "--chunksize=4096", "--blobdev="+blob)(tb, image, source)
	first, err := os.ReadFile(image)
	if err != nil {
		tb.Fatal(err)
	}
	second, err := os.ReadFile(blob)
	if err != nil {
		tb.Fatal(err)
	}
	end := int(binary.LittleEndian.Uint32(first[1024+36:])) << first[1024+12]
	if err := os.WriteFile(image, append(first[:end:end], second...), 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Truncate(image, size); err != nil {
		tb.Fatal(err)
	}
}

func newerConfigs() (list []fstreetest.Config) {
	add := func(large bool, name string, args ...string) {
		list = append(list, fstreetest.Config{Name: "erofs-" + name, Size: size, Mount: "erofs", Make: newer("holes", args...), Populated: true, Mounted: true, Large: large})
	}
	add(true, "lzma", "-zlzma")
	add(false, "lzma-big", "-zlzma,level=9,lc=1,lp=2,pb=1", "-C65536")
	add(true, "lzma-fragments", "-zlzma", "-C16384", "-Efragments")
	add(false, "lzma-1k", "-zlzma", "-b1024", "-C1024")
	add(true, "deflate", "-zdeflate", "-C16384", "-Eztailpacking")
	add(true, "deflate-legacy", "-zlibdeflate,level=9", "-C65536", "-Elegacy-compress")
	add(false, "deflate-dedupe", "-zdeflate,level=9", "-C4096", "-Ededupe")
	add(true, "deflate-512", "-zdeflate", "-b512", "-C4096")
	add(false, "zstd", "-zzstd", "-Eztailpacking", "--xattr-prefix=user.qed", "--xattr-prefix=trusted.long.")
	add(true, "zstd-big", "-zzstd,level=19", "-C1048576")
	add(false, "zstd-fragments", "-zzstd", "-C65536", "-Eall-fragments,dedupe")
	add(true, "zstd-directories", "-zzstd", "--zD=1", "-C16384")
	add(true, "lz4-dedupe", "-zlz4hc", "-C16384", "-Ededupe,fragments")
	add(true, "48bit", "-zlz4", "-E48bit", "-C16384")
	add(true, "48bit-plain", "-E48bit", "-Enoinline_data")
	add(true, "48bit-chunks", "-E48bit", "--chunksize=4096")
	add(false, "48bit-zstd", "-zzstd", "-E48bit,fragments,dedupe", "-C65536")
	add(true, "boxed", "-zlzma", "-m4096", "-C4096", "--MZ=i")
	add(false, "boxed-zstd", "-zzstd", "-m16384", "-C65536", "--zD=1", "-Efragments", "--xattr-prefix=user.qed")
	list = append(list, fstreetest.Config{Name: "erofs-devices", Size: size, Mount: "erofs", Make: devices, Populated: true, Mounted: true})
	return list
}
