package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// nbdServer is a server of one image, running. Ours and qemu's take the same
// flags.
type nbdServer struct {
	socket string
	cmd    *exec.Cmd
	ready  time.Duration // until the first client was let in
}

func (b *bench) startNBD(name string, args ...string) (*nbdServer, error) {
	s := &nbdServer{socket: filepath.Join(b.dir, name+".socket")}
	os.Remove(s.socket)
	s.cmd = exec.Command(args[0], append(args[1:], "-k", s.socket)...)
	s.cmd.Stderr = os.Stderr
	start := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	var err error
	if s.ready, err = waitNBD(s.socket, start); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *nbdServer) stop() error {
	s.cmd.Process.Signal(os.Interrupt)
	s.cmd.Wait() // qemu-nbd reports the signal
	os.Remove(s.socket)
	return nil
}

// nbdRows compares the two servers of the same image, by our client, which
// costs little, and by nbdcopy.
func (b *bench) nbdRows(each func(row) error) error {
	image, err := b.halfQED(gib)
	if err != nil {
		return err
	}
	if err := cacheAnew(image); err != nil {
		return err
	}
	ours, theirs := []string{b.qed, "nbd"}, []string{"qemu-nbd"}
	flags := []string{"-r", "-t", "-e", "8", "-f", "qed", image}
	a, err := b.startNBD("ours", append(ours, flags...)...)
	if err != nil {
		return err
	}
	defer a.stop()
	q, err := b.startNBD("theirs", append(theirs, flags...)...)
	if err != nil {
		return err
	}
	defer q.stop()
	for _, w := range []struct {
		name                 string
		count, length, depth int
		random               bool
	}{
		{"4 KiB random, 16 at a time", 100000, 4096, 16, true},
		{"4 KiB random, one at a time", 20000, 4096, 1, true},
		{"1 MiB sequential, 4 at a time", 2048, mib, 4, false},
	} {
		read := func(name string, s *nbdServer) side {
			return inProcess(name, func() error { return readNBD(s.socket, w.count, w.length, w.depth, w.random) })
		}
		if err := each(row{"NBD reads, " + w.name, read("qed nbd", a), []opponent{{read("qemu-nbd", q), 1}}}); err != nil {
			return err
		}
	}
	copyFrom := func(name string, s *nbdServer) side {
		return command(name, "nbdcopy", "nbd+unix:///?socket="+s.socket, "null:")
	}
	if err := each(row{"NBD: nbdcopy to null", copyFrom("qed nbd", a), []opponent{{copyFrom("qemu-nbd", q), 1}}}); err != nil {
		return err
	}
	start := func(name string, args []string) side {
		return inProcess(name, func() error {
			s, err := b.startNBD("start-"+filepath.Base(args[0]), append(args, flags...)...)
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "%s is ready after %v\n", name, s.ready)
			return s.stop()
		})
	}
	return each(row{"NBD server: start, first client, end", start("qed nbd", ours), []opponent{{start("qemu-nbd", theirs), 1}}})
}
