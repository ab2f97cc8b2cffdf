package imagespec

import (
	"slices"
	"strconv"

	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
)

// setHarmless checks an option that changes no byte of what is read or written,
// and leaves it at that (block.c, bdrv_runtime_opts; block/file-posix.c,
// raw_runtime_opts).
func (s *Spec) setHarmless(name, value string) error {
	switch name {
	case "node-name":
		return nil
	case "auto-read-only", "cache.no-flush":
		_, err := onOff(name, value)
		return err
	case "discard":
		if !slices.Contains([]string{"ignore", "off", "unmap", "on"}, value) {
			return qemutext.Errorf("Invalid discard option")
		}
		s.unmaps = value == "unmap" || value == "on"
		return nil
	case "detect-zeroes":
		s.detectZeroes = value
		return oneOf(value, "off", "on", "unmap")
	}
	if !IsProtocol(s.Driver) || isNull(s.Driver) {
		return s.unknown(name)
	}
	switch name {
	case "locking":
		return oneOf(value, "auto", "off", "on")
	case "aio":
		s.NativeAIO = value == "native"
		return oneOf(value, "threads", "native", "io_uring")
	case "aio-max-batch":
		if _, err := strconv.ParseUint(value, 0, 64); err != nil {
			return qemutext.Errorf("Parameter '%s' expects a number", name)
		}
		return nil
	case "drop-cache", "x-check-cache-dropped":
		_, err := onOff(name, value)
		return err
	}
	return s.unknown(name)
}

// consistent refuses options that do not go together.
func (s *Spec) consistent() error {
	switch {
	case s.ForceShare && s.writable:
		return qemutext.Errorf("force-share=on can only be used with read-only images")
	case s.detectZeroes == "unmap" && !s.unmaps:
		return qemutext.Errorf("setting detect-zeroes to unmap is not allowed without setting discard operation to unmap")
	}
	return nil
}

func oneOf(value string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	return qemutext.Errorf("invalid parameter value: %s", value)
}
