package source

import (
	"strings"
)

// A login is what a netrc file says of a host.
type login struct {
	machine, user, password string // machine is empty for the default entry
}

// findLogin looks a host up in the text of a netrc file, as curl does: the first
// entry of its name, else the default one. With user not empty, entries of
// other users are passed over.
func findLogin(netrc, host, user string) (login, bool) {
	for _, l := range parseNetrc(netrc) {
		if (l.machine == "" || strings.EqualFold(l.machine, host)) && (user == "" || l.user == "" || l.user == user) {
			if l.user == "" {
				l.user = user
			}
			return l, true
		}
	}
	return login{}, false
}

// parseNetrc reads the entries of a netrc file in order. Macros are passed
// over; nothing after the default entry counts.
func parseNetrc(text string) []login {
	var logins []login
	tokens := netrcTokens(text)
	next := func() string {
		if len(tokens) == 0 {
			return ""
		}
		t := tokens[0]
		tokens = tokens[1:]
		return t
	}
	for len(tokens) > 0 {
		switch word := next(); word {
		case "machine":
			name := next()
			if name == "" {
				return logins
			}
			logins = append(logins, login{machine: name})
		case "default":
			logins = append(logins, login{})
		case "login", "password", "account":
			value := next()
			if len(logins) == 0 {
				continue
			}
			switch last := &logins[len(logins)-1]; word {
			case "login":
				last.user = value
			case "password":
				last.password = value
			}
		}
	}
	return logins
}

// netrcTokens splits a netrc file into words. Double quotes hold a word
// together; a macro ends with an empty line.
func netrcTokens(text string) []string {
	var tokens []string
	macro := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if macro {
			macro = line != ""
			continue
		}
		for line != "" && line[0] != '#' {
			var word string
			word, line = cutWord(line)
			if word == "macdef" {
				macro = true
				break
			}
			tokens = append(tokens, word)
		}
	}
	return tokens
}

// cutWord takes the first word from a line that begins with one.
func cutWord(line string) (word, rest string) {
	if line[0] != '"' {
		end := strings.IndexAny(line, " \t")
		if end < 0 {
			return line, ""
		}
		return line[:end], strings.TrimLeft(line[end:], " \t")
	}
	var b strings.Builder
	i := 1
	for ; i < len(line) && line[i] != '"'; i++ {
		if line[i] == '\\' && i+1 < len(line) {
			i++
		}
		b.WriteByte(line[i])
	}
	return b.String(), strings.TrimLeft(line[min(i+1, len(line)):], " \t")
}
