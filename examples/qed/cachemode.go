package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
)

// cacheModes are qemu's names for how its host's cache is used.
func cacheModes() []string {
	return []string{"none", "off", "directsync", "writeback", "unsafe", "writethrough"}
}

// cacheFlag is a flag that takes one of them. Of all that they say, one thing
// matters here: whether a new file is waited for until it is on the disk, which
// is the default and what "unsafe" leaves out.
type cacheFlag struct {
	mode *string
	what string
}

// addCacheFlag gives a subcommand the -t flag, for what it writes.
func addCacheFlag(cmd *cobra.Command, mode *string) {
	addLateFlag(cmd, &cacheFlag{mode, "cache"}, "cache", "t", `"unsafe" does not wait until what is written is on the disk; all other cache modes of qemu do`)
}

// addSourceCacheFlag gives a subcommand the -T flag, for what it reads.
func addSourceCacheFlag(cmd *cobra.Command) {
	addLateFlag(cmd, &cacheFlag{new(string), "source cache"}, "source-cache", "T", "a cache mode of qemu, for reading; all are the same here")
}

func (f *cacheFlag) Type() string   { return "cache" }
func (f *cacheFlag) String() string { return "" }

func (f *cacheFlag) Set(s string) error {
	*f.mode = s
	return nil
}

// check refuses what is no cache mode.
func (f *cacheFlag) check() error {
	if *f.mode != "" && !slices.Contains(cacheModes(), *f.mode) {
		return qemutext.Errorf("Invalid %s option: %s", f.what, *f.mode)
	}
	return nil
}

// addLateFlag gives a subcommand a flag whose last value alone is checked,
// after the other options.
func addLateFlag(cmd *cobra.Command, f *cacheFlag, name, short, usage string) {
	cmd.Flags().VarP(f, name, short, usage)
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if before != nil {
			if err := before(cmd, args); err != nil {
				return err
			}
		}
		return f.check()
	}
}

// cacheUnsafe is the mode that waits for nothing.
const cacheUnsafe = "unsafe"

// runError is a mistake in an option with which a subcommand fails as it does
// when it cannot do its work.
type runError struct{ text *qemutext.Error }

func (e *runError) Error() string { return e.text.Error() }
