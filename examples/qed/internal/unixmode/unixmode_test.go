package unixmode_test

import (
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/examples/qed/internal/unixmode"
)

func TestModesAreWrittenAsLsWritesThem(t *testing.T) {
	for _, c := range []struct {
		mode         uint32
		text, letter string
	}{
		{0o100644, "-rw-r--r--", "f"},
		{0o100000, "----------", "f"},
		{0o104755, "-rwsr-xr-x", "f"},
		{0o104644, "-rwSr--r--", "f"},
		{0o102755, "-rwxr-sr-x", "f"},
		{0o102644, "-rw-r-Sr--", "f"},
		{0o041777, "drwxrwxrwt", "d"},
		{0o041776, "drwxrwxrwT", "d"},
		{0o120777, "lrwxrwxrwx", "l"},
		{0o020660, "crw-rw----", "c"},
		{0o060660, "brw-rw----", "b"},
		{0o010600, "prw-------", "p"},
		{0o140755, "srwxr-xr-x", "s"},
		{0o150755, "?rwxr-xr-x", "?"},
	} {
		mode := fstree.UnixMode(c.mode)
		if got := unixmode.String(mode); got != c.text {
			t.Errorf("%o: %s, want %s", c.mode, got, c.text)
		}
		if got := unixmode.Letter(mode); got != c.letter {
			t.Errorf("%o: %s, want %s", c.mode, got, c.letter)
		}
	}
}
