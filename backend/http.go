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
	"time"
)

var (
	// ErrNoRanges is returned when a server does not send parts of a
	// resource: it can only be downloaded whole.
	ErrNoRanges = errors.New("backend: the server does not serve byte ranges")

	// ErrChanged is returned when a resource on a server is not the one any
	// more that was opened.
	ErrChanged = errors.New("backend: the resource has changed on the server since it was opened")
)

// HTTPOptions change how a resource is read. The zero value, and nil, are the
// defaults.
type HTTPOptions struct {
	// Client makes the requests; nil means [http.DefaultClient].
	Client *http.Client

	// Header is sent with every request, for authorisation for example.
	Header http.Header

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
	opts   HTTPOptions

	size         int64
	etag         string
	lastModified string
}

var _ Reader = (*HTTP)(nil)

// OpenHTTP asks for the first byte of a resource and so learns its size, its
// version and whether the server serves ranges; if not the error matches
// [ErrNoRanges]. A resource that is not there gives [fs.ErrNotExist], one that
// is not allowed [fs.ErrPermission].
//
// The context holds for every later read too: when it ends, they fail.
func OpenHTTP(ctx context.Context, rawURL string, opts *HTTPOptions) (*HTTP, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("backend: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("backend: open %s: not an http or https URL", u.Redacted())
	}
	h := &HTTP{url: u, size: -1}
	if opts != nil {
		h.opts = *opts
	}
	h.opts.Client = cmp.Or(h.opts.Client, http.DefaultClient)
	h.opts.Timeout = cmp.Or(h.opts.Timeout, time.Minute)
	h.opts.Retries = cmp.Or(h.opts.Retries, 3)
	h.opts.RetryWait = cmp.Or(h.opts.RetryWait, 200*time.Millisecond)
	h.ctx, h.cancel = context.WithCancel(ctx)
	if _, err := h.fetch(make([]byte, 1), 0); err != nil {
		h.cancel()
		return nil, fmt.Errorf("backend: open %s: %w", u.Redacted(), err)
	}
	return h, nil
}

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
	n, err := h.fetch(want, off)
	if err != nil {
		return n, fmt.Errorf("backend: read %d bytes at %d of %s: %w", len(want), off, h.url.Redacted(), err)
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
	h.cancel()
	return nil
}

func (h *HTTP) alive() error {
	if h.ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("backend: %s: %w (%w)", h.url.Redacted(), fs.ErrClosed, context.Cause(h.ctx))
}

// fetch fills p, going on after a failure that may pass from where it came.
func (h *HTTP) fetch(p []byte, off int64) (int, error) {
	done, failures := 0, 0
	for {
		n, err := h.request(p[done:], off+int64(done))
		done += n
		if err == nil && (done == len(p) || h.size == 0) {
			return done, nil
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
	ctx, cancel := context.WithTimeout(h.ctx, h.opts.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url.String(), nil)
	if err != nil {
		return 0, err
	}
	h.setHeader(req.Header, off, int64(len(p)))
	resp, err := h.opts.Client.Do(req)
	if err != nil {
		return 0, h.passing(err)
	}
	defer resp.Body.Close()
	rng, err := h.checkAnswer(resp, off, int64(len(p)))
	if err != nil || rng.size == 0 {
		return 0, err
	}
	n, err := io.ReadFull(resp.Body, p[:rng.length()])
	if err != nil {
		return n, h.passing(err)
	}
	return n, nil
}

func (h *HTTP) passing(err error) error {
	if ended := h.alive(); ended != nil {
		return ended
	}
	return &passingError{err: err}
}

func (h *HTTP) setHeader(header http.Header, off, n int64) {
	for key, values := range h.opts.Header {
		header[http.CanonicalHeaderKey(key)] = values
	}
	header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+n-1))
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
		return none, statusError(resp)
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

// statusError says what a status means to a caller.
func statusError(resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		return fmt.Errorf("%w (%s)", fs.ErrNotExist, resp.Status)
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return fmt.Errorf("%w (%s)", fs.ErrPermission, resp.Status)
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := parseDigits(resp.Header.Get("Retry-After"))
		after := time.Duration(min(seconds, int64(maxRetryWait/time.Second))) * time.Second
		return &passingError{err: errors.New(resp.Status), after: after}
	}
	return fmt.Errorf("unexpected status %s", resp.Status)
}
