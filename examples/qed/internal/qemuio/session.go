package qemuio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/qedfs/qedfs/examples/qed/internal/optlist"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/qedfile"
)

// maxRequest is the longest request that qemu's block layer takes, in bytes.
const maxRequest = 1<<31 - 512

// Device is an open disk. The session closes it.
type Device struct {
	Disk     qedfile.Disk
	Writable qedfile.WritableDisk // nil when opened read-only
	// CopyOnRead has a read leave what it found beneath the image in the image.
	CopyOnRead bool
	// IgnoreDiscard has a discard change nothing.
	IgnoreDiscard bool
	Format        string // "qed" or "raw"
	ClusterSize   int64  // bytes, 0 without clusters
}

// OpenOptions are the options of the open command. The name that they come with
// may be empty where Options has one.
type OpenOptions struct {
	ReadOnly      bool
	ForceShare    bool
	Snapshot      bool             // what is written is forgotten when the disk is closed
	CopyOnRead    bool             // as in Device
	NativeAIO     bool             // refused without Direct
	Direct        bool             // whole sectors of a raw disk are read and written
	IgnoreDiscard bool             // as in Device
	Format        string           // "" when not told
	Options       string           // of the disk, as driver=qed,...
	Changes       []optlist.Option // that come after those
}

// Session is a state of qemu-io: an open disk, or none, and what is still
// under way on it.
type Session struct {
	Out      io.Writer   // what the commands answer
	Err      io.Writer   // mistakes of the script
	Complain func(error) // prints those messages that qemu-io puts its name before
	Open     func(name string, o OpenOptions) (*Device, error)

	device  *Device
	name    string
	opened  OpenOptions
	pending []*request
	failed  bool
	over    bool
	aborted bool
}

// command is an entry of the language.
type command struct {
	name, alt  string
	min, max   int // arguments; a max of -1 is no limit
	synopsis   string
	summary    string
	withoutOne bool // it needs no open disk
	writes     bool // it needs a disk open for writing
	run        func(s *Session, ctx context.Context, args []string) error
}

// Errors by which commands tell how they ended. What there was to say has
// been printed already.
var (
	errFailed = errors.New("qemuio: command failed")
	errUsage  = errors.New("qemuio: wrong arguments")
)

// OpenFile opens the disk that the session begins with.
func (s *Session) OpenFile(name string, o OpenOptions) error {
	d, err := s.Open(name, o)
	if err != nil {
		s.failed = true
		s.Complain(fmt.Errorf("can't open device %w", err))
		return errFailed
	}
	s.device, s.name, s.opened = d, name, o
	return nil
}

// Run runs one line. Errors are printed where qemu-io prints them and
// remembered by [Session.Failed].
func (s *Session) Run(ctx context.Context, line string) {
	words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' })
	if len(words) == 0 || s.over {
		return
	}
	c := find(words[0])
	if c == nil {
		fmt.Fprintf(s.Err, "command \"%s\" not found\n", words[0])
		s.failed = true
		return
	}
	if err := s.run(ctx, c, words); err != nil {
		s.failed = true
	}
}

func (s *Session) run(ctx context.Context, c *command, words []string) error {
	args := words[1:]
	if s.device == nil && !c.withoutOne {
		fmt.Fprintln(s.Err, "no file open, try 'help open'")
		return errFailed
	}
	if len(args) < c.min || c.max >= 0 && len(args) > c.max {
		fmt.Fprintf(s.Err, "bad argument count %d to %s, expected %s\n", len(args), words[0], c.arity())
		return errUsage
	}
	if c.writes && s.device.Writable == nil {
		s.Complain(qemutext.Errorf("Block node is read-only"))
		return errFailed
	}
	err := c.run(s, ctx, args)
	if errors.Is(err, errUsage) {
		fmt.Fprintln(s.Out, c.usage())
	}
	return err
}

func (c *command) arity() string {
	switch {
	case c.max < 0:
		return fmt.Sprintf("at least %d arguments", c.min)
	case c.min == c.max:
		return fmt.Sprintf("%d arguments", c.min)
	}
	return fmt.Sprintf("between %d and %d arguments", c.min, c.max)
}

func (c *command) usage() string {
	return strings.TrimSpace(c.name+" "+c.synopsis) + " -- " + c.summary
}

// Failed reports whether any command failed.
func (s *Session) Failed() bool { return s.failed }

// Over reports whether quit or abort ended the session.
func (s *Session) Over() bool { return s.over }

// Aborted reports whether the abort command ended the session: the process
// shall end as if it had crashed, with the disk left as it is.
func (s *Session) Aborted() bool { return s.aborted }

// Close waits for what is under way and closes the disk.
func (s *Session) Close() error {
	s.drain()
	if s.device == nil {
		return nil
	}
	d := s.device
	s.device = nil
	return d.Disk.Close()
}

// options reads a command's options; mistakes are told as getopt tells them.
func (s *Session) options(name string, args []string, spec string) (*options, error) {
	o, err := getopt(args, spec)
	if err != nil {
		fmt.Fprintf(s.Err, "%s: %v\n", name, err)
		return nil, errUsage
	}
	return o, nil
}

// fail prints that a request failed and why.
func (s *Session) fail(op string, err error) error {
	fmt.Fprintf(s.Out, "%s failed: %s\n", op, errnoText(err))
	if !expected(err) {
		s.Complain(err)
	}
	return errFailed
}
