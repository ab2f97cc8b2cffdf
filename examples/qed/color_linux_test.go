package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// TestColorsAreThoseOfLs compares with GNU ls on the same files, mounted by the
// kernel or, where they are made from a directory, in it.
func TestColorsAreThoseOfLs(t *testing.T) {
	oracle.Root(t)
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	made := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	made(os.MkdirAll(filepath.Join(root, "dir"), 0o755))
	for name, mode := range map[string]uint32{
		"plain": 0o644, "exec": 0o755, "setuid": 0o4755, "setgid": 0o2755, "a.tar": 0o644, "B.TAR": 0o644, "x.tar.gz": 0o644, "exec.tar": 0o755, "own": 0o644, "readme": 0o644,
	} {
		made(os.WriteFile(filepath.Join(root, name), []byte(name), 0o600))
		made(syscall.Chmod(filepath.Join(root, name), mode))
	}
	for name, mode := range map[string]uint32{"sticky": 0o1755, "others": 0o777, "tmp": 0o1777} {
		made(os.Mkdir(filepath.Join(root, name), 0o700))
		made(syscall.Chmod(filepath.Join(root, name), mode))
	}
	made(os.Link(filepath.Join(root, "own"), filepath.Join(root, "twice")))
	for name, target := range map[string]string{"to-dir": "dir", "to-exec": "exec", "to-tar": "a.tar", "lost": "nowhere", "loop": "loop", "chain": "to-dir"} {
		made(os.Symlink(target, filepath.Join(root, name)))
	}
	made(syscall.Mknod(filepath.Join(root, "fifo"), syscall.S_IFIFO|0o644, 0))
	made(syscall.Mknod(filepath.Join(root, "socket"), syscall.S_IFSOCK|0o644, 0))
	made(syscall.Mknod(filepath.Join(root, "char"), syscall.S_IFCHR|0o644, 1<<8|3))
	made(syscall.Mknod(filepath.Join(root, "block"), syscall.S_IFBLK|0o644, 7<<8))
	image := filepath.Join(dir, "disk.img")
	oracle.Run(t, "mke2fs", "-q", "-t", "ext4", "-d", root, image, "4M")

	for _, colors := range []string{
		"",
		"*.tar=01;31:*.gz=00;35:mh=44;37:or=40;31;01:mi=05;37;41:ln=01;36:*readme=4",
		"ln=target:or=01;31:mi=0:*.tar=31",
		"ln=target:*.tar=31",
		"su=0:sg=00:ex=0:di=0:tw=0:ow=0:st=0:fi=33",
		"di=38;5;33:rs=0;1:lc=\\e[:rc=m:ex=01;32:ec=\\e[0;0m",
	} {
		for _, flags := range [][]string{{"-1"}, {"-l"}, {"-1r"}} {
			t.Run(colors+strings.Join(flags, ""), func(t *testing.T) {
				ls := exec.Command("ls", append(flags, "--color=always", "-I", "lost+found", root)...)
				ours := exec.Command("qed", append(append([]string{"ls"}, flags...), "--color=always", "-f", "raw", image, "disk")...)
				want := namesOf(listing(t, ls, colors), flags[0] == "-l")
				got := namesOf(listing(t, ours, colors), flags[0] == "-l")
				got = without(got, "lost+found")
				if strings.Join(got, "\n") != strings.Join(want, "\n") {
					t.Errorf("%q\nls: %q", got, want)
				}
			})
		}
	}
}

func listing(t *testing.T, cmd *exec.Cmd, colors string) string {
	t.Helper()
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LS_COLORS="+colors)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v", cmd.Args, err)
	}
	return string(out)
}

// namesOf are the names of a listing with their colours. What ls prints before the
// first colour is at the first name of both, but for lost+found.
func namesOf(text string, long bool) (list []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if long && strings.HasPrefix(line, "total ") {
			continue
		}
		if long {
			fields := strings.Fields(line)
			line = line[strings.Index(line, fields[len(fields)-1]):]
			if i := strings.Index(strings.Join(fields, " "), " -> "); i >= 0 {
				line = strings.Join(fields[len(fields)-3:], " ")
			}
		}
		list = append(list, strings.TrimPrefix(line, "\x1b[0m\x1b"))
	}
	return list
}

func without(list []string, name string) (out []string) {
	for _, line := range list {
		if !strings.Contains(line, name) {
			out = append(out, line)
		}
	}
	return out
}
