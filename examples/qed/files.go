package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/adapters/source"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
	"github.com/qedfs/qedfs/qedfile"
)

// files is an image that is open for what is inside: its volumes, and one tree
// of all their files.
type files struct {
	*imagefs.Disk
	*failures
	disk      qedfile.Disk
	opened    *disk
	tree      *tree
	volumes   []imagefs.Volume
	dir       string // of the tree, that arguments are relative to; "" is its root
	explained int    // paths that were not there
	shared    bool   // with the other commands of a shell
}

// addFileFlags gives a subcommand the flags of those that open files. In a shell
// the image is open.
func (a *app) addFileFlags(cmd *cobra.Command) {
	if a.shell != nil {
		return
	}
	defer common(cmd)()
	a.addOpenFlags(cmd)
	a.addSectorFlag(cmd)
	a.addKeyFlags(cmd)
	cmd.Flags().Var(&zoneFlag{&a.open.zone}, "time-zone", "`zone` of the times of FAT and exFAT, which are local ones: Europe/Berlin, +02:00 or Local (default UTC)")
	cmd.Flags().StringArrayVar(&a.open.with, "with", nil, "another disk of the same machine, for groups, arrays and filesystems that span several `IMAGE`s (repeatable)")
	cmd.Flags().BoolVar(&a.open.ignoreChecksums, "ignore-checksums", false, "read the contents of files whatever their checksums say (btrfs), to save what is left")
	cmd.Flags().StringVar(&a.os, "os", "", "look up a PATH that begins with / in this `system`, as 'qed inspect' names it")
}

// openFiles opens an image for the files inside it. What goes wrong with one
// of them later is said by cmd.
func (a *app) openFiles(cmd *cobra.Command, name string) (*files, error) {
	if a.shell != nil {
		return a.shell.opened(a, cmd), nil
	}
	d, err := a.openDisk(name)
	if err != nil {
		return nil, err
	}
	disk, err := a.openVolumes(d)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	volumes, err := disk.Volumes()
	if err != nil {
		return nil, errors.Join(fileError(name, err), disk.Close())
	}
	return &files{Disk: disk, disk: d.Disk, opened: d, failures: a.newFailures(cmd), tree: newDiskTree(disk, a.os), volumes: volumes}, nil
}

// openVolumes opens a disk, and those of --with beside it, for their volumes.
// Closing what it returns closes all of them.
func (a *app) openVolumes(d *disk) (_ *imagefs.Disk, err error) {
	disks := []imagefs.NamedDisk{{Name: diskName(d.name), Disk: d.Disk}}
	defer func() {
		if err != nil {
			for _, nd := range disks[1:] {
				err = errors.Join(err, nd.Disk.Close())
			}
		}
	}()
	for _, name := range a.open.with {
		if name == "-" {
			return nil, errors.New("--with -: an image is not read from standard input; a file of this name is ./-")
		}
		further, err := a.openDisk(name)
		if err != nil {
			return nil, err
		}
		disks = append(disks, imagefs.NamedDisk{Name: diskName(name), Disk: further.Disk})
	}
	opts, err := a.diskOptions()
	if err != nil {
		return nil, err
	}
	disk, err := imagefs.OpenDisks(disks, opts)
	return disk, fileError(d.name, err)
}

// diskName is the name of an image without directories and extension.
func diskName(name string) string {
	base := path.Base(filepath.ToSlash(source.Redacted(name)))
	return strings.TrimSuffix(base, path.Ext(base))
}

// literal turns an argument of the command line into a path of the tree. With a
// leading slash it is the guest's, if there is one. Elements may be given as
// they are stored or in the form that the tree shows.
func (f *files) literal(arg string) string {
	if device := f.deviceArg(arg); device != arg {
		arg = device
	} else {
		arg = f.inDir(arg)
	}
	name, ok := f.guestArg(arg)
	if !ok {
		name = strings.TrimPrefix(path.Clean("/"+arg), "/")
	}
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

// explain adds to the error of a path that is not there what may have been meant,
// and of one that begins with no volume's name what the names are: who comes from
// a mounted disk leaves the volume out.
func (f *files) explain(name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) || name == "." || name == "/" {
		return atPath(name, err)
	}
	first, _, _ := strings.Cut(name, "/")
	if isGuest(name) || f.isVolume(first) {
		err = atPath(name, err)
		if _, there := f.tree.Lstat(name); !errors.Is(there, fs.ErrNotExist) {
			return err // a link that leads nowhere, or a mount that cannot be made
		}
		if meant := f.meant(name); meant != "" {
			err = fmt.Errorf("%w; did you mean %s?", err, show.Name(meant))
		}
		return err
	}
	var names []string
	for i := range f.volumes {
		names = append(names, f.volumes[i].Name)
	}
	if len(names) == 0 {
		return fmt.Errorf("%s: the disk has no volumes", show.Name(name))
	}
	hint := ""
	if meant := f.meant(name); meant != "" {
		hint = "; did you mean " + show.Name(meant) + "?"
	}
	for i := range f.volumes { // the name may be that of one inside
		if _, err := f.volumes[i].FS(); f.volumes[i].Encrypted() && err != nil {
			hint += "; " + message(pathError(err))
		}
	}
	return fmt.Errorf("%s: no volume is named %s; there are %s%s", show.Name(name), show.Name(first), strings.Join(names, ", "), hint)
}

// requireFiles reports an image without any files, for a command that is
// about to go through all of it.
func (f *files) requireFiles(root string) {
	if root != "." {
		return
	}
	if list, err := f.tree.ReadDir("."); len(list) == 0 && err == nil {
		f.fail(errors.New("no filesystem found that can be read; 'qed volumes' shows what is there"))
	}
}

// reportVolumes reports the volumes whose files cannot be read, for a command
// that does not go through the tree, and returns how many can be.
func (f *files) reportVolumes() (readable int) {
	for i := range f.volumes {
		_, err := f.volumes[i].FS()
		switch {
		case err == nil:
			readable++
		case !errors.Is(err, imagefs.ErrNoFiles):
			f.fail(err)
		}
	}
	f.reportProblems()
	return readable
}

// reportProblems reports why there may be volumes that are not listed.
func (f *files) reportProblems() {
	problems, err := f.Problems()
	for _, p := range append(problems, err) {
		if p != nil {
			f.fail(p)
		}
	}
}

// failures says on standard error what goes wrong with single files, while the
// command goes on with the others. It says nothing twice.
type failures struct {
	a     *app
	cmd   *cobra.Command
	about string // the image, where there are several
	count int
	said  map[string]bool
}

// maxSaid is how many messages are remembered to say none of them twice.
const maxSaid = 4096

func (a *app) newFailures(cmd *cobra.Command) *failures {
	return &failures{a: a, cmd: cmd, said: make(map[string]bool)}
}

// fail reports an error that makes the exit code 1.
func (f *failures) fail(err error) {
	f.count++
	f.note(err)
}

// note reports what the user should know and what is no failure.
func (f *failures) note(err error) {
	for _, err := range apart(err) {
		f.say(message(pathError(err)))
	}
}

// apart are the errors that are joined in one of a path, as those of a
// directory, each with the path.
func apart(err error) []error {
	pe, ok := err.(*fs.PathError)
	if !ok {
		return []error{err}
	}
	joined, ok := pe.Err.(interface{ Unwrap() []error })
	if !ok || !strings.Contains(pe.Err.Error(), "\n") {
		return []error{err}
	}
	var list []error
	for _, inner := range joined.Unwrap() {
		list = append(list, &fs.PathError{Op: pe.Op, Path: pe.Path, Err: inner})
	}
	return list
}

func (f *failures) say(line string) {
	if f.about != "" {
		line = f.about + ": " + line
	}
	if f.said[line] {
		return
	}
	if len(f.said) < maxSaid {
		f.said[line] = true
	}
	f.a.progress.clear()
	fmt.Fprintf(f.a.stderr, "%s: %s\n", commandPrefix(f.cmd), line)
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
	switch err := err.(type) {
	case *fs.PathError:
		if err.Path == "." { // the disk as a whole
			return err.Err
		}
		return fmt.Errorf("%s: %w", show.Name(err.Path), err.Err)
	case *imagefs.VolumeError:
		return fmt.Errorf("%s: %w", show.Name(err.Volume), err.Err)
	}
	return err
}

// atPath makes the error of a directory's entry, which knows its name alone,
// one of the whole path.
func atPath(name string, err error) error {
	err = fstree.WithoutPath(err)
	if _, several := err.(interface{ Unwrap() []error }); several {
		return &fs.PathError{Path: name, Err: err} // each gets a line of its own
	}
	return fmt.Errorf("%s: %w", show.Name(name), err)
}
