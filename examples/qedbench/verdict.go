package main

import (
	"fmt"
	"io"
	"slices"
)

// judged is one line of the table: our side and one opponent's.
type judged struct {
	work, against string
	wall, cpu     float64 // ours to theirs
	target        float64
	verdict       verdict
	counted       bool // the ratio is of counts
}

// verdict is what a line says of its target.
type verdict string

const (
	met       verdict = "met"
	missed    verdict = "MISSED"
	tooLittle verdict = "not judged: fewer than seven runs"
	noisy     verdict = "not judged: the machine was busy"
	memory    verdict = "MISSED: memory"
)

// judge decides by the clock; a machine that others used meanwhile decides
// nothing.
func judge(ours, theirs result, target float64, l load) verdict {
	switch {
	case ours.peak > peakLimit:
		return memory
	case len(ours.wall) < leastRuns || len(theirs.wall) < leastRuns:
		return tooLittle
	case !l.quiet():
		return noisy
	case median(ours.wall).Seconds() > target*median(theirs.wall).Seconds():
		return missed
	}
	return met
}

// summarize prints how many lines there are of each verdict, and where we
// lose: by the clock, and by processor time in the lines that the clock did
// not judge; the worst first.
func summarize(w io.Writer, lines []judged) {
	count := map[verdict]int{}
	for _, l := range lines {
		count[l.verdict]++
	}
	fmt.Fprintf(w, "\n%d lines: %d met, %d missed, %d of a busy machine, %d of too few runs\n", len(lines),
		count[met], count[missed]+count[memory], count[noisy], count[tooLittle])
	lost := slices.DeleteFunc(slices.Clone(lines), func(l judged) bool { return l.excess() <= 1 && l.verdict != memory })
	if len(lost) == 0 {
		return
	}
	slices.SortStableFunc(lost, func(a, b judged) int {
		if a.excess() > b.excess() {
			return -1
		}
		return 1
	})
	fmt.Fprintln(w, "where we lose, the worst first (by processor time where the clock decides nothing):")
	for _, l := range lost {
		by, ratio := l.ratio()
		fmt.Fprintf(w, "  %s against %s: %.2f by %s, target %.2f\n", l.work, l.against, ratio, by, l.target)
	}
}

// ratio is what the line goes by: the clock, or processor time where the clock
// decides nothing.
func (l judged) ratio() (by string, ratio float64) {
	if l.counted {
		return "count", l.wall
	}
	if l.verdict == noisy || l.verdict == tooLittle {
		return "processor time", l.cpu
	}
	return "the clock", l.wall
}

func (l judged) excess() float64 {
	_, ratio := l.ratio()
	return ratio / l.target
}
