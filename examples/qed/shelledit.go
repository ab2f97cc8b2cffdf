package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

// terminal returns the standard input and output where both are terminals.
func (s *shell) terminal() (in, out *os.File, ok bool) {
	in, ok = s.app.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil, nil, false
	}
	out, ok = s.app.stdoutFile()
	return in, out, ok && term.IsTerminal(int(out.Fd()))
}

// interact reads commands from a terminal. The terminal is as it was before
// while a command runs, and Ctrl-C ends that command alone.
func (s *shell) interact(ctx context.Context, in, out *os.File) error {
	t := term.NewTerminal(keyboard{in, out}, "")
	t.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' {
			return "", 0, false
		}
		return s.complete(t, line, pos)
	}
	fd := int(in.Fd())
	// The first Ctrl-C would end the process's own context for good.
	ctx, stop := signal.NotifyContext(context.WithoutCancel(ctx), syscall.SIGTERM)
	defer stop()
	for ctx.Err() == nil {
		t.SetPrompt("qed:" + show.Name(s.dir) + "> ")
		if w, h, err := term.GetSize(int(out.Fd())); err == nil {
			_ = t.SetSize(w, h) // what it was is good enough
		}
		line, err := readLine(ctx, t, fd)
		if errors.Is(err, io.EOF) {
			_, err := fmt.Fprintln(out)
			return err
		}
		if err != nil && !errors.Is(err, term.ErrPasteIndicator) {
			return err
		}
		running, stop := signal.NotifyContext(ctx, os.Interrupt)
		err = s.line(running, line)
		interrupted := running.Err() != nil
		stop()
		if err != nil && !interrupted {
			return unlessExit(err)
		}
		if interrupted {
			fmt.Fprintln(s.app.stderr)
		}
	}
	return ctx.Err()
}

// readLine reads a line with the terminal in its raw mode.
func readLine(ctx context.Context, t *term.Terminal, fd int) (string, error) {
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", err
	}
	// A signal finds the process waiting for a key, and nothing else to do.
	stop := context.AfterFunc(ctx, func() {
		_ = term.Restore(fd, before)
		os.Exit(exitInterrupted)
	})
	defer stop()
	line, err := t.ReadLine()
	return line, errors.Join(err, term.Restore(fd, before))
}

// keyboard is a terminal on which Ctrl-C empties the line.
type keyboard struct {
	io.Reader
	io.Writer
}

func (k keyboard) Read(p []byte) (int, error) {
	const ctrlC, ctrlU = 3, 21
	n, err := k.Reader.Read(p)
	for i := range p[:n] {
		if p[i] == ctrlC {
			p[i] = ctrlU
		}
	}
	return n, err
}

// complete completes the word before the cursor. Where there is more than one
// way to go on it shows them all.
func (s *shell) complete(w io.Writer, line string, pos int) (string, int, bool) {
	start := wordStart(line[:pos])
	words, err := splitWords(line[start:pos])
	if err != nil {
		return "", 0, false
	}
	word := strings.Join(words, " ")
	var candidates []string
	if strings.TrimSpace(line[:start]) == "" {
		candidates = s.completeCommand(word)
	} else {
		candidates = s.completePath(word)
	}
	if len(candidates) == 0 {
		return "", 0, false
	}
	common := candidates[0]
	for _, c := range candidates[1:] {
		for !strings.HasPrefix(c, common) {
			_, size := utf8.DecodeLastRuneInString(common)
			common = common[:len(common)-size]
		}
	}
	if len(common) <= len(word) && len(candidates) > 1 {
		s.showCandidates(w, candidates)
		return "", 0, false
	}
	completed := quoteWord(common)
	if len(candidates) == 1 && !strings.HasSuffix(common, "/") {
		completed += " "
	}
	return line[:start] + completed + line[pos:], start + len(completed), true
}

// wordStart is where the last word of a line begins.
func wordStart(line string) int {
	for i := len(line) - 1; i >= 0; i-- {
		if line[i] != ' ' || i > 0 && line[i-1] == '\\' {
			continue
		}
		if _, err := splitWords(line[:i]); err == nil {
			return i + 1
		}
	}
	return 0
}

func (s *shell) completeCommand(word string) (names []string) {
	all := append(slices.Clone(s.names), "cd", "pwd", "less", "get", "help", "exit")
	slices.Sort(all)
	for _, name := range all {
		if strings.HasPrefix(name, word) {
			names = append(names, name)
		}
	}
	return names
}

// maxCandidates is how many names are shown.
const maxCandidates = 200

// completePath finds the names that a path may go on with.
func (s *shell) completePath(word string) (names []string) {
	f := *s.files
	f.dir = s.dir
	for _, c := range f.pathsLike(word) {
		names = append(names, c.Word)
	}
	return names
}

func (s *shell) showCandidates(w io.Writer, candidates []string) {
	var b strings.Builder
	for i, c := range candidates {
		if i == maxCandidates {
			fmt.Fprintf(&b, "and %d more", len(candidates)-i)
			break
		}
		b.WriteString(show.Name(path.Base(c)))
		if strings.HasSuffix(c, "/") {
			b.WriteByte('/')
		}
		b.WriteString("  ")
	}
	fmt.Fprintf(w, "%s\n", strings.TrimRight(b.String(), " "))
}
