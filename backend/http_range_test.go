package backend

import (
	"fmt"
	"strings"
	"testing"
)

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{
		"bytes 0-0/1", "bytes 0-99/1234", "bytes 5-5/*", "bytes */1234", "bytes */0", "Bytes 0-0/9223372036854775807",
		"", "bytes", "bytes */*", "bytes 1-0/5", "bytes 0-5/5", "bytes 0-0/-1", "bytes +0-0/1", "items 0-0/1", "bytes 0-0", "bytes  0-0/1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := parseContentRange(s)
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		switch {
		case c.first < 0:
			if c.first != -1 || c.last != -1 || c.size < 0 {
				t.Errorf("%q gives %+v", s, c)
			}
		case c.length() < 1 || c.size >= 0 && c.last >= c.size:
			t.Errorf("%q gives the impossible %+v", s, c)
		default:
			size := "*"
			if c.size >= 0 {
				size = fmt.Sprint(c.size)
			}
			again, err := parseContentRange(fmt.Sprintf("bytes %d-%d/%s", c.first, c.last, size))
			if err != nil || again != c {
				t.Errorf("%q gives %+v, which written again gives %+v, %v", s, c, again, err)
			}
		}
		if !strings.Contains(s, "/") {
			t.Errorf("%q has no size and is taken", s)
		}
	})
}
