package main

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/qedfs/qedfs/examples/qed/internal/findwords"
	"github.com/qedfs/qedfs/examples/qed/internal/longopt"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
)

// program is what the command was called as. Under the name of one of qemu's
// tools, as by a link, it takes that tool's arguments and speaks as it does.
type program struct {
	name string // before messages
	kind programKind
}

type programKind int

const (
	kindQed programKind = iota
	kindImg             // qemu-img
	kindIO              // qemu-io
)

// qemuVersion is the version of qemu whose tools the arguments and answers are
// those of.
const qemuVersion = "7.2.22"

// programOf tells the program from the path that it was called by.
func programOf(path string) program {
	name := strings.TrimSuffix(filepath.Base(path), ".exe")
	switch {
	case strings.HasSuffix(name, "qemu-img"):
		return program{name, kindImg}
	case strings.HasSuffix(name, "qemu-io"):
		return program{name, kindIO}
	}
	return program{"qed", kindQed}
}

// asQemu reports whether the command stands in for one of qemu's tools.
func (a *app) asQemu() bool { return a.program.kind != kindQed }

// newProgram assembles the command for the name that it was called by.
func newProgram(a *app) *cobra.Command {
	switch a.program.kind {
	case kindImg:
		return newQemuImg(a)
	case kindIO:
		return newQemuIO(a)
	}
	return newRoot(a)
}

// newQemuImg is the command in the place of qemu-img.
func newQemuImg(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   a.program.name,
		Short: "Work on disk images, in the place of qemu-img",
		Long: `Work on disk images, in the place of qemu-img: the command is qed, called by
a name that ends in qemu-img. Arguments, defaults, messages and exit codes are
those of qemu-img ` + qemuVersion + `, for the formats that qed has.

Backing files are opened in the directory of the image, as with qed. QED_BACKING
in the environment may say "any" or "none" instead. -T, --trace is ignored.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError(cmd, qemutext.Errorf("Not enough arguments"))
			}
			return usageError(cmd, qemutext.Errorf("Command not found: %s", args[0]))
		},
	}
	a.speakAsQemu(root)
	for _, c := range append(a.imageCommands(), newSnapshot(a)) {
		c.Args = checkedArgs(c.Args)
		root.AddCommand(c)
	}
	root.CompletionOptions.DisableDefaultCmd = true
	return root
}

// newQemuIO is the command in the place of qemu-io.
func newQemuIO(a *app) *cobra.Command {
	root := newIO(a)
	root.Use = a.program.name + " [flags] [IMAGE]"
	root.Long += `

The command is qed, called by a name that ends in qemu-io.`
	a.speakAsQemu(root)
	root.SetFlagErrorFunc(ioFlagError)
	return root
}

func (a *app) speakAsQemu(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Version = qemuVersion
	root.SetVersionTemplate(a.program.name + " version " + qemuVersion + " (qed " + version() + ")\n")
	root.Flags().BoolP("version", "V", false, "print the version")
	root.SetFlagErrorFunc(flagError)
	root.SetUsageFunc(printUsage)
}

// withoutTrace leaves qemu-img's own option out, which may stand before the
// subcommand.
func withoutTrace(args []string) ([]string, error) {
	for len(args) > 0 {
		switch arg := args[0]; {
		case arg == "-T" || arg == "--trace":
			if len(args) == 1 {
				return nil, &longopt.MissingError{Word: arg}
			}
			args = args[2:]
		case strings.HasPrefix(arg, "-T") && len(arg) > 2, strings.HasPrefix(arg, "--trace="):
			args = args[1:]
		default:
			return args, nil
		}
	}
	return args, nil
}

// completeArgs writes abbreviated options out and keeps a negative size from
// being parsed as one. It returns the subcommand with the arguments.
func (a *app) completeArgs(root *cobra.Command, args []string) (*cobra.Command, []string, error) {
	var err error
	if a.program.kind == kindImg {
		if args, err = withoutTrace(args); err != nil {
			return root, nil, err
		}
	} else {
		args = protectNegativeSize(args)
	}
	cmd, rest, err := root.Find(args)
	switch {
	case cmd == root && a.program.kind == kindImg && len(args) > 0 && !strings.HasPrefix(args[0], "-"):
		return root, args[:1], nil // which is no command, whatever its options
	case err != nil:
		return root, args, nil // the root's own message is better
	}
	if set, ok := qemuOptionSet(cmd.Name()); ok && a.program.kind == kindImg {
		var size []string
		if n := len(rest); cmd.Name() == "resize" && n > 1 { // the last word is the size, whatever it is
			rest, size = rest[:n-1], append([]string{"--"}, rest[n-1])
			if slices.Contains(rest, "--") {
				size = size[1:]
			}
		}
		full, err := set.Expand(rest)
		if earlier := error(nil); err != nil {
			if earlier = cmd.ParseFlags(full); earlier != nil {
				err = earlier
			}
		}
		return cmd, append(strings.Fields(cmd.CommandPath())[1:], slices.Concat(full, size)...), err
	}
	cmd.InitDefaultHelpFlag()
	set := longopt.Set{Long: map[string]bool{}}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		takes := f.NoOptDefVal == ""
		set.Long[f.Name] = takes
		if takes {
			set.ShortWithValue += f.Shorthand
		}
	})
	for name := range unlike()[cmd.Name()] { // an option of another program abbreviates none of ours
		if _, ours := set.Long[name]; !ours {
			set.Long[name] = false
		}
	}
	if cmd.Name() == "find" {
		if rest, err = findwords.Translate(&set, rest); err != nil {
			return cmd, nil, err
		}
	}
	rest, err = set.Expand(rest)
	if err != nil {
		return cmd, nil, err
	}
	return cmd, append(strings.Fields(cmd.CommandPath())[1:], rest...), nil
}
