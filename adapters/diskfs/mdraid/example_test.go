package mdraid_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/mdraid"
)

func Example() {
	members := slices.Clone(committed(new(testing.T))["raid5-left-symmetric"].members)
	members[2] = nil // is missing
	arrays, err := mdraid.Scan(devices(members...))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, a := range arrays {
		r, err := a.Open()
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(a.DeviceName(), a.Level, a.Version, r.Size(), a.Notes())
	}
	// Output: md-raid5-left-symmetric raid5 1.2 2162688 [device 2 of 4 is missing; what it held is computed from the others]
}

// An array is put together from those of its members that are there.
func ExampleArray() {
	parts := slices.Clone(committed(new(testing.T))["raid5-left-symmetric"].members)
	parts = slices.Delete(parts, 2, 3)
	var members []mdraid.Device = devices(parts...)
	arrays, err := mdraid.Scan(members)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, array := range arrays {
		var a *mdraid.Array = array
		fmt.Println(a.Level, len(a.Devices), a.Missing)
	}
	// Output:
	// raid5 3 [2]
}
