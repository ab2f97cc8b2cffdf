package qedfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

func TestCompareFindsTheFirstByteThatDiffers(t *testing.T) {
	rnd := oracle.Seed(t)
	for range 12 {
		size := 1 + rnd.Int64N(6<<20)
		a := randomBytes(rnd, size)
		b := bytes.Clone(a)
		want := qedfile.Comparison{Mismatch: qedfile.Identical, Offset: -1}
		for range rnd.IntN(3) {
			at := rnd.Int64N(size)
			b[at] ^= 1
			if want.Mismatch == qedfile.Identical || at < want.Offset {
				want = qedfile.Comparison{Mismatch: qedfile.ContentMismatch, Offset: at}
			}
		}
		if i := firstDifference(a, b); i < 0 {
			want = qedfile.Comparison{Mismatch: qedfile.Identical, Offset: -1}
		} else {
			want.Offset = int64(i)
		}
		got, err := qedfile.Compare(t.Context(), rawOf(t, a), rawOf(t, b), &qedfile.CompareOptions{Workers: 1 + rnd.IntN(5)})
		if err != nil || got != want {
			t.Fatalf("%+v (%v), want %+v", got, err, want)
		}
	}
}

func rawOf(tb testing.TB, b []byte) *qedfile.Raw {
	tb.Helper()
	d, err := qedfile.NewRaw(backend.NewMemory(bytes.Clone(b)))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func TestCompareOfDifferentSizesLooksForZeroesAtTheEnd(t *testing.T) {
	short := bytes.Repeat([]byte{7}, 1<<20)
	for _, test := range []struct {
		name string
		tail []byte
		want qedfile.Comparison
	}{
		{"only zeroes follow", make([]byte, 2<<20), qedfile.Comparison{Mismatch: qedfile.Identical, Offset: -1}},
		{"something follows", append(make([]byte, 1<<20), 5), qedfile.Comparison{Mismatch: qedfile.ContentMismatch, Offset: 2 << 20}},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := rawOf(t, short), rawOf(t, append(bytes.Clone(short), test.tail...))
			for _, pair := range [][2]qedfile.Disk{{a, b}, {b, a}} {
				got, err := qedfile.Compare(t.Context(), pair[0], pair[1], nil)
				if err != nil || got != test.want {
					t.Errorf("%+v (%v), want %+v", got, err, test.want)
				}
				got, err = qedfile.Compare(t.Context(), pair[0], pair[1], &qedfile.CompareOptions{Strict: true})
				if err != nil || got.Mismatch != qedfile.SizeMismatch {
					t.Errorf("strictly %+v (%v)", got, err)
				}
			}
		})
	}
}

func TestCompareAgreesWithQemu(t *testing.T) {
	rnd := oracle.Seed(t)
	for range 12 {
		a := qemuChain(t, rnd)
		b := filepath.Join(t.TempDir(), "b.qed")
		oracle.Run(t, "qemu-img", "convert", "-O", "qed", "-o", "cluster_size=8192", a, b)
		if rnd.IntN(3) > 0 {
			qemuIO(t, "qed", b, randomIO(rnd, open(t, a).Size(), 8192, 1)...)
		}
		compareAsQemu(t, a, b, false)
	}
}

func TestStrictCompareAgreesWithQemu(t *testing.T) {
	for _, test := range []struct{ name, a, b string }{
		{"data and nothing", "write -P 0 1M 64k", "write -P 0 2M 64k"},
		{"data and a zero marker", "write -P 0 1M 64k", "write -z 1M 64k"},
		{"a zero marker and nothing", "write -z 1M 64k", "write -z 2M 64k"},
		{"the same", "write -P 5 1M 128k", "write -P 5 1M 128k"},
		{"the same in another order", "write -P 5 1M 128k", "write -P 5 1M 64k"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := filepath.Join(t.TempDir(), "a.qed"), filepath.Join(t.TempDir(), "b.qed")
			qemuCreate(t, a, 8<<20, "")
			qemuCreate(t, b, 8<<20, "")
			qemuIO(t, "qed", a, test.a)
			qemuIO(t, "qed", b, "write -P 1 4M 64k", test.b)
			qemuIO(t, "qed", a, "write -P 1 4M 64k")
			compareAsQemu(t, a, b, true)
		})
	}
}

// compareAsQemu compares two images and fails unless qemu-img says the same.
func compareAsQemu(t *testing.T, a, b string, strict bool) {
	t.Helper()
	args := []string{"compare", "-f", "qed", "-F", "qed", a, b}
	if strict {
		args = append(args, "-s")
	}
	out, err := exec.Command(oracle.Tool(t, "qemu-img"), args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	got, err := qedfile.Compare(t.Context(), open(t, a), open(t, b), &qedfile.CompareOptions{Strict: strict})
	if err != nil {
		t.Fatal(err)
	}
	want := "Images are identical."
	switch got.Mismatch {
	case qedfile.ContentMismatch:
		want = fmt.Sprintf("Content mismatch at offset %d!", got.Offset&^511)
	case qedfile.StatusMismatch:
		want = fmt.Sprintf("Strict mode: Offset %d block status mismatch!", got.Offset)
	}
	if !strings.Contains(string(out), want) {
		t.Errorf("%q, qemu-img says: %s", want, out)
	}
}
