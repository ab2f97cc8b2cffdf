package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/qedfs/qedfs/adapters/source"
	"github.com/qedfs/qedfs/backend"

	_ "gocloud.dev/blob/azureblob" // azblob://
	_ "gocloud.dev/blob/fileblob"  // file://
	_ "gocloud.dev/blob/gcsblob"   // gs://
	_ "gocloud.dev/blob/s3blob"    // s3://
)

// attempts is how often a read that broke off is begun anew in a row without
// bringing anything. The clients beneath repeat requests by themselves.
const attempts = 3

// An Object is an object of a bucket, read in parts. Each ReadAt is one
// request: put a [backend.Cached] above it. It is safe for concurrent use.
//
// Every read is of the version that was opened: s3, gs and azblob are asked for
// it, and of all others the date and the size are compared. Reads of another
// version fail with [backend.ErrChanged].
type Object struct {
	ctx    context.Context
	cancel context.CancelFunc
	bucket *blob.Bucket
	owned  bool // the bucket is closed with the object
	key    string

	size    int64
	modTime time.Time
	etag    string
	pin     pin
}

var _ backend.Reader = (*Object)(nil)

// Open opens an object. A missing one gives [fs.ErrNotExist], one that is not
// allowed [fs.ErrPermission], in an [fs.PathError]. The bucket stays the
// caller's. The context holds for every later read too.
func Open(ctx context.Context, bucket *blob.Bucket, key string) (*Object, error) {
	attrs, err := bucket.Attributes(ctx, key)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: key, Err: explain(err)}
	}
	o := &Object{bucket: bucket, key: key, size: attrs.Size, modTime: attrs.ModTime, etag: attrs.ETag, pin: newPin(attrs)}
	o.ctx, o.cancel = context.WithCancel(ctx)
	return o, nil
}

// OpenURL opens an object by a URL: what gocloud.dev takes for its bucket, with
// the object's key as the path. It is a [source.SchemeFunc].
//
//	s3://bucket/dir/disk.qed?region=eu-west-1
//	gs://bucket/dir/disk.qed
//	azblob://container/dir/disk.qed
//	file:///srv/images/disk.qed
func OpenURL(ctx context.Context, u *url.URL) (backend.Reader, error) {
	bucketURL, key := split(u)
	bucket, err := blob.OpenBucket(ctx, bucketURL)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: u.Redacted(), Err: explain(err)}
	}
	o, err := Open(ctx, bucket, key)
	if err != nil {
		return nil, errors.Join(err, bucket.Close())
	}
	o.owned = true
	return o, nil
}

// split cuts the key from a URL. The bucket of a file is its directory.
func split(u *url.URL) (bucketURL, key string) {
	bucket := *u
	bucket.Path, bucket.RawPath = "", ""
	if u.Scheme == "file" {
		dir, name := path.Split(u.Path)
		bucket.Path = dir
		return bucket.String(), name
	}
	key = u.Path
	if len(key) > 0 && key[0] == '/' {
		key = key[1:]
	}
	return bucket.String(), key
}

// Schemes are the URLs that are opened here, for [source.Options].
func Schemes() map[string]source.SchemeFunc {
	schemes := make(map[string]source.SchemeFunc)
	for _, name := range []string{"s3", "gs", "azblob", "file"} {
		schemes[name] = OpenURL
	}
	return schemes
}

// Size returns the length in bytes that the object had when it was opened.
func (o *Object) Size() (int64, error) {
	if err := o.alive(); err != nil {
		return 0, err
	}
	return o.size, nil
}

// Version is the entity tag of the object, or its date where the store has
// none.
func (o *Object) Version() string {
	if o.etag != "" || o.modTime.IsZero() {
		return o.etag
	}
	return o.modTime.UTC().Format(time.RFC3339Nano)
}

// ReadAt implements [io.ReaderAt].
func (o *Object) ReadAt(p []byte, off int64) (int, error) {
	if err := o.alive(); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, fmt.Errorf("blob: read at %d: %w", off, fs.ErrInvalid)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off >= o.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), o.size-off)]
	done := 0
	for failures := 0; done < len(want); {
		n, err := o.read(want[done:], off+int64(done))
		done += n
		if n > 0 {
			failures = 0
		}
		if done == len(want) {
			break
		}
		if failures++; failures >= attempts || errors.Is(err, backend.ErrChanged) || errors.Is(err, fs.ErrNotExist) || o.ctx.Err() != nil {
			return done, fmt.Errorf("blob: read %d bytes at %d of %s: %w", len(want), off, o.key, err)
		}
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// read makes one request.
func (o *Object) read(p []byte, off int64) (int, error) {
	r, err := o.bucket.NewRangeReader(o.ctx, o.key, off, int64(len(p)), &blob.ReaderOptions{BeforeRead: o.pin.before})
	if err != nil {
		if err := o.alive(); err != nil {
			return 0, err
		}
		return 0, explain(err)
	}
	defer r.Close()
	if r.Size() != o.size || !r.ModTime().Equal(o.modTime) || o.pin.differs(r) {
		return 0, backend.ErrChanged
	}
	n, err := io.ReadFull(r, p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close ends every read that is under way.
func (o *Object) Close() error {
	if err := o.alive(); err != nil {
		return err
	}
	o.cancel()
	if o.owned {
		return o.bucket.Close()
	}
	return nil
}

func (o *Object) alive() error {
	if o.ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("blob: %s: %w (%w)", o.key, fs.ErrClosed, context.Cause(o.ctx))
}

// explain adds the sentinel that says what an error means.
func explain(err error) error {
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		return fmt.Errorf("%w (%w)", fs.ErrNotExist, err)
	case gcerrors.PermissionDenied:
		return fmt.Errorf("%w (%w)", fs.ErrPermission, err)
	case gcerrors.FailedPrecondition:
		return fmt.Errorf("%w (%w)", backend.ErrChanged, err)
	}
	return err
}
