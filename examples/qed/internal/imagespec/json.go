package imagespec

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// flattenJSON reads an object and returns its members, those of objects within
// it under both names joined by a dot.
func flattenJSON(text string) (map[string]string, error) {
	d := json.NewDecoder(strings.NewReader(doubleQuoted(text)))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the object")
	}
	flat := map[string]string{}
	return flat, flatten(flat, "", object)
}

func flatten(flat map[string]string, prefix string, object map[string]any) error {
	for name, value := range object {
		name = prefix + name
		switch v := value.(type) {
		case map[string]any:
			if err := flatten(flat, name+".", v); err != nil {
				return err
			}
		case string:
			flat[name] = v
		case json.Number:
			flat[name] = v.String()
		case bool:
			flat[name] = map[bool]string{true: "on", false: "off"}[v]
		default:
			return fmt.Errorf("the value of %s is not supported here", strconv.Quote(name))
		}
	}
	return nil
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
