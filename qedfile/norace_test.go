//go:build !race

package qedfile_test

const memoryFactor = 1
