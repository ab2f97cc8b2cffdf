package machine

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// Root is a machine's first filesystem: a cpio archive in the "newc" format,
// which the kernel unpacks into memory.
type Root struct {
	buf   bytes.Buffer
	inode int
	names []string
}

// Add adds a file or directory with the mode that its inode has. What is there
// already is left as it is.
func (r *Root) Add(name string, mode int, data []byte) {
	if slices.Contains(r.names, name) {
		return
	}
	r.names = append(r.names, name)
	r.inode++
	fmt.Fprintf(&r.buf, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", r.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	r.buf.WriteString(name + "\x00")
	r.pad()
	r.buf.Write(data)
	r.pad()
}

func (r *Root) pad() {
	for r.buf.Len()%4 != 0 {
		r.buf.WriteByte(0)
	}
}

// addFile adds a file of the machine at hand, with the directories above it.
func (r *Root) addFile(name, hostName string, mode int) error {
	b, err := os.ReadFile(hostName)
	if err != nil {
		return err
	}
	for i, c := range name {
		if c == '/' {
			r.Add(name[:i], 0o040755, nil)
		}
	}
	r.Add(name, mode, b)
	return nil
}

// AddModules adds modules of the kernel, and what they depend on, as
// modules/NNN-NAME.ko in the order in which they have to be loaded. Those that
// are built in are left out.
func (r *Root) AddModules(tb testing.TB, modules ...string) {
	tb.Helper()
	kernel := kernelFile(tb)
	dir := filepath.Join(os.Getenv("QEDFS_GUEST_KERNEL"), "/lib/modules", strings.TrimPrefix(filepath.Base(kernel), "vmlinuz-"))
	order, err := moduleOrder(dir, modules)
	if err != nil {
		tb.Fatal(err)
	}
	for i, m := range order {
		if err := r.addFile(fmt.Sprintf("modules/%03d-%s", i, filepath.Base(m)), m, 0o100644); err != nil {
			tb.Fatal(err)
		}
	}
}

// AddTools adds programs as bin/NAME, and the libraries that they need.
func (r *Root) AddTools(tb testing.TB, tools ...string) {
	tb.Helper()
	library := regexp.MustCompile(`(/\S+) \(0x`)
	for _, tool := range tools {
		path := oracle.Tool(tb, tool)
		if err := r.addFile("bin/"+tool, path, 0o100755); err != nil {
			tb.Fatal(err)
		}
		out, err := exec.Command("ldd", path).Output()
		if err != nil {
			continue // it needs none
		}
		for _, m := range library.FindAllStringSubmatch(string(out), -1) {
			if err := r.addFile(strings.TrimPrefix(m[1], "/"), m[1], 0o100755); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

// moduleOrder returns the files of modules and of those that they depend on,
// these first. It asks the modules themselves: modules.dep is only there
// where the kernel's package was installed, not where it was unpacked.
func moduleOrder(dir string, modules []string) ([]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if m, ok := strings.CutSuffix(d.Name(), ".ko"); ok {
			files[strings.ReplaceAll(m, "-", "_")] = name
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var order []string
	var add func(m string) error
	add = func(m string) error {
		file, ok := files[strings.ReplaceAll(m, "-", "_")]
		if !ok || slices.Contains(order, file) {
			return nil // built in, or there already
		}
		deps, err := moduleDeps(file)
		if err != nil {
			return err
		}
		for _, d := range deps {
			if err := add(d); err != nil {
				return err
			}
		}
		order = append(order, file)
		return nil
	}
	for _, m := range modules {
		if err := add(m); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// moduleDeps reads the "depends" of a module's information.
func moduleDeps(name string) ([]string, error) {
	f, err := elf.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("%s: no .modinfo", name)
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for field := range strings.SplitSeq(string(info), "\x00") {
		if deps, ok := strings.CutPrefix(field, "depends="); ok && deps != "" {
			return strings.Split(deps, ","), nil
		}
	}
	return nil, nil
}
