package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
)

// app is what the subcommands share: the standard streams, the flags that say
// how an image is opened, and the progress that messages make room for.
type app struct {
	program        program
	stdin          io.Reader
	stdout, stderr io.Writer
	open           openFlags
	os             string // which system's files are meant
	sources        sources
	keys           keys
	progress       *progress // nil before there is one
	shell          *shell    // whose command this is; nil outside of one
	completing     *completing
}

// stdoutFile is the file that standard output is, if it is one.
func (a *app) stdoutFile() (*os.File, bool) {
	out, ok := a.stdout.(*printout)
	if !ok {
		return nil, false
	}
	f, ok := out.Writer.(*os.File)
	return f, ok
}

// Groups of subcommands in the help.
const (
	groupImage = "image"
	groupFiles = "files"
	groupOther = "other"
)

// newRoot assembles the command. A subcommand is one function in a file of
// its own; it is listed here and nowhere else.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "qed",
		Short: "Work on QED disk images and on the files inside them",
		Long: `Work on QED disk images and on the files inside them.

The tree of files has a directory for each volume: partitions, logical volumes,
or the disk itself. A volume that holds no files, as swap does, is not in the
tree; every other is. If a volume, a directory or a file cannot be read, a message
on standard error says so, the rest is shown, and the exit code is 1 (of diff 2):
0 means that nothing was left out. Notes about what hides nothing go to standard
error too, and do not change the exit code.

Where a command writes one file, the name - is standard output.

Called by a name that ends in qemu-img or qemu-io, as by a link, the command
stands in for that program: it takes its arguments, with its defaults, and
answers in its words.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError(cmd, qemutext.Errorf("Not enough arguments"))
		},
	}
	root.SuggestionsMinimumDistance = 1 // letters; with cobra's 2 "io" is like everything
	root.SetVersionTemplate("qed version {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.SetUsageFunc(printUsage)
	root.AddGroup(
		&cobra.Group{ID: groupFiles, Title: "The volumes and files inside:"},
		&cobra.Group{ID: groupImage, Title: "The image as a disk:"},
		&cobra.Group{ID: groupOther, Title: "About this command:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			c.Example = exampleOf(c.Name())
			c.Args = checkedArgs(c.Args)
			root.AddCommand(c)
		}
	}
	add(groupImage, a.imageCommands()...)
	add(groupImage, newCompact(a), newIO(a), newNBD(a))
	add(groupFiles,
		newVolumes(a),
		newInspect(a),
		newShell(a),
		newLs(a),
		newCat(a),
		newStat(a),
		newTree(a),
		newFind(a),
		newHash(a),
		newCp(a),
		newTar(a),
		newDump(a),
		newDf(a),
		newDu(a),
		newDiff(a),
		newServe(a),
		newMount(a),
	)
	add(groupOther, newMan(a), newCompletion(a), newVersion(a))
	root.SetHelpCommandGroupID(groupOther)
	strictHelp(root)
	a.completeArguments(root)
	return root
}

// imageCommands are the subcommands that qemu-img has, too.
func (a *app) imageCommands() []*cobra.Command {
	return []*cobra.Command{
		newInfo(a),
		newMap(a),
		newCheck(a),
		newCreate(a),
		newConvert(a),
		newDD(a),
		newResize(a),
		newRebase(a),
		newCommit(a),
		newCompare(a),
		newMeasure(a),
		newBench(a),
		newAmend(a),
	}
}

// strictHelp makes help fail for an unknown subcommand.
func strictHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			c.Args = func(_ *cobra.Command, args []string) error {
				_, _, err := root.Find(args)
				return err
			}
		}
	}
}

// checkedArgs makes a wrong number of arguments a usage error.
func checkedArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		return nil
	}
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError(cmd, err)
		}
		return nil
	}
}
