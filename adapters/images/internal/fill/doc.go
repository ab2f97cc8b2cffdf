// Package fill writes disk images from their first byte to their last: what a
// disk holds, in blocks that get their places in the order of the disk, and the
// tables that say where these are.
package fill
