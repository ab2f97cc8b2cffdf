package main

import (
	"fmt"
	"time"
)

// zoneFlag is the value of --time-zone.
type zoneFlag struct{ zone **time.Location }

func (f *zoneFlag) Type() string { return "zone" }

func (f *zoneFlag) String() string {
	if *f.zone == nil {
		return "" // UTC, as the usage text says
	}
	return (*f.zone).String()
}

func (f *zoneFlag) Set(s string) (err error) {
	*f.zone, err = parseZone(s)
	return err
}

// parseZone reads an offset from UTC as ISO 8601 has it, or the name of a zone. Names
// are looked up where time.LoadLocation does: in the system's database, or in the
// file or directory that ZONEINFO names.
func parseZone(s string) (*time.Location, error) {
	for _, layout := range []string{"-07:00", "-0700", "-07"} {
		if t, err := time.Parse(layout, s); err == nil {
			_, seconds := t.Zone()
			return time.FixedZone(s, seconds), nil
		}
	}
	if s == "" {
		return nil, fmt.Errorf("an empty name")
	}
	zone, err := time.LoadLocation(s)
	if err != nil {
		return nil, fmt.Errorf("%w (names are those of the system's time zone database, as Europe/Berlin; +02:00 is an offset)", err)
	}
	return zone, nil
}
