package main

import (
	"fmt"
	"sync"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/examples/qed/internal/mounted"
)

func newMount(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mount [flags] IMAGE DIR",
		Short: "Mount the files inside the image, for reading",
		Long: `Mount the files inside the image at a directory of this system, for reading, by
FUSE: on Linux, and on macOS with macFUSE. It stays in the foreground until
Ctrl-C, or until DIR is unmounted.

-C mounts a directory of the image, such as a volume; without it the volumes
are the top directories. Whoever mounts can read everything; --allow-other
lets other users in, as far as the modes of the files allow.`,
		Args: cobra.ExactArgs(2),
	}
	a.addFileFlags(cmd)
	dir := cmd.Flags().StringP("directory", "C", "", "mount this `path` of the image")
	others := cmd.Flags().Bool("allow-other", false, "let other users see it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := a.openFiles(cmd, args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		root := f.path(*dir)
		if _, err := f.tree.Stat(root); err != nil {
			return f.explain(root, err)
		}
		if root == "." {
			f.reportUnreadable()
			if err := f.failed(); err != nil {
				return err
			}
		}
		var mu sync.Mutex
		return mounted.Mount(cmd.Context(), args[1], &mounted.Options{
			Tree: f.tree, Root: root, Volumes: f.volumes, Source: args[0], Others: *others,
			Ready: func() {
				fmt.Fprintf(a.stdout, "%s is mounted at %s (Ctrl-C unmounts it)\n", args[0], args[1])
			},
			Problem: func(path string, err error) {
				mu.Lock()
				defer mu.Unlock()
				f.note(atPath(path, err))
			},
		})
	}
	return cmd
}
