package main

import (
	"errors"
	"strings"
)

// splitWords splits a line as a shell does. What is in quotes, and what follows
// a backslash, has no meaning of its own; # begins a comment.
func splitWords(line string) (words []string, err error) {
	word, inWord := strings.Builder{}, false
	var quote byte
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quote != 0 && c == quote:
			quote = 0
		case quote != '\'' && c == '\\' && i+1 < len(line):
			i++
			if quote != 0 && line[i] != '"' && line[i] != '\\' {
				word.WriteByte(c)
			}
			word.WriteByte(line[i])
			inWord = true
		case quote != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case c == ' ' || c == '\t' || c == '\r':
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		case c == '#' && !inWord:
			i = len(line)
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote has no end")
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// quoteWord is a word as splitWords reads it.
func quoteWord(word string) string {
	var b strings.Builder
	for i := range len(word) {
		if strings.IndexByte(" \t\\'\"#*?[]{}", word[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(word[i])
	}
	return b.String()
}
