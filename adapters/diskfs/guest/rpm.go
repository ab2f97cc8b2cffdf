package guest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/guest/internal/rpmdb"
)

// rpm reads the database of rpm: of all that are there the one that rpm reads
// itself, for the older stay behind when a system is upgraded.
func (in *inspection) rpm() {
	for _, file := range [...]string{"rpmdb.sqlite", "Packages.db", "Packages"} {
		for _, dir := range [...]string{"usr/lib/sysimage/rpm/", "var/lib/rpm/", "usr/share/rpm/"} {
			if name := dir + file; in.exists(name) {
				if err := in.rpmDatabase(name); err != nil {
					in.failed(fmt.Errorf("%s: %w", name, err))
				}
				return
			}
		}
	}
}

func (in *inspection) rpmDatabase(name string) error {
	f, db, err := openSection(in.root, name)
	if err != nil {
		return reason(err)
	}
	defer f.Close()
	var wal *io.SectionReader
	if logFile, section, err := openSection(in.root, name+"-wal"); err == nil {
		defer logFile.Close()
		wal = section
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("its log: %w", reason(err))
	}
	var problems []error
	for p, err := range rpmdb.Packages(db, wal) {
		switch {
		case err != nil:
			if problems = append(problems, err); len(problems) == maxProblems {
				return errors.Join(problems...)
			}
		case len(in.info.Packages) == maxList:
			return fmt.Errorf("more than %d packages: %w", maxList, fstree.ErrTooLarge)
		default:
			source := p.Source()
			if source == p.Name {
				source = ""
			}
			in.info.Packages = append(in.info.Packages, Package{Name: p.Name, Version: p.EVR(), Arch: p.Arch, Source: source})
		}
	}
	return errors.Join(problems...)
}

// openSection opens a regular file to be read anywhere.
func openSection(r *Root, name string) (io.Closer, *io.SectionReader, error) {
	f, err := r.Open(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	ra, ok := f.(io.ReaderAt)
	if err == nil && (!ok || !info.Mode().IsRegular()) {
		err = &fs.PathError{Op: "read", Path: name, Err: errNotFile}
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, io.NewSectionReader(ra, 0, info.Size()), nil
}
