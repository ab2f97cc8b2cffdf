// Package longopt completes abbreviated long options as getopt_long(3) of the
// GNU C library does: --out=json stands for --output=json where no other
// option begins with "out".
package longopt

import (
	"fmt"
	"strings"
)

// Set is the options that a command has.
type Set struct {
	// Long has the long options by their names, and whether each takes a
	// value.
	Long map[string]bool
	// ShortWithValue is the letters that take a value.
	ShortWithValue string
}

// Expand returns args with each abbreviated long option written out. Values of
// options, and all that follows "--", stay as they are, and so does what is
// unknown. An abbreviation that fits several options is an error.
func (s *Set) Expand(args []string) ([]string, error) {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(out, args[i:]...), nil
		}
		takesNext := false
		switch {
		case strings.HasPrefix(arg, "--"):
			name, value, has := strings.Cut(arg[2:], "=")
			full, err := s.complete(name)
			if err != nil {
				return nil, err
			}
			arg = "--" + full
			if has {
				arg += "=" + value
			}
			takesNext = s.Long[full] && !has
		case len(arg) > 1 && arg[0] == '-':
			takesNext = s.lastTakesNext(arg[1:])
		}
		out = append(out, arg)
		if takesNext && i+1 < len(args) {
			i++
			out = append(out, args[i])
		}
	}
	return out, nil
}

// complete returns the option that a name stands for, or the name.
func (s *Set) complete(name string) (string, error) {
	if _, exact := s.Long[name]; exact || name == "" {
		return name, nil
	}
	found := ""
	for long := range s.Long {
		if !strings.HasPrefix(long, name) {
			continue
		}
		if found != "" {
			return "", &AmbiguousError{Name: name}
		}
		found = long
	}
	if found == "" {
		return name, nil
	}
	return found, nil
}

// lastTakesNext reports whether letters that stand together end in one whose
// value is the next word.
func (s *Set) lastTakesNext(letters string) bool {
	for i := range len(letters) {
		if strings.IndexByte(s.ShortWithValue, letters[i]) >= 0 {
			return i == len(letters)-1
		}
	}
	return false
}

// AmbiguousError is an abbreviation that fits several options.
type AmbiguousError struct{ Name string }

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("longopt: several options begin with --%s", e.Name)
}
