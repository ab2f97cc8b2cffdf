package find

import (
	"regexp"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Name is true of files of whose names all matches the pattern.
func Name(p *Pattern) Test {
	return Test{ask: func(f *File) (bool, error) { return p.matchShown(f.Name()), nil }}
}

// Path is true of files of whose paths, as they are found, all matches the
// pattern.
func Path(p *Pattern) Test {
	return Test{ask: func(f *File) (bool, error) { return p.matchShown(f.Path), nil }}
}

// PathRegexp is true of files whose paths the expression matches somewhere.
func PathRegexp(re *regexp.Regexp) Test {
	escaped := speaksOfEscapes(re.String())
	return Test{ask: func(f *File) (bool, error) {
		return re.MatchString(fstree.UnescapeName(f.Path)) || escaped && re.MatchString(f.Path), nil
	}}
}
