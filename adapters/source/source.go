package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path"
	"strings"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/adapters/wrapped"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/errs"
	"github.com/qedfs/qedfs/qedfile"
)

// ErrScheme is returned for a URL whose scheme is not known.
var ErrScheme = errs.New("source", "URLs of this scheme are not read", errors.ErrUnsupported)

// A SchemeFunc opens what a URL names. The context holds for later reads too.
// If the reader has a method Version() string, readers with the same URL, size
// and version are assumed to hold the same bytes.
type SchemeFunc func(ctx context.Context, u *url.URL) (backend.Reader, error)

// Options say how images are opened. The zero value, and nil, are the
// defaults.
type Options struct {
	// HTTP says how web servers are asked. Its Header is sent to the host of
	// each URL that is opened, and to no other host.
	HTTP *backend.HTTPOptions

	// Netrc is the name of a file with logins for hosts, as curl and ftp read
	// it. They are sent over https, and over http to this machine alone.
	// Empty, or a file that does not exist, has none.
	Netrc string

	// Schemes open the URLs of further schemes, such as "s3".
	Schemes map[string]SchemeFunc

	// CacheDir is a directory where blocks of remote images are kept, between
	// runs and for several of them. Empty keeps them in memory alone.
	CacheDir string

	// CacheDirBytes bounds what is kept in CacheDir. 0 means 1 GiB.
	CacheDirBytes int64

	// CacheBytes bounds what is kept in memory of each remote image. 0 means
	// 64 MiB; with less than 48 MiB streams are not read ahead.
	CacheBytes int64

	// Wrapped bounds what is unpacked.
	Wrapped *wrapped.Options
}

// headBytes holds the header of an image that qemu-img made, and the first table
// behind it.
const headBytes = 80 << 10

// An Opener opens images by their names. It is safe for concurrent use.
type Opener struct {
	opts   Options
	http   backend.HTTPOptions
	netrc  string // its text
	kept   *cacheDir
	client *http.Client // nil when it is the caller's
}

// New returns an Opener. Images that it opened stay usable after its Close,
// except those whose blocks are kept in a directory.
func New(opts *Options) (*Opener, error) {
	o := &Opener{}
	if opts != nil {
		o.opts = *opts
	}
	if o.opts.HTTP != nil {
		o.http = *o.opts.HTTP
	}
	o.http.Head = cmp.Or(o.http.Head, headBytes)
	if o.opts.Netrc != "" {
		text, err := os.ReadFile(o.opts.Netrc)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		o.netrc = string(text)
	}
	if o.opts.CacheDir != "" {
		var err error
		if o.kept, err = openCacheDir(o.opts.CacheDir, o.opts.CacheDirBytes); err != nil {
			return nil, err
		}
	}
	if o.http.Client == nil {
		o.client = backend.NewHTTPClient()
		o.http.Client = o.client
	}
	return o, nil
}

// Close gives back what the images share.
func (o *Opener) Close() error {
	if o.client != nil {
		o.client.CloseIdleConnections()
	}
	if o.kept != nil {
		return o.kept.Close()
	}
	return nil
}

// A Source is where an image's bytes lie, and what lies beside it.
type Source struct {
	backend.Reader
	name   string // of the image where it lies
	beside func(name string) (backend.Reader, error)
}

// Files opens the files that the image names, such as its backing file: those
// beside it and no others. See [qedfile.Beside].
func (s *Source) Files() *qedfile.Files {
	if s.beside == nil {
		return images.Siblings(s.name)
	}
	return images.Beside(s.name, s.beside)
}

// Remote reports whether what lies beside the image are no files of this
// machine.
func (s *Source) Remote() bool { return s.beside != nil }

// NextData implements [backend.DataFinder].
func (s *Source) NextData(off int64) (start, end int64, err error) {
	return backend.NextData(s.Reader, off)
}

// Space implements [backend.SpaceTeller].
func (s *Source) Space() (int64, error) { return backend.Space(s.Reader) }

// Prefetch implements [backend.Prefetcher].
func (s *Source) Prefetch(ranges []backend.Range) { backend.Prefetch(s.Reader, ranges) }

// Prefetches implements [backend.Prefetcher].
func (s *Source) Prefetches() bool { return backend.Prefetches(s.Reader) }

// Local reports whether the name is that of a file and is to be opened as one.
// Everything with "://" after a scheme is a URL.
func Local(name string) bool {
	scheme, _, ok := strings.Cut(name, "://")
	return !ok || !validScheme(scheme)
}

// Redacted is a name without the password that a URL may hold.
func Redacted(name string) string {
	if Local(name) {
		return name
	}
	if u, err := url.Parse(name); err == nil {
		return u.Redacted()
	}
	scheme, rest, _ := strings.Cut(name, "://")
	return scheme + "://" + rest[strings.LastIndexByte(rest, '@')+1:]
}

// validScheme is RFC 3986, section 3.1.
func validScheme(s string) bool {
	for i, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(c))) {
			return false
		}
	}
	return s != ""
}

// OpenOptions say how one image is opened. The zero value, and nil, are the
// defaults.
type OpenOptions struct {
	// ForceShare reads a file that another process has open for writing.
	ForceShare bool

	// AsNamed takes a file for an archive, or for compressed, only if its name
	// says so as well as its first bytes: for raw disks, whose first bytes
	// are their owner's.
	AsNamed bool
}

// Open opens an image for reading: a file by its path, or what a URL names.
// What is an archive or compressed is opened for the image inside; a member of
// an archive is named after a "#", as in "disks.tar#vm/disk.qed". The context
// holds for every later read as well.
func (o *Opener) Open(ctx context.Context, name string, opts *OpenOptions) (*Source, error) {
	if opts == nil {
		opts = &OpenOptions{}
	}
	if !Local(name) {
		return o.openURL(ctx, name, opts)
	}
	name, member := CutMember(name)
	f, err := backend.OpenFile(name, os.O_RDONLY, &backend.FileOptions{ForceShare: opts.ForceShare})
	if err != nil {
		return nil, err
	}
	return o.unwrap(ctx, &Source{Reader: f, name: name}, name, member, opts)
}

// CutMember splits a path into the name of a file and the name of a member of
// that archive, at the first "#" that follows the name of a file that exists.
// If the whole path is the name of a file, there is no member.
func CutMember(name string) (file, member string) {
	if _, err := os.Lstat(name); err == nil {
		return name, ""
	}
	for i, c := range []byte(name) {
		if c != '#' {
			continue
		}
		if fi, err := os.Stat(name[:i]); err == nil && !fi.IsDir() {
			return name[:i], name[i+1:]
		}
	}
	return name, ""
}

func (o *Opener) openURL(ctx context.Context, name string, opts *OpenOptions) (*Source, error) {
	u, err := url.Parse(name)
	if err != nil {
		var why *url.Error // which holds the URL, and that a password
		if errors.As(err, &why) {
			err = why.Err
		}
		return nil, &fs.PathError{Op: "open", Path: Redacted(name), Err: err}
	}
	member := u.Fragment
	u.Fragment, u.RawFragment = "", ""
	r, err := o.fetch(ctx, u)
	if err != nil {
		return nil, err
	}
	src := &Source{Reader: r, name: path.Base(u.Path), beside: func(name string) (backend.Reader, error) {
		return o.fetch(ctx, besideURL(u, name))
	}}
	return o.unwrap(ctx, src, src.name, member, opts)
}

// unwrap returns the image inside src, or src itself if it is no wrapper. It
// owns src.
func (o *Opener) unwrap(ctx context.Context, src *Source, name, member string, opts *OpenOptions) (*Source, error) {
	is, err := wrapped.Is(src)
	if opts.AsNamed && !wrapped.Named(name) {
		is = false
	}
	if err == nil && !is && member == "" {
		return src, nil
	}
	var m *wrapped.Image
	if err == nil {
		m, err = wrapped.Open(ctx, src.Reader, member, o.opts.Wrapped)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.Join(err, src.Close())}
	}
	if !m.InArchive() {
		return &Source{Reader: m, name: src.name, beside: src.beside}, nil
	}
	return &Source{Reader: m, name: path.Base(m.Member), beside: func(name string) (backend.Reader, error) {
		return m.Beside(ctx, name, o.opts.Wrapped)
	}}, nil
}

// besideURL is the URL of what lies beside what u names. A query stays: it may
// hold what allows the access.
func besideURL(u *url.URL, name string) *url.URL {
	elems := strings.Split(name, "/")
	for i, elem := range elems {
		elems[i] = url.PathEscape(elem)
	}
	dir, _ := path.Split(u.EscapedPath())
	to := *u
	to.RawPath = dir + strings.Join(elems, "/")
	to.Path, _ = url.PathUnescape(to.RawPath) // both halves were escaped
	return &to
}

// fetch opens what a URL names, with caches before it.
func (o *Opener) fetch(ctx context.Context, u *url.URL) (backend.Reader, error) {
	r, err := o.fetchPlain(ctx, u)
	if err != nil {
		return nil, err
	}
	cached, err := o.cache(r, u)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return cached, nil
}

func (o *Opener) fetchPlain(ctx context.Context, u *url.URL) (backend.Reader, error) {
	scheme := strings.ToLower(u.Scheme)
	if open := o.opts.Schemes[scheme]; open != nil {
		return open(ctx, u)
	}
	if scheme != "http" && scheme != "https" {
		return nil, fmt.Errorf("%w: %q", ErrScheme, u.Scheme)
	}
	opts := o.http
	opts.Header = o.withLogin(opts.Header, u)
	return backend.OpenHTTP(ctx, u.String(), &opts)
}

// cache puts what is kept in memory and on the disk before r.
func (o *Opener) cache(r backend.Reader, u *url.URL) (backend.Reader, error) {
	beneath := r
	v, ok := r.(interface{ Version() string })
	if o.kept != nil && ok && v.Version() != "" {
		size, err := r.Size()
		if err != nil {
			return nil, err
		}
		bare := *u
		bare.User = nil
		if beneath, err = o.kept.reader(r, fmt.Sprintf("%s\n%s\n%d", bare.String(), v.Version(), size)); err != nil {
			return nil, err
		}
	}
	return backend.NewCached(beneath, &backend.CacheOptions{Budget: cmp.Or(o.opts.CacheBytes, 64<<20)})
}

// withLogin adds what the netrc file says of the URL's host, where the caller
// says nothing.
func (o *Opener) withLogin(header http.Header, u *url.URL) http.Header {
	if o.netrc == "" || !private(u) {
		return header
	}
	req := http.Request{Header: http.Header{}}
	for key, values := range header {
		req.Header[http.CanonicalHeaderKey(key)] = values
	}
	user := u.User.Username()
	if _, told := u.User.Password(); told || req.Header.Get("Authorization") != "" {
		return header
	}
	if l, ok := findLogin(o.netrc, u.Hostname(), user); ok {
		req.SetBasicAuth(l.user, l.password)
	}
	return req.Header
}

// private reports whether nobody else can read what is sent to a URL's host.
func private(u *url.URL) bool {
	host := u.Hostname()
	return strings.EqualFold(u.Scheme, "https") || host == "localhost" || loopback(host)
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
