package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/examples/qed/internal/longopt"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
	"github.com/qedfs/qedfs/qedfile"
)

// complain prints why a subcommand failed. Those that qemu has too say it in
// qemu's words where the situation is the same, because scripts look for them.
func (a *app) complain(cmd *cobra.Command, err error) {
	prefix := commandPrefix(cmd)
	if a.asQemu() {
		prefix = a.program.name
	}
	text := a.inQemusWords(err, a.asQemu() || cmd.GroupID == groupImage)
	for _, line := range text.Lines {
		fmt.Fprintf(a.stderr, "%s: %s\n", prefix, show.Lines(line))
	}
	if text.Hint != "" {
		fmt.Fprint(a.stderr, show.Lines(text.Hint))
		if !text.Unended {
			fmt.Fprintln(a.stderr)
		}
	}
}

// inQemusWords is an error as qemu tells it, or else as it is. What concerns the
// opening of a disk is put in its words only where that is wanted.
func (a *app) inQemusWords(err error, wanted bool) *qemutext.Error {
	var text *qemutext.Error
	if errors.As(err, &text) && text.Error() == err.Error() {
		return text
	}
	var open *openError
	if wanted && errors.As(err, &open) {
		opening := qemutext.Errorf("Could not open '%s': %s", open.name, a.reason(open, a.asQemu()))
		if text != nil {
			opening.Hint = text.Hint
		}
		return opening
	}
	plain := &qemutext.Error{Lines: []string{message(err)}}
	if text != nil {
		plain.Hint = text.Hint
	}
	return plain
}

// openError says that a disk could not be opened.
type openError struct {
	name  string
	err   error
	write bool // it was to be written

	described bool // the name is a description
}

func (e *openError) Error() string {
	text := fileError(e.name, e.err).Error()
	if errors.Is(e.err, backend.ErrLocked) && !e.write {
		text += shareHint
	}
	return text
}

// shareHint tells what could be done about a file that another process writes.
const shareHint = " (-U reads it anyway)"

func (e *openError) Unwrap() error { return e.err }

// backingError says that the backing file of a disk could not be opened.
type backingError struct {
	name string // as qemu shows it
	err  error
}

func (e *backingError) Error() string { return e.err.Error() }
func (e *backingError) Unwrap() error { return e.err }

// namedBacking has errors of a backing file tell its path.
func namedBacking(image string, open qedfile.BackingFunc) qedfile.BackingFunc {
	if open == nil {
		return nil
	}
	return func(ref qedfile.BackingRef) (qedfile.Disk, error) {
		d, err := open(ref)
		if err != nil {
			err = &backingError{backingPath(image, ref.Name), err}
		}
		return d, err
	}
}

// reason is why a disk could not be opened. twice repeats the name before the
// system's errors, as qemu does: its layer for files tells it, too.
func (a *app) reason(e *openError, twice bool) string {
	var backing *backingError
	if errors.As(e.err, &backing) {
		inner := &openError{name: backing.name, err: backing.err}
		if errors.Is(backing.err, qedfile.ErrBackingDenied) {
			return message(e.err) // it tells more than qemu, which would open it
		}
		return "Could not open backing file: " + a.reason(inner, true)
	}
	var header *qedfile.HeaderError
	if errors.As(e.err, &header) {
		return headerWords(header)
	}
	var text *qemutext.Error
	if st, err := os.Stat(e.name); !errors.As(e.err, &text) && err == nil && st.IsDir() && !e.write && !e.described {
		return fmt.Sprintf("'file' driver requires '%s' to be a regular file", e.name)
	}
	if errors.Is(e.err, backend.ErrLocked) {
		text := lockWords(e.name, e.write)
		if !a.asQemu() && !e.write {
			text += shareHint
		}
		return text
	}
	var errno syscall.Errno
	if !errors.As(e.err, &errno) {
		return message(e.err)
	}
	if twice {
		name := strings.TrimPrefix(e.name, "file:")
		if path := (*fs.PathError)(nil); e.described && errors.As(e.err, &path) {
			name = path.Path
		}
		return fmt.Sprintf("Could not open '%s': %s", name, strerror(errno))
	}
	return strerror(errno)
}

// strerror is the text of a system's error as the C library has it.
func strerror(errno syscall.Errno) string {
	text := errno.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// osReason is the system's reason of an error, or its own text.
func osReason(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return strerror(errno)
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return message(err)
}

// lockWords is what qemu says of a file that another process uses.
func lockWords(name string, write bool) string {
	lock := `shared "write"`
	if write {
		lock = `"write"`
	}
	return fmt.Sprintf("Failed to get %s lock\nIs another process using the image [%s]?", lock, name)
}

// headerWords is what qemu says of an invalid header (block/qed.c).
func headerWords(e *qedfile.HeaderError) string {
	switch e.Field {
	case qedfile.FieldMagic:
		return "Image not in QED format"
	case qedfile.FieldHeaderSize, qedfile.FieldL1Table:
		return "QED table offset is invalid"
	case qedfile.FieldBackingName:
		return "QED backing filename offset is invalid"
	}
	return "QED " + e.Field + " is invalid"
}

// flagError is a mistake in the options of a subcommand.
func flagError(cmd *cobra.Command, err error) error {
	var text *qemutext.Error
	var inRun *runError
	if errors.As(err, &inRun) {
		return inRun.text
	}
	if wrong := (*misuse)(nil); errors.As(err, &wrong) {
		return usageError(cmd, wrong.text)
	}
	if errors.As(err, &text) {
		return &exitError{exitFailed, text}
	}
	if cmd.GroupID != groupImage && cmd.Root().Name() == "qed" {
		return usageError(cmd, instead(cmd, err))
	}
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var several *longopt.AmbiguousError
	var none *longopt.UnknownError
	var bare *longopt.MissingError
	switch {
	case errors.As(err, &none):
		err = qemutext.Errorf("unrecognized option '%s'", none.Word)
	case errors.As(err, &bare):
		err = qemutext.Errorf("missing argument for option '%s'", bare.Word)
	case errors.As(err, &unknown):
		err = qemutext.Errorf("unrecognized option '%s'", optionText(unknown.GetSpecifiedName(), unknown.GetSpecifiedShortnames()))
	case errors.As(err, &missing):
		err = qemutext.Errorf("missing argument for option '%s'", optionText(missing.GetSpecifiedName(), missing.GetSpecifiedShortnames()))
	case errors.As(err, &several):
		err = qemutext.Errorf("unrecognized option '--%s'", several.Name)
	}
	return usageError(cmd, err)
}

// optionText is an option as it was written.
func optionText(name, shorthands string) string {
	if shorthands == "" {
		return "--" + name
	}
	return "-" + shorthands
}

// wantArgs demands a number of arguments from least to most; most < 0 is no
// limit.
func wantArgs(least, most int, otherwise string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return qemutext.Errorf("%s", otherwise)
		}
		return nil
	}
}

// oneImage demands one argument.
func oneImage() cobra.PositionalArgs { return wantArgs(1, 1, "Expecting one image file name") }
