package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/examples/qed/internal/bytesize"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
)

// choice is a flag that takes one of a few words.
type choice struct {
	value     *string
	allowed   []string
	otherwise string // the message for another word; "" is one that lists them
	free      bool   // other words are taken, too
	usage     bool   // the message points to the help
	empty     string // the message for no word at all; "" takes it as any other
}

// misuse is a wrong value after which qemu points to its help.
type misuse struct{ text *qemutext.Error }

func (e *misuse) Error() string { return e.text.Error() }

// addChoice gives a subcommand a flag that takes one of a few words, and
// offers them to the shell. initial need not be one of them.
func addChoice(cmd *cobra.Command, value *string, name, short, initial, usage string, allowed ...string) *choice {
	*value = initial
	c := &choice{value: value, allowed: allowed}
	cmd.Flags().VarP(c, name, short, usage)
	complete := cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc(name, complete); err != nil {
		panic(err) // the flag is there: it was added two lines above
	}
	return c
}

func (c *choice) String() string { return *c.value }
func (c *choice) Type() string   { return strings.Join(c.allowed, "|") }
func (c *choice) Set(s string) error {
	if s == "" && c.empty != "" {
		return &runError{qemutext.Errorf("%s", c.empty)}
	}
	if !slices.Contains(c.allowed, s) && !c.free {
		if c.otherwise != "" {
			text := qemutext.Errorf("%s", strings.ReplaceAll(c.otherwise, "%s", s))
			if c.usage {
				return &misuse{text}
			}
			return text
		}
		return fmt.Errorf("%q is not one of %s", s, strings.Join(c.allowed, ", "))
	}
	*c.value = s
	return nil
}

// output is the --output flag: how a result is printed.
type output struct{ format string }

func (o *output) json() bool { return o.format == "json" }

// addOutputFlag gives a subcommand the --output flag.
func addOutputFlag(cmd *cobra.Command) *output {
	o := &output{}
	addChoice(cmd, &o.format, "output", "", "human", "print the result for people or for programs", "human", "json").free = true
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if o.format != "human" && o.format != "json" {
			return qemutext.Errorf("--output must be used with human or json as argument.")
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
	return o
}

// printJSON prints a value as qemu-img does, indented by four.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "    ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// sizeFlag is a flag that takes a size.
type sizeFlag struct {
	value *int64
	what  string // in the message for what is no size
	most  int64
}

// addSizeFlag gives a subcommand a flag that takes a size; what it is called
// stands in the message for what is no size.
func addSizeFlag(cmd *cobra.Command, value *int64, name, short, what, usage string) {
	addSizeFlagUpTo(cmd, &sizeFlag{value, what, math.MaxInt64}, name, short, usage)
}

// addIntSizeFlag is addSizeFlag for a size below 2 GiB.
func addIntSizeFlag(cmd *cobra.Command, value *int64, name, short, what, usage string) {
	addSizeFlagUpTo(cmd, &sizeFlag{value, what, math.MaxInt32}, name, short, usage)
}

func addSizeFlagUpTo(cmd *cobra.Command, f *sizeFlag, name, short, usage string) {
	cmd.Flags().VarP(f, name, short, usage)
	cmd.Flags().Lookup(name).DefValue = "" // a usage text says what it means
}

func (f *sizeFlag) String() string { return strconv.FormatInt(*f.value, 10) }
func (f *sizeFlag) Type() string   { return "size" }
func (f *sizeFlag) Set(s string) (err error) {
	*f.value, err = parseSizeUpTo(s, f.what, f.most)
	return err
}

// parseSize reads a size; errors are qemu's.
func parseSize(s, what string) (int64, error) { return parseSizeUpTo(s, what, math.MaxInt64) }

func parseSizeUpTo(s, what string, most int64) (int64, error) {
	n, err := bytesize.Parse(s)
	switch {
	case errors.Is(err, bytesize.ErrRange), err == nil && n > most:
		return 0, qemutext.Errorf("Invalid %s specified. Must be between 0 and %d.", what, most)
	case err != nil:
		return 0, qemutext.BadSize(what)
	}
	return n, nil
}
