package qemuio

import (
	"fmt"
	"strings"
)

// options are what getopt found: how often a letter came, and the last value
// of those that take one.
type options struct {
	set   map[byte]bool
	value map[byte]string
	args  []string // what is not an option, in order
}

func (o *options) has(letter byte) bool { return o.set[letter] }

// getopt reads short options as getopt(3) of the GNU C library does: letters
// may stand together, a value may follow at once or as the next word, and
// options may come after other arguments. spec is getopt's: a colon after a
// letter that takes a value.
func getopt(words []string, spec string) (*options, error) {
	o := &options{set: map[byte]bool{}, value: map[byte]string{}}
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if word == "--" {
			o.args = append(o.args, words...)
			break
		}
		if len(word) < 2 || word[0] != '-' {
			o.args = append(o.args, word)
			continue
		}
		for i := 1; i < len(word); i++ {
			letter := word[i]
			at := strings.IndexByte(spec, letter)
			if at < 0 || letter == ':' {
				return nil, fmt.Errorf("invalid option -- '%c'", letter)
			}
			o.set[letter] = true
			if at+1 == len(spec) || spec[at+1] != ':' {
				continue
			}
			value := word[i+1:]
			if value == "" {
				if len(words) == 0 {
					return nil, fmt.Errorf("option requires an argument -- '%c'", letter)
				}
				value, words = words[0], words[1:]
			}
			o.value[letter] = value
			break
		}
	}
	return o, nil
}
