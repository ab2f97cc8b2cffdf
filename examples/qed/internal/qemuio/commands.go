package qemuio

import (
	"context"
	"fmt"
	"slices"
)

// commands is the language, in the order in which help lists it.
func commands() []command {
	return []command{
		{name: "abort", synopsis: "", summary: "end at once, as a crash would", withoutOne: true, run: (*Session).abort},
		{name: "aio_flush", summary: "wait for the requests under way", run: (*Session).aioFlush},
		{name: "aio_read", min: 2, max: -1, synopsis: "[-Ciqv] [-P pattern] off len [len..]", summary: "read in the background", run: (*Session).aioRead},
		{name: "aio_write", min: 2, max: -1, writes: true, synopsis: "[-Cfiquz] [-P pattern] off len [len..]", summary: "write in the background", run: (*Session).aioWrite},
		{name: "alloc", min: 1, max: 2, synopsis: "offset [count]", summary: "tell how much of a range the image itself stores", run: (*Session).alloc},
		{name: "close", alt: "c", summary: "close the disk", run: (*Session).closeDevice},
		{name: "discard", alt: "d", min: 2, max: -1, writes: true, synopsis: "[-Cq] off len", summary: "declare a range unused", run: (*Session).discard},
		{name: "flush", alt: "f", summary: "make what was written durable", run: (*Session).flush},
		{name: "help", alt: "?", min: 0, max: 1, synopsis: "[command]", summary: "list the commands, or describe one", withoutOne: true, run: (*Session).help},
		{name: "info", alt: "i", summary: "describe the disk's format", run: (*Session).info},
		{name: "length", alt: "l", summary: "print the size of the disk", run: (*Session).length},
		{name: "map", summary: "list what the image itself stores", run: (*Session).diskMap},
		{name: "open", alt: "o", min: 1, max: -1, synopsis: "[-rsCnkU] [-t cache] [-d discard] [-o options] [path]", summary: "open a disk", withoutOne: true, run: (*Session).openDevice},
		{name: "quit", alt: "q", max: -1, summary: "end", withoutOne: true, run: (*Session).quit},
		{name: "read", alt: "r", min: 2, max: -1, synopsis: "[-abCqv] [-P pattern [-s off] [-l len]] off len", summary: "read a range", run: (*Session).read},
		{name: "readv", min: 2, max: -1, synopsis: "[-Cqv] [-P pattern] off len [len..]", summary: "read a range into several buffers", run: (*Session).readv},
		{name: "reopen", max: -1, synopsis: "[(-r|-w)] [-c cache] [-o options]", summary: "open the disk again, read-only or for writing", run: (*Session).reopen},
		{name: "sleep", min: 1, max: 1, synopsis: "ms", summary: "wait so many milliseconds", withoutOne: true, run: (*Session).sleep},
		{name: "truncate", alt: "t", min: 1, max: 3, writes: true, synopsis: "[-m prealloc_mode] off", summary: "set the size of the disk", run: (*Session).truncate},
		{name: "write", alt: "w", min: 2, max: -1, writes: true, synopsis: "[-bcCfnquz] [-P pattern | -s source_file] off len", summary: "write a range", run: (*Session).write},
		{name: "writev", min: 2, max: -1, writes: true, synopsis: "[-Cfq] [-P pattern] off len [len..]", summary: "write a range from several buffers", run: (*Session).writev},
	}
}

// letters describes the options, which mean the same in every command.
const letters = `
 -b  the vm state, which QED does not have
 -c  compressed, which QED does not have
 -C  report as numbers separated by commas
 -f  make the write durable before it is reported
 -i  an invalid request, for statistics that are not kept here
 -l  length of what -P verifies
 -n  with -z, only if no zeroes need to be written
 -p  ignored
 -P  the byte to write, or to expect
 -q  report nothing
 -s  where what -P verifies begins; for write, a file to take the bytes from
 -u  with -z, may give space back
 -v  print the bytes
 -z  write zeroes
`

func find(name string) *command {
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.name == name || c.alt != "" && c.alt == name })
	if i < 0 {
		return nil
	}
	return &all[i]
}

func (s *Session) help(_ context.Context, args []string) error {
	if len(args) == 0 {
		for _, c := range commands() {
			fmt.Fprintln(s.Out, c.usage())
		}
		fmt.Fprintln(s.Out, "\nUse 'help commandname' for extended help.")
		return nil
	}
	c := find(args[0])
	if c == nil {
		fmt.Fprintf(s.Out, "command %s not found\n", args[0])
		return errFailed
	}
	fmt.Fprintln(s.Out, c.usage())
	if c.min >= 2 {
		fmt.Fprint(s.Out, letters)
	}
	return nil
}

func (s *Session) quit(context.Context, []string) error {
	s.over = true
	return nil
}

// abort leaves the disk as it is: nothing is flushed, nothing closed.
func (s *Session) abort(context.Context, []string) error {
	s.over, s.aborted, s.device, s.pending = true, true, nil, nil
	return nil
}

func (s *Session) closeDevice(context.Context, []string) error {
	if err := s.Close(); err != nil {
		s.Complain(err)
		return errFailed
	}
	return nil
}
