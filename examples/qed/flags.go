package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/examples/qed/internal/bytesize"
)

// choice is a flag that takes one of a few words.
type choice struct {
	value   *string
	allowed []string
}

// addChoice gives a subcommand a flag that takes one of a few words, and
// offers them to the shell. initial need not be one of them.
func addChoice(cmd *cobra.Command, value *string, name, short, initial, usage string, allowed ...string) {
	*value = initial
	cmd.Flags().VarP(&choice{value, allowed}, name, short, usage)
	complete := cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc(name, complete); err != nil {
		panic(err) // the flag is there: it was added two lines above
	}
}

func (c *choice) String() string { return *c.value }
func (c *choice) Type() string   { return strings.Join(c.allowed, "|") }
func (c *choice) Set(s string) error {
	if !slices.Contains(c.allowed, s) {
		return fmt.Errorf("%q is none of %s", s, strings.Join(c.allowed, ", "))
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
	addChoice(cmd, &o.format, "output", "", "human", "print the result for people or for programs", "human", "json")
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
type sizeFlag int64

func (f *sizeFlag) String() string { return strconv.FormatInt(int64(*f), 10) }
func (f *sizeFlag) Type() string   { return "size" }
func (f *sizeFlag) Set(s string) error {
	n, err := bytesize.Parse(s)
	*f = sizeFlag(n)
	return err
}
