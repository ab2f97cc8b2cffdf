package main

import (
	"strings"
	"testing"
	"time"
)

func times(d time.Duration, n int) result {
	var r result
	for range n {
		r.wall = append(r.wall, d)
		r.cpu = append(r.cpu, d)
	}
	return r
}

func TestOnlyAQuietRunOfSevenIsJudged(t *testing.T) {
	quiet, busy := load{others: 0.05}, load{others: 1.5}
	large := times(1, 7)
	large.peak = peakLimit + 1
	for _, c := range []struct {
		name         string
		ours, theirs result
		target       float64
		l            load
		want         verdict
	}{
		{"within the target", times(80, 7), times(100, 7), 0.8, quiet, met},
		{"beyond it", times(81, 7), times(100, 7), 0.8, quiet, missed},
		{"others were busy", times(1, 7), times(100, 7), 0.8, busy, noisy},
		{"six runs", times(1, 6), times(100, 7), 0.8, quiet, tooLittle},
		{"too much memory", large, times(100, 7), 0.8, quiet, memory},
	} {
		if got := judge(c.ours, c.theirs, c.target, c.l); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTheSummaryNamesWhereWeLoseTheWorstFirst(t *testing.T) {
	var b strings.Builder
	summarize(&b, []judged{
		{work: "won", against: "x", wall: 0.5, target: 0.8, verdict: met},
		{work: "lost", against: "x", wall: 1, target: 0.8, verdict: missed},
		{work: "lost worse", against: "x", wall: 0.1, cpu: 3, target: 1, verdict: noisy},
		{work: "counted", against: "x", wall: 1.5, target: 1, verdict: missed, counted: true},
	})
	got := b.String()
	worse, counted, lost := strings.Index(got, "lost worse against x: 3.00 by processor time"), strings.Index(got, "counted against x: 1.50 by count"), strings.Index(got, "lost against x: 1.00 by the clock")
	if worse < 0 || counted < worse || lost < counted || strings.Contains(got, "won") ||
		!strings.Contains(got, "4 lines: 1 met, 2 missed, 1 of a busy machine, 0 of too few runs") {
		t.Errorf("summary is %s", got)
	}
}

func TestTheLoadOfOthersIsSeen(t *testing.T) {
	done, err := watch()
	if err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); time.Since(start) < 200*time.Millisecond; { // our own is not others'
	}
	l, err := done()
	if err != nil || l.average == "" || l.others < 0 {
		t.Errorf("%+v, %v", l, err)
	}
	if ticks, err := processTicks(1); err != nil || ticks < 0 {
		t.Errorf("process 1: %v, %v", ticks, err)
	}
}
