package source_test

import (
	"bytes"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/source"
	"github.com/qedfs/qedfs/backend"
)

// blocks returns the files in a cache's directory.
func blocks(t *testing.T, dir string) (names []string, bytes int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			fi, err := e.Info()
			if err != nil {
				return err
			}
			names = append(names, name)
			bytes += fi.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names, bytes
}

func TestBlocksAreKeptBetweenRuns(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	want := pattern(1_000_000)
	name := filepath.Join(dir, "x")
	writeFile(t, name, want)
	s := serve(t, dir)
	run := func() []byte {
		t.Helper()
		src, err := newOpener(t, &source.Options{CacheDir: cache}).Open(t.Context(), s.URL+"/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		return readAll(t, src)
	}
	if !bytes.Equal(run(), want) {
		t.Error("the first run reads something else")
	}
	before := s.asked.Load()
	if !bytes.Equal(run(), want) {
		t.Error("the second run reads something else")
	}
	if n := s.asked.Load() - before; n != 1 {
		t.Errorf("the second run makes %d requests, want the one that asks for the version", n)
	}
	// What is damaged, cut off or another block's is fetched again.
	files, _ := blocks(t, cache)
	if len(files) != 16 {
		t.Errorf("%d blocks are kept, want 16", len(files))
	}
	damaged, err := os.ReadFile(files[3])
	if err != nil {
		t.Fatal(err)
	}
	damaged[1000] ^= 1
	writeFile(t, files[3], damaged)
	writeFile(t, files[5], damaged[:100])
	if err := os.Rename(files[8], files[9]); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(run(), want) {
		t.Error("a run over a damaged cache reads something else")
	}
	// Another version is another resource.
	want[500_000] ^= 1
	writeFile(t, name, want)
	if err := os.Chtimes(name, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(run(), want) {
		t.Error("after a change a run reads the old bytes")
	}
}

func TestResourcesWithoutAVersionAreNotKept(t *testing.T) {
	cache := t.TempDir()
	s := serve(t, t.TempDir())
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(pattern(100_000)))
	})
	src, err := newOpener(t, &source.Options{CacheDir: cache}).Open(t.Context(), s.URL+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	readAll(t, src)
	if files, _ := blocks(t, cache); len(files) != 0 {
		t.Errorf("%d blocks are kept", len(files))
	}
}

func TestCacheDirKeepsToItsSize(t *testing.T) {
	const limit = 10 * 66 << 10
	dir, cache := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(cache, "mine"), make([]byte, 1<<20))
	writeFile(t, filepath.Join(dir, "a"), pattern(2_000_000))
	writeFile(t, filepath.Join(dir, "b"), pattern(1_000_000))
	s := serve(t, dir)
	// Two that share a directory, at the same time.
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "a"} {
		o := newOpener(t, &source.Options{CacheDir: cache, CacheDirBytes: limit})
		wg.Go(func() {
			src, err := o.Open(t.Context(), s.URL+"/"+name, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer src.Close()
			size, _ := src.Size()
			got := make([]byte, size)
			if _, err := src.ReadAt(got, 0); err != nil || !bytes.Equal(got, pattern(int(size))) {
				t.Errorf("%s: %v, or the bytes differ", name, err)
			}
		})
	}
	wg.Wait()
	newOpener(t, &source.Options{CacheDir: cache, CacheDirBytes: limit})
	files, n := blocks(t, cache)
	if n -= 1 << 20; n > limit || n < limit/4 {
		t.Errorf("%d files of %d bytes are kept, want at most %d", len(files), n, limit)
	}
	if _, err := os.Stat(filepath.Join(cache, "mine")); err != nil {
		t.Errorf("a file that was there: %v", err)
	}
}

func TestCacheDirThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, nil)
	if _, err := source.New(&source.Options{CacheDir: file}); err == nil {
		t.Error("a file is taken for a directory")
	}
	if _, err := source.New(&source.Options{CacheDir: t.TempDir(), CacheDirBytes: -1}); err == nil {
		t.Error("a negative size is taken")
	}
}

func TestClosedSourceReadsNothing(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "x"), pattern(1000))
	src, err := newOpener(t, &source.Options{CacheDir: t.TempDir()}).Open(t.Context(), serve(t, dir).URL+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, src)
	var r backend.Reader = src
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadAt(make([]byte, 10), 0); err == nil {
		t.Error("it is read after Close")
	}
}
