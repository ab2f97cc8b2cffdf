package main

import (
	"errors"
	"fmt"
	"sync"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/examples/qed/internal/mounted"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

func newMount(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mount [flags] IMAGE [PATH] DIR",
		Short: "Mount the files inside the image, for reading",
		Long: `Mount the files inside the image at a directory of this system, for reading, by
FUSE: on Linux, and on macOS with macFUSE. It stays in the foreground until
Ctrl-C, or until DIR is unmounted.

--block mounts the disk itself, as the file "disk", and each volume as a file
of its name beside it, for programs that want a file or block device: losetup,
qemu-img. The files have holes where nothing is stored.

With PATH, or -C, a directory of the image is mounted, such as a volume; / is
the root of the guest, with what its fstab mounts where it does. What of it
cannot be mounted is said, and fails when it is used. Without PATH the volumes
are the top directories. Whoever mounts can read everything; --allow-other
lets other users in, as far as the modes of the files allow.`,
		Args: cobra.RangeArgs(2, 3),
	}
	a.addFileFlags(cmd)
	dir := cmd.Flags().StringP("directory", "C", "", "mount this `path` of the image")
	block := cmd.Flags().Bool("block", false, "mount the disk and its volumes as files")
	others := cmd.Flags().Bool("allow-other", false, "let other users see it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		at := args[len(args)-1]
		if len(args) == 3 {
			if *dir != "" {
				return usageError(cmd, errors.New("-C and PATH are two ways to say the same"))
			}
			*dir = args[1]
		}
		if *block && *dir != "" {
			return usageError(cmd, errors.New("--block mounts no files inside the image, and takes no PATH and no -C"))
		}
		f, err := a.openFiles(cmd, args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		root, err := f.path(cmd.Context(), *dir)
		if err != nil {
			return err
		}
		var disks []mounted.DiskFile
		if *block {
			disks = f.blockFiles()
		} else if err := f.checkRoot(root); err != nil {
			return err
		}
		f.reportNotes()
		var mu sync.Mutex
		opts := &mounted.Options{
			Disks: disks, Tree: f.FS(), Root: root, Volumes: f.volumes, Source: args[0], Others: *others,
			Ready: func() {
				fmt.Fprintf(a.stdout, "%s is mounted at %s (Ctrl-C unmounts it)\n", args[0], at)
			},
			Problem: func(path string, err error) {
				mu.Lock()
				defer mu.Unlock()
				f.note(atPath(path, err))
			},
		}
		if isGuest(root) {
			guest, inside, err := f.tree.guest("mount", root)
			if err != nil {
				return pathError(err)
			}
			opts.Tree, opts.Root, opts.Volumes = mounted.Guest{Root: guest}, inside, nil
		}
		err = mounted.Mount(cmd.Context(), at, opts)
		if err != nil {
			return pathError(err)
		}
		return f.failed()
	}
	return cmd
}

// checkRoot says before the mount what is wrong with what is to be mounted. A
// volume that cannot be read fails when it is used; where none can be read there
// is nothing to mount.
func (f *files) checkRoot(root string) error {
	if _, err := f.tree.Stat(root); err != nil {
		return f.explain(root, err)
	}
	if isGuest(root) {
		return f.reportMounts()
	}
	if root == "." && f.reportVolumes() == 0 {
		f.requireFiles(root)
		return f.failed()
	}
	return nil
}

// reportMounts says what the guest would mount and cannot be, and what is not
// mounted for a reason.
func (f *files) reportMounts() error {
	system, err := f.tree.system()
	if err != nil {
		return err
	}
	for _, m := range system.Mounts() {
		switch {
		case m.Err != nil:
			f.fail(fmt.Errorf("mount of %s: %w", show.Name(m.Point), m.Err))
		case m.Note != "":
			f.note(fmt.Errorf("mount of %s: %s", show.Name(m.Point), m.Note))
		}
	}
	return nil
}

// blockFiles are the disk and its volumes, each under its name.
func (f *files) blockFiles() []mounted.DiskFile {
	list := []mounted.DiskFile{{Name: string(imagefs.WholeDisk), Disk: f.disk}}
	for i := range f.volumes {
		if v := &f.volumes[i]; v.Kind != imagefs.WholeDisk {
			list = append(list, mounted.DiskFile{Name: v.Name, Disk: &volumeDisk{v.Reader(), v}})
		}
	}
	return list
}
