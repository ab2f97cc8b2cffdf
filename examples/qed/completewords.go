package main

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/qedfs/qedfs/adapters/diskfs/guest"
	"github.com/qedfs/qedfs/examples/qed/internal/completion"
)

// completeArguments says for each subcommand what its arguments are, by the words
// of its usage line, and what its flags take, by the word that its help has for the
// value.
func (a *app) completeArguments(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		if cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 && cmd.Name() != "help" {
			cmd.ValidArgsFunction = a.completeArgument
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if _, known := cmd.GetFlagCompletionFunc(f.Name); known || f.NoOptDefVal != "" {
				return
			}
			if err := cmd.RegisterFlagCompletionFunc(f.Name, a.completeFlag(f)); err != nil {
				panic(err) // the flag is there, and has no such function
			}
		})
	}
}

// completeArgument completes what is no option. It is a [cobra.CompletionFunc].
func (a *app) completeArgument(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	usage := slices.DeleteFunc(strings.Fields(cmd.Use)[1:], func(w string) bool { return w == "[flags]" })
	switch kind := argumentKind(usage, len(args)); kind {
	case "IMAGE", "A", "B", "SRC", "DST":
		return a.complete(&completion.Answer{Kind: completion.Files})
	case "DEST":
		answer := &completion.Answer{Kind: completion.Files}
		if strings.Contains(cmd.Use, "PATH... DEST") && len(args) > 1 {
			// It may be one more PATH just as well.
			paths := a.completeInside(cmd, args, func(f *files) []completion.Candidate { return f.pathsLike(word) })
			answer = &completion.Answer{Kind: completion.Words, Candidates: append(paths, hostPaths(word)...)}
		}
		return a.complete(answer)
	case "DIR":
		if strings.Contains(cmd.Use, "[PATH] DIR") && len(args) == 1 {
			// It may be the PATH just as well.
			paths := a.completeInside(cmd, args, func(f *files) []completion.Candidate { return onlyOpen(f.pathsLike(word)) })
			return a.complete(&completion.Answer{Kind: completion.Words, Candidates: append(paths, onlyOpen(hostPaths(word))...)})
		}
		return a.complete(&completion.Answer{Kind: completion.Dirs})
	case "PATH", "PATH-IN-B", "TEST", "VOLUME":
		if kind == "PATH-IN-B" {
			args = args[1:]
		}
		list := a.completeInside(cmd, args, func(f *files) []completion.Candidate {
			switch {
			case kind == "VOLUME":
				return f.volumesLike()
			case cmd.Name() == "tree":
				return onlyOpen(f.pathsLike(word))
			}
			return f.pathsLike(word)
		})
		return a.complete(&completion.Answer{Kind: completion.Words, Candidates: list})
	}
	if cmd.Name() == "dd" {
		if strings.Contains(word, "=") {
			return a.complete(&completion.Answer{Kind: completion.Files})
		}
		return []cobra.Completion{"if=", "of=", "bs=", "count=", "skip="}, cobra.ShellCompDirectiveNoSpace
	}
	return a.complete(&completion.Answer{Kind: completion.None})
}

// complete is the answer of a function of cobra's. Shells that ask cobra itself
// get it as words.
func (a *app) complete(answer *completion.Answer) ([]cobra.Completion, cobra.ShellCompDirective) {
	if a.completing != nil {
		a.completing.answer = answer
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	switch answer.Kind {
	case completion.Files:
		return nil, cobra.ShellCompDirectiveDefault
	case completion.Dirs:
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	var words []cobra.Completion
	directive := cobra.ShellCompDirectiveNoFileComp
	for _, c := range answer.Candidates {
		words = append(words, c.Word)
		if c.Open {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
	}
	return words, directive
}

// argumentKind is the word that a usage line has for the n-th argument. Where one
// before the last may be left out or repeated, that is the last one: the argument
// could be it.
func argumentKind(usage []string, n int) string {
	last := len(usage) - 1
	repeated := func(word string) bool { return strings.HasSuffix(word, "...") }
	kind := func(word string) string { return strings.Trim(word, "[].") }
	switch {
	case last < 0 || n > last && !slices.ContainsFunc(usage, repeated):
		return ""
	case n > last, slices.ContainsFunc(usage[:n], repeated):
		return kind(usage[last])
	case strings.HasPrefix(usage[n], "[") && !strings.HasPrefix(usage[last], "["):
		return kind(usage[last])
	}
	return kind(usage[n])
}

// oneDash are the options as find(1) has them.
func oneDash(cmd *cobra.Command) (list []completion.Candidate) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		_, usage := pflag.UnquoteUsage(f)
		for _, name := range []string{f.Name, f.Shorthand} {
			if !f.Hidden && name != "" {
				list = append(list, completion.Candidate{Word: "-" + name, Note: usage})
			}
		}
	})
	return list
}

// completeFlag completes the value of a flag by what its help calls it.
func (a *app) completeFlag(f *pflag.Flag) cobra.CompletionFunc {
	kind, _ := pflag.UnquoteUsage(f)
	return func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		switch kind {
		case "file", "FILE", "IMAGE":
			return a.complete(&completion.Answer{Kind: completion.Files})
		case "DIR":
			return a.complete(&completion.Answer{Kind: completion.Dirs})
		case "path", "path|time", "system", "name", "VOLUME=FILE":
			if f.Name == "export-name" || f.Name == "socket" {
				break
			}
			list := a.completeInside(cmd, args, func(d *files) []completion.Candidate { return d.valuesOf(f.Name, kind, word) })
			return a.complete(&completion.Answer{Kind: completion.Words, Candidates: list})
		case "name=value,...":
			return a.complete(&completion.Answer{Kind: completion.Words, Candidates: optionsLike(cmd, word)})
		}
		switch {
		case f.Name == "sector-size":
			return []cobra.Completion{"512", "4096"}, cobra.ShellCompDirectiveNoFileComp
		case f.Name == "socket":
			return a.complete(&completion.Answer{Kind: completion.Files})
		case strings.Contains(kind, "|"):
			return strings.Split(kind, "|"), cobra.ShellCompDirectiveNoFileComp
		}
		return a.complete(&completion.Answer{Kind: completion.None})
	}
}

// valuesOf are values of a flag that come from the image.
func (f *files) valuesOf(flag, kind, word string) (list []completion.Candidate) {
	switch {
	case flag == "directory":
		return onlyOpen(f.pathsLike(word))
	case kind == "path" || kind == "path|time":
		return f.pathsLike(word)
	case kind == "VOLUME=FILE":
		for _, c := range f.volumesLike() {
			list = append(list, completion.Candidate{Word: c.Word + "=", Open: true})
		}
	case flag == "volume":
		return f.volumesLike()
	case kind == "system":
		systems, _ := guest.Find(f.Disk) // those that are found
		for _, s := range systems {
			list = append(list, completion.Candidate{Word: s.Name})
		}
	case flag == "snapshot" || flag == "load-snapshot":
		info, err := f.opened.info()
		if err != nil {
			return nil
		}
		for _, s := range info.Snapshots {
			list = append(list, completion.Candidate{Word: s.Name})
		}
	}
	return list
}

// optionsLike are what -o may go on with: after the last comma, the names of the
// options of a format, or the values of one.
func optionsLike(cmd *cobra.Command, word string) (list []completion.Candidate) {
	name := formatQED
	for _, flag := range []string{"output-format", "format"} {
		if f := cmd.Flags().Lookup(flag); f != nil && f.Changed {
			name = f.Value.String()
			break
		}
	}
	before := word[:strings.LastIndex(word, ",")+1]
	format, _ := findFormat(name)
	for _, o := range format.options {
		if o.kind == kindBool {
			for _, value := range []string{"on", "off"} {
				list = append(list, completion.Candidate{Word: before + o.name + "=" + value, Note: o.help})
			}
			continue
		}
		list = append(list, completion.Candidate{Word: before + o.name + "=", Note: o.help, Open: true})
	}
	return list
}

// completeInside opens the image that the words name, and asks it. What goes
// wrong leaves nothing to complete.
func (a *app) completeInside(cmd *cobra.Command, args []string, ask func(*files) []completion.Candidate) []completion.Candidate {
	after := []string{}
	if a.completing != nil {
		for _, w := range a.completing.after {
			if !strings.HasPrefix(w, "-") {
				after = append(after, w)
			}
		}
	}
	args = slices.Concat(args, after)
	if len(args) == 0 {
		return nil
	}
	a.open.forceShare = true // to look at names a moment is no harm
	f, err := a.openFiles(cmd, expandHome(args[0]))
	if err != nil {
		return nil
	}
	defer f.Disk.Close()
	if dir := cmd.Flags().Lookup("directory"); dir != nil && dir.Changed {
		f.dir = f.literal(dir.Value.String())
	}
	return ask(f)
}

func expandHome(name string) string {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return name
}

func onlyOpen(list []completion.Candidate) []completion.Candidate {
	return slices.DeleteFunc(list, func(c completion.Candidate) bool { return !c.Open })
}

// hostPaths are files of the host, where they stand among others.
func hostPaths(word string) (list []completion.Candidate) {
	dir, base := filepath.Split(word)
	entries, _ := os.ReadDir(filepath.Clean(expandHome(dir))) // what can be read
	for _, d := range entries {
		if strings.HasPrefix(d.Name(), base) && (base != "" || !hidden(d.Name())) {
			name := dir + d.Name()
			info, err := os.Stat(filepath.Join(expandHome(dir), d.Name()))
			isDir := err == nil && info.IsDir()
			if isDir {
				name += string(filepath.Separator)
			}
			list = append(list, completion.Candidate{Word: name, Open: isDir, Path: true})
		}
	}
	return list
}

// volumesLike are the names of all volumes.
func (f *files) volumesLike() (list []completion.Candidate) {
	for i := range f.volumes {
		list = append(list, completion.Candidate{Word: f.volumes[i].Name})
	}
	return list
}

// maxFollowed is how many links of a directory are looked at for whether they
// lead to another one.
const maxFollowed = 500

// pathsLike are the paths inside the image that a word may become. Of the files
// of a directory it reads no inode but those of links.
func (f *files) pathsLike(word string) (list []completion.Candidate) {
	dir, base := path.Split(word)
	if dir == "" && f.dir == "" {
		list = f.tops(word)
	}
	name := f.literal(dir)
	entries, _ := f.tree.ReadDir(name) // what can be read of it
	followed := 0
	for _, d := range entries {
		if !strings.HasPrefix(d.Name(), base) || base == "" && hidden(d.Name()) {
			continue
		}
		full := dir + d.Name()
		isDir := d.IsDir()
		if !isDir && !d.Type().IsRegular() && followed < maxFollowed {
			followed++
			info, err := f.tree.Stat(path.Join(name, d.Name()))
			isDir = err == nil && info.IsDir()
		}
		if isDir {
			full += "/"
		}
		list = append(list, completion.Candidate{Word: full, Open: isDir, Path: true})
	}
	return list
}

// tops are what a path may begin with beside the names of volumes: the guest's
// root, and where it has been begun, a label or UUID.
func (f *files) tops(word string) (list []completion.Candidate) {
	if word == "" {
		if s, err := f.tree.system(); err == nil && s != nil {
			list = append(list, completion.Candidate{Word: "/", Open: true, Path: true})
		}
		return list
	}
	for i := range f.volumes {
		v := &f.volumes[i]
		for name, value := range map[string]string{"LABEL=": v.Label, "UUID=": v.UUID} {
			full := name + value
			if value != "" && strings.HasPrefix(full, word) {
				list = append(list, completion.Candidate{Word: full + "/", Open: true, Path: true})
			}
		}
	}
	return list
}
