// Command api lists what the packages of this module export, one declaration a
// line, so that a change of it is seen in a review: what the library promises
// is .ci/api.txt.
//
//	go run .ci/api/main.go          print the list
//	go run .ci/api/main.go -check   compare it with .ci/api.txt
//	go run .ci/api/main.go -update  write .ci/api.txt
//
// Commands, internal packages and what only tests use are left out. The
// platform is linux/amd64, wherever it runs.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const listing = ".ci/api.txt"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	lines, err := list()
	if err != nil {
		return err
	}
	text := strings.Join(lines, "\n") + "\n"
	switch {
	case slices.Equal(args, []string{"-update"}):
		return os.WriteFile(listing, []byte(text), 0o644)
	case slices.Equal(args, []string{"-check"}):
		return check(lines)
	case len(args) > 0:
		return fmt.Errorf("unknown arguments %q", args)
	}
	_, err = os.Stdout.WriteString(text)
	return err
}

// check prints what was added and removed.
func check(lines []string) error {
	b, err := os.ReadFile(listing)
	if err != nil {
		return err
	}
	recorded := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	changed := 0
	for _, side := range []struct {
		sign        string
		lines, than []string
	}{{"-", recorded, lines}, {"+", lines, recorded}} {
		for _, l := range side.lines {
			if !slices.Contains(side.than, l) {
				fmt.Println(side.sign, l)
				changed++
			}
		}
	}
	if changed > 0 {
		return errors.New("the exported API is not that of " + listing + "; where that is meant: go run .ci/api/main.go -update")
	}
	return nil
}

// list returns the sorted lines of all packages.
func list() ([]string, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Name,GoFiles,Module", "./...")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var lines []string
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Dir, Name string
			GoFiles               []string
			Module                struct{ Path string }
		}
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		path := strings.TrimPrefix(p.ImportPath, p.Module.Path+"/")
		if p.Name == "main" || slices.Contains(strings.Split(path, "/"), "internal") || strings.HasSuffix(p.Name, "test") || p.Name == "oracle" {
			continue
		}
		for _, name := range p.GoFiles {
			declared, err := file(filepath.Join(p.Dir, name))
			if err != nil {
				return nil, err
			}
			for _, d := range declared {
				lines = append(lines, path+": "+d)
			}
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines), nil
}

// file returns the exported declarations of a file.
func file(name string) ([]string, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	ast.FileExports(f)
	w := writer{fset: fset}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			w.function(d)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				w.spec(d.Tok, s)
			}
		}
	}
	return w.lines, nil
}

type writer struct {
	fset  *token.FileSet
	lines []string
}

func (w *writer) add(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

// source prints a node on one line.
func (w *writer) source(n any) string {
	var b strings.Builder
	if err := printer.Fprint(&b, w.fset, n); err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func (w *writer) function(d *ast.FuncDecl) {
	signature := strings.TrimPrefix(w.source(d.Type), "func")
	if d.Recv == nil {
		w.add("func %s%s", d.Name.Name, signature)
		return
	}
	receiver := w.source(d.Recv.List[0].Type)
	if ast.IsExported(strings.TrimLeft(receiver, "*")) {
		w.add("method (%s) %s%s", receiver, d.Name.Name, signature)
	}
}

func (w *writer) spec(kind token.Token, s ast.Spec) {
	switch s := s.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			if !name.IsExported() {
				continue
			}
			line := kind.String() + " " + name.Name
			if s.Type != nil {
				line += " " + w.source(s.Type)
			}
			w.add("%s", line)
		}
	case *ast.TypeSpec:
		w.typ(s)
	}
}

func (w *writer) typ(s *ast.TypeSpec) {
	name := s.Name.Name
	if s.TypeParams != nil {
		var params []string
		for _, p := range s.TypeParams.List {
			params = append(params, w.source(p.Type))
		}
		name += "[" + strings.Join(params, ", ") + "]"
	}
	var members *ast.FieldList
	kind := ""
	switch t := s.Type.(type) {
	case *ast.StructType:
		members, kind = t.Fields, "struct"
	case *ast.InterfaceType:
		members, kind = t.Methods, "interface"
	default:
		equals := ""
		if s.Assign.IsValid() {
			equals = "= "
		}
		w.add("type %s %s%s", name, equals, w.source(t))
		return
	}
	w.add("type %s %s", name, kind)
	for _, m := range members.List {
		if len(m.Names) == 0 {
			w.add("type %s %s, %s", name, kind, w.source(m.Type))
		}
		for _, n := range m.Names {
			w.add("type %s %s, %s %s", name, kind, n.Name, strings.TrimPrefix(w.source(m.Type), "func"))
		}
	}
}
