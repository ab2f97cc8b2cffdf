package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// oddNames are files of the image that completion is tried on. The names are
// those that shells have something to say of.
var oddNames = []string{
	"plain/one", "plain/only", "two words/and more.txt", "it's/quote\".txt", "do$HOME`lars`/x",
	"line\nbreak/tab\tname", "*?[a]{b}/star*", "back\\slash/x", "esc\x1b[31m/x", "über/größe", "tilde/~", "semi;colon|pipe&amp<>()/x",
	"equal=sign:colon/x", "#hash/x", "!bang/x", "-dash/x", "two wires", "invalid\xff/x", "same/alpha one", "same/alpha two", "same/beta",
}

// shellsUnderTest are shells with completion on, and what they run first. Each
// begins with a prompt of its own.
var shellsUnderTest = map[string][]string{
	// No bash-completion package: no startup files are read.
	"bash": {"bash", "--norc", "--noprofile", "-i"},
	"zsh":  {"zsh", "-f", "-i"},
	"fish": {"fish", "--no-config", "-i"},
}

var shellSetup = map[string]string{
	"bash": "bind 'set enable-bracketed-paste off'; PS1='ready> '; source <(qed completion bash); VOL=disk",
	"zsh":  "unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -D -u; PS1='ready> '; source <(qed completion zsh); VOL=disk",
	"fish": "function fish_prompt; echo 'ready> '; end; set -g fish_autosuggestion_enabled 0; set -g fish_greeting; qed completion fish | source; set VOL disk",
}

// completer is a shell on a terminal, in a directory with an image.
type completer struct {
	*screen
	name string
}

func openCompleter(t *testing.T, shell, dir string) *completer {
	t.Helper()
	oracle.Tool(t, shell)
	cmd := exec.Command(shellsUnderTest[shell][0], shellsUnderTest[shell][1:]...)
	cmd.Dir = dir
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "TERM=dumb", "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_DATA_HOME="+home, "LC_ALL=C.UTF-8", "HISTFILE=", "INPUTRC=/dev/null")
	s := &completer{openScreen(t, cmd), shell}
	s.press(shellSetup[shell] + "; words set up\r")
	s.expect(`["set" "up"]`)
	return s
}

// completes types a line with tabs in it and returns the words that it has become.
func (s *completer) completes(line string, want ...string) {
	s.t.Helper()
	s.press(line + "\x01words \x05 end\r") // at its begin, at its end
	shown := s.until("\"end\"]")
	if _, got, _ := strings.Cut(shown, "\r\n["); "["+got != fmt.Sprintf("%q", append(want, "end")) {
		s.t.Errorf("%q became [%s on the screen: %q", line, got, shown)
	}
}

// imageOfNames makes an image of a volume with files of these names.
func imageOfNames(t *testing.T, dir string, names []string) {
	t.Helper()
	root := filepath.Join(dir, "root")
	for _, name := range names {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	oracle.Run(t, "mke2fs", "-q", "-t", "ext4", "-d", root, filepath.Join(dir, "disk.img"), "4M")
}

func TestShellsCompletePathsInsideTheImage(t *testing.T) {
	dir := t.TempDir()
	imageOfNames(t, dir, oddNames)
	mustRun(t, dir, "qed", "convert", "-f", "raw", "-O", "qed", "disk.img", "disk.qed")
	if err := os.Mkdir(filepath.Join(dir, "same"), 0o700); err != nil { // a directory of the host
		t.Fatal(err)
	}
	for shell := range shellsUnderTest {
		t.Run(shell, func(t *testing.T) {
			s := openCompleter(t, shell, dir)
			for typed, want := range map[string]string{
				`di` + "\t" + `plain/o` + "\t" + `e`:   "disk/plain/one",
				`di` + "\t" + `plain/on` + "\t" + `ly`: "disk/plain/only",
				`disk/two\ wo` + "\t" + "an\t":         "disk/two words/and more.txt",
				"disk/it\tqu\t":                        `disk/it's/quote".txt`,
				"disk/do\tx\t":                         "disk/do$HOME`lars`/x",
				"disk/li\tta\t":                        "disk/line\nbreak/tab\tname",
				"disk/\\*\tst\t":                       "disk/*?[a]{b}/star*",
				"disk/ba\tx\t":                         `disk/back\slash/x`,
				"disk/es\tx\t":                         "disk/esc\x1b[31m/x",
				"disk/üb\tgr\t":                        "disk/über/größe",
				"disk/ti\t\\~\t":                       "disk/tilde/~",
				"disk/se\tx\t":                         "disk/semi;colon|pipe&amp<>()/x",
				"disk/eq\tx\t":                         "disk/equal=sign:colon/x",
				"disk/\\#\tx\t":                        "disk/#hash/x",
				"disk/\\!\tx\t":                        "disk/!bang/x",
				"disk/-\tx\t":                          "disk/-dash/x",
				"disk/inv\tx\t":                        "disk/invalid\uFFFDFF/x",
				"disk/same/al\tt\t":                    "disk/same/alpha two",
				"disk/sa\tbe\t":                        "disk/same/beta",
				"/pla\ton\te":                          "/plain/one", // no system: the disk's root
				"$VOL/pl\tone":                         "disk/plain/one",
			} {
				if shell == "fish" && strings.ContainsAny(typed+want, "$*") || shell == "fish" && strings.Contains(want, "\t") {
					continue // what follows a tab is an explanation to it, and after a quoted star it completes nothing, its own files neither
				}
				if shell == "zsh" && strings.Contains(want, "!") {
					continue // takes the backslash off a directory that it has completed before
				}
				s.completes("qed ls disk.qed "+typed, "qed", "ls", "disk.qed", want)
			}
		})
	}
}

func TestShellsCompleteWithinQuotes(t *testing.T) {
	dir := t.TempDir()
	imageOfNames(t, dir, oddNames)
	mustRun(t, dir, "qed", "convert", "-f", "raw", "-O", "qed", "disk.img", "disk.qed")
	for shell := range shellsUnderTest {
		t.Run(shell, func(t *testing.T) {
			s := openCompleter(t, shell, dir)
			for typed, want := range map[string]string{
				`"disk/two wo` + "\tan\t":    "disk/two words/and more.txt",
				`'disk/two wo` + "\tan\t":    "disk/two words/and more.txt",
				`"disk/two words/an` + "\t":  "disk/two words/and more.txt",
				`'disk/do` + "\tx\t":         "disk/do$HOME`lars`/x",
				`"disk/do` + "\tx\t":         "disk/do$HOME`lars`/x",
				`disk/"two wo` + "\tan\t":    "disk/two words/and more.txt",
				`"disk/two"\ wo` + "\tan\t":  "disk/two words/and more.txt",
				`'disk/two words'/an` + "\t": "disk/two words/and more.txt",
			} {
				if shell == "fish" && strings.HasPrefix(typed, "disk/") || shell == "fish" && strings.HasPrefix(typed, `"disk/two"`) {
					continue // quotes that begin within a word: its own files neither
				}
				s.completes("qed cat disk.qed "+typed, "qed", "cat", "disk.qed", want)
			}
		})
	}
}

func TestShellsCompleteWhatIsNoPathInside(t *testing.T) {
	dir := t.TempDir()
	for from, to := range map[string]string{"gpt.qed": "disk.qed", "guest/debian.qed": "guest.qed", "bare-ext4.qed": "b.qed"} {
		b, err := os.ReadFile(filepath.Join("../../testdata", from))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "p1-of-the-host", "in it"), 0o700); err != nil {
		t.Fatal(err)
	}
	mustRun(t, dir, "sh", "-c", "touch 'some picture.svg' zz")
	for shell := range shellsUnderTest {
		t.Run(shell, func(t *testing.T) {
			s := openCompleter(t, shell, dir)
			for typed, want := range map[string][]string{
				"ver\t":                                                   {"version"},
				"ls --outp\tjs\tgu\t":                                     {"ls", "--output", "json", "guest.qed"},
				"ls --output=j\tgu\t":                                     {"ls", "--output=json", "guest.qed"},
				"convert -O qc\t-o prea\t":                                {"convert", "-O", "qcow2", "-o", "preallocation="},
				"create -o table_size=4,clus\t":                           {"create", "-o", "table_size=4,cluster_size="},
				"info --backi\t":                                          {"info", "--backing"}, // --backing-chain, too
				"hash -a bl\tdisk.qed p1/EFI/A\\ f\t":                     {"hash", "-a", "blake2b", "disk.qed", "p1/EFI/A file with a long name.txt"},
				"find disk.qed -ty\td -mt\t1":                             {"find", "disk.qed", "-type", "d", "-mtime", "1"},
				"find disk.qed -t l\t":                                    {"find", "disk.qed", "-t", "l"},
				"cat disk.qed zz\t":                                       {"cat", "disk.qed", "zz"}, // no file of the host
				"cat disk.qed p1/E\tA\t":                                  {"cat", "disk.qed", "p1/EFI/A file with a long name.txt"},
				"map --svg some\tdi\t":                                    {"map", "--svg", "some picture.svg", "disk.qed"},
				"cp disk.qed p1/E\tA\tz\t":                                {"cp", "disk.qed", "p1/EFI/A file with a long name.txt", "zz"},
				"dump disk.qed p\t1 z\t":                                  {"dump", "disk.qed", "p1", "zz"},
				"mount disk.qed p1-\tin\tx":                               {"mount", "disk.qed", "p1-of-the-host/in it/x"},
				"diff b.qed disk.qed disk p1/E\t":                         {"diff", "b.qed", "disk.qed", "disk", "p1/EFI/"},
				"tree guest.qed /home/user/no\t":                          {"tree", "guest.qed", "/home/user/no"}, // no directory
				"cat guest.qed /home/us\tno\t":                            {"cat", "guest.qed", "/home/user/note"},
				"cat guest.qed LABEL=b\tl\t":                              {"cat", "guest.qed", "LABEL=boot/lost+found/"},
				"ls --os p guest.qed" + strings.Repeat("\x02", 10) + "\t": {"ls", "--os", "p3", "guest.qed"},
				"tar -C p1/E disk.qed" + strings.Repeat("\x02", 9) + "\t": {"tar", "-C", "p1/EFI/", "disk.qed"},
				"completion fi\t":                                         {"completion", "fish"},
				"ls --nonsense disk.qed z\t":                              {"ls", "--nonsense", "disk.qed", "z"},
				"stat missing.qed z\t":                                    {"stat", "missing.qed", "z"},
			} {
				if shell == "fish" && strings.Contains(typed, "\x02") {
					continue // a completion does not see what is behind the cursor
				}
				s.completes("qed "+typed, append([]string{"qed"}, want...)...)
			}
		})
	}
}

// A second Tab lists what there is, as it can be seen.
func TestBashListsTheLastElements(t *testing.T) {
	dir := t.TempDir()
	imageOfNames(t, dir, oddNames)
	mustRun(t, dir, "qed", "convert", "-f", "raw", "-O", "qed", "disk.img", "disk.qed")
	s := openCompleter(t, "bash", dir)
	s.press("qed ls disk.qed disk/same/\t\t")
	s.expect("alpha one  alpha two  beta")
	s.press("\x15qed ls disk.qed disk/\t\t")
	s.expect("$'esc\\x1b[31m'/")
}
