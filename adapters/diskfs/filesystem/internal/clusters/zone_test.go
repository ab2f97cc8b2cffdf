package clusters

import (
	"testing"
	"time"
)

func TestATimeIsThatOfItsZone(t *testing.T) {
	shown := time.Date(2024, 7, 1, 12, 30, 15, 500, time.UTC)
	zones := map[*time.Location]time.Time{
		nil:                               shown,
		time.FixedZone("east", 2*3600):    time.Date(2024, 7, 1, 10, 30, 15, 500, time.UTC),
		time.FixedZone("west", -5*3600/2): time.Date(2024, 7, 1, 15, 0, 15, 500, time.UTC),
	}
	for zone, want := range zones {
		if got := InZone(shown, zone); !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%v: %v", zone, got)
		}
	}
}
