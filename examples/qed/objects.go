package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/examples/qed/internal/optlist"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
)

// addObjectFlag gives a subcommand the --object flag, by which scripts hand
// over secrets. They are checked as qemu checks them; no format here uses any.
func addObjectFlag(cmd *cobra.Command) {
	cmd.Flags().Var(objectFlag{map[string]string{}}, "object", "an object of qemu's: secret,id=NAME,data=... or file=...; it is checked, and none is used")
}

// objectFlag is the secrets by their names.
type objectFlag struct{ named map[string]string }

func (objectFlag) Type() string   { return "secret,id=..." }
func (objectFlag) String() string { return "" }

func (f objectFlag) Set(s string) error {
	properties, err := objectProperties(s)
	if err == nil {
		err = f.add(properties)
	}
	if text := (*qemutext.Error)(nil); errors.As(err, &text) {
		return &runError{text}
	}
	return err
}

// objectProperties reads an object: a list of options, or JSON.
func objectProperties(s string) (map[string]string, error) {
	properties := map[string]string{}
	if strings.HasPrefix(s, "{") {
		var members map[string]any
		err := json.Unmarshal([]byte(s), &members)
		if err != nil {
			return nil, qemutext.Errorf("JSON parse error, %w", err)
		}
		for name, value := range members {
			text, ok := value.(string)
			if !ok {
				return nil, qemutext.Errorf("Invalid parameter type for '%s', expected: string", name)
			}
			properties[name] = text
		}
		return properties, nil
	}
	for i, o := range optlist.ParseLoose(s) {
		switch {
		case o.Bare && i == 0:
			properties["qom-type"] = o.Word
		case o.Bare:
			return nil, qemutext.Errorf("Expected '=' after parameter '%s'", o.Word)
		default:
			properties[o.Name] = o.Value
		}
	}
	return properties, nil
}

// add checks an object and keeps its name (qapi/qom.json, crypto/secret.c).
func (f objectFlag) add(p map[string]string) error {
	kind, has := p["qom-type"]
	id, named := p["id"]
	switch {
	case !has:
		return qemutext.Errorf("Parameter 'qom-type' is missing")
	case kind != "secret":
		return qemutext.Errorf("Parameter 'qom-type' does not accept value '%s'", kind)
	case !named:
		return qemutext.Errorf("Parameter 'id' is missing")
	}
	for name := range p {
		switch name {
		case "qom-type", "id", "data", "file", "format", "keyid", "iv":
		default:
			return qemutext.Errorf("Parameter '%s' is unexpected", name)
		}
	}
	if format, told := p["format"]; told && format != "raw" && format != "base64" {
		return qemutext.Errorf("Parameter 'format' does not accept value '%s'", format)
	}
	switch {
	case !isIdentifier(id):
		return qemutext.Errorf("Parameter 'id' expects an identifier").WithHint("Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.")
	}
	if _, again := f.named[id]; again {
		return qemutext.Errorf("attempt to add duplicate property '%s' to object (type 'container')", id)
	}
	data, err := f.readSecret(p)
	if err == nil {
		f.named[id] = data
	}
	return err
}

// readSecret reads a secret. One that another encrypts stays as it is.
func (f objectFlag) readSecret(p map[string]string) (string, error) {
	data, hasData := p["data"]
	file, hasFile := p["file"]
	switch {
	case hasData && hasFile:
		return "", qemutext.Errorf("'file' and 'data' are mutually exclusive")
	case !hasData && !hasFile:
		return "", qemutext.Errorf("Either 'file' or 'data' must be provided")
	case hasFile:
		var err error
		if data, err = readSecretFile(file); err != nil {
			return "", qemutext.Errorf("Unable to read %s: %s", file, osReason(err))
		}
	}
	if id, told := p["keyid"]; told {
		const keySize = 32
		switch key, known := f.named[id]; {
		case !known:
			return "", qemutext.Errorf("No secret with id '%s'", id)
		case len(key) != keySize:
			return "", qemutext.Errorf("Key should be %d bytes in length", keySize)
		}
	}
	if p["format"] == "base64" {
		if !isBase64(data) {
			return "", qemutext.Errorf("Base64 data contains invalid characters")
		}
		if plain, err := base64.StdEncoding.DecodeString(data); err == nil {
			data = string(plain)
		}
	}
	return data, nil
}

// readSecretFile reads a file that holds a secret.
func readSecretFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	const most = 1 << 20
	b, err := io.ReadAll(io.LimitReader(f, most))
	return string(b), err
}

// isBase64 looks at the letters alone, as qemu does.
func isBase64(s string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n"
	return strings.Trim(s, letters) == ""
}

// isIdentifier reports whether a word names an object of qemu's (util/id.c).
func isIdentifier(s string) bool {
	for i, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c != '-' && c != '.' && c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}
