package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// leastRuns is how often each side must have run for a row to be judged.
	leastRuns = 7
	// mostOthers is the share of one processor that other processes may
	// take while a row is measured by the clock.
	mostOthers = 0.1

	tick = time.Second / 100 // USER_HZ, which Linux has fixed at 100
)

// load is how busy the machine was while a row was measured.
type load struct {
	average string  // the load average before
	others  float64 // processors that others kept busy
}

func (l load) quiet() bool { return l.others <= mostOthers }

func (l load) String() string {
	return fmt.Sprintf("load %s, others %.2f CPUs", l.average, l.others)
}

// watch says when it is called how busy others kept the machine meanwhile.
func watch() (func() (load, error), error) {
	average, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return nil, err
	}
	busy, err := busyTicks()
	if err != nil {
		return nil, err
	}
	ours, start := used(), time.Now()
	return func() (load, error) {
		now, err := busyTicks()
		if err != nil {
			return load{}, err
		}
		others := now - busy - (used() - ours)
		l := load{others: max(0, others.Seconds()/time.Since(start).Seconds())}
		l.average, _, _ = strings.Cut(string(average), " ")
		return l, nil
	}, nil
}

// used is the processor time of this process and of those it waited for.
func used() time.Duration {
	var sum time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if err := unix.Getrusage(who, &u); err != nil {
			panic(err) // it has no other error than a wrong who
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

// busyTicks is the time that the machine's processors were not idle, and that
// the host of a virtual machine took.
func busyTicks() (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	var sum time.Duration
	for i, f := range fields[1:9] { // user nice system idle iowait irq softirq steal
		if i == 3 || i == 4 {
			continue
		}
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// processTicks is the processor time of a running process.
func processTicks(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	s := string(b)
	fields := strings.Fields(s[strings.LastIndexByte(s, ')')+1:]) // its name may hold spaces
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat is %q", pid, s)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, err
}
