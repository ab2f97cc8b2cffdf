package wrapped

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/qedfile"
)

// A member is a regular file of an archive.
type member struct {
	name   string         // cleaned
	stored backend.Reader // its bytes, where they lie in the archive as they are; else nil
}

// clean makes names of members comparable: "./a//b" and "/a/b" are "a/b".
func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// beside is the name of what lies beside a member.
func beside(image, name string) string { return clean(path.Join(path.Dir(image), name)) }

func noMember(name string) error {
	return &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("%w in the archive", fs.ErrNotExist)}
}

// imageSuffixes are the names that images have.
var imageSuffixes = []string{
	".qed", ".img", ".raw", ".dd", ".iso", ".qcow", ".qcow2", ".vmdk", ".vdi", ".vhd", ".vhdx", ".hdd", ".disk",
}

func imageNamed(name string) bool {
	name = strings.ToLower(name)
	for _, s := range imageSuffixes {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

// choose returns the member that must be meant: the only one, or the only one
// that looks like an image.
func choose(a archive, opts *Options) (string, error) {
	all := a.members()
	if len(all) == 1 {
		return all[0].name, nil
	}
	var found []string
	for _, m := range all {
		if looksLikeImage(m) {
			found = append(found, m.name)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	if len(found) == 0 {
		for _, m := range all {
			found = append(found, m.name)
		}
		return "", fmt.Errorf("%w: none of %d looks like an image: %s", ErrChoice, len(found), some(found))
	}
	return "", fmt.Errorf("%w: %d look like images: %s", ErrChoice, len(found), some(found))
}

// looksLikeImage goes by the name and, where the bytes lie open, by what they
// begin with.
func looksLikeImage(m member) bool {
	inner := m.name
	if Named(inner) {
		inner = strings.TrimSuffix(inner, path.Ext(inner))
	}
	if imageNamed(inner) {
		return true
	}
	if m.stored == nil {
		return false
	}
	format, err := qedfile.Probe(m.stored)
	return err == nil && format != "raw" && format != "gzip" && format != "bzip2" && format != "xz" && format != "zstd"
}

// some is the first of a list of names.
func some(names []string) string {
	const most = 8
	more := ""
	if len(names) > most {
		names, more = names[:most], ", ..."
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%.100q", name)
	}
	return strings.Join(quoted, ", ") + more
}
