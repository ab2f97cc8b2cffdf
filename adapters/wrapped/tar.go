package wrapped

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/qedfs/qedfs/backend"
)

// maxMembers bounds how much memory the list of an archive's members takes.
const maxMembers = 100_000

// tarArchive is a tar file. Members are read in place, except sparse ones,
// whose bytes are not stored one for one.
type tarArchive struct {
	r     backend.Reader
	size  int64
	names map[string]tarMember
	order []string
}

type tarMember struct {
	header int64 // where reading begins to find it, with the headers before it
	data   int64
	size   int64
	sparse bool
}

// readTar reads the headers of all members, and nothing between them.
func readTar(ctx context.Context, r backend.Reader) (*tarArchive, error) {
	size, err := r.Size()
	if err != nil {
		return nil, err
	}
	a := &tarArchive{r: r, size: size, names: make(map[string]tarMember)}
	section := io.NewSectionReader(r, 0, size)
	t := tar.NewReader(section)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start, _ := section.Seek(0, io.SeekCurrent) // a section seeks without fail
		h, err := t.Next()
		if err == io.EOF {
			return a, nil
		}
		if err != nil {
			return nil, damaged(err)
		}
		if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeGNUSparse {
			continue
		}
		data, _ := section.Seek(0, io.SeekCurrent)
		if err := a.add(clean(h.Name), tarMember{start, data, h.Size, isSparse(h)}); err != nil {
			return nil, err
		}
	}
}

func (a *tarArchive) add(name string, m tarMember) error {
	if !m.sparse && m.size > a.size-m.data {
		return fmt.Errorf("%w: member %.100q is cut off", ErrDamaged, name)
	}
	if _, again := a.names[name]; !again {
		a.order = append(a.order, name)
	}
	a.names[name] = m // of two that have one name the last counts, as for tar
	if len(a.order) > maxMembers {
		return fmt.Errorf("%w: more than %d members", ErrLimit, maxMembers)
	}
	return nil
}

func isSparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

func (a *tarArchive) members() []member {
	out := make([]member, len(a.order))
	for i, name := range a.order {
		out[i].name = name
		if m := a.names[name]; !m.sparse {
			out[i].stored, _ = backend.NewSection(a.r, m.data, m.size) // add checked the range
		}
	}
	return out
}

func (a *tarArchive) open(ctx context.Context, name string, opts *Options) (backend.Reader, error) {
	m, ok := a.names[name]
	if !ok {
		return nil, noMember(name)
	}
	if !m.sparse {
		return backend.NewSection(a.r, m.data, m.size)
	}
	t := tar.NewReader(io.NewSectionReader(a.r, m.header, a.size-m.header))
	for {
		h, err := t.Next()
		if err != nil {
			return nil, damaged(err)
		}
		if clean(h.Name) == name && isSparse(h) {
			return toTemp(ctx, stream{t, a.size, func() int64 { return a.size }}, opts)
		}
	}
}

// damaged marks an error of a decoder. Those of the reader beneath, and of the
// context, are no damage.
func damaged(err error) error {
	for _, is := range []error{context.Canceled, context.DeadlineExceeded, ErrLimit, ErrDamaged, backend.ErrChanged} {
		if errors.Is(err, is) {
			return err
		}
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}
