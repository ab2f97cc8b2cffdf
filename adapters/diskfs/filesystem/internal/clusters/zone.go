package clusters

import "time"

// InZone returns the time at which the clock of a zone, or of UTC for nil, shows what
// that of UTC shows at t.
func InZone(t time.Time, zone *time.Location) time.Time {
	t = t.UTC()
	if zone == nil {
		return t
	}
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone).UTC()
}
