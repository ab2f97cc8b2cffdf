package luks

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // LUKS 1 was made with it
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/ripemd160" //nolint:gosec,staticcheck // so was it with this
)

// kdf derives a key from a passphrase.
type kdf struct {
	kind       string // "pbkdf2", "argon2i", "argon2id"
	hash       string // of pbkdf2
	salt       []byte
	iterations int64 // passes of argon2
	memory     int64 // bytes, of argon2
	threads    int   // of argon2
}

// hashOf returns the hash function of a name as cryptsetup has it.
func hashOf(name string) (func() hash.Hash, error) {
	switch name {
	case "sha1":
		return sha1.New, nil
	case "sha224":
		return sha256.New224, nil
	case "sha256":
		return sha256.New, nil
	case "sha384":
		return sha512.New384, nil
	case "sha512":
		return sha512.New, nil
	case "ripemd160":
		return ripemd160.New, nil
	}
	return nil, fmt.Errorf("hash %q: %w", name, ErrUnsupported)
}

// limits are what deriving a key may cost.
type limits struct {
	memory, work int64
}

func newLimits(o *Options) limits {
	l := limits{o.MaxMemory, o.MaxWork}
	if l.memory <= 0 {
		l.memory = defaultMemory
	}
	if l.work <= 0 {
		l.work = defaultWork
	}
	return l
}

// check refuses what costs too much, or has no meaning.
func (l limits) check(k *kdf) error {
	switch k.kind {
	case "pbkdf2":
		if k.iterations < 1 {
			return fmt.Errorf("%d iterations: %w", k.iterations, ErrDamaged)
		}
		if k.iterations > l.work {
			return fmt.Errorf("%d iterations of pbkdf2, more than %d: %w", k.iterations, l.work, ErrTooCostly)
		}
	case "argon2i", "argon2id":
		// 8 KiB a thread is the least of argon2 (RFC 9106, section 3.1), and
		// 4 threads are the most of cryptsetup.
		if k.iterations < 1 || k.threads < 1 || k.threads > 255 || k.memory < int64(k.threads)<<13 {
			return fmt.Errorf("%s with %d passes, %d KiB and %d threads: %w", k.kind, k.iterations, k.memory>>10, k.threads, ErrDamaged)
		}
		if k.memory > l.memory {
			return fmt.Errorf("%s with %d MiB of memory, more than %d: %w", k.kind, k.memory>>20, l.memory>>20, ErrTooCostly)
		}
		if k.iterations > l.work/(k.memory>>10) {
			return fmt.Errorf("%d passes of %s over %d MiB: %w", k.iterations, k.kind, k.memory>>20, ErrTooCostly)
		}
	default:
		return fmt.Errorf("key derivation %q: %w", k.kind, ErrUnsupported)
	}
	return nil
}

// derive makes a key of n bytes. What it may cost has been checked.
func (k *kdf) derive(ctx context.Context, secret []byte, n int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	memory, threads, passes := uint32(k.memory>>10), uint8(k.threads), uint32(k.iterations)
	switch k.kind {
	case "argon2i":
		return argon2.Key(secret, k.salt, passes, memory, threads, uint32(n)), nil
	case "argon2id":
		return argon2.IDKey(secret, k.salt, passes, memory, threads, uint32(n)), nil
	}
	newHash, err := hashOf(k.hash)
	if err != nil {
		return nil, err
	}
	return pbkdf2(ctx, hmac.New(newHash, secret), k.salt, k.iterations, int(n))
}

// pbkdf2 is that of RFC 8018, section 5.2. The one of the standard library
// takes the secret as a string, which nobody can overwrite, and cannot be
// stopped.
func pbkdf2(ctx context.Context, mac hash.Hash, salt []byte, iterations int64, n int) ([]byte, error) {
	var out, u []byte
	for block := uint32(1); len(out) < n; block++ {
		mac.Reset()
		mac.Write(salt)
		mac.Write(be.AppendUint32(nil, block))
		u = mac.Sum(u[:0])
		at := len(out)
		out = append(out, u...)
		sum := out[at:]
		for i := int64(1); i < iterations; i++ {
			mac.Reset()
			mac.Write(u)
			u = mac.Sum(u[:0])
			for j, x := range u {
				sum[j] ^= x
			}
			if i%(1<<16) == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
	}
	clear(u)
	return out[:n], nil
}

// merge puts together a key that was split into stripes (AFmerge, LUKS On-Disk
// Format Specification 1.2.3, section 2.4).
func merge(stripes []byte, size int64, hashName string) ([]byte, error) {
	newHash, err := hashOf(hashName)
	if err != nil {
		return nil, fmt.Errorf("stripes: %w", err)
	}
	h := newHash()
	key := make([]byte, size)
	for ; len(stripes) > 0; stripes = stripes[size:] {
		for i := range key {
			key[i] ^= stripes[i]
		}
		if int64(len(stripes)) > size {
			diffuse(h, key)
		}
	}
	return key, nil
}

// diffuse replaces each piece of a key, as long as a hash, by the hash of its
// number and itself.
func diffuse(h hash.Hash, key []byte) {
	var sum []byte
	for i := uint32(0); len(key) > 0; i++ {
		piece := key[:min(len(key), h.Size())]
		h.Reset()
		h.Write(be.AppendUint32(nil, i))
		h.Write(piece)
		sum = h.Sum(sum[:0])
		copy(piece, sum)
		key = key[len(piece):]
	}
	clear(sum)
}
