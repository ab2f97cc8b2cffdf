// Package completion is the side of a shell's completion that has to do with the
// shell: what has been typed, read as bash reads it, and the answer in the form
// that the scripts for bash, zsh and fish take it. What the words mean is the
// command's to say.
//
// The scripts hold as little as they can. Of bash they need no package beside it;
// its own splitting breaks words at colons and equals signs and keeps quotes, so
// that the line comes here as it is.
package completion

// Kind says what a word is to be completed to.
type Kind string

const (
	None  Kind = "none"
	Words Kind = "words" // Candidates
	Files Kind = "files" // files of the host, by the shell
	Dirs  Kind = "dirs"  // directories of the host, by the shell
)

// Answer is what a word may become.
type Answer struct {
	Kind       Kind
	Candidates []Candidate

	// Lead stands before each candidate, as the option and equals sign of
	// --output=json. It has been typed.
	Lead string
}

// Candidate is one whole word, as the command is to get it.
type Candidate struct {
	Word string
	Note string // what it means, "" for a path
	Open bool   // the word goes on, as that of a directory: no space follows
	Path bool   // a listing shows the last element alone
}
