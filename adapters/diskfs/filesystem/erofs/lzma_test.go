package erofs

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ulikunitz/xz/lzma"
)

// microLZMA encodes by a library, and takes the header off.
func microLZMA(tb testing.TB, b []byte, lc, lp, pb int) []byte {
	tb.Helper()
	var out bytes.Buffer
	w, err := lzma.WriterConfig{Properties: &lzma.Properties{LC: lc, LP: lp, PB: pb}, Size: int64(len(b)), SizeInHeader: true, DictCap: 1 << 16}.NewWriter(&out)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	const header = 13
	micro := out.Bytes()[header:]
	if micro[0] != 0 {
		tb.Fatal("an LZMA stream does not begin with 0")
	}
	micro[0] = ^byte((pb*5+lp)*9 + lc)
	return micro
}

// sample is text with repetitions near and far, and noise.
func sample(rng *rand.Rand, n int) []byte {
	b := make([]byte, 0, n)
	for len(b) < n {
		switch k := 1 + rng.IntN(400); rng.IntN(4) {
		case 0:
			for range k {
				b = append(b, byte(rng.Uint32()))
			}
		case 1:
			b = append(b, bytes.Repeat([]byte{byte(k)}, k)...)
		case 2:
			if len(b) > k {
				at := rng.IntN(len(b) - k)
				b = append(b, b[at:at+k]...)
			}
		default:
			b = fmt.Appendf(b, "%d bottles of beer on the wall, ", k%7)
		}
	}
	return b[:n]
}

func TestLZMAIsWhatAnotherEncoderMade(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, p := range [][3]int{{3, 0, 2}, {0, 0, 0}, {4, 0, 4}, {0, 4, 0}, {1, 2, 1}, {2, 2, 3}} {
		for _, n := range []int{1, 2, 300, 5000, 200000} {
			want := sample(rng, n)
			packed := microLZMA(t, want, p[0], p[1], p[2])
			for _, part := range []int{n, n / 2, 1} {
				got, err := unlzma(packed, part)
				if err != nil || !bytes.Equal(got, want[:part]) {
					t.Fatalf("%v, %d of %d bytes: %v", p, part, n, err)
				}
			}
			if got, err := unlzma(packed[:len(packed)-len(packed)/8-6], n); n > 300 && err == nil {
				t.Fatalf("%v: %d bytes out of a stream without its end", p, len(got))
			}
		}
	}
}

func TestDamagedLZMAIsRefused(t *testing.T) {
	for name, src := range map[string][]byte{
		"nothing":                         nil,
		"four bytes":                      {^byte(93), 0, 0, 0},
		"properties that there are not":   {^byte(225), 0, 0, 0, 0, 0, 0, 0, 0},
		"lc and lp of more than 4":        {^byte(1*9 + 4), 0, 0, 0, 0, 0, 0, 0, 0},
		"a match before there is a byte":  {^byte(93), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"a repeat before there is a byte": {^byte(93), 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		if b, err := unlzma(src, 100); err == nil {
			t.Errorf("%s: %x", name, b)
		}
	}
}

func FuzzLZMA(f *testing.F) {
	f.Add(microLZMA(f, sample(rand.New(rand.NewPCG(1, 2)), 3000), 3, 0, 2), uint16(3000))
	f.Fuzz(func(t *testing.T, src []byte, n uint16) {
		b, err := unlzma(src, int(n))
		if err == nil && len(b) != int(n) {
			t.Fatalf("%d bytes of %d", len(b), n)
		}
	})
}
