// Package bytesize reads and prints sizes in bytes exactly as qemu's tools do.
package bytesize

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// suffixes are the multipliers of a size, powers of 1024 from zero.
const suffixes = "BKMGTPE"

var (
	// ErrSyntax is returned for what is not a size.
	ErrSyntax = errors.New("not a size; the suffixes k, M, G, T, P and E are multiples of 1024")
	// ErrRange is returned for a size of 2^63 bytes or more.
	ErrRange = errors.New("size is too large")
)

// Parse reads a size in bytes as qemu does (util/cutils.c, do_strtosz):
// decimal, with a fraction if a suffix makes whole bytes of it, or
// hexadecimal; a suffix from B to E multiplies. White space and a plus sign
// may come first.
func Parse(s string) (int64, error) {
	digits, shift := strings.TrimPrefix(strings.TrimLeft(s, " \t\n\v\f\r"), "+"), uint(0)
	hex := len(digits) > 2 && (digits[:2] == "0x" || digits[:2] == "0X")
	if n := len(digits) - 1; n >= 0 && (!hex || !isHexDigit(digits[n])) {
		if i := strings.IndexByte(suffixes, digits[n]&^0x20); i >= 0 && digits[n] > '9' {
			digits, shift = digits[:n], uint(10*i)
		}
	}
	if hex {
		v, err := strconv.ParseUint(digits[2:], 16, 63)
		return scale(new(big.Rat).SetUint64(v), shift, err)
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	fraction = strings.TrimRight(fraction, "0")
	if !allDigits(whole) || fraction != "" && (shift == 0 || !allDigits(fraction)) || len(digits) > 40 {
		return 0, fmt.Errorf("%q is %w", s, ErrSyntax)
	}
	r, ok := new(big.Rat).SetString(digits)
	if !ok {
		return 0, fmt.Errorf("%q is %w", s, ErrSyntax)
	}
	return scale(r, shift, nil)
}

func scale(r *big.Rat, shift uint, err error) (int64, error) {
	if errors.Is(err, strconv.ErrRange) {
		return 0, ErrRange
	}
	if err != nil {
		return 0, ErrSyntax
	}
	r.Mul(r, new(big.Rat).SetInt64(1<<shift))
	n := new(big.Int).Quo(r.Num(), r.Denom()) // the fraction of a byte is dropped
	if !n.IsInt64() {
		return 0, ErrRange
	}
	return n.Int64(), nil
}

func isHexDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// Format prints a size as qemu-img does: three significant digits and a
// binary suffix, changing to the next one at 1000 (util/cutils.c,
// size_to_str).
func Format(n int64) string {
	_, exp := math.Frexp(float64(n) / (1000.0 / 1024.0))
	i := max(0, (exp-1)/10)
	suffix := [...]string{"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"}[i]
	return fmt.Sprintf("%.3g %sB", float64(n)/float64(int64(1)<<(10*i)), suffix)
}
