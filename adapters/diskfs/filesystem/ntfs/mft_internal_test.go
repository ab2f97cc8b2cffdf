package ntfs

import "testing"

func TestAStreamThatMapsClustersAgainAndAgainIsDamaged(t *testing.T) {
	v := &volume{boot: &boot{cluster: 4096, size: 10 * 4096}}
	for _, c := range []struct {
		runs []run
		ok   bool
	}{
		{[]run{{0, 10, 0}}, true},
		{[]run{{0, 10, 0}, {10, 1000, -1}}, true}, // and a hole
		{[]run{{0, 10, 0}, {10, 10, 0}}, false},
	} {
		if err := (&stream{v: v, runs: c.runs}).checkStored(); (err == nil) != c.ok {
			t.Errorf("%v: %v", c.runs, err)
		}
	}
}
