package qemuio

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/qedfs/qedfs/examples/qed/internal/bytesize"
)

// size reads an offset or a length and tells what is wrong with it.
func (s *Session) size(word string) (int64, error) {
	n, err := bytesize.Parse(word)
	if err == nil {
		return n, nil
	}
	if errors.Is(err, bytesize.ErrRange) {
		fmt.Fprintf(s.Out, "Parsing error: argument too large -- %s\n", word)
	} else {
		fmt.Fprintf(s.Out, "Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- %s\n", word)
	}
	return 0, errFailed
}

// extent reads an offset and a length that is at most limit; hint says how it
// may be more.
func (s *Session) extent(args []string, limit int64, hint string) (off, n int64, err error) {
	if len(args) != 2 {
		return 0, 0, errUsage
	}
	if off, err = s.size(args[0]); err != nil {
		return 0, 0, err
	}
	if n, err = s.size(args[1]); err != nil {
		return 0, 0, err
	}
	if n > limit {
		fmt.Fprintf(s.Out, "length cannot exceed %d%s, given %s\n", limit, hint, args[1])
		return 0, 0, errFailed
	}
	return off, n, nil
}

// vector reads an offset and the lengths of several buffers.
func (s *Session) vector(args []string) (off, total int64, err error) {
	if len(args) < 2 {
		return 0, 0, errUsage
	}
	if off, err = s.size(args[0]); err != nil {
		return 0, 0, err
	}
	for _, word := range args[1:] {
		n, err := s.size(word)
		if err != nil {
			return 0, 0, err
		}
		if n > maxRequest {
			fmt.Fprintf(s.Out, "Argument '%s' exceeds maximum size %d\n", word, maxRequest)
			return 0, 0, errFailed
		}
		if total += n; total > maxRequest {
			fmt.Fprintf(s.Out, "The total number of bytes exceed the maximum size %d\n", maxRequest)
			return 0, 0, errFailed
		}
	}
	return off, total, nil
}

// pattern reads the byte of the -P option: decimal, octal or hexadecimal as
// in C.
func (s *Session) pattern(word string) (byte, error) {
	v, err := strconv.ParseInt(word, 0, 16)
	hex := strings.Contains(strings.ToLower(word), "0x")
	if err != nil || v < 0 || v > 0xff || strings.Contains(word, "_") || !hex && strings.ContainsAny(word, "bBoO") {
		fmt.Fprintf(s.Out, "%s is not a valid pattern byte\n", word)
		return 0, errFailed
	}
	return byte(v), nil
}

// fromFile fills a buffer with the contents of a file, over and over.
func (s *Session) fromFile(name string, n int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		fmt.Fprintf(s.Err, "%s: %s\n", name, errnoText(err))
		return nil, errFailed
	}
	defer f.Close()
	b := make([]byte, n)
	have, err := readFull(f, b)
	if err != nil {
		fmt.Fprintf(s.Err, "%s: %s\n", name, errnoText(err))
		return nil, errFailed
	}
	if have == 0 { // also where no byte is wanted
		fmt.Fprintf(s.Err, "%s: file is empty\n", name)
		return nil, errFailed
	}
	for have < len(b) {
		have += copy(b[have:], b[:have])
	}
	return b, nil
}
