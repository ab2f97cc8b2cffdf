package main

import (
	"io/fs"
	"os"
	"path"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/examples/qed/internal/lscolors"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

// addColorFlag gives a subcommand the --color flag of ls.
func addColorFlag(cmd *cobra.Command) *string {
	when := new(string)
	addChoice(cmd, when, "color", "", "auto", "colour names by LS_COLORS: auto is on a terminal, unless NO_COLOR is set", "auto", "always", "never")
	cmd.Flags().Lookup("color").NoOptDefVal = "always"
	return when
}

// painter colours names. A nil one leaves them as they are.
type painter struct {
	*lscolors.Colors
	files *files
	long  bool // targets of links are shown
	begun bool
}

func (f *files) newPainter(when string, long bool) *painter {
	on := when == "always" || when == "auto" && f.a.toTerminal() && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if !on {
		return nil
	}
	return &painter{Colors: lscolors.Parse(os.Getenv("LS_COLORS")), files: f, long: long}
}

// name is a file's name for people. Nothing of the image is in the colours.
func (p *painter) name(at, shown string, st *imagefs.Stat) string {
	text := show.Name(shown)
	if p == nil {
		return text
	}
	var link lscolors.Link
	if st.Mode&fs.ModeSymlink != 0 && p.Follows(p.long) {
		link = p.follow(at)
	}
	return p.paint(p.Sequence(path.Base(at), st, link), text)
}

// target is the target of a link for people.
func (p *painter) target(at, target string) string {
	text := showTarget(target)
	if p == nil || !p.Follows(p.long) {
		return text
	}
	link := p.follow(at)
	if link.Lost {
		return p.paint(p.Missing(), text)
	}
	return p.paint(p.Sequence(path.Base(target), link.Stat, lscolors.Link{}), text)
}

func (p *painter) follow(at string) lscolors.Link {
	info, err := p.files.tree.Stat(at)
	if err != nil {
		return lscolors.Link{Lost: true}
	}
	return lscolors.Link{Stat: info.Sys().(*imagefs.Stat)}
}

func (p *painter) paint(sequence, text string) string {
	if sequence == "" {
		return text
	}
	text = p.Paint(sequence, text)
	if !p.begun {
		p.begun = true
		text = p.Reset() + text
	}
	return text
}
