package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/qedfs/qedfs/adapters/diskfs/diskmap"
	"github.com/qedfs/qedfs/backend/newfile"
	"github.com/qedfs/qedfs/examples/qed/internal/bytesize"
	"github.com/qedfs/qedfs/qedfile"
)

// drawMap draws where a disk's bytes lie into a file. What corrupt tables map
// is not in the picture, and an error.
func (a *app) drawMap(ctx context.Context, d *disk, to string) error {
	picture, err := a.picture(ctx, d)
	if err != nil && !errors.Is(err, qedfile.ErrCorrupt) {
		return fileError(d.name, err)
	}
	return cmp.Or(a.writePicture(picture, to), fileError(d.name, err))
}

func (a *app) writePicture(picture *diskmap.Map, to string) error {
	if to == "-" {
		return picture.WriteSVG(a.stdout)
	}
	f, err := newfile.Create(to, nil)
	if err != nil {
		return fileError(to, err)
	}
	defer f.Close()
	if err := picture.WriteSVG(f.OSFile()); err != nil {
		return fileError(to, err)
	}
	return fileError(to, f.Commit())
}

// picture draws a disk. A corrupt part is left out of it, and its error
// returned with the rest.
func (a *app) picture(ctx context.Context, d *disk) (*diskmap.Map, error) {
	fi, err := os.Stat(d.name)
	if err != nil {
		return nil, err
	}
	about := fmt.Sprintf("%s disk, %s file, %s", bytesize.Format(d.Size()), bytesize.Format(fi.Size()), d.format)
	m := diskmap.New(filepath.Base(d.name), about, d.Size(), fi.Size())
	m.FormatSize = bytesize.Format
	if d.image != nil {
		h := d.image.Header()
		m.Subtitle += fmt.Sprintf(", %s clusters, tables of %d clusters", bytesize.Format(h.ClusterSize), h.TableSize)
		m.AddFile(diskmap.Header, 0, h.HeaderSize*h.ClusterSize)
		m.AddFile(diskmap.L1, h.L1TableOffset, h.TableSize*h.ClusterSize)
		report, err := d.image.Check(ctx, &qedfile.CheckOptions{Found: func(f qedfile.Finding) error {
			if f.Kind == qedfile.Leak {
				m.AddFile(diskmap.Leak, f.Offset, f.Clusters*h.ClusterSize)
			}
			return f.Err // a table that cannot be read: what leaks is not known
		}})
		if err != nil {
			return nil, err
		}
		if report.Corruptions > 0 {
			m.Subtitle += fmt.Sprintf(", %d corruptions", report.Corruptions)
		}
		if report.Dirty {
			m.Subtitle += ", not closed properly"
		}
	}
	layers := d.layers()
	var damage error
	for r, err := range d.runs(ctx, 0, d.Size()) {
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			damage = err
		case r.data && r.depth == 0 && r.offset < 0:
			m.AddDisk(diskmap.Backing, r.start, r.length, -1, "compressed")
		case r.data && r.depth == 0:
			m.AddDisk(diskmap.Data, r.start, r.length, r.offset, "")
		case r.data:
			m.AddDisk(diskmap.Backing, r.start, r.length, -1, layers[r.depth].name)
		case r.zero && r.present && r.offset < 0:
			m.AddDisk(diskmap.Zero, r.start, r.length, -1, "")
		}
	}
	return m, damage
}
