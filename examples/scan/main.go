// Scan lists the packages that syft finds in the systems of a disk image, one
// JSON object a line:
//
//	go run . IMAGE.qed
//	go run . -raw disk.img
//
// Nothing is mounted, extracted or written. Syft reads each system by a
// [Resolver] of the guest's root, with its catalogers of installed packages,
// dpkg's and apk's. A database of rpm is an error: syft's cataloger of those
// works only inside syft. Scanners match exact paths, such as /lib/apk/db/installed,
// so they are given the root as the guest sees it, not the whole disk with its
// volumes.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/anchore/syft/syft/file"
	"github.com/anchore/syft/syft/pkg"
	"github.com/anchore/syft/syft/pkg/cataloger/alpine"
	"github.com/anchore/syft/syft/pkg/cataloger/debian"

	"github.com/qedfs/qedfs/adapters/diskfs/guest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

func main() {
	raw := flag.Bool("raw", false, "the image is a raw disk")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: scan [-raw] IMAGE")
		os.Exit(2)
	}
	format := imagefs.FormatQED
	if *raw {
		format = imagefs.FormatRaw
	}
	if err := scan(context.Background(), os.Stdout, flag.Arg(0), format); err != nil {
		fmt.Fprintln(os.Stderr, "scan:", err)
		os.Exit(1)
	}
}

// found is a line of the output.
type found struct {
	System  string   `json:"system"`
	Name    string   `json:"name"`
	Version string   `json:"version"`
	Type    pkg.Type `json:"type"`
	PURL    string   `json:"purl"`
	Where   []string `json:"where"` // files that tell of it
}

// scan prints the packages of all systems. What could not be read is the error,
// beside all the rest.
func scan(ctx context.Context, w io.Writer, image string, format imagefs.Format) error {
	disk, err := imagefs.Open(image, &imagefs.Options{Format: format})
	if err != nil {
		return err
	}
	defer disk.Close()
	systems, problems := guest.Find(disk)
	out := json.NewEncoder(w)
	for _, s := range systems {
		r := NewResolver(ctx, s.Root())
		packages, err := catalog(ctx, r)
		problems = errors.Join(problems, err, r.Err())
		for _, p := range packages {
			line := found{System: s.Name, Name: p.Name, Version: p.Version, Type: p.Type, PURL: p.PURL}
			for _, l := range p.Locations.ToSlice() {
				line.Where = append(line.Where, l.RealPath)
			}
			if err := out.Encode(line); err != nil {
				return err
			}
		}
	}
	return problems
}

var errRPM = fmt.Errorf("a database of rpm, whose packages are not listed: %w", errors.ErrUnsupported)

// catalog has syft look for installed packages.
func catalog(ctx context.Context, r file.Resolver) (packages []pkg.Package, err error) {
	for _, c := range []pkg.Cataloger{debian.NewDBCataloger(), alpine.NewDBCataloger()} {
		list, _, one := c.Catalog(ctx, r)
		packages = append(packages, list...)
		if one != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", c.Name(), one))
		}
	}
	databases, one := r.FilesByGlob("**/rpm/rpmdb.sqlite", "**/rpm/Packages.db", "**/rpm/Packages")
	err = errors.Join(err, one)
	for _, l := range databases {
		err = errors.Join(err, fmt.Errorf("%s: %w", l.RealPath, errRPM))
	}
	pkg.Sort(packages)
	return packages, err
}
