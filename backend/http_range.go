package backend

import (
	"strconv"
	"strings"
)

// contentRange is what a server says it sends (RFC 9110, section 14.4).
type contentRange struct {
	first, last int64 // bytes, inclusive; -1, -1 where the range could not be had
	size        int64 // of the whole resource, -1 where the server does not say
}

func (c contentRange) length() int64 { return c.last - c.first + 1 }

// parseContentRange reads the value of a Content-Range header:
// "bytes 0-99/1234", "bytes 0-99/*" or "bytes */1234".
func parseContentRange(s string) (contentRange, error) {
	bad := func(why string) (contentRange, error) {
		return contentRange{}, errorf("server sends Content-Range %.80q: %s", s, why)
	}
	unit, rest, ok := strings.Cut(strings.TrimSpace(s), " ")
	if !ok || !strings.EqualFold(unit, "bytes") {
		return bad("not in bytes")
	}
	span, total, ok := strings.Cut(strings.TrimSpace(rest), "/")
	if !ok {
		return bad("no size")
	}
	c := contentRange{first: -1, last: -1, size: -1}
	if total != "*" {
		if c.size, ok = parseDigits(total); !ok {
			return bad("the size is no number")
		}
	}
	if span == "*" {
		if c.size < 0 {
			return bad("says nothing")
		}
		return c, nil
	}
	first, last, ok := strings.Cut(span, "-")
	if !ok {
		return bad("no range")
	}
	if c.first, ok = parseDigits(first); !ok {
		return bad("the range is no number")
	}
	if c.last, ok = parseDigits(last); !ok {
		return bad("the range is no number")
	}
	if c.first > c.last || c.size >= 0 && c.last >= c.size {
		return bad("the range is impossible")
	}
	return c, nil
}

// parseDigits reads a number that is digits only, without a sign.
func parseDigits(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil
}
