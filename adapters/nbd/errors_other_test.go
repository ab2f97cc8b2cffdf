//go:build !unix

package nbd_test

const noSpaceIsKnown = false
