package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/btrfs"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/adapters/diskfs/lvm"
	"github.com/qedfs/qedfs/adapters/diskfs/mdraid"
	"github.com/qedfs/qedfs/backend/errs"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

// Exit codes. Subcommands that have more meanings, as check and compare do,
// return them through exitError.
const (
	exitOK          = 0
	exitFailed      = 1
	exitInterrupted = 130 // as a shell reports SIGINT
)

// exitError carries an exit code. With a nil err nothing is printed: the
// subcommand has said what there is to say.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// failureAnnotation is the key of a subcommand's annotation with the exit code
// of its failures, where [exitFailed] means something else.
const failureAnnotation = "qed-failure-exit-code"

// failureCode is the exit code of a subcommand that could not do its work.
func failureCode(cmd *cobra.Command) int {
	if code, err := strconv.Atoi(cmd.Annotations[failureAnnotation]); err == nil {
		return code
	}
	return exitFailed
}

// usageError is a mistake on the command line, with a pointer to the help. Of
// subcommands that qemu has too it has exit code 1, whatever that means there.
func usageError(cmd *cobra.Command, err error) error {
	path := cmd.CommandPath()
	if name := cmd.Root().Name(); name != "qed" {
		path = name // as qemu-img does
	}
	code := failureCode(cmd)
	if cmd.GroupID == groupImage || path == cmd.Root().Name() {
		code = exitFailed
	}
	text := &qemutext.Error{Lines: []string{message(err)}, Err: err, Hint: fmt.Sprintf("Try '%s --help' for more information", path)}
	return &exitError{code, text}
}

// commandPrefix begins every message: "qed: info".
func commandPrefix(cmd *cobra.Command) string {
	return strings.ReplaceAll(cmd.CommandPath(), " ", ": ")
}

// fileError says which file an error is about, once: the operating system's
// errors name it already.
func fileError(name string, err error) error {
	if err == nil {
		return nil
	}
	if named, ok := err.(*namedError); ok && named.name == name {
		return err
	}
	var path *fs.PathError
	if errors.As(err, &path) && path.Path == name && err == error(path) {
		err = path.Err
	}
	return &namedError{name, err}
}

// A namedError says which file an error is about.
type namedError struct {
	name string
	err  error
}

func (e *namedError) Error() string { return e.name + ": " + e.err.Error() }
func (e *namedError) Unwrap() error { return e.err }

// message is an error as a user reads it. Names in it may come from an image.
func message(err error) string {
	text := show.Lines(errs.Message(err))
	if errors.Is(err, imagefs.ErrLocked) {
		text += "; --key-file FILE opens it, or the environment's " + envPassphrase
	}
	if missingDisk(err) {
		text += withHint
	}
	return text
}

// withHint tells how to give a disk that is missing.
const withHint = "; --with IMAGE adds a disk"

// missingDisk reports whether something could not be read without a further disk.
func missingDisk(err error) bool {
	return errors.Is(err, btrfs.ErrMissing) || errors.Is(err, lvm.ErrMissing) || errors.Is(err, mdraid.ErrMissing)
}
