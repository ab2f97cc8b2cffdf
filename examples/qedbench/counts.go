package main

import (
	"fmt"
	"io"
	"regexp"
)

// count is a row that load does not change: reads, bytes, requests or
// allocations, beside what the work cannot do without.
type count struct {
	name    string
	against string
	target  float64 // the most that ours may be of theirs
	work    func() (ours, theirs float64, err error)
}

// counts prints the rows of counts, each counted once.
func (b *bench) counts(match *regexp.Regexp, w io.Writer) ([]judged, error) {
	var lines []judged
	for _, g := range b.countGroups() {
		if !b.only.MatchString(g.name) {
			continue
		}
		rows, err := g.rows()
		if err != nil {
			return lines, err
		}
		for _, c := range rows {
			if !match.MatchString(c.name) {
				continue
			}
			ours, theirs, err := c.work()
			if err != nil {
				return lines, fmt.Errorf("%s: %w", c.name, err)
			}
			l := judged{work: c.name, against: c.against, wall: ours / theirs, cpu: ours / theirs, target: c.target, verdict: met, counted: true}
			if l.wall > c.target {
				l.verdict = missed
			}
			fmt.Fprintf(w, "%s\t%.6g\t\t\t%s\t%.6g\t\t%.2f\t\t%.2f\t%s\t\n", c.name, ours, c.against, theirs, l.wall, c.target, l.verdict)
			lines = append(lines, l)
		}
	}
	return lines, nil
}

// countGroup is counts that can be asked for together.
type countGroup struct {
	name string
	rows func() ([]count, error)
}

func (b *bench) countGroups() []countGroup {
	return []countGroup{
		{"storage", b.storageCounts}, {"tables", b.tableCounts}, {"allocations", b.allocationCounts}, {"requests", b.requestCounts},
	}
}
