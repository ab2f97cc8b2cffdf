package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// outputFormat is the --output flag: how a result is printed.
type outputFormat string

const (
	outputHuman outputFormat = "human"
	outputJSON  outputFormat = "json"
)

func (f *outputFormat) String() string { return string(*f) }
func (f *outputFormat) Type() string   { return "human|json" }
func (f *outputFormat) Set(s string) error {
	switch v := outputFormat(s); v {
	case outputHuman, outputJSON:
		*f = v
		return nil
	}
	return fmt.Errorf("%q is neither human nor json", s)
}

// addOutputFlag gives a subcommand the --output flag.
func addOutputFlag(cmd *cobra.Command) *outputFormat {
	f := outputHuman
	cmd.Flags().Var(&f, "output", "print the result for people or for programs")
	completeFixed(cmd, "output", string(outputHuman), string(outputJSON))
	return &f
}

// completeFixed offers the values of a flag to the shell.
func completeFixed(cmd *cobra.Command, flag string, values ...string) {
	// It fails only for a flag that does not exist.
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
}

// printJSON prints a value as qemu-img does, indented by four.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "    ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
