package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/qedfs/qedfs/qedfile"
)

// addProgressFlag gives a subcommand the -p flag.
func addProgressFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().BoolP("progress", "p", false, "show progress even if standard error is no terminal")
}

// progress shows how far a long task is, with speed and time left, on
// standard error: if that is a terminal, or if the user asks for it. It is
// used from one goroutine at a time.
type progress struct {
	label  string
	notes  io.Writer // nil shows nothing
	counts bool      // what is counted is no bytes
	bar    *progressbar.ProgressBar

	percent io.Writer // prints qemu-img's percentage instead; nil does not
	last    float64   // what it printed last
}

// newProgress begins a display. Callers defer its finish.
func (a *app) newProgress(label string, asked bool) *progress {
	a.progress = &progress{label: label}
	f, ok := a.stderr.(*os.File)
	if asked || ok && term.IsTerminal(int(f.Fd())) {
		a.progress.notes = a.stderr
	}
	return a.progress
}

// newCounter begins a display of what is counted where nobody knows how much there
// is. It makes room for a listing: there is none where that is on a terminal.
func (a *app) newCounter(label string, asked bool) *progress {
	p := a.newProgress(label, asked)
	if a.toTerminal() {
		p.notes = nil
	}
	p.counts = true
	return p
}

// toTerminal reports whether standard output is a terminal.
func (a *app) toTerminal() bool {
	f, ok := a.stdoutFile()
	return ok && term.IsTerminal(int(f.Fd()))
}

// newPercentage begins a display as qemu-img's -p has it: a percentage on
// standard output. Where that is a terminal it is the display of newProgress.
func (a *app) newPercentage(label string, asked bool) *progress {
	out, isFile := a.stdoutFile()
	if terminal := isFile && term.IsTerminal(int(out.Fd())); asked && !terminal {
		a.progress = &progress{label: label, percent: a.stdout}
		return a.progress
	}
	p := a.newProgress(label, asked)
	if a.asQemu() && !asked {
		p.notes = nil
	}
	return p
}

// begin prints qemu-img's first percentage.
func (p *progress) begin() {
	if p.percent != nil {
		p.print(0)
	}
}

// print prints a percentage.
func (p *progress) print(v float64) {
	fmt.Fprintf(p.percent, "    (%3.2f/100%%)\r", v)
	p.last = v
}

// shown reports whether there is anybody to see it.
func (p *progress) shown() bool { return p.notes != nil }

// set says that done of total bytes are done. It has the shape that the
// library's long operations report with.
func (p *progress) set(done, total int64) {
	if p.percent != nil && total > 0 {
		if v := 100 * float64(min(done, total)) / float64(total); v >= p.last+1 || v == 100 {
			p.print(v)
		}
		return
	}
	if p.notes == nil || total <= 0 {
		return
	}
	p.draw(done, total)
}

// count says that so many of an unknown number are done.
func (p *progress) count(done int64) {
	if p.notes != nil {
		p.draw(done, -1)
	}
}

// draw shows the bar; a total of -1 is not known.
func (p *progress) draw(done, total int64) {
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(p.notes),
			progressbar.OptionSetDescription(p.label),
			progressbar.OptionShowBytes(!p.counts),
			progressbar.OptionShowTotalBytes(!p.counts),
			progressbar.OptionShowCount(),
			progressbar.OptionUseIECUnits(true),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetWidth(20),
		)
	}
	// A display that cannot be written is no reason to stop the work.
	if total < 0 {
		_ = p.bar.Set64(done)
		return
	}
	p.bar.ChangeMax64(total)
	_ = p.bar.Set64(min(done, total))
}

// ofData is set for a copy of a disk, which tells up to where it is done: for
// qemu-img's percentage only data counts, or only what the disk itself stores.
// stop ends it.
func (p *progress) ofData(d qedfile.Disk, own bool) (set func(pos, total int64), stop func()) {
	if p.percent == nil {
		return p.set, func() {}
	}
	extents := extentsOf(d, 0, d.Size())
	if layer, ok := d.(qedfile.Layer); ok && own {
		extents = layer.OwnExtents(0, d.Size())
	}
	data, stop := newDataProgress(extents, p.set)
	return data.set, stop
}

// complete ends a percentage that counts data alone.
func (p *progress) complete() {
	if p.percent != nil {
		p.print(100)
	}
}

// clear makes room on the display's line for a message. The next set draws it
// again. A nil progress has nothing to clear.
func (p *progress) clear() {
	if p != nil && p.bar != nil {
		_ = p.bar.Clear() // no reason to stop, as in set
	}
}

// finish ends the line of the display.
func (p *progress) finish() {
	if p.percent != nil {
		fmt.Fprintln(p.percent)
		p.percent = nil
	}
	if p.bar != nil {
		fmt.Fprintln(p.notes)
		p.bar = nil
	}
}
