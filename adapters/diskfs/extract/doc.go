// Package extract copies files out of an image into a directory of the host.
//
// An image may come from anybody, so nothing that it says leaves the
// destination: all is done below one [os.Root], symbolic links are made after
// everything else and never followed, setuid and setgid bits, file
// capabilities, devices and owners are left out unless they are asked for. A
// file has a temporary name until it is complete.
//
// Files with holes stay sparse and hard links stay links. Modes and times are
// restored, those of directories last.
package extract
