package main

import (
	"runtime"
	"runtime/debug"
)

// collectLater puts the first garbage collection off until 16 MiB are allocated,
// not 4: most commands have ended by then. Afterwards all is as usual. A GOGC
// of the user's own is kept.
func collectLater() {
	const usual, first = 100, 400
	if now := debug.SetGCPercent(first); now != usual {
		debug.SetGCPercent(now)
		return
	}
	unreachable := new([64]byte) // which the first collection finds
	runtime.AddCleanup(unreachable, func(percent int) { debug.SetGCPercent(percent) }, usual)
}
