package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

func newShell(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "shell [flags] IMAGE",
		Short: "Explore the image with commands; it is opened once",
		Long: `Read commands and carry them out on the files inside the image: cd, pwd, less,
get, and subcommands of qed without the IMAGE: ls, cat, stat, tree, ... 'help'
lists them, and 'help ls' is the help of one. It ends with exit or Ctrl-D.

It begins in the root of the guest where the disk has one system, else among the
volumes. A PATH is relative to the directory that cd went to. Words are split as
a shell does: quotes and backslashes take the meaning from what is special.

On a terminal there are a history and completion by the Tab key. Commands that
come from a file or pipe are carried out one after the other; the exit code is 1
if one of them failed.`,
		Args: cobra.ExactArgs(1),
	}
	a.addFileFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := a.openFiles(cmd, args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		f.reportVolumes()
		f.reportNotes()
		s := &shell{app: a, files: f, image: args[0], dir: f.home(), failed: f.count > 0, names: shellNames(cmd.Root())}
		if err := s.run(cmd.Context()); err != nil {
			return err
		}
		if s.failed {
			return &exitError{code: exitFailed}
		}
		return nil
	}
	return cmd
}

// shell is an image that is open for one command after the other.
type shell struct {
	app    *app
	files  *files
	image  string
	dir    string // of the tree: what paths are relative to
	failed bool
	names  []string // of the subcommands that can be used
}

// shellCommands are the subcommands that a shell has, those that there are.
var shellCommands = []string{"ls", "cat", "stat", "tree", "find", "hash", "du", "df", "volumes", "inspect"}

// maxLine is how long a command may be.
const maxLine = 1 << 20

// home is where a shell begins.
func (f *files) home() string {
	if s, err := f.tree.system(); err == nil && s != nil {
		return "/"
	}
	return "."
}

// run carries out what comes from the standard input.
func (s *shell) run(ctx context.Context) error {
	if in, out, ok := s.terminal(); ok {
		return s.interact(ctx, in, out)
	}
	lines := bufio.NewScanner(s.app.stdin)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if err := s.line(ctx, lines.Text()); err != nil {
			return unlessExit(err)
		}
	}
	return cmp.Or(ctx.Err(), lines.Err())
}

// errExit ends a shell.
var errExit = errors.New("exit")

func unlessExit(err error) error {
	if errors.Is(err, errExit) {
		return nil
	}
	return err
}

// line carries out one command. A command that fails is said; the error ends the
// shell.
func (s *shell) line(ctx context.Context, line string) error {
	words, err := splitWords(line)
	if err == nil && len(words) > 0 {
		err = s.command(ctx, words[0], words[1:])
	}
	if out, ok := s.app.stdout.(*printout); ok && out.err != nil {
		return out.err
	}
	if err == nil || errors.Is(err, errExit) || ctx.Err() != nil {
		return cmp.Or(ctx.Err(), err)
	}
	s.failed = true
	if !errors.Is(err, errSaid) {
		fmt.Fprintf(s.app.stderr, "qed: shell: %s\n", message(err))
	}
	return nil
}

// errSaid is of a command that has said itself why it failed.
var errSaid = errors.New("said")

func (s *shell) command(ctx context.Context, name string, args []string) error {
	switch name {
	case "exit", "quit":
		return errExit
	case "cd":
		return s.cd(args)
	case "pwd":
		_, err := fmt.Fprintln(s.app.stdout, show.Name(s.dir))
		return err
	case "help":
		return s.help(ctx, args)
	case "less", "more":
		return s.less(ctx, args)
	case "get":
		return s.get(ctx, args)
	}
	if slices.Contains(s.names, name) {
		return s.qed(ctx, append([]string{name, s.image}, args...))
	}
	return fmt.Errorf("%s: no such command; 'help' lists them", show.Name(name))
}

// shellNames are those of shellCommands that there are.
func shellNames(root *cobra.Command) (names []string) {
	for _, name := range shellCommands {
		if cmd, _, err := root.Find([]string{name}); err == nil && cmd.Name() == name {
			names = append(names, name)
		}
	}
	return names
}

// qed runs a subcommand on the image that is open, and says why it failed.
func (s *shell) qed(ctx context.Context, args []string) error {
	a, cmd, err := s.execute(ctx, s.app.stdout, args)
	if err == nil || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return err
	}
	return said(a, cmd, err)
}

// said reports the error of a subcommand that has not done so itself.
func said(a *app, cmd *cobra.Command, err error) error {
	if exit := new(exitError); !errors.As(err, &exit) || exit.err != nil {
		a.complain(cmd, err)
	}
	return errSaid
}

func (s *shell) execute(ctx context.Context, stdout io.Writer, args []string) (*app, *cobra.Command, error) {
	a := &app{program: s.app.program, stdin: strings.NewReader(""), stdout: stdout, stderr: s.app.stderr, shell: s}
	root := newProgram(a)
	root.SetIn(a.stdin)
	root.SetOut(stdout)
	root.SetErr(a.stderr)
	cmd, args, err := a.completeArgs(root, args)
	if err != nil {
		return a, cmd, flagError(cmd, err)
	}
	root.SetArgs(args)
	cmd, err = root.ExecuteContextC(ctx)
	return a, cmd, err
}

// opened is the image for one command of the shell.
func (s *shell) opened(a *app, cmd *cobra.Command) *files {
	f := *s.files
	f.failures, f.dir, f.shared = a.newFailures(cmd), s.dir, true
	return &f
}

// cd goes to a directory; without one to where the shell began.
func (s *shell) cd(args []string) error {
	if len(args) > 1 {
		return errors.New("cd: one directory at a time")
	}
	dir := s.files.home()
	if len(args) == 1 {
		f := *s.files
		f.dir = s.dir
		dir = f.literal(args[0])
		info, err := f.tree.Stat(dir)
		if err == nil && !info.IsDir() {
			err = fstree.ErrNotDir
		}
		if err != nil {
			return fmt.Errorf("cd: %w", f.explain(dir, err))
		}
	}
	s.dir = dir
	return nil
}

// inDir is an argument relative to the directory that the shell is in.
func (f *files) inDir(arg string) string {
	switch {
	case f.dir == "" || isGuest(arg):
		return arg
	case isGuest(f.dir):
		return path.Join(f.dir, arg)
	}
	return strings.TrimPrefix(path.Join("/", f.dir, arg), "/")
}

// get copies files of the image to the host: into the directory DEST, or the one
// in which the shell was started.
func (s *shell) get(ctx context.Context, args []string) error {
	switch len(args) {
	case 1:
		args = append(args, ".")
	case 2:
	default:
		return errors.New("get: PATH [DEST] is what it takes")
	}
	return s.qed(ctx, append([]string{"cp", s.image, "--"}, args...))
}

// less shows files by the pager; where the output is no terminal it prints them.
func (s *shell) less(ctx context.Context, args []string) error {
	cat := append([]string{"cat", s.image, "--"}, args...)
	if _, _, ok := s.terminal(); !ok {
		return s.qed(ctx, cat)
	}
	words := strings.Fields(cmp.Or(os.Getenv("PAGER"), "less"))
	pager := exec.Command(words[0], words[1:]...)
	pager.Stdout, pager.Stderr = os.Stdout, os.Stderr
	// The file is not trusted: no editor, shell or other file from within.
	pager.Env = append(os.Environ(), "LESSSECURE=1")
	in, err := pager.StdinPipe()
	if err != nil {
		return err
	}
	if err := pager.Start(); err != nil {
		return fmt.Errorf("less: %w", err)
	}
	// Ctrl-C is the pager's. Who leaves it early has seen enough: what is
	// not written then is no failure.
	out := &printout{Writer: in}
	a, shown, err := s.execute(context.WithoutCancel(ctx), out, cat)
	if err != nil && out.err == nil {
		err = said(a, shown, err)
	} else {
		err = nil
	}
	return errors.Join(err, in.Close(), pager.Wait())
}

// help lists the commands, or explains one.
func (s *shell) help(ctx context.Context, args []string) error {
	if len(args) == 1 && slices.Contains(s.names, args[0]) {
		return s.qed(ctx, []string{args[0], "--help"})
	}
	_, err := fmt.Fprintf(s.app.stdout, `cd [PATH]          go to a directory; without PATH to where the shell began
pwd                print the directory
less PATH...       show files page by page
get PATH [DEST]    copy to the host, into its working directory unless told
help [COMMAND]     this list, or the help of a command
exit               end, as Ctrl-D does
As on the command line, without the IMAGE: %s
`, strings.Join(s.names, " "))
	return err
}
