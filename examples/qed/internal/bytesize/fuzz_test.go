package bytesize_test

import (
	"testing"

	"github.com/qedfs/qedfs/examples/qed/internal/bytesize"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{"0", "1.5G", "0x10", "8E", "1e3", "-1", "7.999999999999E", ".", "0xE", "1B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := bytesize.Parse(s)
		if n < 0 || err != nil && n != 0 {
			t.Errorf("Parse(%q) = %d, %v", s, n, err)
		}
		if bytesize.Format(n) == "" {
			t.Errorf("Format(%d) is empty", n)
		}
	})
}
