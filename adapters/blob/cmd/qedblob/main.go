// Qedblob looks into disk images in object stores:
//
//	qedblob volumes s3://bucket/disk.qed?region=eu-west-1
//	qedblob ls      s3://bucket/disk.qed p2/etc
//	qedblob cat     s3://bucket/disk.qed p2/etc/os-release
//
// Everything that package source opens can be named: files, https, archives.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"

	"github.com/qedfs/qedfs/adapters/blob"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/adapters/source"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "qedblob:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, w io.Writer) (err error) {
	if len(args) < 2 || len(args) > 3 {
		return errors.New("usage: qedblob volumes|ls|cat IMAGE [PATH]")
	}
	o, err := source.New(&source.Options{Schemes: blob.Schemes()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	src, err := o.Open(ctx, args[1], nil)
	if err != nil {
		return err
	}
	img, err := images.NewReader(src, &images.Options{Files: src.Files()})
	if err != nil {
		return errors.Join(err, src.Close())
	}
	disk, err := imagefs.OpenDisk(img, nil)
	if err != nil {
		return errors.Join(err, img.Close())
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	name := "."
	if len(args) == 3 {
		name = args[2]
	}
	return do(args[0], disk, name, w)
}

func do(command string, disk *imagefs.Disk, name string, w io.Writer) error {
	switch command {
	case "volumes":
		volumes, err := disk.Volumes()
		for _, v := range volumes {
			fmt.Fprintf(w, "%s\t%s\t%q\t%d\n", v.Name, v.Filesystem, v.Label, v.Size)
		}
		return err
	case "ls":
		return fs.WalkDir(disk.FS(), name, func(p string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = fmt.Fprintf(w, "%q\n", p)
			}
			return err
		})
	case "cat":
		f, err := disk.FS().Open(name)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, f)
		return errors.Join(err, f.Close())
	}
	return fmt.Errorf("no command is named %s", command)
}
