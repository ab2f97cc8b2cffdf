package qemuio

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/qedfs/qedfs/qedfile"
)

// humanSize is how qemu-io prints sizes: three decimals unless they are
// zeroes (qemu-io-cmds.c, cvtstr).
func humanSize(v float64) string {
	for shift, suffix := range []string{"EiB", "PiB", "TiB", "GiB", "MiB", "KiB"} {
		if unit := float64(int64(1) << (60 - 10*shift)); v >= unit {
			return strings.TrimSuffix(fmt.Sprintf("%.3f", v/unit), ".000") + " " + suffix
		}
	}
	return strings.TrimSuffix(fmt.Sprintf("%f", v), ".000000") + " bytes"
}

// report prints what a request did.
type report struct {
	op          string // "read", "wrote", "discard"
	offset      int64
	total, want int64 // bytes
	took        time.Duration
	machine     bool // -C
}

func (r *report) print(w io.Writer) {
	seconds := max(r.took, 1).Seconds()
	perSecond := float64(r.total) / seconds
	if r.machine {
		fmt.Fprintf(w, "%d,1,%s,%.3f,%.3f\n", r.total, clock(r.took), perSecond, 1/seconds)
		return
	}
	fmt.Fprintf(w, "%s %d/%d bytes at offset %d\n", r.op, r.total, r.want, r.offset)
	took := clock(r.took)
	if r.took < time.Minute {
		took = fmt.Sprintf("%05.2f sec", r.took.Seconds())
	}
	fmt.Fprintf(w, "%s, 1 ops; %s (%s/sec and %.4f ops/sec)\n", humanSize(float64(r.total)), took, humanSize(perSecond), 1/seconds)
}

// clock prints a time as hours, minutes, seconds and hundredths.
func clock(d time.Duration) string {
	return fmt.Sprintf("%d:%02d:%05.2f", int64(d/time.Hour), int64(d/time.Minute)%60, (d % time.Minute).Seconds())
}

// dump prints bytes as read -v does.
func dump(w io.Writer, b []byte, offset int64) {
	for i := 0; i < len(b); i += 16 {
		row := b[i:min(i+16, len(b))]
		var text strings.Builder
		fmt.Fprintf(w, "%08x:  ", offset+int64(i))
		for _, c := range row {
			fmt.Fprintf(w, "%02x ", c)
			if !isAlnum(c) {
				c = '.'
			}
			text.WriteByte(c)
		}
		fmt.Fprintf(w, " %s\n", &text)
	}
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// Requests fail with these where qemu's block layer would refuse them.
var (
	errOutside   = errors.New("outside the disk")
	errNoSupport = errors.New("not supported by the format")
)

// errnoText is the text of the errno with which qemu reports an error.
func errnoText(err error) string {
	var errno syscall.Errno
	switch {
	case errors.Is(err, errOutside):
		return "Input/output error"
	case errors.Is(err, errNoSupport):
		return "Operation not supported"
	case errors.Is(err, qedfile.ErrCorrupt):
		return "Invalid argument"
	case errors.As(err, &errno):
		text := errno.Error()
		return strings.ToUpper(text[:1]) + text[1:]
	}
	return "Input/output error"
}

// expected errors are told by their errno alone.
func expected(err error) bool {
	return errors.Is(err, errOutside) || errors.Is(err, errNoSupport)
}
