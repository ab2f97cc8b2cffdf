package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commonFlag marks flags that many subcommands have alike: how an image is
// opened. Help shows them after the subcommand's own.
const commonFlag = "common"

// common marks the flags that a subcommand is given between its call and that
// of the function it returns.
func common(cmd *cobra.Command) (end func()) {
	before := make(map[string]bool)
	cmd.Flags().VisitAll(func(f *pflag.Flag) { before[f.Name] = true })
	return func() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !before[f.Name] {
				_ = cmd.Flags().SetAnnotation(f.Name, commonFlag, nil) // it is there
			}
		})
	}
}

// printUsage writes what follows the description in the help of a command.
func printUsage(cmd *cobra.Command) error {
	var b strings.Builder
	b.WriteString("Usage:\n")
	if cmd.Runnable() {
		fmt.Fprintf(&b, "  %s\n", cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s [command]\n", cmd.CommandPath())
	}
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		for _, group := range cmd.Groups() {
			printCommands(&b, group.Title, cmd, func(c *cobra.Command) bool { return c.GroupID == group.ID })
		}
		printCommands(&b, "Commands:", cmd, func(c *cobra.Command) bool { return c.GroupID == "" })
	}
	isCommon := func(f *pflag.Flag) bool { _, ok := f.Annotations[commonFlag]; return ok }
	printFlags(&b, "Flags:", cmd, func(f *pflag.Flag) bool { return !isCommon(f) })
	printFlags(&b, "Flags that say how an image is opened:", cmd, isCommon)
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nUse \"%s [command] --help\" for more information about a command.\n", cmd.CommandPath())
	}
	_, err := io.WriteString(cmd.OutOrStderr(), b.String())
	return err
}

func printCommands(b *strings.Builder, title string, parent *cobra.Command, which func(*cobra.Command) bool) {
	head := "\n" + title + "\n"
	for _, c := range parent.Commands() {
		if (c.IsAvailableCommand() || c.Name() == "help") && which(c) {
			fmt.Fprintf(b, "%s  %-*s  %s\n", head, parent.Commands()[0].NamePadding(), c.Name(), c.Short)
			head = ""
		}
	}
}

// A flag with a longer name than flagColumn has its description on a line below.
const (
	flagColumn = 30
	lineWidth  = 80
)

func printFlags(b *strings.Builder, title string, cmd *cobra.Command, which func(*pflag.Flag) bool) {
	head := "\n" + title + "\n"
	indent := strings.Repeat(" ", flagColumn)
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || !which(f) {
			return
		}
		name, usage := describeFlag(f)
		b.WriteString(head)
		head = ""
		if len(name)+2 > flagColumn {
			fmt.Fprintf(b, "%s\n%s", name, indent)
		} else {
			fmt.Fprintf(b, "%-*s", flagColumn, name)
		}
		b.WriteString(strings.ReplaceAll(wrap(usage, lineWidth-flagColumn), "\n", "\n"+indent))
		b.WriteByte('\n')
	})
}

// describeFlag returns how a flag is written, and what it does.
func describeFlag(f *pflag.Flag) (name, usage string) {
	name = "      --" + f.Name
	if f.Shorthand != "" {
		name = "  -" + f.Shorthand + ", --" + f.Name
	}
	value, usage := pflag.UnquoteUsage(f)
	switch {
	case value != "" && f.NoOptDefVal != "" && f.Value.Type() != "bool":
		name += "[=" + value + "]"
	case value != "":
		name += " " + value
	}
	switch f.DefValue {
	case "", "0", "false", "[]":
	default:
		usage += " (default " + f.DefValue + ")"
	}
	return name, usage
}

// wrap breaks a text into lines of so many bytes where it can.
func wrap(text string, width int) string {
	var b strings.Builder
	used := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case used+1+len(word) > width:
			b.WriteByte('\n')
			used = 0
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += len(word)
	}
	return b.String()
}
