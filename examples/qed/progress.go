package main

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// addProgressFlag gives a subcommand the -p flag.
func addProgressFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().BoolP("progress", "p", false, "show the progress even if standard error is no terminal")
}

// progress shows how far a long task is, with speed and time left, on
// standard error: if that is a terminal, or if the user asks for it. It is
// used from one goroutine at a time.
type progress struct {
	bar  *progressbar.ProgressBar
	make func(total int64) *progressbar.ProgressBar
}

// newProgress begins a display. Callers defer its finish.
func (a *app) newProgress(label string, asked bool) *progress {
	p := &progress{}
	if f, ok := a.stderr.(*os.File); !asked && (!ok || !term.IsTerminal(int(f.Fd()))) {
		return p
	}
	p.make = func(total int64) *progressbar.ProgressBar {
		return progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(a.stderr),
			progressbar.OptionSetDescription(label),
			progressbar.OptionShowBytes(true),
			progressbar.OptionUseIECUnits(true),
			progressbar.OptionShowTotalBytes(true),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetWidth(20),
		)
	}
	return p
}

// set says that done of total bytes are done. It has the shape that the
// library's long operations report with.
func (p *progress) set(done, total int64) {
	if p.make == nil || total <= 0 {
		return
	}
	if p.bar == nil {
		p.bar = p.make(total)
	}
	p.bar.ChangeMax64(total)
	// A display that cannot be written is no reason to stop the work.
	_ = p.bar.Set64(min(done, total))
}

// finish ends the line of the display.
func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Exit()
		p.make = nil
	}
}
