// Package findwords takes command lines as find(1) has them: tests with one dash,
// operators and parentheses become options with two dashes, in the same order.
package findwords

import (
	"fmt"
	"strings"

	"github.com/qedfs/qedfs/examples/qed/internal/longopt"
)

// operators are words of an expression that are no options.
var operators = map[string]string{"!": "not", "(": "left", ")": "right"}

// words are the options that find and fd spell in another way.
var words = map[string]string{
	"a": "and", "o": "or",
	"wholename": "path", "iwholename": "ipath",
	"maxdepth": "max-depth", "mindepth": "min-depth",
	"changed-within": "newer", "change-newer-than": "newer", "newermt": "newer", "changed-after": "newer",
	"changed-before": "older", "change-older-than": "older",
	"owner": "user", "full-path": "regex", "maxresults": "max-results",
}

// others are words of find that this command has no option for, with what to do.
var others = map[string]string{
	"exec":     "an image is searched here and its files are no files of this system; 'qed find -0 ... | xargs -0 qed cat IMAGE' reads what is found, and 'qed cp' copies it",
	"delete":   "the image is not changed",
	"ls":       "--long lists what is found",
	"printf":   "--output json says everything of what is found",
	"fprint":   "redirect the standard output",
	"xdev":     "begin at a volume, as p2, to stay in it",
	"follow":   "links are not followed; a PATH that is one is, with a slash after it",
	"depth":    "a directory comes before what is in it; 'sort -r' turns that round",
	"samefile": "'qed stat' says the inode, and --inum finds it",
	"fstype":   "'qed volumes' says which volumes have which filesystem",
	"readable": "--perm says who may read a file",
	"nouser":   "--user and --group take numbers, and numbers with + and - as --size does",
	"daystart": "--newer and --older take a day",
}

var sameAs = map[string]string{
	"execdir": "exec", "ok": "exec", "okdir": "exec", "exec-batch": "exec", "fls": "ls", "list-details": "ls",
	"fprint0": "fprint", "fprintf": "fprint", "mount": "xdev", "one-file-system": "xdev", "L": "follow", "writable": "readable", "nogroup": "nouser",
}

// UnknownError is a word of find that the command has no option for.
type UnknownError struct{ Word, Instead string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("there is no %s: %s", e.Word, e.Instead)
}

// Translate returns the arguments with two dashes. Values of options, and all that
// follows "--", stay as they are. The options are those that the command has.
func Translate(o *longopt.Set, args []string) ([]string, error) {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(out, args[i:]...), nil
		}
		if name, ok := operators[arg]; ok {
			out = append(out, "--"+name)
			continue
		}
		takesNext := false
		if name, value, ok := long(o, arg); ok {
			if _, known := o.Long[name]; !known {
				if same, ok := sameAs[name]; ok {
					name = same
				}
				if instead, ok := others[name]; ok {
					return nil, &UnknownError{arg, instead}
				}
			}
			takesNext = o.Long[name] && value == ""
			arg = "--" + name + value
		} else if len(arg) > 1 && arg[0] == '-' {
			takesNext = o.LastTakesNext(arg[1:])
		}
		out = append(out, arg)
		if takesNext && i+1 < len(args) {
			i++
			out = append(out, args[i])
		}
	}
	return out, nil
}

// long splits a long option, with two dashes or one, into its name here and its value
// with the equals sign. A word with one dash is one if it is a name of find's.
func long(o *longopt.Set, arg string) (name, value string, ok bool) {
	name, ok = strings.CutPrefix(arg, "--")
	oneDash := !ok
	if oneDash {
		name, ok = strings.CutPrefix(arg, "-")
	}
	if i := strings.IndexByte(name, '='); i >= 0 && !oneDash {
		name, value = name[:i], name[i:]
	}
	if as, known := words[name]; known {
		return as, value, ok
	}
	if oneDash && ok {
		_, known := o.Long[name]
		_, other := others[name]
		_, same := sameAs[name]
		ok = known && len(name) > 1 || other || same
	}
	return name, value, ok
}
