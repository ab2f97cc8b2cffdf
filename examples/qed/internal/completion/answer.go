package completion

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

// BashLine is what bash knows when somebody asks for a completion.
type BashLine struct {
	Command  string // as it was typed
	Before   string // the line up to the cursor
	After    string // and from there
	Replaced string // the end of Before that a candidate takes the place of
	Type     string // COMP_TYPE; "" where bash is too old to have one
	Value    func(name string) (string, bool)
}

// Words are the arguments before the one that the cursor is in, that one, and
// those that follow.
func (l *BashLine) Words() (before []string, word string, after []string) {
	words, _ := Split(l.Before, l.Value)
	list := texts(words)
	word = list[len(list)-1]
	before = list[:len(list)-1]
	// The command may follow settings of variables.
	if i := slices.Index(before, l.Command); i >= 0 {
		before = before[i+1:]
	} else if len(before) > 0 {
		before = before[1:]
	}
	rest, _ := Split(l.After, l.Value)
	after = texts(rest)
	if !strings.HasPrefix(l.After, " ") { // it goes on with the word
		after = after[1:]
	}
	return before, word, slices.DeleteFunc(after, func(w string) bool { return w == "" })
}

func texts(words []Word) []string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = w.Text
	}
	return list
}

// Values of COMP_TYPE: the character of rl_complete(3) that says what is wanted.
const (
	typeInsert = "9"  // Tab
	typeList   = "63" // Tab again: ?
)

// Reply is the answer as commands of bash: they set COMPREPLY.
func (l *BashLine) Reply(a *Answer) string {
	switch a.Kind {
	case Files:
		return "compopt -o default +o nospace 2>/dev/null || COMPREPLY=($(compgen -f -- \"$2\"))\n"
	case Dirs:
		return "compopt -o dirnames +o nospace 2>/dev/null || COMPREPLY=($(compgen -d -- \"$2\"))\n"
	case Words:
	default:
		return ""
	}
	if len(a.Candidates) == 0 {
		return ""
	}
	if l.Type == typeList {
		return compReply(a.shown())
	}
	texts, open := l.insertions(a)
	if len(texts) == 0 {
		return ""
	}
	reply := compReply(texts)
	if !open {
		reply += "compopt +o nospace 2>/dev/null\n"
	}
	return reply
}

// insertions are the candidates as they take the place of what is replaced; open
// says that no space is to follow.
func (l *BashLine) insertions(a *Answer) (list []string, open bool) {
	kept, ok := strings.CutSuffix(l.Before, l.Replaced)
	words, in := Split(kept, l.Value)
	whole, _ := Split(l.Before, l.Value)
	if !ok || len(whole) != len(words) {
		return nil, false // what is replaced is more than the word
	}
	candidates := a.Candidates
	if l.Type == typeInsert && len(candidates) > 1 {
		candidates = a.common(whole[len(whole)-1].Text, in)
	}
	lead := words[len(words)-1].Text
	for _, c := range candidates {
		text, ok := strings.CutPrefix(a.Lead+c.Word, lead)
		if !ok {
			return nil, false
		}
		list = append(list, Quote(text, in))
	}
	if len(list) > 1 || !candidates[0].Open {
		return list, len(list) > 1
	}
	if in != Bare && l.Type == typeInsert {
		// readline would close the quotes after the only candidate.
		list = append(list, list[0]+"*")
	}
	return list, true
}

// common stands for several candidates where only the begin that they have in
// common is put in. That depends on the first and last in order. It is one
// candidate if it is more than has been typed: of escapes, readline could take the
// half.
func (a *Answer) common(typed string, in Quoting) []Candidate {
	first := slices.MinFunc(a.Candidates, byWord)
	last := slices.MaxFunc(a.Candidates, byWord)
	common := commonPrefix(a.Lead+first.Word, a.Lead+last.Word)
	if in == Bare && len(common) > len(typed) {
		return []Candidate{{Word: common[len(a.Lead):], Open: true}}
	}
	return []Candidate{first, last}
}

func byWord(a, b Candidate) int { return cmp.Compare(a.Word, b.Word) }

// commonPrefix is what two words begin with, in whole characters.
func commonPrefix(a, b string) string {
	n := 0
	for i, r := range a {
		if !strings.HasPrefix(b[i:], string(r)) {
			break
		}
		n = i + len(string(r))
	}
	return a[:min(n, len(a), len(b))]
}

// shown are the candidates as a listing has them.
func (a *Answer) shown() []string {
	list := make([]string, len(a.Candidates))
	for i, c := range a.Candidates {
		list[i] = show.Name(c.Word)
		if c.Path && c.Word != "/" {
			list[i] = show.Name(path.Base(c.Word))
			if strings.HasSuffix(c.Word, "/") {
				list[i] += "/"
			}
		}
	}
	return list
}

// compReply is a list as bash reads it.
func compReply(list []string) string {
	var b strings.Builder
	b.WriteString("COMPREPLY=(")
	for _, text := range list {
		b.WriteString("'" + strings.ReplaceAll(text, "'", `'\''`) + "' ")
	}
	b.WriteString(")\n")
	return b.String()
}

// Fields is the answer for the scripts of zsh and fish: the kind, how many
// candidates go on, these, and the others, each as "word", a tab and what it
// means, and ended by a NUL. zsh puts the words in place itself, and gets the
// last elements of paths alone.
func (a *Answer) Fields(lastElements bool) string {
	var open, rest strings.Builder
	n := 0
	for _, c := range a.Candidates {
		b := &rest
		if c.Open {
			b = &open
			n++
		}
		word := a.Lead + c.Word
		if lastElements {
			word = c.Word
			if c.Path {
				word = c.Word[strings.LastIndex(strings.TrimSuffix(c.Word, "/"), "/")+1:]
			}
		}
		b.WriteString(word)
		if c.Note != "" {
			b.WriteString("\t" + c.Note)
		}
		b.WriteByte(0)
	}
	kind := string(a.Kind)
	if a.Kind == Words && len(a.Candidates) > 0 && a.Candidates[0].Path {
		kind = "paths"
	}
	return kind + "\x00" + strconv.Itoa(n) + "\x00" + open.String() + rest.String()
}
