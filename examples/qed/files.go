package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/qedfile"
)

// files is an image that is open for what is inside: its volumes, and one tree
// of all their files.
type files struct {
	*imagefs.Disk
	*failures
	disk    qedfile.Disk
	tree    *imagefs.Tree
	volumes []imagefs.Volume
}

// addFileFlags gives a subcommand the flags of those that open files.
func (a *app) addFileFlags(cmd *cobra.Command) {
	a.addOpenFlags(cmd)
	a.addSectorFlag(cmd)
}

// openFiles opens an image for the files inside it. What goes wrong with one
// of them later is said by cmd.
func (a *app) openFiles(cmd *cobra.Command, name string) (*files, error) {
	d, err := a.openDisk(name)
	if err != nil {
		return nil, err
	}
	disk, err := imagefs.OpenDisk(d.Disk, &imagefs.Options{SectorSize: int64(a.open.sectorSize)})
	if err != nil {
		return nil, errors.Join(fileError(name, err), d.Close())
	}
	volumes, err := disk.Volumes()
	if err != nil {
		return nil, errors.Join(fileError(name, err), disk.Close())
	}
	return &files{Disk: disk, disk: d.Disk, failures: a.newFailures(cmd), tree: disk.FS(), volumes: volumes}, nil
}

// path turns an argument of the command line into a path of the tree. A
// leading slash means nothing. Elements may be given as they are stored or in
// the form that the tree shows.
func (f *files) path(arg string) string {
	name := strings.TrimPrefix(path.Clean("/"+arg), "/")
	if name == "" {
		return "."
	}
	if !strings.ContainsRune(name, utf8.RuneError) { // invalid bytes are such runes too
		return name
	}
	if utf8.ValidString(name) {
		if _, err := f.tree.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return name
		}
	}
	elems := strings.Split(name, "/")
	for i, elem := range elems {
		elems[i] = fstree.EscapeName(elem)
	}
	return strings.Join(elems, "/")
}

// paths is path for all the arguments that follow the image; none stands for
// the root.
func (f *files) paths(args []string) []string {
	if len(args) == 0 {
		return []string{"."}
	}
	out := make([]string, len(args))
	for i, arg := range args {
		out[i] = f.path(arg)
	}
	return out
}

// explain adds to the error of a path that begins with no volume's name what
// the names are: who comes from a mounted disk leaves the volume out.
func (f *files) explain(name string, err error) error {
	first, _, _ := strings.Cut(name, "/")
	if !errors.Is(err, fs.ErrNotExist) || name == "." {
		return atPath(name, err)
	}
	var names []string
	for i := range f.volumes {
		if f.volumes[i].Name == first {
			return atPath(name, err)
		}
		names = append(names, f.volumes[i].Name)
	}
	if len(names) == 0 {
		return fmt.Errorf("%s: the disk has no volumes", showName(name))
	}
	return fmt.Errorf("%s: no volume is named %s; there are %s", showName(name), showName(first), strings.Join(names, ", "))
}

// reportUnreadable says which volumes a walk of the root leaves out. What is
// no filesystem is none of its business, and what the tool has no reader for
// is no failure.
func (f *files) reportUnreadable() {
	readable := 0
	for i := range f.volumes {
		v := &f.volumes[i]
		_, err := v.FS()
		switch {
		case err == nil:
			readable++
		case errors.Is(err, imagefs.ErrNoFilesystem), v.Filesystem == "swap", v.Filesystem == "LVM2_member":
		case errors.Is(err, imagefs.ErrUnsupported):
			f.note(err)
		default:
			f.fail(err)
		}
	}
	if readable == 0 && f.count == 0 {
		f.fail(errors.New("no filesystem found that can be read; 'qed volumes' shows what is there"))
	}
}

// failures says on standard error what goes wrong with single files, while the
// command goes on with the others.
type failures struct {
	a     *app
	cmd   *cobra.Command
	count int
}

func (a *app) newFailures(cmd *cobra.Command) *failures { return &failures{a: a, cmd: cmd} }

// fail reports an error that makes the exit code 1.
func (f *failures) fail(err error) {
	f.count++
	f.note(err)
}

// note reports what the user should know and what is no failure.
func (f *failures) note(err error) {
	f.a.progress.clear()
	fmt.Fprintf(f.a.stderr, "%s: %s\n", commandPrefix(f.cmd), message(pathError(err)))
}

// failed is what the command returns in the end.
func (f *failures) failed() error {
	if f.count > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}

// pathError leaves out of an error the name of the call that failed, and shows
// the path as listings do.
func pathError(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return fmt.Errorf("%s: %w", showName(pe.Path), pe.Err)
	}
	return err
}

// atPath makes the error of a directory's entry, which knows its name alone,
// one of the whole path.
func atPath(name string, err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		err = pe.Err
	}
	return fmt.Errorf("%s: %w", showName(name), err)
}
