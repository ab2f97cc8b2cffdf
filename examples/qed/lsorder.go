package main

import (
	"cmp"
	"slices"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

// lsOrder is the order of a listing; the zero one is that of names.
type lsOrder struct{ byTime, bySize, reverse bool }

func (o *lsOrder) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&o.byTime, "time", "t", false, "sort by time of change, the latest first")
	cmd.Flags().BoolVarP(&o.bySize, "sort-size", "S", false, "sort by size, the largest first")
	cmd.Flags().BoolVarP(&o.reverse, "reverse", "r", false, "sort the other way round")
}

func (o lsOrder) any() bool { return o != lsOrder{} }

// sortedFile is a file that waits for its place in a listing.
type sortedFile struct {
	path, shown string
	stat        *imagefs.Stat
}

// sort sorts files that are in the order of names.
func (o lsOrder) sort(list []sortedFile) {
	slices.SortStableFunc(list, func(a, b sortedFile) int {
		switch {
		case o.bySize:
			return cmp.Compare(b.stat.Size, a.stat.Size)
		case o.byTime:
			return b.stat.Mtime.Compare(a.stat.Mtime)
		}
		return 0
	})
	if o.reverse {
		slices.Reverse(list)
	}
}
