package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

const (
	maxTime    = 8 * time.Minute // for everything; emulation is slow, and KVM within another virtual machine worse
	outputSize = 2 << 30         // bytes of the disk for a script's output; sparse
)

func kernelFile(tb testing.TB) string {
	tb.Helper()
	return oracle.File(tb, filepath.Join(os.Getenv("QEDFS_GUEST_KERNEL"), "/boot/vmlinuz-*-amd64"))
}

// Boot starts a kernel with a root and disks, /dev/vda and on, waits until it
// powers off, and returns what it wrote to its console. The root's /init is
// what the kernel runs; environment is added to its environment. With -short,
// which is for the race detector, the test is skipped.
func Boot(tb testing.TB, root *Root, environment string, disks ...string) (console []byte) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("booting a kernel takes half a minute, and shows no race")
	}
	qemu := oracle.Tool(tb, "qemu-system-x86_64")
	kernel := kernelFile(tb)
	root.Add("TRAILER!!!", 0, nil)
	initrd := filepath.Join(tb.TempDir(), "initrd")
	if err := os.WriteFile(initrd, root.buf.Bytes(), 0o600); err != nil {
		tb.Fatal(err)
	}
	args := []string{
		"-machine", "accel=tcg", "-m", "1024", "-nodefaults", "-no-reboot", "-nographic", "-serial", "stdio",
		"-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet panic=-1 " + environment,
	}
	for _, disk := range disks {
		args = append(args, "-drive", "file="+disk+",if=virtio,format=raw,cache=unsafe")
	}
	ctx, cancel := context.WithTimeout(tb.Context(), maxTime)
	defer cancel()
	console, err := exec.CommandContext(ctx, qemu, args...).CombinedOutput()
	if err != nil {
		tb.Fatalf("%v\n%s", err, console)
	}
	return console
}

// Script is what [Run] runs in a machine.
type Script struct {
	Modules []string // of the kernel, to be loaded first
	Tools   []string // of the machine at hand; those of busybox are there anyway
	Text    string   // for sh -e

	Files map[string][]byte // other files of the root
}

// prologue prepares the machine. TMPDIR is where there is room for large files.
const prologue = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin TMPDIR=/work HOME=/ DM_DISABLE_UDEV=1
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
mkdir -p /work /out /run /etc /var/lib /run/lock/lvm
mount -t tmpfs -o size=90% tmpfs /work; mount -t tmpfs tmpfs /run; mkdir /run/lock /run/mdadm
for m in /modules/*.ko; do insmod $m; done
cd /work
sh -e /script > /out/log 2>&1; echo $? > /out/status
tail -20 /out/log
tar -C /out -cSf /dev/vda .; sync; poweroff -f
`

// Run boots a machine, runs a script in it, and returns a tar archive of what
// the script left in /out. A script that fails ends the test, with the end of
// its output. The working directory of the script is in memory.
func Run(tb testing.TB, s Script) *os.File {
	tb.Helper()
	var root Root
	for _, dir := range []string{"bin", "dev", "proc", "sys", "modules"} {
		root.Add(dir, 0o040755, nil)
	}
	root.AddTools(tb, append([]string{"busybox", "tar"}, s.Tools...)...)
	root.AddModules(tb, append([]string{"virtio_pci", "virtio_blk"}, s.Modules...)...)
	root.Add("init", 0o100755, []byte(prologue))
	root.Add("script", 0o100644, []byte(s.Text))
	for name, b := range s.Files {
		root.Add(name, 0o100644, b)
	}
	name := filepath.Join(tb.TempDir(), "output")
	f, err := os.Create(name)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	if err := f.Truncate(outputSize); err != nil {
		tb.Fatal(err)
	}
	console := Boot(tb, &root, "", name)
	status, err := exec.Command(oracle.Tool(tb, "tar"), "-xOf", name, "./status").Output()
	if err != nil || strings.TrimSpace(string(status)) != "0" {
		tb.Fatalf("the script failed with %s (%v)\n%s", strings.TrimSpace(string(status)), err, console)
	}
	if _, err := f.Seek(0, 0); err != nil {
		tb.Fatal(fmt.Errorf("output: %w", err))
	}
	return f
}
