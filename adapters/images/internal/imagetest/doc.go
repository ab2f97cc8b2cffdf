// Package imagetest compares how images of any format are read with how
// qemu-img reads them.
package imagetest
