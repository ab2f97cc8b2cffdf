// Package errs makes the errors of this module's packages, so that a program
// can show what happened without the name of the package that noticed it.
//
// A library's error begins with its package, which tells a programmer where to
// look:
//
//	qedfile: convert: not a valid QED image: the file is empty
//
// To the user of a program the package says nothing, and the operation is what
// they have just asked for. [Message] leaves both out, however deep they are in the
// chain, by looking at the errors and not at their text:
//
//	not a valid QED image: the file is empty
//
// # Use
//
//	var ErrFormat = errs.New("qedfile", "not a valid QED image", nil)
//
//	func Convert() error {
//		return errs.Wrap("qedfile", "convert", convert()) // nil where convert returns nil
//	}
package errs
