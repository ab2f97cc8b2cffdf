package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// side is one of the two that are compared.
type side struct {
	name string
	// prepare and tidy, if set, run before and after each measurement and
	// are not measured.
	prepare, tidy func() error
	// work returns the peak of memory in bytes, 0 if that is not known.
	work func() (peak int64, err error)
	// server, if set, is the process that does a part of the work.
	server int
}

// taken is what one run of a side took.
type taken struct {
	wall, cpu time.Duration // cpu is user and system time of all processes
	peak      int64
}

// measure runs a side once.
func (s *side) measure() (t taken, err error) {
	if s.prepare != nil {
		if err := s.prepare(); err != nil {
			return t, err
		}
	}
	before, err := s.cpu()
	if err != nil {
		return t, err
	}
	start := time.Now()
	t.peak, err = s.work()
	t.wall = time.Since(start)
	if err != nil {
		return t, err
	}
	after, err := s.cpu()
	if err == nil && s.tidy != nil {
		err = s.tidy()
	}
	t.cpu = after - before
	return t, err
}

// cpu is the time that this process, those that it waited for and the side's
// server have used.
func (s *side) cpu() (time.Duration, error) {
	d := used()
	if s.server == 0 {
		return d, nil
	}
	// Only ticks of 10 ms: enough where a server is asked for thousands of files.
	ticks, err := processTicks(s.server)
	return d + ticks, err
}

// result is what was measured of a side.
type result struct {
	wall, cpu []time.Duration
	peak      int64
}

func median(d []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(d))[len(d)/2]
}

// inTurn measures sides A B A B ..., after each has run once to warm up.
func (b *bench) inTurn(sides []side) ([]result, error) {
	results := make([]result, len(sides))
	for i := range b.runs + 1 {
		for k, s := range sides {
			t, err := s.measure()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if i > 0 {
				results[k].wall = append(results[k].wall, t.wall)
				results[k].cpu = append(results[k].cpu, t.cpu)
				results[k].peak = max(results[k].peak, t.peak)
			}
		}
	}
	return results, nil
}

// command is a side that is a process, whose output is thrown away.
func command(name string, args ...string) side {
	return side{name: name, work: func() (int64, error) {
		cmd := exec.Command(args[0], args[1:]...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil {
			return 0, fmt.Errorf("%q: %w\n%s", args, err, stderr.Bytes())
		}
		return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10, nil
	}}
}

// fresh has a side begin without the file that it makes, and leave none: what
// is yet to be written to the disk would slow down the next.
func fresh(s side, made string) side {
	remove := func() error { return os.RemoveAll(made) }
	s.prepare, s.tidy = remove, remove
	return s
}

// tool runs a program that makes what is measured later.
func tool(args ...string) error {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%q: %w\n%s", args, err, out)
	}
	return nil
}
