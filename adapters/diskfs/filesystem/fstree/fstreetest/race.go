//go:build race

package fstreetest

const raceEnabled = true
