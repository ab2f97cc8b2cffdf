package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newMan(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "man",
		Short: "Print the manual page",
		Long:  "Print the manual page, in the format of man(7), to standard output.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return writeManual(a.stdout, cmd.Root())
		},
	}
}

// writeManual writes one page for the command and all its subcommands.
// (cobra's own generator writes a page for each and brings a Markdown
// converter along.)
func writeManual(w io.Writer, root *cobra.Command) error {
	m := &manual{bufio.NewWriter(w)}
	m.line(".TH QED 1")
	m.section("NAME", "qed \\- "+roff(strings.ToLower(root.Short[:1])+root.Short[1:]))
	m.section("SYNOPSIS", ".B qed\n.I COMMAND\n[options] [arguments]")
	m.line(".SH COMMANDS")
	for _, c := range root.Commands() {
		if c.Hidden || c.Name() == "help" {
			continue
		}
		m.command(c)
	}
	m.section("EXIT STATUS", "0 for success, 1 for a failure, 130 when interrupted. check, compare and diff have codes of their own.")
	m.section("SEE ALSO", ".BR qemu\\-img (1),\n.BR qemu\\-io (1)")
	return m.w.Flush()
}

type manual struct{ w *bufio.Writer }

func (m *manual) line(s string)          { fmt.Fprintln(m.w, s) }
func (m *manual) section(name, s string) { fmt.Fprintf(m.w, ".SH %s\n%s\n", name, s) }

func (m *manual) command(c *cobra.Command) {
	fmt.Fprintf(m.w, ".SS %s\n", roff(c.UseLine()))
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	verbatim := false
	for _, l := range strings.Split(text, "\n") {
		if code := strings.HasPrefix(l, "  "); code != verbatim {
			m.line(map[bool]string{true: ".nf", false: ".fi"}[code])
			verbatim = code
		}
		if l == "" {
			l = ".PP"
		} else {
			l = roff(l)
		}
		m.line(l)
	}
	if verbatim {
		m.line(".fi")
	}
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		kind, usage := pflag.UnquoteUsage(f)
		name = `\fB` + roff(name) + `\fR`
		if kind != "" {
			name += ` \fI` + roff(kind) + `\fR`
		}
		fmt.Fprintf(m.w, ".TP\n%s\n%s\n", name, roff(usage))
	})
	if c.HasExample() {
		fmt.Fprintf(m.w, ".PP\n.nf\n%s\n.fi\n", roff(c.Example))
	}
}

// roff escapes what troff would read as its own.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, `-`, `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
