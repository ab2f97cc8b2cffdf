package fstreetest

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Record is what the oracle says of one file. The zero value of a field that
// the oracle cannot tell is not compared; see [Skip] for fields that are to
// be left out although it can.
type Record struct {
	Path   string            `json:"path"` // in the escaped form, "." for the root
	Mode   uint32            `json:"mode"` // st_mode
	Ino    uint64            `json:"ino,omitempty"`
	Nlink  uint64            `json:"nlink,omitempty"`
	UID    uint32            `json:"uid,omitempty"`
	GID    uint32            `json:"gid,omitempty"`
	Size   int64             `json:"size"`
	Blocks int64             `json:"blocks,omitempty"` // of 512 bytes
	Major  uint32            `json:"major,omitempty"`
	Minor  uint32            `json:"minor,omitempty"`
	Mtime  *time.Time        `json:"mtime,omitempty"`
	Atime  *time.Time        `json:"atime,omitempty"`
	Ctime  *time.Time        `json:"ctime,omitempty"`
	Btime  *time.Time        `json:"btime,omitempty"`
	Target []byte            `json:"target,omitempty"` // not a string, which JSON would make valid UTF-8
	Xattrs map[string][]byte `json:"xattrs,omitempty"`
	Data   [][2]int64        `json:"data,omitempty"` // runs [start, end) that are not holes
	SHA256 string            `json:"sha256,omitempty"`
	Locked bool              `json:"locked,omitempty"` // encrypted, and the oracle has no key
}

// Skip names what a comparison leaves out, because the filesystem does not
// store it or because the oracle at hand does not show it. Each use says why.
type Skip uint

// Fields that a comparison can leave out.
const (
	SkipIno Skip = 1 << iota
	SkipNlink
	SkipOwner
	SkipMode // the permission bits, never the type
	SkipDirSize
	SkipBlocks
	SkipMtime
	SkipAtime
	SkipCtime
	SkipBtime
	SkipXattrs
	SkipHoles

	SkipTimes = SkipMtime | SkipAtime | SkipCtime | SkipBtime
)

// wholeHash is the largest file whose every byte is hashed; of a larger one
// only what lies around its data is.
const wholeHash = 32 << 20

// windows returns the parts of a file of the given size that its hash covers:
// all of it, or the data and what lies within 64 KiB of it.
func windows(size int64, data [][2]int64) [][2]int64 {
	if size <= wholeHash {
		return [][2]int64{{0, size}}
	}
	const margin = 64 << 10
	out := [][2]int64{{0, margin}}
	for _, run := range append(append([][2]int64{}, data...), [2]int64{size, size}) {
		start, end := max(0, run[0]-margin), min(size, run[1]+margin)
		if last := &out[len(out)-1]; start <= last[1] {
			last[1] = max(last[1], end)
			continue
		}
		out = append(out, [2]int64{start, end})
	}
	return out
}

func readManifest(name string) ([]Record, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	zr, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, err
	}
	var records []Record
	for dec := json.NewDecoder(zr); ; {
		var r Record
		switch err := dec.Decode(&r); err {
		case nil:
			records = append(records, r)
		case io.EOF:
			return records, nil
		default:
			return nil, err
		}
	}
}

func writeManifest(name string, records []Record) error {
	return writeGzip(name, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		for _, r := range records {
			if err := enc.Encode(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeGzip writes a compressed file that is the same for the same contents.
func writeGzip(name string, fill func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	zw, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := fill(zw); err != nil {
		return err
	}
	if err := zw.Close(); err != nil {
		return err
	}
	return f.Close()
}

// dir is where the committed images lie: testdata/filesystems in the root of
// the module, which is found from the directory of the running test.
func dir() (string, error) {
	d, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return filepath.Join(d, "testdata", "filesystems"), nil
		}
		parent := filepath.Dir(d)
		if parent == d {
			return "", fs.ErrNotExist
		}
		d = parent
	}
}
