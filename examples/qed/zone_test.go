package main

import (
	"testing"
	"time"
)

func TestZonesAreOffsetsOrNames(t *testing.T) {
	winter := time.Date(2024, 1, 15, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]int{"+02:00": 7200, "-0530": -19800, "+14": 50400, "UTC": 0, "-00:00": 0} {
		zone, err := parseZone(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		if _, got := winter.In(zone).Zone(); got != want {
			t.Errorf("%s is %d s from UTC, want %d", s, got, want)
		}
	}
	for _, s := range []string{"", "+25:00", "2", "../../etc/passwd", "Nowhere/Atall"} {
		if zone, err := parseZone(s); err == nil {
			t.Errorf("%q is %v", s, zone)
		}
	}
}
