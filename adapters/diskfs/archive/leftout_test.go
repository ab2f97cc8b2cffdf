package archive_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/archive"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

// broken is a tree in whose walk some things cannot be read.
type broken struct {
	*fstree.FS
	errs map[string]error
}

func (b broken) Walk(ctx context.Context, root string, opts *fstree.WalkOptions) iter.Seq2[*fstree.WalkEntry, error] {
	return func(yield func(*fstree.WalkEntry, error) bool) {
		for e, err := range b.FS.Walk(ctx, root, opts) {
			if broken, ok := b.errs[e.Path]; ok {
				err = broken
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// openFS is a small filesystem.
func openFS(t *testing.T) *fstree.FS {
	t.Helper()
	disk, err := imagefs.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	v, err := disk.Volume("p2")
	if err != nil {
		t.Fatal(err)
	}
	fsys, err := v.FS()
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

// lastMember is the name and text of the last member.
func lastMember(t *testing.T, b []byte) (name, text string) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return name, text
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name, text = h.Name, string(content)
	}
}

func TestTheLastMemberListsWhatIsLeftOut(t *testing.T) {
	whole := openFS(t)
	for _, tt := range []struct {
		root, option string
		errs         map[string]error
		name         string
		lines        []string
	}{
		{"etc", "LEFT-OUT.txt", nil, "", nil},
		{"etc", "", map[string]error{"etc/hostname": errors.New("bad sector")}, "", nil},
		{"etc", "LEFT-OUT.txt", map[string]error{
			"etc/hostname": &fs.PathError{Op: "walk", Path: "etc/hostname", Err: errors.New("bad \x1b[2J sector\nnext")},
		}, "./LEFT-OUT.txt", []string{`etc/hostname: bad \x1b[2J sector\nnext`}},
		{"etc", "os-release", map[string]error{"etc/hostname": errors.New("bad")}, "./os-release-2", []string{"etc/hostname: bad"}},
		{"etc/hostname", "hostname", map[string]error{"etc/hostname": errors.New("bad")}, "./hostname-2", []string{"etc/hostname: bad"}},
		{"etc/hostname", "other", map[string]error{"etc/hostname": errors.New("bad")}, "./other", []string{"etc/hostname: bad"}},
	} {
		var b bytes.Buffer
		told := 0
		err := archive.Write(t.Context(), &b, broken{whole, tt.errs}, tt.root, &archive.Options{
			LeftOut: tt.option, Problem: func(string, error) { told++ },
		})
		if err != nil || told != len(tt.errs) {
			t.Fatalf("%+v: %v, %d problems", tt, err, told)
		}
		name, text := lastMember(t, b.Bytes())
		if tt.name == "" {
			if strings.HasPrefix(text, "Left out") {
				t.Errorf("%+v: there is a list: %s", tt, text)
			}
			continue
		}
		_, list, _ := strings.Cut(text, "\n\n")
		if want := strings.Join(tt.lines, "\n") + "\n"; name != tt.name || list != want {
			t.Errorf("%+v: the last member is %s: %q, want %q", tt, name, list, want)
		}
	}
}

func TestALongListOfWhatIsLeftOutEnds(t *testing.T) {
	// Each error is long, so that few files fill the list.
	errs := map[string]error{}
	for _, name := range []string{"etc/hostname", "etc/os-release", "etc/hello", "etc/app"} {
		errs[name] = fmt.Errorf("%0*d", 1<<19, 0)
	}
	var b bytes.Buffer
	tell := func(string, error) {}
	if err := archive.Write(t.Context(), &b, broken{openFS(t), errs}, "etc", &archive.Options{LeftOut: "list", Problem: tell}); err != nil {
		t.Fatal(err)
	}
	if _, text := lastMember(t, b.Bytes()); !strings.HasSuffix(text, "\n... and 2 more\n") {
		t.Errorf("the list of %d bytes ends with %q", len(text), text[len(text)-20:])
	}
}

// Nobody is told of problems, so that the error is all there is.
func TestANilErrorMeansThatEvenSocketsAreThere(t *testing.T) {
	image, _ := fstreetest.Committed(t, "iso9660-rock-ridge")
	err := archive.Write(t.Context(), io.Discard, openImage(t, image), "disk", nil)
	var pe *fs.PathError
	if !errors.Is(err, archive.ErrSocket) || !errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &pe) || !strings.HasSuffix(pe.Path, "socket") {
		t.Errorf("the error is %v", err)
	}
}

// A short file is left out, the damaged part of a long one is zeroes; either is told
// in one line, which does not repeat the path.
func TestAProblemDoesNotRepeatItsPath(t *testing.T) {
	for name, want := range map[string]string{
		"bad": "medium error", strings.Repeat("b", 200): " are zeroes in the archive: medium error",
		strings.Repeat("c", 900): ": 900000 bytes, the first at 0, are zeroes in the archive: medium error", // several chunks
	} {
		var told []string
		err := archive.Write(t.Context(), io.Discard, fstree.New(&shelf{names: []string{name}, bad: name}), ".", &archive.Options{
			Problem: func(path string, err error) { told = append(told, path+": "+err.Error()) },
		})
		if err != nil || len(told) != 1 || !strings.HasSuffix(told[0], want) || strings.Count(told[0], name) != 1 || strings.Contains(told[0], "\n") {
			t.Errorf("%q, %v", told, err)
		}
	}
}
