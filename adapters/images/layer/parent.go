package layer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/qedfs/qedfs/qedfile"
)

// OpenParent opens the parent of a differencing image by the first of its
// names that leads to it, as the function is tells by returning nil.
func OpenParent(backing qedfile.BackingFunc, names []string, ref qedfile.BackingRef, is func(qedfile.Disk) error) (qedfile.Disk, error) {
	if backing == nil {
		return nil, fmt.Errorf("%s: %w: %q", ref.Format, qedfile.ErrBackingDenied, names)
	}
	var errs []error
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			continue
		}
		ref.Name = name
		d, err := backing(ref)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: parent %q: %w", ref.Format, name, err))
			continue
		}
		if err = is(d); err == nil {
			return d, nil
		}
		errs = append(errs, Invalid(ref.Format, "parent %q: %w", name, err), d.Close())
	}
	return nil, errors.Join(errs...)
}

// ParentNames returns the names by which the parent of an image that was made
// on Windows can be looked for, as paths with slashes: the relative ones first,
// then the last parts of the absolute ones, which lead nowhere on another
// machine. The parent's identity tells whether the file found is the one.
func ParentNames(relative, absolute []string) []string {
	var names []string
	for _, name := range relative {
		names = append(names, strings.TrimPrefix(slashed(name), "./"))
	}
	for _, name := range absolute {
		names = append(names, path.Base(slashed(name)))
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" || name == "." || name == "/" })
}

func slashed(name string) string { return strings.ReplaceAll(name, `\`, "/") }

// UTF16 decodes a name up to its first NUL.
func UTF16(b []byte, order binary.ByteOrder) string {
	var units []uint16
	for ; len(b) >= 2; b = b[2:] {
		u := order.Uint16(b)
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}
