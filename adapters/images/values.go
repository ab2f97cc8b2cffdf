package images

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/qedfs/qedfs/adapters/images/layer"
)

// values are options of a format. Each is removed when it is read, so that the
// unknown ones are left.
type values struct {
	format string
	left   map[string]string
	err    error // the first
}

func (v *values) take(name string) (string, bool) {
	s, ok := v.left[name]
	delete(v.left, name)
	return s, ok
}

func (v *values) fail(name, value, want string) {
	if v.err == nil {
		v.err = layer.Unsupported(v.format, "the option %s=%s: %s", name, value, want)
	}
}

// choice is an option with few named values. The first is the default.
func choice[T any](v *values, name string, choices ...T) T {
	s, ok := v.take(name)
	if !ok {
		return choices[0]
	}
	var names []string
	for _, c := range choices {
		if names = append(names, fmt.Sprint(c)); fmt.Sprint(c) == s {
			return c
		}
	}
	v.fail(name, s, "it is one of "+strings.Join(names, ", "))
	return choices[0]
}

func (v *values) bool(name string, byDefault bool) bool {
	s, ok := v.take(name)
	switch {
	case !ok:
		return byDefault
	case s == "on" || s == "off":
		return s == "on"
	}
	v.fail(name, s, "it is on or off")
	return false
}

// number is a number, 0 where none is given.
func (v *values) number(name string) int64 {
	s, ok := v.take(name)
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n == 0 {
		v.fail(name, s, "it is a number")
	}
	return int64(n)
}

// size is a number of bytes, which may end in one of qemu's suffixes.
func (v *values) size(name string) int64 {
	s, ok := v.take(name)
	if !ok {
		return 0
	}
	digits, shift := s, 0
	if n := len(s); n > 0 {
		if i := strings.IndexByte("bkmgt", s[n-1]|0x20); i >= 0 {
			digits, shift = s[:n-1], 10*i
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > 1<<62>>shift {
		v.fail(name, s, "it is a size")
	}
	return int64(n) << shift
}

// done fails for values that the format does not have, or that are not right.
func (v *values) done() error {
	for _, name := range slices.Sorted(maps.Keys(v.left)) {
		v.fail(name, v.left[name], "the format has none of this name")
	}
	return v.err
}
