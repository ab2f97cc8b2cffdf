package fstreetest

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

const (
	guestTime   = 8 * time.Minute // for everything; emulation is slow, and KVM within another virtual machine worse
	guestOutput = 256 << 20       // bytes of the disk for manifests; sparse
)

// RunInGuest is [Run] for filesystems that the kernel at hand does not have:
// qemu boots another one, all configurations are filled and described in one
// run of it. The modules are those that the configurations need, without what they depend
// on. TestMain of the package has to call [Main].
//
// The kernel is /boot/vmlinuz-* with /lib/modules, or the same below the
// directory that QEDFS_GUEST_KERNEL names, as dpkg-deb -x lays it there.
func RunInGuest(t *testing.T, modules []string, configs []Config, open Opener) {
	if inGuest() {
		guestSide(t, configs)
		return
	}
	for _, c := range configs {
		if !c.Large {
			t.Run(c.Name+"/committed", func(t *testing.T) {
				image, records := Committed(t, c.Name)
				compareOn(t, bytes.NewReader(image), int64(len(image)), records, c, open)
			})
		}
	}
	t.Run("guest", func(t *testing.T) {
		if testing.Short() {
			t.Skip("booting a kernel takes half a minute")
		}
		images, manifests := hostSide(t, modules, configs)
		for i, c := range configs {
			t.Run(c.Name, func(t *testing.T) {
				f, err := os.Open(images[i])
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				compareOn(t, f, c.Size, manifests[i], c, open)
				if os.Getenv("QEDFS_UPDATE_TESTDATA") == "1" && !c.Large && !t.Failed() {
					commit(t, c.Name, f, manifests[i])
				}
			})
		}
	})
}

// hostSide makes the disks and runs the guest on them.
func hostSide(t *testing.T, modules []string, configs []Config) (images []string, manifests [][]Record) {
	t.Helper()
	qemu := oracle.Tool(t, "qemu-system-x86_64")
	root := os.Getenv("QEDFS_GUEST_KERNEL")
	kernel := oracle.File(t, filepath.Join(root, "/boot/vmlinuz-*-amd64"))
	tmp := t.TempDir()
	initrd := filepath.Join(tmp, "initrd")
	version := strings.TrimPrefix(filepath.Base(kernel), "vmlinuz-")
	if err := makeInitrd(t, initrd, filepath.Join(root, "/lib/modules", version), modules); err != nil {
		t.Fatal(err)
	}
	for _, c := range configs {
		image := filepath.Join(tmp, c.Name)
		if err := makeDevice(image, c.Size); err != nil {
			t.Fatal(err)
		}
		source := ""
		if c.Populated {
			source = t.TempDir()
			c.fill(t, source)
		}
		mkfs(t, c, image, source)
		if c.Craft != nil {
			c.Craft(t, image)
		}
		images = append(images, image)
	}
	output := filepath.Join(tmp, "output")
	if err := os.WriteFile(output, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(output, guestOutput); err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(t.Name(), "/")
	args := []string{
		"-machine", "accel=tcg", "-m", "768", "-nodefaults", "-no-reboot", "-nographic", "-serial", "stdio",
		"-kernel", kernel, "-initrd", initrd,
		"-append", "console=ttyS0 quiet panic=-1 " + guestTest + "=" + name + " CI_LONG=" + os.Getenv("CI_LONG"),
	}
	for _, disk := range append(slices.Clone(images), output) {
		args = append(args, "-drive", "file="+disk+",if=virtio,format=raw,cache=unsafe")
	}
	ctx, cancel := context.WithTimeout(t.Context(), guestTime)
	defer cancel()
	log, err := exec.CommandContext(ctx, qemu, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if manifests, err = readOutput(output); err != nil || len(manifests) != len(configs) {
		t.Fatalf("the guest left no manifests: %v\n%s", err, log)
	}
	return images, manifests
}

func readOutput(name string) (manifests [][]Record, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var n uint64
	if err := binary.Read(f, binary.BigEndian, &n); err != nil {
		return nil, err
	}
	if n == 0 || n > guestOutput {
		return nil, fmt.Errorf("length %d", n)
	}
	b := make([]byte, n)
	if _, err := f.ReadAt(b, 8); err != nil {
		return nil, err
	}
	return manifests, json.Unmarshal(b, &manifests)
}

// makeInitrd packs the guest's root: the test binary, built anew because it
// has to need no shared library, and the modules.
func makeInitrd(t *testing.T, name, modulesDir string, modules []string) error {
	binary := filepath.Join(t.TempDir(), "init")
	build := exec.Command(oracle.Tool(t, "go"), "test", "-c", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	code, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	var a archive
	for _, dir := range []string{"dev", "modules"} {
		a.add(dir, 0o040755, nil)
	}
	a.add("init", 0o100755, code)
	order, err := moduleOrder(modulesDir, append([]string{"virtio_pci", "virtio_blk"}, modules...))
	if err != nil {
		return err
	}
	for i, m := range order {
		code, err := os.ReadFile(m)
		if err != nil {
			return err
		}
		a.add(fmt.Sprintf("modules/%03d-%s", i, filepath.Base(m)), 0o100644, code)
	}
	a.add("TRAILER!!!", 0, nil)
	return os.WriteFile(name, a.Bytes(), 0o600)
}

// moduleOrder returns the files of modules and of those that they depend on,
// these first. It asks the modules themselves: modules.dep is only there
// where the kernel's package was installed, not where it was unpacked.
func moduleOrder(dir string, modules []string) ([]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if m, ok := strings.CutSuffix(d.Name(), ".ko"); ok {
			files[strings.ReplaceAll(m, "-", "_")] = name
		}
		return err
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

// archive is a cpio archive in the "newc" format, which the kernel unpacks.
type archive struct {
	bytes.Buffer
	inode int
}

func (a *archive) add(name string, mode int, data []byte) {
	a.inode++
	fmt.Fprintf(a, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", a.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	a.WriteString(name + "\x00")
	a.pad()
	a.Write(data)
	a.pad()
}

func (a *archive) pad() {
	for a.Len()%4 != 0 {
		a.WriteByte(0)
	}
}
