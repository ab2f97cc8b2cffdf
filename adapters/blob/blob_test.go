package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	gocloud "gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/qedfs/qedfs/adapters/blob"
	"github.com/qedfs/qedfs/adapters/source"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
	"github.com/qedfs/qedfs/qedfile"
)

// s3Server is an S3 server with the bucket "images". It returns the query that
// leads a client to it.
func s3Server(t *testing.T) string {
	t.Helper()
	store := s3mem.New()
	if err := store.CreateBucket("images"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(store).Server())
	t.Cleanup(server.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	return "?region=us-east-1&use_path_style=true&disable_https=true&endpoint=" + url.QueryEscape(server.URL)
}

func openBucket(t *testing.T, url string) *gocloud.Bucket {
	t.Helper()
	bucket, err := gocloud.OpenBucket(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bucket.Close() })
	return bucket
}

func put(t *testing.T, bucket *gocloud.Bucket, key string, b []byte) {
	t.Helper()
	if err := bucket.WriteAll(t.Context(), key, b, nil); err != nil {
		t.Fatal(err)
	}
}

func TestObjectsAreReaders(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) *gocloud.Bucket{
		"mem":  func(*testing.T) *gocloud.Bucket { return memblob.OpenBucket(nil) },
		"file": func(t *testing.T) *gocloud.Bucket { return openBucket(t, "file://"+filepath.ToSlash(t.TempDir())) },
		"s3":   func(t *testing.T) *gocloud.Bucket { return openBucket(t, "s3://images"+s3Server(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			backendtest.TestReader(t, func(t *testing.T, b []byte) backend.Reader {
				bucket := open(t)
				put(t, bucket, "dir/x", b)
				o, err := blob.Open(t.Context(), bucket, "dir/x")
				if err != nil {
					t.Fatal(err)
				}
				return o
			})
		})
	}
}

func TestChangedObjectsAreNoticed(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) *gocloud.Bucket{
		"mem":  func(*testing.T) *gocloud.Bucket { return memblob.OpenBucket(nil) },
		"file": func(t *testing.T) *gocloud.Bucket { return openBucket(t, "file://"+filepath.ToSlash(t.TempDir())) },
		"s3":   func(t *testing.T) *gocloud.Bucket { return openBucket(t, "s3://images"+s3Server(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			bucket := open(t)
			put(t, bucket, "x", bytes.Repeat([]byte{1}, 1000))
			o, err := blob.Open(t.Context(), bucket, "x")
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			if o.Version() == "" {
				t.Error("it has no version")
			}
			p := make([]byte, 10)
			if n, err := o.ReadAt(p, 500); n != 10 || err != nil {
				t.Fatalf("ReadAt = %d, %v", n, err)
			}
			time.Sleep(10 * time.Millisecond) // for the date of a file to differ
			put(t, bucket, "x", bytes.Repeat([]byte{2}, 1000))
			if n, err := o.ReadAt(p, 500); n != 0 || !errors.Is(err, backend.ErrChanged) {
				t.Errorf("after a change ReadAt = %d, %v, want ErrChanged", n, err)
			}
			if err := bucket.Delete(t.Context(), "x"); err != nil {
				t.Fatal(err)
			}
			if _, err := o.ReadAt(p, 500); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after its end: %v, want fs.ErrNotExist", err)
			}
			if _, err := blob.Open(t.Context(), bucket, "x"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Open: %v, want fs.ErrNotExist", err)
			}
		})
	}
}

// A chain of images in a bucket, opened by the URL of the first.
func TestChainsByURL(t *testing.T) {
	query := s3Server(t)
	s3 := openBucket(t, "s3://images"+query)
	dir, err := filepath.Abs("../../testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"chain.qed", "chain-middle.qed", "chain-base.raw"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		put(t, s3, "a b/"+name, b)
	}
	want := readChain(t, filepath.Join(dir, "chain.qed"))
	for _, name := range []string{"s3://images/a%20b/chain.qed" + query, "file://" + filepath.ToSlash(dir) + "/chain.qed"} {
		if !bytes.Equal(readChain(t, name), want) {
			t.Errorf("%s: the bytes differ", name)
		}
	}
	o, err := source.New(&source.Options{Schemes: blob.Schemes()})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if _, err := o.Open(context.Background(), "s3://images/none"+query, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing one: %v", err)
	}
}

func readChain(t *testing.T, name string) []byte {
	t.Helper()
	o, err := source.New(&source.Options{Schemes: blob.Schemes()})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	src, err := o.Open(t.Context(), name, nil)
	if err != nil {
		t.Fatal(err)
	}
	img, err := qedfile.New(src, &qedfile.Options{Backing: src.Files().Backing})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	b := make([]byte, img.Size())
	if _, err := img.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}
