package wof

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

var algorithms = map[string]Algorithm{"xpress4k": XPRESS4K, "xpress8k": XPRESS8K, "xpress16k": XPRESS16K, "lzx": LZX32K}

// compressed returns content as wimlib compresses it.
func compressed(t testing.TB, name string, content []byte, level int) []byte {
	t.Helper()
	python := oracle.Tool(t, "python3")
	a := algorithms[name]
	cmd := exec.Command(python, "testdata/compress.py", strings.TrimRight(name, "0123456789k"), fmt.Sprint(a.ChunkSize()), fmt.Sprint(level))
	cmd.Stdin = bytes.NewReader(content)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// decode decodes a whole stream.
func decode(a Algorithm, stream []byte, size int) ([]byte, error) {
	chunk := int(a.ChunkSize())
	n := (size + chunk - 1) / chunk
	data := stream[4*(n-1):]
	out := make([]byte, size)
	var d Decoder
	for i := range n {
		start, end := 0, len(data)
		if i > 0 {
			start = int(binary.LittleEndian.Uint32(stream[4*(i-1):]))
		}
		if i < n-1 {
			end = int(binary.LittleEndian.Uint32(stream[4*i:]))
		}
		if err := d.Decode(a, out[i*chunk:min(size, (i+1)*chunk)], data[start:end]); err != nil {
			return nil, fmt.Errorf("chunk %d: %w", i, err)
		}
	}
	return out, nil
}

// content is what [oracle.Mixed] makes, with code that has calls and records in it.
func content(rnd *rand.Rand, n int) []byte {
	var b []byte
	for len(b) < n {
		switch rnd.IntN(4) {
		case 0: // calls, within the file and not
			for range rnd.IntN(200) {
				b = append(b, 0xE8)
				b = binary.LittleEndian.AppendUint32(b, uint32(rnd.IntN(40000)-20000))
				b = append(b, make([]byte, rnd.IntN(3))...)
			}
		case 1: // records, whose distances end in the same bits
			for range rnd.IntN(500) {
				b = binary.LittleEndian.AppendUint64(b[:len(b)/8*8], uint64(rnd.IntN(5)*0x01020304))
			}
		default:
			b = append(b, oracle.Mixed(rnd, 1+rnd.IntN(4000))...)
		}
	}
	return b[:n]
}

func TestDecodesWhatWimlibCompresses(t *testing.T) {
	rnd := oracle.Seed(t)
	for name, a := range algorithms {
		for range 3 {
			want := content(rnd, 1+rnd.IntN(200<<10))
			stream := compressed(t, name, want, []int{20, 50}[rnd.IntN(2)])
			got, err := decode(a, stream, len(want))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if i := firstDifference(got, want); i >= 0 {
				t.Fatalf("%s: byte %d of %d differs: % x, want % x", name, i, len(want), got[i:min(len(got), i+10)], want[i:min(len(want), i+10)])
			}
		}
	}
}

// Calls at every place of a chunk's end are undone as they were made.
func TestCallsAreUndoneAtTheEndOfAChunk(t *testing.T) {
	rnd := oracle.Seed(t)
	for range 2 {
		var want []byte
		for range 40 {
			chunk := bytes.Repeat([]byte("some text "), 3277)[:32<<10]
			for i := len(chunk) - 40; i < len(chunk); i++ {
				if rnd.IntN(3) == 0 {
					chunk[i] = 0xE8
				} else if rnd.IntN(2) == 0 {
					chunk[i] = byte(-rnd.IntN(2))
				}
			}
			want = append(want, chunk...)
		}
		got, err := decode(LZX32K, compressed(t, "lzx", want, 50), len(want))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatal(err, firstDifference(got, want)%(32<<10))
		}
	}
}

// stored makes blocks of LZX that are not compressed, of the lengths of parts.
func stored(recent uint32, parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = binary.LittleEndian.AppendUint16(b, uint16(uncompressed<<13|len(p)>>4))
		b = binary.LittleEndian.AppendUint16(b, uint16(len(p)<<12))
		for range 3 {
			b = binary.LittleEndian.AppendUint32(b, recent)
		}
		b = append(b, p...)
		if len(p)%2 == 1 {
			b = append(b, 0)
		}
	}
	return b
}

func TestBlocksThatAreNotCompressedAreCopied(t *testing.T) {
	parts := [][]byte{[]byte("odd"), []byte("even"), []byte("and the rest.")}
	want := bytes.Join(parts, nil)
	var d Decoder
	got := make([]byte, len(want))
	if err := d.Decode(LZX32K, got, stored(1, parts...)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	for _, recent := range []uint32{0, 32<<10 + 1, 1 << 31} {
		if err := d.Decode(LZX32K, got, stored(recent, parts...)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("a distance of %d: %v", recent, err)
		}
	}
	if err := d.Decode(LZX32K, got[:5], stored(1, parts...)); !errors.Is(err, ErrCorrupt) {
		t.Error("more than fits:", err)
	}
	if err := d.Decode(LZX32K, got, stored(1, parts[:2]...)); !errors.Is(err, ErrCorrupt) {
		t.Error("less than is needed:", err)
	}
}

// A byte and a match of it: the length lies after two words of bits.
func TestALongMatchNeedsTheBytesOfItsLength(t *testing.T) {
	src := make([]byte, 256)
	src['a'/2] = 1 << 4           // codeword 0
	src[(256+15)/2] = 1 << 4      // codeword 1: distance 1, a long length
	src = append(src, 0, 0x40)    // 0, 1
	src = append(src, 0, 0)       // read ahead
	src = append(src, 255)        // more than a byte says
	src = append(src, 0xfc, 0x0f) // 4095, less the least length
	want := bytes.Repeat([]byte("a"), 4096)
	got := make([]byte, len(want))
	var d Decoder
	if err := d.Decode(XPRESS4K, got, src); err != nil || !bytes.Equal(got, want) {
		t.Fatal(err)
	}
	for n := range len(src) {
		if err := d.Decode(XPRESS4K, got, src[:n:n]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d of %d bytes: %v", n, len(src), err)
		}
	}
	src[256+4] = 12 // 15+12+3
	if err := d.Decode(XPRESS4K, got[:31], src); err != nil || !bytes.Equal(got[:31], want[:31]) {
		t.Error(err)
	}
	if err := d.Decode(XPRESS4K, got[:31], src[:256+4]); !errors.Is(err, ErrCorrupt) {
		t.Error("without the length:", err)
	}
}

func TestAlignGoesToTheNextWord(t *testing.T) {
	var in input
	for _, c := range []struct {
		ahead, used uint
		pos         int
	}{{16, 3, 2}, {32, 3, 2}, {32, 16, 4}, {16, 16, 4}, {48, 17, 4}, {16, 0, 2}} {
		in.reset(make([]byte, 20))
		in.need(c.ahead)
		in.skip(c.used)
		if in.align(); in.pos != c.pos || in.n != 0 {
			t.Errorf("%d of %d bits used: on to byte %d, want %d", c.used, c.ahead, in.pos, c.pos)
		}
	}
}

func firstDifference(a, b []byte) int {
	for i := range b {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

// The streams in testdata are those of content(rand.New(rand.NewPCG(1, 2)),
// 100000).
func TestDecodesCommittedStreams(t *testing.T) {
	want := content(rand.New(rand.NewPCG(1, 2)), 100000)
	for name, a := range algorithms {
		file := filepath.Join("testdata", name+".wof")
		if os.Getenv("QEDFS_UPDATE") != "" {
			if err := os.WriteFile(file, compressed(t, name, want, 50), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		stream, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(a, stream, len(want))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCutAndChangedChunksGiveAnErrorOrBytes(t *testing.T) {
	rnd := oracle.Seed(t)
	for name, a := range algorithms {
		stream, err := os.ReadFile(filepath.Join("testdata", name+".wof"))
		if err != nil {
			t.Fatal(err)
		}
		chunk := int(a.ChunkSize())
		n := (100000 + chunk - 1) / chunk
		packed := stream[4*(n-1):][:binary.LittleEndian.Uint32(stream)]
		if len(packed) == chunk {
			t.Fatal("the first chunk is not compressed")
		}
		var d Decoder
		dst := make([]byte, chunk)
		for k := range len(packed) - 4 {
			if err := d.Decode(a, dst, packed[:k:k]); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%s: %d of %d bytes decode: %v", name, k, len(packed), err)
			}
		}
		for range 2000 {
			b := bytes.Clone(packed)
			for range 1 + rnd.IntN(3) {
				b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
			}
			if err := d.Decode(a, dst, b); err != nil && !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
		}
	}
}

func TestAlgorithmsThatAreNotKnownHaveNoChunks(t *testing.T) {
	if n := Algorithm(4).ChunkSize(); n != 0 {
		t.Error(n)
	}
	var d Decoder
	if err := d.Decode(4, make([]byte, 10), make([]byte, 10)); err == nil {
		t.Error("decoded")
	}
}

func FuzzDecode(f *testing.F) {
	for name, a := range algorithms {
		stream, err := os.ReadFile(filepath.Join("testdata", name+".wof"))
		if err != nil {
			f.Fatal(err)
		}
		n := (100000 + int(a.ChunkSize()) - 1) / int(a.ChunkSize())
		f.Add(byte(a), stream[4*(n-1):][:binary.LittleEndian.Uint32(stream)])
	}
	f.Fuzz(func(t *testing.T, a byte, src []byte) {
		algorithm := Algorithm(a & 3)
		var d Decoder
		for _, n := range []int64{algorithm.ChunkSize(), 777} {
			_ = d.Decode(algorithm, make([]byte, n), src)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for name, a := range algorithms {
		b.Run(name, func(b *testing.B) {
			stream, err := os.ReadFile(filepath.Join("testdata", name+".wof"))
			if err != nil {
				b.Fatal(err)
			}
			n := (100000 + int(a.ChunkSize()) - 1) / int(a.ChunkSize())
			src := stream[4*(n-1):][:binary.LittleEndian.Uint32(stream)]
			dst := make([]byte, a.ChunkSize())
			var d Decoder
			b.SetBytes(int64(len(dst)))
			for b.Loop() {
				if err := d.Decode(a, dst, src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
