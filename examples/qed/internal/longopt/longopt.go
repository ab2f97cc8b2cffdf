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
	// Short is all letters, those with a value among them. Where it is set an
	// option that there is not is an error, and so is a value that is missing or
	// too much.
	Short string
	// Command is the word before the arguments, for such errors.
	Command string
}

// Expand returns args with each abbreviated long option written out. Values of
// options, and all that follows "--", stay as they are, and so does what is
// unknown. An abbreviation that fits several options is an error. With an error
// comes what was read before.
func (s *Set) Expand(args []string) ([]string, error) {
	out := make([]string, 0, len(args))
	before := s.Command // the word that getopt(3) has before the next
	operand := false    // such a word is no option
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
			takes, known := s.Long[full]
			if s.Short != "" && (!known || has && !takes) {
				return out, &UnknownError{Word: arg}
			}
			arg = "--" + full
			if has {
				arg += "=" + value
			}
			takesNext = takes && !has
		case len(arg) > 1 && arg[0] == '-':
			if err := s.checkLetters(arg[1:], before); err != nil {
				return out, err
			}
			takesNext = s.LastTakesNext(arg[1:])
		default:
			operand = true
			before = arg
		}
		out = append(out, arg)
		if takesNext && i+1 == len(args) && s.Short != "" {
			return out[:len(out)-1], &MissingError{Word: args[i]}
		}
		if takesNext && i+1 < len(args) {
			i++
			out = append(out, args[i])
		}
		if !operand {
			before = args[i]
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
			if s.Short != "" {
				return name, nil // which is none
			}
			return "", &AmbiguousError{Name: name}
		}
		found = long
	}
	if found == "" {
		return name, nil
	}
	return found, nil
}

// checkLetters looks for one that is no option among letters that stand
// together. getopt(3) goes on from a word with its last letter, so that until
// then the word before is the one to tell.
func (s *Set) checkLetters(letters, before string) error {
	if s.Short == "" {
		return nil
	}
	for i := range len(letters) {
		switch c := letters[i]; {
		case strings.IndexByte(s.Short, c) < 0 && i == len(letters)-1:
			return &UnknownError{Word: "-" + letters}
		case strings.IndexByte(s.Short, c) < 0:
			return &UnknownError{Word: before}
		case strings.IndexByte(s.ShortWithValue, c) >= 0:
			return nil
		}
	}
	return nil
}

// LastTakesNext reports whether letters that stand together end in one whose
// value is the next word.
func (s *Set) LastTakesNext(letters string) bool {
	for i := range len(letters) {
		if strings.IndexByte(s.ShortWithValue, letters[i]) >= 0 {
			return i == len(letters)-1
		}
	}
	return false
}

// UnknownError is an option that there is not.
type UnknownError struct{ Word string }

func (e *UnknownError) Error() string { return fmt.Sprintf("longopt: unknown option %s", e.Word) }

// MissingError is an option without the value that it takes.
type MissingError struct{ Word string }

func (e *MissingError) Error() string { return fmt.Sprintf("longopt: no value after %s", e.Word) }

// AmbiguousError is an abbreviation that fits several options.
type AmbiguousError struct{ Name string }

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("longopt: several options begin with --%s", e.Name)
}
