package qemuio

import (
	"context"
	"slices"
	"strings"

	"github.com/qedfs/qedfs/examples/qed/internal/optlist"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
)

// DirectCache reports whether a cache mode of qemu goes by the memory of the
// host. Otherwise all have the same effect here.
func DirectCache(mode string) (bool, error) {
	return mode == "none" || mode == "off" || mode == "directsync", oneOf("cache", mode, "none", "off", "directsync", "writeback", "unsafe", "writethrough")
}

// CheckAIO refuses what is no way of qemu to ask its host. All have the same
// effect here.
func CheckAIO(mode string) error { return oneOf("aio", mode, "threads", "native", "io_uring") }

// IgnoresDiscard reports whether a discard shall change nothing.
func IgnoresDiscard(mode string) (bool, error) {
	return mode == "ignore" || mode == "off", oneOf("discard", mode, "ignore", "off", "unmap", "on")
}

func oneOf(what, mode string, modes ...string) error {
	if slices.Contains(modes, mode) {
		return nil
	}
	return qemutext.Errorf("Invalid %s option: %s", what, mode)
}

func (s *Session) openDevice(_ context.Context, args []string) error {
	o, err := s.options("open", args, "snCro:ki:t:d:U")
	if err != nil {
		return err
	}
	opts := OpenOptions{ReadOnly: o.has('r'), ForceShare: o.has('U'), Snapshot: o.has('s'), CopyOnRead: o.has('C'), Direct: o.has('n'), Options: o.value['o']}
	if err := s.checkModes(o, &opts); err != nil {
		s.Complain(err)
		return errFailed
	}
	if len(o.args) > 1 {
		return errUsage
	}
	if s.device != nil {
		s.Complain(qemutext.Errorf("file open already, try 'help close'"))
		return errFailed
	}
	name := ""
	if len(o.args) == 1 {
		name = o.args[0]
	}
	return s.OpenFile(name, opts)
}

// checkModes reads the options that name a mode.
func (s *Session) checkModes(o *options, opts *OpenOptions) (err error) {
	if o.has('t') {
		opts.Direct, err = DirectCache(o.value['t'])
	}
	if err == nil && o.has('i') {
		err = CheckAIO(o.value['i'])
	}
	opts.NativeAIO = o.has('k') || o.value['i'] == "native"
	if err == nil && o.has('d') {
		opts.IgnoreDiscard, err = IgnoresDiscard(o.value['d'])
	}
	return err
}

func (s *Session) reopen(_ context.Context, args []string) error {
	o, err := s.options("reopen", args, "c:o:rw")
	if err != nil {
		return err
	}
	if len(o.args) != 0 {
		return errUsage
	}
	opts := s.opened
	if err := reopenOptions(o, &opts, s.device.Format); err != nil {
		s.Complain(err)
		return errFailed
	}
	if err := s.Close(); err != nil {
		s.Complain(err)
		return errFailed
	}
	return s.OpenFile(s.name, opts)
}

// reopenOptions applies the options of reopen to those of a disk of a format.
func reopenOptions(o *options, opts *OpenOptions, format string) error {
	switch {
	case o.has('r') && o.has('w'):
		return qemutext.Errorf("Only one -r/-w option may be given")
	case o.has('r') || o.has('w'):
		opts.ReadOnly = o.has('r')
	}
	var err error
	if o.has('c') {
		if opts.Direct, err = DirectCache(o.value['c']); err != nil {
			return err
		}
	}
	list, err := optlist.Parse(o.value['o'])
	if err != nil {
		return qemutext.Errorf("Invalid option list: %s", o.value['o'])
	}
	for _, option := range list {
		on, isSwitch := optlist.Switch(option.Value)
		switch option.Name {
		case "auto-read-only":
		case "read-only":
			if o.has('r') || o.has('w') {
				return qemutext.Errorf("Cannot set both -r/-w and 'read-only'")
			}
			opts.ReadOnly = on
		case "cache.direct", "cache.no-flush":
			if o.has('c') {
				return qemutext.Errorf("Cannot set both -c and the cache options")
			}
		default:
			if !changeable(option, format) {
				return cannotChange(option)
			}
			opts.Changes = append(slices.Clip(opts.Changes), option)
			continue
		}
		if !isSwitch {
			return qemutext.Errorf("Parameter '%s' expects 'on' or 'off'", option.Name)
		}
	}
	return nil
}

// cannotChange is the error for an option of an open disk that is not to be
// changed, or has a wrong value.
func cannotChange(o optlist.Option) error {
	switch o.Name {
	case "backing", "file":
		return qemutext.Errorf("Cannot find device='' nor node-name='%s'", o.Value)
	case "discard":
		if _, err := IgnoresDiscard(o.Value); err != nil {
			return qemutext.Errorf("Invalid discard option")
		}
	}
	_, name, below := strings.Cut(o.Name, ".")
	if !below {
		name = o.Name
	}
	return qemutext.Errorf("Cannot change the option '%s'", name)
}

// changeable reports whether an option of an open disk may be set: which part
// of a file a raw disk is, and what stays as it is.
func changeable(o optlist.Option, format string) bool {
	switch o.Name {
	case "driver":
		return o.Value == format
	case "detect-zeroes":
		return o.Value == "off" || o.Value == "on"
	}
	return format == "raw" && (o.Name == "offset" || o.Name == "size")
}
