package backend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/qedfs/qedfs/backend/errs"
)

var (
	// ErrNoRanges is returned when a server does not send parts of a
	// resource: it can only be downloaded whole.
	ErrNoRanges = errs.New("backend", "the server does not serve byte ranges", errors.ErrUnsupported)

	// ErrChanged is returned when a resource on a server is not the one any
	// more that was opened.
	ErrChanged = errs.New("backend", "the resource has changed on the server since it was opened", nil)
)

// HTTPOptions change how a resource is read. The zero value, and nil, are the
// defaults.
type HTTPOptions struct {
	// Client makes the requests; nil means one of its own, as
	// [NewHTTPClient] returns it. Another client's transport decides to which
	// addresses a redirect may lead.
	Client *http.Client

	// Header is sent with every request, for authorisation for example, but
	// never to another host that the server redirects to.
	Header http.Header

	// Head is how many bytes the first request asks for; they stay in memory,
	// so that the header of an image costs no request of its own. Zero means
	// 64 KiB.
	Head int

	// Timeout bounds one request, its body included. What has come by then
	// is kept and the next request asks for the rest. Zero means one minute.
	Timeout time.Duration

	// Retries is how many times in a row a request that brought nothing is
	// repeated after a failure that may pass: a broken connection, a timeout,
	// or status 408, 429, 500, 502, 503 or 504. Zero means 3, less than zero
	// none.
	Retries int

	// RetryWait is the pause before the first repetition; it doubles with
	// each, up to ten seconds. A server's Retry-After takes its place within
	// the same limit. Zero means 200 milliseconds.
	RetryWait time.Duration
}

const maxRetryWait = 10 * time.Second

// HTTP is a resource on a web server, read in parts by range requests (RFC
// 9110, section 14). Each ReadAt is one request: put a [Cached] above it.
//
// Every request carries the entity tag or the date that the resource had when
// it was opened, and every answer is held against them and against the size,
// so that parts of different versions are never mixed: reads then fail with
// [ErrChanged]. It is safe for concurrent use.
type HTTP struct {
	ctx    context.Context
	cancel context.CancelFunc
	url    *url.URL
	origin *origin
	client *http.Client
	opts   HTTPOptions

	// Where the URL redirects to, which later requests ask first; nil where
	// it does not.
	location atomic.Pointer[url.URL]

	singly       atomic.Bool // the server does not give several ranges at once
	head         []byte      // the first bytes
	size         int64
	etag         string
	lastModified string
}

var _ Reader = (*HTTP)(nil)

// OpenHTTP asks for the first bytes of a resource and so learns its size, its
// version and whether the server serves ranges; if not the error matches
// [ErrNoRanges]. A resource that is not there gives [fs.ErrNotExist], one that
// is not allowed [fs.ErrPermission]; every error is an [fs.PathError]. A user name and password in the URL are
// sent as basic authentication, unless the options have another.
//
// The context holds for every later read too: when it ends, they fail.
func OpenHTTP(ctx context.Context, rawURL string, opts *HTTPOptions) (*HTTP, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: "URL", Err: withoutURL(err)}
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, &fs.PathError{Op: "open", Path: u.Redacted(), Err: errors.New("not an http or https URL")}
	}
	h := &HTTP{url: u, size: -1}
	if opts != nil {
		h.opts = *opts
	}
	h.origin = newOrigin(u, h.opts.Header)
	h.client = guarded(h.opts.Client)
	h.opts.Head = cmp.Or(h.opts.Head, 64<<10)
	h.opts.Timeout = cmp.Or(h.opts.Timeout, time.Minute)
	h.opts.Retries = cmp.Or(h.opts.Retries, 3)
	h.opts.RetryWait = cmp.Or(h.opts.RetryWait, 200*time.Millisecond)
	h.ctx, h.cancel = context.WithCancel(withOrigin(ctx, h.origin))
	head := make([]byte, max(h.opts.Head, 1))
	n, err := h.fetch(head, 0)
	if err != nil {
		h.release()
		return nil, &fs.PathError{Op: "open", Path: u.Redacted(), Err: err}
	}
	h.head = head[:n:n]
	return h, nil
}

// Version is the entity tag or, where the server sends none, the date that the
// resource had when it was opened; empty where the server sends neither. Two
// resources with one URL, size and version are the same.
func (h *HTTP) Version() string { return cmp.Or(h.etag, h.lastModified) }

// Size returns the length in bytes that the resource had when it was opened.
func (h *HTTP) Size() (int64, error) {
	if err := h.alive(); err != nil {
		return 0, err
	}
	return h.size, nil
}

// ReadAt implements [io.ReaderAt] by one request, or more where one breaks off.
func (h *HTTP) ReadAt(p []byte, off int64) (int, error) {
	if err := h.alive(); err != nil {
		return 0, err
	}
	if err := checkRange("read", off, 0); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off >= h.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), h.size-off)]
	n := 0
	if off < int64(len(h.head)) {
		n = copy(want, h.head[off:])
	}
	more, err := h.fetch(want[n:], off+int64(n))
	n += more
	if err != nil {
		return n, errorf("read %d bytes at %d of %s: %w", len(want), off, h.url.Redacted(), err)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close ends every read that is under way.
func (h *HTTP) Close() error {
	if err := h.alive(); err != nil {
		return err
	}
	h.release()
	return nil
}

// release ends what is under way, and the connections of a client that nobody
// else has.
func (h *HTTP) release() {
	h.cancel()
	if h.opts.Client == nil {
		h.client.CloseIdleConnections()
	}
}

func (h *HTTP) alive() error {
	if h.ctx.Err() == nil {
		return nil
	}
	return errorf("%s: %w (%w)", h.url.Redacted(), fs.ErrClosed, context.Cause(h.ctx))
}

// fetch fills p, as far as the resource goes, going on after a failure that
// may pass from where it came.
func (h *HTTP) fetch(p []byte, off int64) (int, error) {
	done, failures := 0, 0
	for done < len(p) {
		n, err := h.request(p[done:], off+int64(done))
		done += n
		if err == nil {
			p = p[:min(int64(len(p)), h.size-off)]
		}
		if n > 0 {
			failures = 0
		}
		if err == nil {
			continue // the server may send less than it was asked for
		}
		var passing *passingError
		if !errors.As(err, &passing) || failures >= h.opts.Retries {
			return done, err
		}
		if err := h.pause(failures, passing.after); err != nil {
			return done, err
		}
		failures++
	}
	return done, nil
}

// passingError marks a failure that a repetition may not meet again.
type passingError struct {
	err   error
	after time.Duration // what the server asks to wait
}

func (e *passingError) Error() string { return e.err.Error() }
func (e *passingError) Unwrap() error { return e.err }

func (h *HTTP) pause(failures int, after time.Duration) error {
	wait := after
	if wait <= 0 {
		wait = h.opts.RetryWait << min(failures, 6)
	}
	timer := time.NewTimer(min(wait, maxRetryWait))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-h.ctx.Done():
		return h.alive()
	}
}

// request makes one request for len(p) bytes and returns how many came, at
// least one unless there is an error or the resource is empty.
func (h *HTTP) request(p []byte, off int64) (int, error) {
	to := h.location.Load()
	if to == nil {
		return h.requestFrom(h.origin.url, p, off)
	}
	n, err := h.requestFrom(to, p, off)
	var status *statusError
	if n == 0 && errors.As(err, &status) && status.code/100 == 4 && h.location.CompareAndSwap(to, nil) {
		// Where a redirect led to may hold for a while only.
		return h.requestFrom(h.origin.url, p, off)
	}
	return n, err
}

func (h *HTTP) requestFrom(u *url.URL, p []byte, off int64) (int, error) {
	ctx, cancel := context.WithTimeout(h.ctx, h.opts.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, err
	}
	h.setHeader(req.Header, rangeValue(off, int64(len(p))))
	resp, err := h.client.Do(req)
	if err != nil {
		return 0, h.passing(withoutURL(err))
	}
	defer resp.Body.Close()
	first := h.size < 0
	rng, err := h.checkAnswer(resp, off, int64(len(p)))
	if err != nil || rng.size == 0 {
		return 0, err
	}
	if first && resp.Request.URL.String() != u.String() && (!h.origin.is(resp.Request.URL) || h.origin.unbroken(resp.Request)) {
		h.location.Store(resp.Request.URL)
	}
	n, err := io.ReadFull(resp.Body, p[:rng.length()])
	if err != nil {
		return n, h.passing(err)
	}
	return n, nil
}

// withoutURL takes the URL out of a client's error: the caller names it, and
// where a redirect leads may be secret.
func withoutURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

func (h *HTTP) passing(err error) error {
	if ended := h.alive(); ended != nil {
		return ended
	}
	if errors.Is(err, ErrRedirect) {
		return err
	}
	return &passingError{err: err}
}

// rangeValue is how a request names a range.
func rangeValue(off, n int64) string { return fmt.Sprintf("%d-%d", off, off+n-1) }

func (h *HTTP) setHeader(header http.Header, ranges string) {
	header.Set("Range", "bytes="+ranges)
	header.Set("Accept-Encoding", "identity") // ranges of a compressed body are no use
	switch {
	case h.etag != "" && !strings.HasPrefix(h.etag, "W/"):
		header.Set("If-Match", h.etag)
	case h.lastModified != "":
		header.Set("If-Unmodified-Since", h.lastModified)
	}
}

// checkAnswer refuses everything but the wanted bytes of the version that was
// opened. The first answer of all sets what that version is.
func (h *HTTP) checkAnswer(resp *http.Response, off, n int64) (contentRange, error) {
	none := contentRange{}
	switch resp.StatusCode {
	case http.StatusPartialContent:
	case http.StatusOK:
		if h.size <= 0 && resp.ContentLength == 0 { // of an empty resource there is no part
			return none, h.checkVersion(resp.Header, 0)
		}
		if h.size >= 0 && h.checkVersion(resp.Header, resp.ContentLength) != nil {
			return none, ErrChanged
		}
		return none, ErrNoRanges
	case http.StatusRequestedRangeNotSatisfiable:
		rng, err := parseContentRange(resp.Header.Get("Content-Range"))
		if err == nil && rng.size == 0 && h.size <= 0 {
			return rng, h.checkVersion(resp.Header, 0)
		}
		if h.size < 0 {
			return none, fmt.Errorf("%w (%s)", ErrNoRanges, resp.Status)
		}
		return none, ErrChanged
	case http.StatusPreconditionFailed:
		return none, ErrChanged
	default:
		return none, h.statusError(resp)
	}
	if enc := resp.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return none, fmt.Errorf("%w (they come encoded as %.40q)", ErrNoRanges, enc)
	}
	rng, err := parseContentRange(resp.Header.Get("Content-Range"))
	if err != nil {
		return none, err
	}
	if rng.size < 0 {
		return none, fmt.Errorf("%w (the size is not told)", ErrNoRanges)
	}
	if err := h.checkVersion(resp.Header, rng.size); err != nil {
		return none, err
	}
	if rng.first != off || rng.length() > n {
		return none, fmt.Errorf("asked for %d bytes at %d, the server sends %d at %d", n, off, rng.length(), rng.first)
	}
	return rng, nil
}

func (h *HTTP) checkVersion(header http.Header, size int64) error {
	etag, lastModified := header.Get("ETag"), header.Get("Last-Modified")
	if h.size < 0 {
		h.size, h.etag, h.lastModified = size, etag, lastModified
		return nil
	}
	if size != h.size || etag != h.etag || lastModified != h.lastModified {
		return ErrChanged
	}
	return nil
}

// A statusError is an answer that brings nothing.
type statusError struct {
	code   int
	status string
	is     error // nil where no sentinel says it
}

func (e *statusError) Error() string {
	if e.is != nil {
		return fmt.Sprintf("%v (%s)", e.is, e.status)
	}
	return "status " + e.status
}

func (e *statusError) Unwrap() error { return e.is }

// statusError says what a status means to a caller.
func (h *HTTP) statusError(resp *http.Response) error {
	err := &statusError{code: resp.StatusCode, status: resp.Status}
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		err.is = fs.ErrNotExist
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		err.is = fs.ErrPermission
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return &passingError{err: err, after: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	}
	return err
}

// retryAfter reads a Retry-After header, which is a number of seconds or a
// date (RFC 9110, section 10.2.3); 0 where it says nothing.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, ok := parseDigits(value); ok {
		return time.Duration(min(seconds, int64(maxRetryWait/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
