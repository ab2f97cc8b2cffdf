package inflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// deflated compresses b.
func deflated(t testing.TB, b []byte, level int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, level)
	if err == nil {
		_, err = w.Write(b)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestDecodesWhatTheStandardLibraryMakes(t *testing.T) {
	rnd := oracle.Seed(t)
	var d Decoder
	for range 800 {
		want := oracle.Mixed(rnd, rnd.IntN(1<<rnd.IntN(18)))
		level := []int{flate.HuffmanOnly, flate.NoCompression, 1, 6, 9}[rnd.IntN(5)]
		src := deflated(t, want, level)
		got := make([]byte, len(want))
		if err := d.Decode(got, append(src, 1, 2, 3)); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("level %d, %d bytes: %v", level, len(want), err)
		}
		// A part of it, and no more than its stream.
		part := make([]byte, rnd.IntN(len(want)+1))
		if err := d.Decode(part, src); err != nil || !bytes.Equal(part, want[:len(part)]) {
			t.Fatalf("level %d, %d of %d bytes: %v", level, len(part), len(want), err)
		}
		if err := d.Decode(make([]byte, len(want)+1), src); !errors.Is(err, ErrShort) {
			t.Fatalf("level %d, more than %d bytes: %v", level, len(want), err)
		}
	}
}

func TestCutStreamsAreShort(t *testing.T) {
	rnd := oracle.Seed(t)
	var d Decoder
	want := oracle.Mixed(rnd, 3000)
	for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 1, 9} {
		src := deflated(t, want, level)
		for n := range len(src) - 6 { // what ends the stream is not needed
			err := d.Decode(make([]byte, len(want)), src[:n:n])
			if err == nil {
				t.Fatalf("level %d: %d of %d bytes decode without an error", level, n, len(src))
			}
		}
	}
}

// agree fails unless what the standard library decodes is decoded the same,
// and what is decoded here is what it decodes. A block without an end is the
// exception: only the standard library decodes what comes before it is needed.
func agree(t *testing.T, src []byte) {
	t.Helper()
	var d Decoder
	want := make([]byte, 20000)
	n, wantErr := io.ReadFull(flate.NewReader(bytes.NewReader(src)), want)
	got := make([]byte, n)
	err := d.Decode(got, src)
	if errors.Is(err, errNoEnd) {
		return
	}
	if err != nil || !bytes.Equal(got, want[:n]) {
		t.Fatalf("%d bytes that the standard library decodes: %v", n, err)
	}
	got = make([]byte, len(want))
	if err = d.Decode(got, src); (err == nil) != (wantErr == nil) && !errors.Is(err, errNoEnd) {
		t.Fatalf("%v, the standard library says %v", err, wantErr)
	}
}

func TestMutantsDecodeAsTheStandardLibraryHasThem(t *testing.T) {
	rnd := oracle.Seed(t)
	for range 3000 {
		src := deflated(t, oracle.Mixed(rnd, rnd.IntN(2000)), []int{flate.HuffmanOnly, 0, 1, 9}[rnd.IntN(4)])
		for range 1 + rnd.IntN(3) {
			src[rnd.IntN(min(len(src), 1+rnd.IntN(200)))] ^= 1 << rnd.IntN(8)
		}
		var d Decoder
		want := make([]byte, 5000)
		n, err := io.ReadFull(flate.NewReader(bytes.NewReader(src)), want)
		got := make([]byte, len(want))
		gotErr := d.Decode(got, src)
		if errors.Is(gotErr, errNoEnd) {
			continue
		}
		if (err == nil) != (gotErr == nil) || err == nil && !bytes.Equal(got, want) {
			t.Fatalf("%v, the standard library: %d bytes, %v\n%x", gotErr, n, err, src)
		}
	}
}

// endless is a block with codes for the bytes 0 and 1 only, which follow.
func endless() []byte {
	var b []byte
	at := 0
	bits := func(n, v int) { // the lowest first, as all but codes are
		for i := range n {
			if at%8 == 0 {
				b = append(b, 0)
			}
			b[at/8] |= byte(v >> i & 1 << (at % 8))
			at++
		}
	}
	bits(1, 1)                // the last block
	bits(2, 2)                // with its own codes
	bits(5, 0)                // for 257 symbols
	bits(5, 0)                // and 1 distance
	bits(4, 18-4)             // in 18 lengths of code lengths
	for _, s := range order { // a long run of zeroes has the code 0, 0 has 10, 1 has 11
		switch s {
		case 18:
			bits(3, 1)
		case 0, 1:
			bits(3, 2)
		case 15:
		default:
			bits(3, 0)
		}
	}
	bits(4, 0xf) // the lengths of 0 and 1
	for _, n := range []int{138, 118} {
		bits(1, 0)
		bits(7, n-11)
	}
	for i := range 400 {
		bits(1, i&1)
	}
	return b
}

func TestABlockWithoutAnEndIsCorrupt(t *testing.T) {
	src := endless()
	got := make([]byte, 4)
	if _, err := io.ReadFull(flate.NewReader(bytes.NewReader(src)), got); err != nil || !bytes.Equal(got, []byte{0, 1, 0, 1}) {
		t.Fatalf("the standard library reads %v, %v", got, err)
	}
	var d Decoder
	if err := d.Decode(got, src); !errors.Is(err, ErrCorrupt) || !errors.Is(err, errNoEnd) {
		t.Fatal(err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(endless())
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, level := range []int{flate.HuffmanOnly, 0, 1, 9} {
		f.Add(deflated(f, oracle.Mixed(rnd, 1500), level))
	}
	f.Fuzz(func(t *testing.T, src []byte) { agree(t, src) })
}

func BenchmarkDecode(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 1))
	want := oracle.Mixed(rnd, 64<<10)
	src := deflated(b, want, 6)
	b.SetBytes(int64(len(want)))
	var d Decoder
	for b.Loop() {
		if err := d.Decode(want, src); err != nil {
			b.Fatal(err)
		}
	}
}
