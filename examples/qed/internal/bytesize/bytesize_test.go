package bytesize_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/examples/qed/internal/bytesize"
)

func TestParseSizeReadsWhatQemuReads(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int64
	}{
		{"0", 0}, {"512", 512}, {"1k", 1 << 10}, {"1K", 1 << 10}, {"3M", 3 << 20}, {"1.5G", 3 << 29},
		{"2T", 2 << 40}, {"1P", 1 << 50}, {"7E", 7 << 60}, {"0x200", 512}, {"10b", 10}, {"10B", 10},
		{"0.5k", 512}, {"1.1M", 1153433}, {"9223372036854775807", 1<<63 - 1}, {"0x1f", 31},
		{"+1k", 1 << 10}, {" 1k", 1 << 10}, {"\t+0x10", 16}, {"1.k", 1 << 10}, {"1.", 1}, {"1.0", 1}, {"1.0B", 1}, {"0.00001k", 0},
	} {
		if got, err := bytesize.Parse(c.in); err != nil || got != c.want {
			t.Errorf("bytesize.Parse(%q) = %d, %v; want %d", c.in, got, err, c.want)
		}
	}
}

func TestParseSizeRefuses(t *testing.T) {
	for _, in := range []string{"", "k", "1x", "1kk", "-1", "-0", "1.5", "0.5B", ".5k", ".", "1.x", "1.0.0", "1..", "1e3", "1.e3", "1 k", "+ 1", "++1", "+", "0x", "0xg", "0x+1", "0x1.0", "1_000", "١"} {
		if got, err := bytesize.Parse(in); !errors.Is(err, bytesize.ErrSyntax) {
			t.Errorf("bytesize.Parse(%q) = %d, %v; want a syntax error", in, got, err)
		}
	}
	for _, in := range []string{"8E", "9223372036854775808", "0xffffffffffffffff", "1" + strings.Repeat("0", 30)} {
		if got, err := bytesize.Parse(in); !errors.Is(err, bytesize.ErrRange) {
			t.Errorf("bytesize.Parse(%q) = %d, %v; want a range error", in, got, err)
		}
	}
}

func TestFormatIsAsQemuImgPrintsIt(t *testing.T) {
	qemu := oracle.Tool(t, "qemu-img")
	dir := t.TempDir()
	for _, n := range []string{"0", "512", "1024", "1536", "1023488", "1024000", "1048064", "10485760", "1073741312", "1610612736", "1099511627776", "68719476736", "70368744177664"} {
		size, err := bytesize.Parse(n)
		if err != nil {
			t.Fatal(err)
		}
		image := filepath.Join(dir, n+".qed")
		oracle.Run(t, "qemu-img", "create", "-q", "-f", "qed", image, n)
		out, err := exec.Command(qemu, "info", image).Output()
		if err != nil {
			t.Fatal(err)
		}
		if want := "virtual size: " + bytesize.Format(size) + " ("; !strings.Contains(string(out), want) {
			t.Errorf("bytesize.Format(%d) = %q, but qemu-img prints\n%s", size, bytesize.Format(size), out)
		}
	}
}
