// Package diskmap draws where a disk's bytes lie: the disk as the guest sees
// it, the image's file, and how the one maps to the other.
//
//	disk  ▕████░░░░███░░░░░░░░██▏      what is stored, zero, from below
//	         ╲ ╲   ╱ ╱      ╱ ╱        ribbons
//	file  ▕▉▒▓████████▏                header, tables, data, leaks
//
// A picture's size is bounded: up to some thousand pieces are drawn as they
// are; of more, each column shows the shares of what falls into it. Memory is
// bounded in the same way, so that an image of any size, or made to harm, can
// be drawn.
package diskmap
