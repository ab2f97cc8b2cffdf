package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sort"
	"strings"
	"sync/atomic"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/adapters/source"
	"github.com/qedfs/qedfs/backend"
)

// Row is what is found in one image. Error says why it is incomplete: a
// poisoned image has a row like any other.
type Row struct {
	Image    string   `json:"image"`
	Size     int64    `json:"size,omitempty"`
	Error    string   `json:"error,omitempty"`
	Volumes  []Volume `json:"volumes,omitempty"`
	Systems  []System `json:"systems,omitempty"`
	Files    []File   `json:"files,omitempty"`
	Packages []string `json:"packages,omitempty"` // name=version
}

// Volume is what can hold a filesystem.
type Volume struct {
	Name       string `json:"name"`
	Filesystem string `json:"filesystem,omitempty"`
	Label      string `json:"label,omitempty"`
	UUID       string `json:"uuid,omitempty"`
	Size       int64  `json:"size"`
	Error      string `json:"error,omitempty"`
}

// System is an operating system by its os-release.
type System struct {
	Volume  string `json:"volume"`
	ID      string `json:"id"`
	Version string `json:"version,omitempty"`
	Name    string `json:"name,omitempty"`
}

// File is one that a pattern matches.
type File struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"`
}

// Limits hold for each image.
type Limits struct {
	Time    time.Duration
	Bytes   int64 // that are read of it
	Memory  int64 // of caches
	Entries int   // of directories that are looked at
}

// errLimit is what makes a row incomplete.
var errLimit = errors.New("limit exceeded")

// inspector looks at images.
type inspector struct {
	opener  *source.Opener
	format  string
	pattern string // of files, by path.Match on the whole path or the name; empty looks for none
	limits  Limits
}

// inspect never fails: what goes wrong stands in the row.
func (in *inspector) inspect(ctx context.Context, name string) *Row {
	ctx, cancel := context.WithTimeout(ctx, in.limits.Time)
	defer cancel()
	done := make(chan *Row, 1)
	go func() {
		row := &Row{Image: source.Redacted(name)}
		defer func() {
			if p := recover(); p != nil {
				row = &Row{Image: row.Image, Error: fmt.Sprintf("panic: %.200v", p)}
			}
			done <- row
		}()
		if err := in.look(ctx, name, row); err != nil {
			row.Error = err.Error()
		}
	}()
	select {
	case row := <-done:
		return row
	case <-ctx.Done():
	}
	// Reading has ended by now; what only computes gets a moment more.
	select {
	case row := <-done:
		row.Error = in.timeout().Error()
		return row
	case <-time.After(time.Second):
		return &Row{Image: source.Redacted(name), Error: in.timeout().Error()}
	}
}

func (in *inspector) timeout() error { return fmt.Errorf("%w: %v", errLimit, in.limits.Time) }

func (in *inspector) look(ctx context.Context, name string, row *Row) (err error) {
	src, err := in.opener.Open(ctx, name, &source.OpenOptions{AsNamed: in.format != ""})
	if err != nil {
		return err
	}
	limited := &limitedReader{Reader: src, left: in.limits.Bytes}
	img, err := images.NewReader(limited, &images.Options{Format: in.format, Files: src.Files(), CacheBytes: in.limits.Memory / 4})
	if err != nil {
		return errors.Join(err, src.Close())
	}
	disk, err := imagefs.OpenDisk(img, nil)
	if err != nil {
		return errors.Join(err, img.Close())
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	row.Size = disk.Size()
	volumes, err := disk.Volumes()
	if err != nil {
		return err
	}
	walk := &walker{in: in, ctx: ctx, row: row, left: in.limits.Entries}
	var errs []error
	for i := range volumes {
		errs = append(errs, walk.volume(&volumes[i]))
	}
	return errors.Join(errs...)
}

// limitedReader fails when more is read than an image may cost.
type limitedReader struct {
	backend.Reader
	left int64
	used atomic.Int64
}

func (l *limitedReader) ReadAt(p []byte, off int64) (int, error) {
	if l.used.Add(int64(len(p))) > l.left {
		return 0, fmt.Errorf("%w: %d bytes", errLimit, l.left)
	}
	return l.Reader.ReadAt(p, off)
}

type walker struct {
	in   *inspector
	ctx  context.Context
	row  *Row
	left int // entries
}

// volume looks at one volume. What has no filesystem, or one that is not read,
// is no failure.
func (w *walker) volume(v *imagefs.Volume) error {
	out := Volume{Name: v.Name, Filesystem: v.Filesystem, Label: v.Label, UUID: v.UUID, Size: v.Size}
	fsys, err := v.FS()
	if err != nil {
		out.Error = err.Error()
	}
	w.row.Volumes = append(w.row.Volumes, out)
	if err != nil {
		if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, imagefs.ErrNoFilesystem) {
			return nil
		}
		return err
	}
	return errors.Join(w.system(v.Name, fsys), w.packages(fsys), w.files(v.Name, fsys))
}

const maxText = 64 << 20 // bytes of a package database

// lines calls f for each line of a file; one that does not exist has none.
func lines(fsys fs.FS, name string, f func(line string)) error {
	file, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	s := bufio.NewScanner(io.LimitReader(file, maxText))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		f(s.Text())
	}
	return s.Err()
}

// system reads os-release(5).
func (w *walker) system(volume string, fsys fs.FS) error {
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		s := System{Volume: volume}
		err := lines(fsys, name, func(line string) {
			key, value, _ := strings.Cut(line, "=")
			value = strings.Trim(value, `"'`)
			switch key {
			case "ID":
				s.ID = value
			case "VERSION_ID":
				s.Version = value
			case "PRETTY_NAME":
				s.Name = value
			}
		})
		if err != nil {
			return err
		}
		if s.ID != "" {
			w.row.Systems = append(w.row.Systems, s)
			return nil
		}
	}
	return nil
}

// packages reads dpkg's list (deb-status).
func (w *walker) packages(fsys fs.FS) error {
	var name, version string
	installed := false
	add := func() {
		if installed && name != "" {
			w.row.Packages = append(w.row.Packages, name+"="+version)
		}
		name, version, installed = "", "", false
	}
	err := lines(fsys, "var/lib/dpkg/status", func(line string) {
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "":
			add()
		case "Package":
			name = value
		case "Version":
			version = value
		case "Status":
			installed = strings.HasSuffix(value, " installed")
		}
	})
	add()
	sort.Strings(w.row.Packages)
	return err
}

// files looks for what the pattern matches, and hashes it.
func (w *walker) files(volume string, fsys fs.FS) error {
	if w.in.pattern == "" {
		return nil
	}
	return fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil {
			err = w.ctx.Err()
		}
		if err != nil {
			return err
		}
		if w.left--; w.left < 0 {
			return fmt.Errorf("%w: %d entries", errLimit, w.in.limits.Entries)
		}
		whole, _ := path.Match(w.in.pattern, name) // the pattern was checked
		base, _ := path.Match(w.in.pattern, path.Base(name))
		if !e.Type().IsRegular() || !whole && !base {
			return nil
		}
		sum, n, err := hash(fsys, name)
		w.row.Files = append(w.row.Files, File{Path: volume + "/" + name, Size: n, SHA256: sum})
		return err
	})
}

func hash(fsys fs.FS, name string) (sum string, n int64, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	if n, err = io.Copy(h, f); err != nil {
		return "", n, err
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}
