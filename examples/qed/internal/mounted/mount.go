//go:build (linux && !386 && !arm && !mips && !mipsle) || darwin

package mounted

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// forever is how long the kernel may remember what it was told: nothing
// changes.
const forever = 24 * time.Hour

// Mount shows a directory of a tree at dir, and returns when it is unmounted.
// When ctx ends it unmounts; as long as a program uses the mount that fails,
// which is told to opts.Problem, and is tried again.
func Mount(ctx context.Context, dir string, opts *Options) error {
	info, err := opts.Tree.Stat(opts.Root)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s: %w", opts.Root, fstree.ErrNotDir)
	}
	if err != nil {
		return err
	}
	// The kernel shows access control lists only if it checks permissions too.
	m := &mount{Options: opts, volumes: make(map[string]uint64), acl: opts.Others || os.Geteuid() == 0}
	root := info.Sys().(*fstree.Stat)
	m.top = root.FileID()
	m.single = opts.Root != "."
	for i := range opts.Volumes {
		m.volumes[opts.Volumes[i].Name] = uint64(i) + 1
	}
	timeout := forever
	options := &fs.Options{
		EntryTimeout: &timeout, AttrTimeout: &timeout, NegativeTimeout: &timeout, NullPermissions: true,
		RootStableAttr: &fs.StableAttr{Mode: fuse.S_IFDIR, Ino: m.ino(opts.Root, root)},
		MountOptions: fuse.MountOptions{
			FsName: opts.Source, Name: "qed", Options: []string{"ro"}, AllowOther: opts.Others, DirectMount: true,
			MaxWrite: 1 << 20, MaxReadAhead: 1 << 20, EnableAcl: m.acl,
		},
	}
	if m.acl {
		options.Options = append(options.Options, "default_permissions")
	}
	server, err := fs.Mount(dir, &node{mount: m, path: opts.Root, stat: root}, options)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	opts.Ready()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		server.Wait()
	}()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		return unmount(server, dir, opts, stopped)
	}
}

// unmount unmounts as soon as nobody uses the mount.
func unmount(server *fuse.Server, dir string, opts *Options, stopped <-chan struct{}) error {
	said := false
	for {
		err := server.Unmount()
		if err != nil && !said {
			said = true
			opts.Problem(dir, errors.New("still in use; it is unmounted when that ends"))
		}
		select {
		case <-stopped:
			return nil
		case <-time.After(time.Second):
		}
	}
}

// mount is what the nodes share.
type mount struct {
	*Options
	single  bool      // one volume alone
	top     fstree.ID // of what is mounted
	volumes map[string]uint64
	acl     bool // the kernel takes access control lists
}

// ino is an inode number that tells all files of the mount apart.
func (m *mount) ino(path string, st *fstree.Stat) uint64 {
	n := st.Ino ^ (st.FileID().Tree^m.top.Tree)<<40
	if m.single {
		return n
	}
	volume, _, _ := strings.Cut(path, "/")
	return n ^ m.volumes[volume]<<52
}
