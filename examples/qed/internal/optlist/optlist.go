// Package optlist reads lists of options as qemu's command lines have them:
//
//	cluster_size=4k,backing_file=a,,b,nocow
//
// A comma ends an option, two commas are one that belongs to a value. An option
// without a value is "on", or "off" where its name has "no" before it.
package optlist

import (
	"errors"
	"strings"
)

// ErrSyntax is returned for a list with an empty option.
var ErrSyntax = errors.New("optlist: an option is empty")

// An Option is one of a list.
type Option struct {
	Name  string
	Value string
	Bare  bool   // it had no value; Value is "on" or "off"
	Word  string // as it was written where it is Bare
}

// Switch reads the value of a switch; ok is false where it is none
// (qapi/qapi-util.c, qapi_bool_parse).
func Switch(value string) (on, ok bool) {
	switch value {
	case "on", "yes", "true", "y":
		return true, true
	case "off", "no", "false", "n":
		return false, true
	}
	return false, false
}

// Parse reads a list. The empty list has no options; any other has none that
// is empty.
func Parse(s string) ([]Option, error) {
	if s == "" {
		return nil, nil
	}
	var list []Option
	for _, field := range split(s) {
		if field == "" {
			return nil, ErrSyntax
		}
		list = append(list, parseOne(field))
	}
	return list, nil
}

// ParseLoose is Parse for a list that may end in a comma, and whose options may
// be empty.
func ParseLoose(s string) []Option {
	var list []Option
	fields := split(s)
	for i, field := range fields {
		if field != "" || i+1 < len(fields) {
			list = append(list, parseOne(field))
		}
	}
	return list
}

func parseOne(field string) Option {
	name, value, has := strings.Cut(field, "=")
	if has {
		return Option{Name: name, Value: value}
	}
	if bare, no := strings.CutPrefix(field, "no"); no {
		return Option{Name: bare, Value: "off", Bare: true, Word: field}
	}
	return Option{Name: field, Value: "on", Bare: true, Word: field}
}

// split cuts a list at its single commas, and makes of two commas one.
func split(s string) []string {
	var fields []string
	var field strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != ',':
			field.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == ',':
			field.WriteByte(',')
			i++
		default:
			fields = append(fields, field.String())
			field.Reset()
		}
	}
	return append(fields, field.String())
}

// Escape returns a value as it is written in a list.
func Escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }

// AsksForHelp reports whether a list has the option that asks for a list of
// options.
func AsksForHelp(list []Option) bool {
	for _, o := range list {
		if o.Bare && (o.Name == "help" || o.Name == "?") {
			return true
		}
	}
	return false
}
