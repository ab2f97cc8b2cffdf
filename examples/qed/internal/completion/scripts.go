package completion

import "embed"

//go:embed scripts
var scripts embed.FS

// Shells are the shells that have a script here.
func Shells() []string { return []string{"bash", "zsh", "fish"} }

// Script is what a shell is to run, once.
func Script(shell string) (string, error) {
	b, err := scripts.ReadFile("scripts/qed." + shell)
	return string(b), err
}
