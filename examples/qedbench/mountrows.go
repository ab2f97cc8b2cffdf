package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// qedMounted calls work while 'qed mount' shows an image's only filesystem.
func (b *bench) qedMounted(image string, work func(mnt string) error) error {
	mnt, err := os.MkdirTemp(b.dir, "qed-mount")
	if err != nil {
		return err
	}
	defer os.Remove(mnt)
	var before, now unix.Stat_t
	if err := unix.Stat(mnt, &before); err != nil {
		return err
	}
	cmd := exec.Command(b.qed, "mount", "-C", "disk", image, mnt)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		if unix.Stat(mnt, &now) == nil && now.Dev != before.Dev {
			break
		}
		if time.Since(start) > 10*time.Second {
			return errors.Join(fmt.Errorf("%s: is not mounted", mnt), cmd.Process.Kill())
		}
	}
	err = work(mnt)
	return errors.Join(err, tool("fusermount3", "-u", mnt), cmd.Wait())
}

// mountRows compares our mount with the kernel's, both anew and when they have
// been read before.
func (b *bench) mountRows(each func(row) error) error {
	raw, qed, err := b.files("ext4", 20000, 12400)
	if err != nil {
		return err
	}
	for _, work := range []struct {
		name   string
		script string
	}{
		{"find -ls", `find "$0" -ls`},
		{"tar", `tar -C "$0" -c . | cat > /dev/null`},
	} {
		on := func(name, mnt string) side { return command(name, "sh", "-c", work.script, mnt) }
		anew := func(name string, mounted func(func(mnt string) error) error) side {
			return inProcess(name, func() error {
				return mounted(func(mnt string) error { return tool("sh", "-c", work.script, mnt) })
			})
		}
		kernel := func(use func(mnt string) error) error { return b.mounted(raw, "ext4", "loop,ro", use) }
		ours := func(use func(mnt string) error) error { return b.qedMounted(qed, use) }
		err := each(row{"mount, " + work.name + ", unmount: 20,000 files",
			anew("qed mount", ours), []opponent{{anew("the kernel's mount", kernel), 1.5}}})
		if err != nil {
			return err
		}
		err = kernel(func(theirs string) error {
			return ours(func(mnt string) error {
				return each(row{"mount: " + work.name + " of 20,000 files, again",
					on("qed mount", mnt), []opponent{{on("the kernel's mount", theirs), 1.5}}})
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
