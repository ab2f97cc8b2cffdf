package archive

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/klauspost/compress/flate"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// ErrSpecial is given to [Options].Problem for a device, a pipe or a socket,
// which zip cannot hold. It matches [errors.ErrUnsupported].
var ErrSpecial = fmt.Errorf("a device, pipe or socket, which a zip archive cannot hold: %w", errors.ErrUnsupported)

// WriteZip archives a file, or a directory and all below it, as a zip archive
// with the modes and times of the files. Owners, attributes and holes are not
// in it, and a file with several names is in it under each of them.
//
// Members are named relative to root by the paths of the tree, which are UTF-8;
// a backslash in a name, and a colon that would make a drive of it, have the
// form that [fstree.EscapeName] gives to other bytes, for there are systems on
// which they lead elsewhere. It returns an error when it cannot write, or when
// ctx ends.
func WriteZip(ctx context.Context, w io.Writer, tree fstree.Walker, root string, opts *Options) (err error) {
	z := &zipStream{report: newReport(tree, root, opts), w: zip.NewWriter(w), buf: new(buffer)}
	z.w.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestSpeed)
	})
	defer func() { err = z.join(err) }()
	err = z.walk(ctx, func(e *fstree.WalkEntry, err error) error {
		if err != nil {
			z.problem(e.Path, err)
			return nil
		}
		return z.add(ctx, e)
	})
	if err != nil {
		return err
	}
	if text := z.leftOut.text(); text != "" {
		m, err := z.w.CreateHeader(&zip.FileHeader{Name: zipName(z.freeName()), Method: zip.Deflate, Modified: time.Unix(0, 0)})
		if err != nil {
			return err
		}
		if _, err := io.WriteString(m, text); err != nil {
			return err
		}
	}
	return z.w.Close()
}

// zipStream is a zip archive that is being written.
type zipStream struct {
	report
	w   *zip.Writer
	buf *buffer
}

// add writes one file. What cannot be read is no error.
func (z *zipStream) add(ctx context.Context, e *fstree.WalkEntry) error {
	st, err := e.Stat()
	if err != nil {
		z.problem(e.Path, err)
		return nil
	}
	if st.Mode.IsDir() && e.Path == z.root {
		return nil // it has no name
	}
	h := &zip.FileHeader{Name: z.name(e.Path), Modified: st.Mtime}
	h.SetMode(st.Mode)
	switch st.Mode.Type() {
	case fs.ModeDir:
		h.Name += "/"
		_, err := z.w.CreateHeader(h)
		return err
	case fs.ModeSymlink:
		target, err := e.ReadLink()
		if err != nil {
			z.problem(e.Path, err)
			return nil
		}
		m, err := z.w.CreateHeader(h)
		if err != nil {
			return err
		}
		_, err = io.WriteString(m, target)
		return err
	case 0:
		return z.addContents(ctx, e, h, st.Size)
	}
	z.problem(e.Path, ErrSpecial)
	return nil
}

// addContents writes a regular file. Parts that cannot be read are zeroes in
// it, as in a tar archive.
func (z *zipStream) addContents(ctx context.Context, e *fstree.WalkEntry, h *zip.FileHeader, size int64) error {
	f, err := e.Open()
	if err != nil {
		z.problem(e.Path, err)
		return nil
	}
	defer f.Close()
	if h.Method = zip.Store; size > 0 {
		h.Method = zip.Deflate
	}
	m, err := z.w.CreateHeader(h)
	if err != nil {
		return err
	}
	content, damaged := f.(fstree.File), false
	for off := int64(0); off < size; {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b := z.buf[:min(size-off, bufferSize)]
		n, err := content.ReadAt(b, off)
		if n < len(b) {
			clear(b[n:])
			if !damaged {
				z.problem(e.Path, err)
			}
			damaged = true
		}
		if _, err := m.Write(b); err != nil {
			return err
		}
		off += int64(len(b))
	}
	return nil
}

// name is the name of a path of the tree in the archive.
func (z *zipStream) name(path string) string {
	rel := path
	if z.root != "." {
		rel = strings.TrimPrefix(strings.TrimPrefix(path, z.root), "/")
	}
	if rel == "" { // a file by itself
		rel = path[strings.LastIndexByte(path, '/')+1:]
	}
	return zipName(rel)
}

// zipName is a name that no system takes for a place outside.
func zipName(name string) string {
	name = strings.ReplaceAll(name, `\`, "\uFFFD5c")
	if len(name) > 1 && name[1] == ':' {
		name = name[:1] + "\uFFFD3a" + name[2:]
	}
	return name
}
