package fstreetest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// guestTest is the variable that the kernel's command line puts into the
// environment of its init: the test to run in the virtual machine.
const guestTest = "QEDFS_GUEST_TEST"

// Main is for the TestMain of a package that uses [RunInGuest]: in the virtual
// machine, where the test binary is init, it prepares the system, runs the one
// test and powers off.
func Main(m *testing.M) int {
	name := os.Getenv(guestTest)
	if name == "" || os.Getpid() != 1 {
		return m.Run()
	}
	if err := bootGuest(); err != nil {
		fmt.Println("guest:", err)
	} else {
		_ = flag.Set("test.run", "^"+name+"$")
		_ = flag.Set("test.v", "true")
		m.Run()
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	return 1
}

func inGuest() bool { return os.Getpid() == 1 && os.Getenv(guestTest) != "" }

func bootGuest() error {
	unix.Umask(0o022)
	for _, m := range [][2]string{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}} {
		if err := os.MkdirAll(m[1], 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m[0], m[1], m[0], 0, ""); err != nil && err != unix.EBUSY {
			return fmt.Errorf("mount %s: %w", m[0], err)
		}
	}
	if err := os.MkdirAll("/tmp", 0o755); err != nil {
		return err
	}
	modules, err := filepath.Glob("/modules/*.ko") // numbered in the order of their dependencies
	if err != nil {
		return err
	}
	for _, name := range modules {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		_ = f.Close()
		if err != nil && err != unix.EEXIST {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// guestSide fills the disks and writes what the kernel says of them to the
// last one.
func guestSide(t *testing.T, configs []Config) {
	manifests := make([][]Record, len(configs))
	for i, c := range configs {
		dev, err := guestDisk(i)
		if err != nil {
			t.Fatal(err)
		}
		var crashed []byte
		if c.Craft == nil && !c.Populated {
			dir := guestMount(t, c.Name, dev, c.Mount, c.Opts, 0)
			c.fill(t, dir)
			if c.Crash != nil {
				unix.Sync()
				c.Crash(t, dir)
				crashed = guestRead(t, dev)
			}
			guestUnmount(t, c.Name, dir)
		}
		guestWrite(t, dev, crashed)
		dir := guestMount(t, c.Name, dev, c.Mount, c.Opts, unix.MS_RDONLY)
		manifests[i] = Manifest(t, dir)
		guestUnmount(t, c.Name, dir)
		guestWrite(t, dev, crashed) // the mount recovered it
		for j := range manifests[i] {
			if c.Adjust != nil {
				c.Adjust(&manifests[i][j])
			}
		}
	}
	b, err := json.Marshal(manifests)
	if err != nil {
		t.Fatal(err)
	}
	dev, err := guestDisk(len(configs))
	if err != nil {
		t.Fatal(err)
	}
	b = append(binary.BigEndian.AppendUint64(nil, uint64(len(b))), b...)
	if err := os.WriteFile(dev, b, 0); err != nil {
		t.Fatal(err)
	}
}

// guestDisk waits for a disk, which its driver finds in its own time.
func guestDisk(i int) (string, error) {
	dev := "/dev/vd" + string(rune('a'+i))
	for range 500 {
		if _, err := os.Stat(dev); err == nil {
			return dev, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return "", fmt.Errorf("no %s", dev)
}

// guestRead returns all of a disk, as it is while something is mounted on it.
func guestRead(t *testing.T, dev string) []byte {
	t.Helper()
	b, err := os.ReadFile(dev)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// guestWrite puts back what [guestRead] returned, if anything.
func guestWrite(t *testing.T, dev string, b []byte) {
	t.Helper()
	if len(b) == 0 {
		return
	}
	f, err := os.OpenFile(dev, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func guestMount(t *testing.T, name, dev, kind, opts string, flags uintptr) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount(dev, dir, kind, flags, opts); err != nil {
		t.Fatalf("%s: mount -t %s -o %s: %v", name, kind, opts, err)
	}
	return dir
}

func guestUnmount(t *testing.T, name, dir string) {
	t.Helper()
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatalf("%s: unmount: %v", name, err)
	}
}
