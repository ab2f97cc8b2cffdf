package backend

import (
	"context"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
)

const (
	// What lies between two ranges of an answer is read past up to this.
	maxSkip = 1 << 20

	// singleRequests is how many requests run at the same time where each
	// brings one range.
	singleRequests = 6
)

var _ RangesReader = (*HTTP)(nil)

// ReadsRanges implements [RangesReader]: it is true until the server has
// answered a request for several ranges (RFC 9110, section 14.6) with something
// else.
func (h *HTTP) ReadsRanges() bool { return !h.singly.Load() }

// ReadRanges implements [RangesReader], by one request if the server takes it.
// What that does not bring, each range asks for by itself.
func (h *HTTP) ReadRanges(reads []*RangeRead) {
	var missing []*RangeRead
	for _, r := range reads {
		r.Err = errNotRead
		if r.Off >= 0 && r.Off+int64(len(r.P)) <= int64(len(h.head)) {
			copy(r.P, h.head[r.Off:])
			r.Err = nil
			continue
		}
		missing = append(missing, r)
	}
	if len(missing) > 1 && h.ReadsRanges() && h.alive() == nil {
		h.requestRanges(missing)
	}
	var wg sync.WaitGroup
	free := make(chan struct{}, singleRequests)
	for _, r := range missing {
		if r.Err == nil {
			continue
		}
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			_, r.Err = ReadFull(h, r.P, r.Off)
		})
	}
	wg.Wait()
}

var errNotRead = errorf("not read")

// requestRanges makes one request and fills what it brings. Failures are left
// to the requests that ask for the rest: they know what may pass.
func (h *HTTP) requestRanges(reads []*RangeRead) {
	ctx, cancel := context.WithTimeout(h.ctx, h.opts.Timeout)
	defer cancel()
	to := h.location.Load()
	if to == nil {
		to = h.origin.url
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return
	}
	h.setHeader(req.Header, rangesValue(reads))
	resp, err := h.client.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	if enc := resp.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return
	}
	kind, params, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode/100 == 5 || resp.StatusCode == http.StatusTooManyRequests:
		return // it may pass
	case resp.StatusCode != http.StatusPartialContent || kind != "multipart/byteranges" || params["boundary"] == "":
		// All of it, one of the ranges, or nothing: a later request with one
		// range finds out what is wrong.
		h.singly.Store(true)
		return
	}
	parts := multipart.NewReader(resp.Body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err != nil {
			return
		}
		rng, err := parseContentRange(part.Header.Get("Content-Range"))
		if err != nil || rng.first < 0 || h.checkVersion(resp.Header, rng.size) != nil || fillFrom(part, rng, reads) != nil {
			return
		}
	}
}

// rangesValue is what the header Range says for several reads.
func rangesValue(reads []*RangeRead) string {
	values := make([]string, len(reads))
	for i, r := range reads {
		values[i] = rangeValue(r.Off, int64(len(r.P)))
	}
	return strings.Join(values, ",")
}

// fillFrom fills those of the reads, which are in order, that lie wholly in a
// part of an answer: a server may join ranges, and give them in any order.
func fillFrom(part io.Reader, rng contentRange, reads []*RangeRead) error {
	at := rng.first
	for _, r := range reads {
		if r.Off < at || r.Off+int64(len(r.P)) > rng.last+1 {
			continue
		}
		if r.Off-at > maxSkip {
			return errNotRead
		}
		if _, err := io.CopyN(io.Discard, part, r.Off-at); err != nil {
			return err
		}
		if _, err := io.ReadFull(part, r.P); err != nil {
			return err
		}
		r.Err = nil
		at = r.Off + int64(len(r.P))
	}
	return nil
}
