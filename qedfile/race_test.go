//go:build race

package qedfile_test

// memoryFactor is how much more is allocated under the race detector, where
// pools forget what they hold.
const memoryFactor = 2
