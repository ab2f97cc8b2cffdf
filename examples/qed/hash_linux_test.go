package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// committedDisk writes a committed filesystem as a raw disk.
func committedDisk(t *testing.T, name string) string {
	t.Helper()
	content, _ := fstreetest.Committed(t, name)
	image := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(image, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return image
}

// outputOf is what a subcommand prints of a raw disk, without any message.
func outputOf(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), append(args[:1:1], append([]string{"-f", "raw"}, args[1:]...)...), nil, &stdout, &stderr); code != exitOK || stderr.Len() > 0 {
		t.Fatalf("qed %q: exit code %d, %s", args, code, &stderr)
	}
	return stdout.String()
}

// TestSumsAreCheckedByCoreutils has each tool check what is printed for it where
// the kernel mounts the filesystem.
func TestSumsAreCheckedByCoreutils(t *testing.T) {
	image := committedDisk(t, "ext4-1k")
	dir := mountedImage(t, "ext4", image)
	for name, tool := range map[string]string{"sha256": "sha256sum", "sha512": "sha512sum", "sha384": "sha384sum", "sha224": "sha224sum", "sha1": "sha1sum", "md5": "md5sum", "blake2b": "b2sum"} {
		for _, flags := range [][]string{nil, {"--tag"}} {
			list := outputOf(t, append([]string{"hash", "-C", "disk", "-a", name, image}, flags...)...)
			check := inUTF8(t, dir, tool, "-c", "--strict", "--quiet")
			check.Stdin = strings.NewReader(list)
			oracle.Output(t, check)
			if n := strings.Count(list, "\n"); n < 100 {
				t.Errorf("%s: %d lines", name, n)
			}
		}
	}
	theirs := inUTF8(t, dir, "sh", "-c", "find . -type f -printf '%P\\0' | xargs -0 sha256sum")
	a, b := sortedLines(outputOf(t, "hash", "-C", "disk", image)), sortedLines(oracle.Output(t, theirs))
	if !slices.Equal(a, b) {
		t.Errorf("%q", difference(a, b))
	}
}

func TestMtreeFindsTheManifestTrue(t *testing.T) {
	for name, kind := range map[string]string{"ext4-1k": "ext4", "xfs-v5": "xfs"} {
		t.Run(name, func(t *testing.T) {
			image := committedDisk(t, name)
			dir := mountedImage(t, kind, image)
			all := outputOf(t, "hash", "--mtree", "-C", "disk", image)
			// mtree takes a name with *, ? or [ in it for a pattern, even its own.
			list := regexp.MustCompile(`(?m)^\S*\\(052|077|133)\S* .*\n`).ReplaceAllString(all, "")
			check := exec.Command(oracle.Tool(t, "mtree"), "-e", "-p", dir)
			check.Stdin = strings.NewReader(list)
			out, err := check.CombinedOutput()
			if err != nil {
				t.Errorf("mtree: %v\n%.500s", err, out)
			}
			wrong := strings.Replace(list, "size=", "size=1", 1)
			check = exec.Command(check.Path, "-e", "-p", dir)
			check.Stdin = strings.NewReader(wrong)
			if out, err := check.CombinedOutput(); err == nil {
				t.Errorf("mtree finds a wrong size true: %s", out)
			}
			file := filepath.Join(t.TempDir(), "manifest")
			list = regexp.MustCompile(`(?m)^\S* type=socket .*\n`).ReplaceAllString(all, "") // bsdtar knows none
			if err := os.WriteFile(file, []byte(list), 0o600); err != nil {
				t.Fatal(err)
			}
			tar := inUTF8(t, dir, "bsdtar", "-tf", file)
			names := sortedLines(oracle.Output(t, tar))
			if want := strings.Count(list, "\n") - 1; len(names)-1 != want {
				t.Errorf("bsdtar reads %d files of %d", len(names)-1, want)
			}
		})
	}
}

// bodyFields are the lines of a bodyfile by their names.
func bodyFields(t *testing.T, body string) map[string][]string {
	t.Helper()
	lines := make(map[string][]string)
	for line := range strings.Lines(body) {
		if strings.Contains(line, " | ") || strings.Contains(line, " ^ ") || strings.Contains(line, "($FILE_NAME)") {
			continue // fls does not escape what ends fields, and has a second line on NTFS
		}
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		fields[1], _, _ = strings.Cut(fields[1], " -> ") // fls knows short targets only
		if len(fields) != 11 {
			t.Errorf("%q has %d fields", line, len(fields))
			continue
		}
		lines[fields[1]] = fields
	}
	return lines
}

func low32(t *testing.T, number string) string {
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		t.Error(err)
	}
	return strconv.FormatUint(uint64(uint32(n)), 10)
}

func TestBodyfilesAreThoseOfFls(t *testing.T) {
	address := regexp.MustCompile(`^(\d+)(-\d+)*$`)
	for name, kind := range map[string]string{"ext4-ordinary": "ext4", "ext4-1k": "ext4", "ntfs": "ntfs", "fat-16": "fat16"} {
		t.Run(name, func(t *testing.T) {
			image := committedDisk(t, name)
			fls := inUTF8(t, ".", "fls", "-r", "-u", "-p", "-m", "/", "-z", "UTC", "-f", kind, image)
			var body bytes.Buffer
			fls.Stdout = &body
			if err := fls.Run(); err != nil {
				t.Fatal(err)
			}
			theirs := bodyFields(t, body.String())
			ours := bodyFields(t, outputOf(t, "hash", "--bodyfile", "-C", "disk", image))
			for path, a := range ours {
				if kind == "ntfs" && (strings.Contains(path, " surrogate") || path == "/holes/far out") || len(filepath.Base(path)) > 250 {
					continue // fls shows another name, no size, or cuts it
				}
				b := theirs[path]
				if b == nil {
					t.Errorf("fls has no %q", path)
					continue
				}
				b[2] = address.ReplaceAllString(b[2], "$1")
				skip := map[int]bool{}
				if kind == "fat16" { // which stores no inodes, permissions and changes of inodes
					skip = map[int]bool{2: true, 3: true, 9: true}
				}
				if kind == "ntfs" { // whose owners, and files that stand for links and devices, fls shows as they are
					skip = map[int]bool{3: true, 4: true, 5: true, 6: !strings.HasPrefix(a[3], "r")}
				}
				for i := range a {
					if kind == "fat16" && b[i] == "0" && len(a[i]) == 10 && a[i] >= "2147440000" {
						continue // fls keeps 31 bits there
					}
					if i >= 7 && a[i] != b[i] { // fls keeps 32 bits of a time
						a[i] = low32(t, a[i])
						b[i] = low32(t, b[i])
					}
					if !skip[i] && a[i] != b[i] {
						t.Errorf("%q: field %d is %s, of fls %s", path, i, a[i], b[i])
					}
				}
			}
			if len(ours) < 80 || len(ours) > len(theirs) {
				t.Errorf("%d files, of fls %d", len(ours), len(theirs))
			}
			mactime := inUTF8(t, ".", "mactime", "-d", "-z", "UTC", "-b", "-")
			mactime.Stdin = strings.NewReader(outputOf(t, "hash", "--bodyfile", "-C", "disk", image))
			if out := oracle.Output(t, mactime); strings.Count(out, "\n") < len(ours) {
				t.Errorf("mactime prints %d lines", strings.Count(out, "\n"))
			}
		})
	}
}
