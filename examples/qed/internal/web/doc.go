// Package web shows the files of an image to a browser.
//
// Neither the image nor the pages that the browser has open besides are
// trusted. Nothing of an image is ever interpreted: files are downloads, or
// plain text in a sandbox, and no type is guessed. A request must come under
// an address or a name that the server was given, so that no foreign name can
// be pointed at it (DNS rebinding). Pages run no scripts and load nothing but
// their style.
package web
