// Package extract copies files out of an image into a directory of the host.
//
// An image may come from anybody, so nothing that it says leaves the
// destination: all is done below one [os.Root], symbolic links are made after
// everything else and never followed, setuid and setgid bits, file
// capabilities, devices and owners are left out unless they are asked for. A
// file has a temporary name until it is complete.
//
// What is not copied is told to [Options].Problem, or is part of the error: nil
// means that all of it is there. Devices, pipes and sockets that were not asked
// for are told as well ([ErrSpecial]).
//
// Files with holes stay sparse and hard links stay links. Modes and times are
// restored, those of directories last.
package extract
