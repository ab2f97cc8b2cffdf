package raid_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/internal/raid"
)

// device is one whose bytes are all the same.
func device(b byte, size int) io.ReaderAt { return bytes.NewReader(bytes.Repeat([]byte{b}, size)) }

func geometry(level, layout int, chunk int64, sizes ...int64) raid.Geometry {
	return raid.Geometry{Level: level, Layout: layout, Chunk: chunk, Sizes: sizes, Clean: math.MaxInt64}
}

func TestWhatDoesNotFitTogetherIsRefused(t *testing.T) {
	for want, c := range map[string]struct {
		g       raid.Geometry
		devices int
	}{
		"0 devices":                             {geometry(raid.Level0, 0, 4096), 0},
		"1 devices":                             {geometry(raid.Level0, 0, 4096, 1, 2), 1},
		"a device of -1 bytes":                  {geometry(raid.Level0, 0, 4096, -1), 1},
		"a device of 9223372036854775807 bytes": {geometry(raid.Linear, 0, 4096, 1, math.MaxInt64), 2},
		"devices of different sizes":            {geometry(raid.Level5, 0, 4096, 8192, 4096, 8192), 3},
		"different sizes: unknown layout 0":     {geometry(raid.Level0, 0, 4096, 8192, 4096), 2},
		"chunks of 511 bytes":                   {geometry(raid.Level5, 0, 511, 8192, 8192), 2},
		"chunks of 513 bytes":                   {geometry(raid.Level5, 0, 513, 8192, 8192), 2},
		"chunks of 2147483648 bytes":            {geometry(raid.Level5, 0, 1<<31, 8192, 8192), 2},
		"1 devices of level 5":                  {geometry(raid.Level5, 0, 4096, 8192), 1},
		"2 devices of level 6":                  {geometry(raid.Level6, 0, 4096, 8192, 8192), 2},
		"unknown layout 6 of level 6":           {geometry(raid.Level6, 6, 4096, 8192, 8192, 8192, 8192), 4},
		"unknown layout 11 of level 6":          {geometry(raid.Level6, 11, 4096, 8192, 8192, 8192, 8192), 4},
		"unknown layout 21 of level 6":          {geometry(raid.Level6, 21, 4096, 8192, 8192, 8192, 8192), 4},
		"unknown layout 8 of level 5":           {geometry(raid.Level5, 8, 4096, 8192, 8192, 8192, 8192), 4},
		"unknown layout -1 of level 5":          {geometry(raid.Level5, -1, 4096, 8192, 8192, 8192, 8192), 4},
		"unknown layout 0x202 of level 10":      {geometry(raid.Level10, 0x202, 4096, 8192, 8192, 8192, 8192), 4},
		"unknown level 3":                       {geometry(3, 0, 4096, 8192, 8192), 2},
	} {
		if _, err := raid.New(c.g, make([]io.ReaderAt, c.devices)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestOnlyWholeChunksAreUsed(t *testing.T) {
	g := geometry(raid.Level0, raid.Raid0Alternate, 4096, 9000, 13000)
	a, err := raid.New(g, []io.ReaderAt{device('a', 9000), device('b', 13000)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(io.NewSectionReader(a, 0, a.Size()))
	var want []byte
	for _, c := range "ababb" {
		want = append(want, bytes.Repeat([]byte{byte(c)}, 4096)...)
	}
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
	if n, err := a.ReadAt(make([]byte, 10), a.Size()-4); n != 4 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if _, err := a.ReadAt(make([]byte, 10), -1); err == nil {
		t.Error("before the start: no error")
	}
}

func TestTooFewDevicesAreKnownBeforeAndWhileReading(t *testing.T) {
	const size = 64 << 10
	for _, c := range []struct {
		level, layout, devices, most int
	}{
		{raid.Linear, 0, 3, 0}, {raid.Level0, 0, 3, 0}, {raid.Level1, 0, 3, 2}, {raid.Level4, 0, 4, 1},
		{raid.Level5, raid.LeftSymmetric, 4, 1}, {raid.Level6, raid.LeftSymmetric, 6, 2}, {raid.Level10, 0x103, 3, 2},
	} {
		for missing := range c.devices + 1 {
			var sizes []int64
			var devices []io.ReaderAt
			for i := range c.devices {
				sizes = append(sizes, size)
				var d io.ReaderAt
				if i >= missing {
					d = device(0, size)
				}
				devices = append(devices, d)
			}
			a, err := raid.New(geometry(c.level, c.layout, 4096, sizes...), devices)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.ReadAll(io.NewSectionReader(a, 0, a.Size()))
			if enough := missing <= c.most; a.Enough() != enough || (err == nil) != enough || !enough && !errors.Is(err, raid.ErrMissing) {
				t.Errorf("level %d without %d of %d: enough %t, %v", c.level, missing, c.devices, a.Enough(), err)
			}
		}
	}
}
