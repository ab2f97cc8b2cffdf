package imagespec

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
)

// flattenJSON reads an object and returns its members, those of objects and
// arrays within it under both names joined by a dot. What is null is as if it
// were not there. Errors are qemu's (qobject/json-parser.c).
func flattenJSON(text string) (map[string]string, error) {
	text = doubleQuoted(text)
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	f := &flattener{decoder: d, text: text, flat: map[string]string{}}
	first, err := d.Token()
	switch {
	case err == io.EOF:
		return nil, notJSON("Expecting a JSON value")
	case err != nil:
		return nil, f.syntax(err)
	case first != json.Delim('{'):
		return nil, qemutext.Errorf("Invalid JSON object given")
	}
	if err := f.object(""); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, notJSON("Expecting at most one JSON value")
	}
	return f.flat, nil
}

// notJSON says why a text is no object.
func notJSON(why string) error { return qemutext.Errorf("Could not parse the JSON options: %s", why) }

// flattener reads the members of an object.
type flattener struct {
	decoder *json.Decoder
	text    string
	flat    map[string]string
}

// object reads members up to the end of their object. prefix comes before their
// names.
func (f *flattener) object(prefix string) error {
	seen := map[string]bool{}
	for f.decoder.More() {
		t, err := f.decoder.Token()
		if err != nil {
			return f.syntax(err)
		}
		name, ok := t.(string)
		switch {
		case !ok:
			return notJSON("JSON parse error, key is not a string in object")
		case seen[name]:
			return notJSON("JSON parse error, duplicate key")
		}
		seen[name] = true
		if err := f.value(prefix + name); err != nil {
			return err
		}
	}
	return f.end()
}

// value reads the value of a member.
func (f *flattener) value(name string) error {
	t, err := f.decoder.Token()
	if err != nil {
		return f.syntax(err)
	}
	switch v := t.(type) {
	case json.Delim:
		if v == '{' {
			return f.object(name + ".")
		}
		for i := 0; f.decoder.More(); i++ {
			if err := f.value(fmt.Sprintf("%s.%d", name, i)); err != nil {
				return err
			}
		}
		return f.end()
	case string:
		f.flat[name] = v
	case json.Number:
		f.flat[name] = v.String()
	case bool:
		f.flat[name] = map[bool]string{true: "on", false: "off"}[v]
	case nil:
		if base := name[strings.LastIndexByte(name, '.')+1:]; base != "file" && base != "driver" {
			return fmt.Errorf("the value of %s is not supported here", strconv.Quote(name))
		}
	}
	return nil
}

// end reads the bracket that ends an object or an array.
func (f *flattener) end() error {
	if _, err := f.decoder.Token(); err != nil {
		return f.syntax(err)
	}
	return nil
}

// syntax is an error of the decoder in qemu's words.
func (f *flattener) syntax(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return notJSON("JSON parse error, premature EOI")
	}
	if word := keyword(f.text[min(int(f.decoder.InputOffset()), len(f.text)):]); word != "" {
		return notJSON(fmt.Sprintf("JSON parse error, invalid keyword '%s'", word))
	}
	if strings.Contains(err.Error(), "after object key") {
		return notJSON("JSON parse error, missing : in object pair")
	}
	return notJSON("JSON parse error, expecting value")
}

// keyword is the word that a text begins with after what may stand between
// values.
func keyword(text string) string {
	text = strings.TrimLeft(text, " \t\r\n,:")
	word := text[:len(text)-len(strings.TrimLeft(text, "abcdefghijklmnopqrstuvwxyz"))]
	switch word {
	case "true", "false", "null":
		return ""
	}
	return word
}

// doubleQuoted is JSON with the strings in single quotes, which qemu takes
// too, in double ones.
func doubleQuoted(text string) string {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
			b.WriteByte('"')
		case quote != 0 && c == '\\' && i+1 < len(text):
			i++
			if text[i] != '\'' {
				b.WriteByte('\\')
			}
			b.WriteByte(text[i])
		case c == quote:
			quote = 0
			b.WriteByte('"')
		case quote == '\'' && c == '"':
			b.WriteString(`\"`)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
