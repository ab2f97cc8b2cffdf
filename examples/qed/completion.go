package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/examples/qed/internal/completion"
)

// powerShell has cobra's script; those of the others are in the completion
// package.
const powerShell = "powershell"

func newCompletion(a *app) *cobra.Command {
	shells := append(completion.Shells(), powerShell)
	return &cobra.Command{
		Use:   "completion " + strings.Join(shells, "|"),
		Short: "Print what a shell completes command lines by",
		Long: `Print the script by which a shell completes commands, options and their values,
and the volumes and paths inside the image. It needs no other package:

  bash  source <(qed completion bash)         in ~/.bashrc
  zsh   source <(qed completion zsh)          in ~/.zshrc, after compinit
  fish  qed completion fish | source          in ~/.config/fish/config.fish

An image that is given by its URL is asked over the network, for 5 seconds at
most. Encrypted volumes are completed where --key-file or the environment's
QED_PASSPHRASE opens them.`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == powerShell {
				return cmd.Root().GenPowerShellCompletionWithDesc(a.stdout)
			}
			if !slices.Contains(shells, args[0]) {
				return usageError(cmd, fmt.Errorf("%s: the shells are %s", args[0], strings.Join(shells, ", ")))
			}
			script, err := completion.Script(args[0])
			if err != nil {
				return err
			}
			_, err = io.WriteString(a.stdout, script)
			return err
		},
	}
}

// completionRequest is the argument by which the scripts ask. It is no subcommand:
// nobody types it.
const completionRequest = "__words"

// completionTime is how long a shell waits for an answer.
const completionTime = 5 * time.Second

// answerShell prints what a word may become, for the script of a shell.
func (a *app) answerShell(ctx context.Context, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	if len(args) >= 6 && args[0] == "bash" {
		line := &completion.BashLine{
			Command: args[1], Before: args[2], After: args[3], Replaced: args[4], Type: args[5],
			Value: variables(args[6:]),
		}
		before, word, after := line.Words()
		_, err := io.WriteString(a.stdout, line.Reply(a.completions(ctx, before, word, after)))
		return err
	}
	n := -1
	if len(args) > 2 {
		n, _ = strconv.Atoi(args[1]) // what is no number is not in the list either
	}
	if n < 0 || n+2 >= len(args) {
		return fmt.Errorf("%s: the script of the shell is one of another version", completionRequest)
	}
	words := args[2:]
	answer := a.completions(ctx, words[:n], words[n], words[n+1:])
	_, err := io.WriteString(a.stdout, answer.Fields(args[0] == "zsh"))
	return err
}

// variables are those of a shell, and of the environment.
func variables(settings []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, s := range settings {
			if n, value, _ := strings.Cut(s, "="); n == name {
				return value, true
			}
		}
		return os.LookupEnv(name)
	}
}

// completing is a completion that goes on. Functions that find more than words
// leave it here; cobra's own protocol is one of lines.
type completing struct {
	after  []string // the words that follow
	answer *completion.Answer
}

// completions are what a word may become between others.
func (a *app) completions(ctx context.Context, before []string, word string, after []string) *completion.Answer {
	var out bytes.Buffer
	b := &app{
		program: a.program, stdin: strings.NewReader(""), stdout: &out, stderr: io.Discard,
		sources: sources{ctx: ctx}, completing: &completing{after: after},
	}
	defer b.keys.forget()
	root := newProgram(b)
	root.SetOut(&out)
	root.SetErr(io.Discard)
	cmd, full, err := b.completeArgs(root, before)
	if err == nil {
		before = full // abbreviations written out
	}
	if cmd.Name() == "find" && strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "--") {
		return startingWith(&completion.Answer{Kind: completion.Words, Candidates: oneDash(cmd)}, word)
	}
	root.SetArgs(slices.Concat([]string{cobra.ShellCompRequestCmd}, before, []string{word}))
	if err := root.ExecuteContext(ctx); err != nil {
		return &completion.Answer{Kind: completion.None}
	}
	answer := b.completing.answer
	if answer == nil {
		answer = wordsOf(out.String())
	}
	if name, value, ok := strings.Cut(word, "="); ok && strings.HasPrefix(name, "--") {
		answer.Lead, word = name+"=", value
	}
	return startingWith(answer, word)
}

// startingWith leaves out of an answer what a word cannot become.
func startingWith(answer *completion.Answer, word string) *completion.Answer {
	answer.Candidates = slices.DeleteFunc(answer.Candidates, func(c completion.Candidate) bool {
		return !strings.HasPrefix(c.Word, word)
	})
	return answer
}

// wordsOf reads an answer of cobra's: words with what they mean after a tab, and a
// last line with a colon and what the shell is to do.
func wordsOf(text string) *completion.Answer {
	answer := &completion.Answer{Kind: completion.Words}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	last := lines[len(lines)-1]
	flags, err := strconv.Atoi(strings.TrimPrefix(last, ":"))
	if err != nil || !strings.HasPrefix(last, ":") {
		return &completion.Answer{Kind: completion.None}
	}
	directive := cobra.ShellCompDirective(flags)
	switch {
	case directive&cobra.ShellCompDirectiveError != 0:
		return &completion.Answer{Kind: completion.None}
	case directive&cobra.ShellCompDirectiveFilterDirs != 0:
		return &completion.Answer{Kind: completion.Dirs}
	}
	for _, line := range lines[:len(lines)-1] {
		word, note, _ := strings.Cut(line, "\t")
		answer.Candidates = append(answer.Candidates, completion.Candidate{
			Word: word, Note: note, Open: directive&cobra.ShellCompDirectiveNoSpace != 0,
		})
	}
	return answer
}
