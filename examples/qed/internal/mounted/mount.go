//go:build (linux && !386 && !arm && !mips && !mipsle) || darwin

package mounted

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"os/exec"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// forever is how long the kernel may remember what it was told: nothing
// changes.
const forever = 24 * time.Hour

// Mount shows a directory of a tree, or disks as files, at the directory dir,
// and returns when it is unmounted. When ctx ends it unmounts; as long as a
// program uses the mount that fails, which is told to opts.Problem, and is
// tried again. Where it returns an error nothing is mounted.
func Mount(ctx context.Context, dir string, opts *Options) error {
	before, err := directory(dir)
	if err != nil {
		return err
	}
	timeout := forever
	options := &fs.Options{
		EntryTimeout: &timeout, AttrTimeout: &timeout, NegativeTimeout: &timeout, NullPermissions: true,
		RootStableAttr: &fs.StableAttr{Mode: fuse.S_IFDIR, Ino: rootNumber},
		MountOptions: fuse.MountOptions{
			FsName: opts.Source, Name: "qed", Options: []string{"ro"}, AllowOther: opts.Others, DirectMount: true,
			MaxWrite: 1 << 20, MaxReadAhead: 1 << 20,
		},
	}
	var root fs.InodeEmbedder
	if opts.Disks != nil {
		root = &blockDir{options: opts, now: time.Now()}
	} else if root, err = opts.rootNode(options); err != nil {
		return err
	}
	server, err := fs.Mount(dir, root, options)
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", dir, err), uncover(dir, before))
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

// rootNode is the directory of the tree that is mounted. It sets what the
// kernel has to know of it.
func (o *Options) rootNode(options *fs.Options) (fs.InodeEmbedder, error) {
	info, err := o.Tree.Stat(o.Root)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s: %w", o.Root, fstree.ErrNotDir)
	}
	if err != nil {
		return nil, err
	}
	st := info.Sys().(*fstree.Stat)
	// The kernel shows access control lists only if it checks permissions too.
	m := &mount{Options: o, acl: o.Others || os.Geteuid() == 0, numbers: &numbers{top: st.FileID().ID.Tree}}
	if o.Root == "." {
		m.numbers.volumes = make(map[string]uint64)
		for i := range o.Volumes {
			m.numbers.volumes[o.Volumes[i].Name] = uint64(i) + 1
		}
	}
	if g, ok := o.Tree.(Guest); ok {
		m.numbers.guest = &g
	}
	options.RootStableAttr.Ino = m.numbers.of(o.Root, st)
	options.EnableAcl = m.acl
	if m.acl {
		options.Options = append(options.Options, "default_permissions")
	}
	return &node{mount: m, path: o.Root, stat: st}, nil
}

// directory looks at where something is to be mounted: at a file the kernel
// would mount too, and nobody could use it. It returns the device, which a
// mount changes.
func directory(dir string) (device uint64, err error) {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return 0, &iofs.PathError{Op: "mount", Path: dir, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return 0, &iofs.PathError{Op: "mount", Path: dir, Err: fstree.ErrNotDir}
	}
	return uint64(st.Dev), nil
}

// uncover removes what a mount that failed has left at dir, which would hide
// what is there.
func uncover(dir string, before uint64) error {
	if now, err := directory(dir); err == nil && now == before {
		return nil
	}
	if unix.Unmount(dir, 0) == nil {
		return nil
	}
	// Who is not root mounts and unmounts by a program that is.
	out, err := exec.Command("fusermount3", "-u", "-z", dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: cannot be unmounted: %w: %s", dir, err, out)
	}
	return nil
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
	numbers *numbers
	recent  recent
	acl     bool // the kernel takes access control lists
}
