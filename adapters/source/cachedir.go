package source

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/errs"
)

const (
	keptBlock    = 64 << 10 // bytes of a block; the same as in memory
	defaultKept  = 1 << 30  // bytes of a directory
	touchedAfter = time.Minute
)

// cacheDir keeps blocks of resources in a directory between runs.
//
//	DIR/3f2a.../00000012    a sum, then up to 64 KiB
//	    |       block number, hexadecimal
//	    sum of URL, version and size
//
// A block appears whole under its name or not at all, and carries the sum of
// what it is and holds, so that several processes may share a directory, and
// one that is damaged, cut off or put in another's place is as good as absent.
// What was not used for longest goes first. A block that cannot be kept, on a
// full disk for example, is fetched again next time.
type cacheDir struct {
	root *os.Root
	max  int64

	mu    sync.Mutex
	used  int64 // bytes, as far as this process knows
	fresh int64 // bytes written here since used was counted
}

func openCacheDir(name string, limit int64) (*cacheDir, error) {
	if limit < 0 {
		return nil, errs.Invalidf("source", "a cache of %d bytes", limit)
	}
	if err := os.MkdirAll(name, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	d := &cacheDir{root: root, max: cmp.Or(limit, defaultKept)}
	if err := d.evict(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return d, nil
}

// reader returns r with its blocks kept under key, which is different for
// whatever differs. Closing it closes r.
func (d *cacheDir) reader(r backend.Reader, key string) (backend.Reader, error) {
	size, err := r.Size()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(key))
	return &keptReader{Reader: r, dir: d, key: sum[:], name: hex.EncodeToString(sum[:16]), size: size}, nil
}

// keptReader reads whole blocks, from the directory if they are there.
type keptReader struct {
	backend.Reader
	dir  *cacheDir
	key  []byte
	name string // of the resource's own directory
	size int64
}

// ReadAt implements [io.ReaderAt].
func (k *keptReader) ReadAt(p []byte, off int64) (int, error) {
	if len(p) == 0 || off < 0 || off >= k.size {
		return k.Reader.ReadAt(p, off)
	}
	if _, err := k.Reader.Size(); err != nil {
		return 0, err // closed, or its context has ended
	}
	want := p[:min(int64(len(p)), k.size-off)]
	done := 0
	for done < len(want) {
		at := off + int64(done)
		block := at / keptBlock
		b := k.get(block)
		if b == nil {
			var err error
			if b, err = k.fetch(block, off+int64(len(want))); err != nil {
				return done, err
			}
		}
		done += copy(want[done:], b[at-block*keptBlock:])
	}
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(want), nil
}

// fetch reads what is missing from a block to end by one request, and keeps it.
func (k *keptReader) fetch(block, end int64) ([]byte, error) {
	last := block
	for (last+1)*keptBlock < end && !k.has(last+1) {
		last++
	}
	start := block * keptBlock
	b := make([]byte, min((last+1)*keptBlock, k.size)-start)
	if _, err := backend.ReadFull(k.Reader, b, start); err != nil {
		return nil, err
	}
	for i := block; i <= last; i++ {
		from := (i - block) * keptBlock
		k.put(i, b[from:min(from+keptBlock, int64(len(b)))])
	}
	return b, nil
}

func (k *keptReader) path(block int64) string { return fmt.Sprintf("%s/%08x", k.name, block) }

func (k *keptReader) has(block int64) bool {
	_, err := k.dir.root.Lstat(k.path(block))
	return err == nil
}

// sum is what a block's file begins with.
func (k *keptReader) sum(block int64, b []byte) []byte {
	h := sha256.New()
	h.Write(k.key)
	_ = binary.Write(h, binary.LittleEndian, block) // a hash takes everything
	h.Write(b)
	return h.Sum(nil)
}

// get returns a block that is kept, or nil.
func (k *keptReader) get(block int64) []byte {
	f, err := k.dir.root.OpenFile(k.path(block), os.O_RDONLY|openNonblock, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	length := min(keptBlock, k.size-block*keptBlock)
	b := make([]byte, sha256.Size+length)
	if _, err := io.ReadFull(f, b); err != nil || !bytes.Equal(b[:sha256.Size], k.sum(block, b[sha256.Size:])) {
		return nil
	}
	if fi, err := f.Stat(); err == nil && time.Since(fi.ModTime()) > touchedAfter {
		now := time.Now()
		_ = k.dir.root.Chtimes(k.path(block), now, now) // only the order of eviction suffers
	}
	return b[sha256.Size:]
}

// put keeps a block, if that is possible.
func (k *keptReader) put(block int64, b []byte) {
	if err := k.dir.root.Mkdir(k.name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return
	}
	temp := fmt.Sprintf("%s/.%016x", k.name, rand.Uint64())
	f, err := k.dir.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return
	}
	_, err = f.Write(append(k.sum(block, b), b...))
	if err = errors.Join(err, f.Close()); err == nil {
		err = k.dir.root.Rename(temp, k.path(block))
	}
	if err != nil {
		_ = k.dir.root.Remove(temp)
		return
	}
	k.dir.added(int64(sha256.Size + len(b)))
}

// added counts what was written, and makes room.
func (d *cacheDir) added(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.used += n
	d.fresh += n
	// Others may write, too: count anew from time to time.
	if d.used > d.max || d.fresh > d.max/8 {
		_ = d.evict() // what cannot be removed now is tried again
	}
}

// keptFile is a file of the directory.
type keptFile struct {
	path string
	size int64
	used time.Time
}

// evict counts what is there, and removes what was not used for longest where
// that is too much. Where two processes do it at the same time, more may go
// than must.
func (d *cacheDir) evict() error {
	files, err := d.list()
	if err != nil {
		return err
	}
	d.used, d.fresh = 0, 0
	for _, f := range files {
		d.used += f.size
	}
	if d.used <= d.max {
		return nil
	}
	slices.SortFunc(files, func(a, b keptFile) int { return a.used.Compare(b.used) })
	for _, f := range files {
		if d.used <= d.max-d.max/8 {
			break
		}
		if err := d.root.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		d.used -= f.size
	}
	return nil
}

// list returns the files that were made here, and nothing else that may lie in
// the directory.
func (d *cacheDir) list() ([]keptFile, error) {
	top, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var files []keptFile
	for _, dir := range top {
		if _, err := hex.DecodeString(dir.Name()); err != nil || len(dir.Name()) != 32 || !dir.IsDir() {
			continue
		}
		entries, err := fs.ReadDir(d.root.FS(), dir.Name())
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if fi, err := e.Info(); err == nil && fi.Mode().IsRegular() {
				files = append(files, keptFile{dir.Name() + "/" + e.Name(), fi.Size(), fi.ModTime()})
			}
		}
	}
	return files, nil
}

func (d *cacheDir) Close() error { return d.root.Close() }
