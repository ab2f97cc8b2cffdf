package ext4

import "math/bits"

// Versions of the hash of names (fs/ext4/ext4.h). The superblock's flag adds
// hashUnsigned to the first three.
const (
	hashLegacy   = 0
	hashHalfMD4  = 1
	hashTEA      = 2
	hashUnsigned = 3
)

const hashEOF = 0x7FFFFFFF << 1 // no name has this hash

// hasher returns the function that hashes names as the directories of this
// filesystem do that state the given version (ext4fs_dirhash in
// fs/ext4/hash.c).
func (e *engine) hasher(version byte) (hash func(name []byte) (major, minor uint32), ok bool) {
	if version <= hashTEA && e.sb.flags&flagUnsignedHash != 0 {
		version += hashUnsigned
	}
	value := func(b byte) uint32 { return uint32(int32(int8(b))) }
	if version >= hashUnsigned {
		value = func(b byte) uint32 { return uint32(b) }
		version -= hashUnsigned
	}
	seed := e.sb.hashSeed
	if seed == [4]uint32{} {
		seed = [4]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}
	}
	var raw func(name []byte) (major, minor uint32)
	switch version {
	case hashLegacy:
		raw = func(name []byte) (uint32, uint32) { return legacyHash(name, value), 0 }
	case hashHalfMD4:
		raw = func(name []byte) (uint32, uint32) {
			buf := seed
			eachChunk(name, value, 8, func(in []uint32) { halfMD4(&buf, in) })
			return buf[1], buf[2]
		}
	case hashTEA:
		raw = func(name []byte) (uint32, uint32) {
			buf := seed
			eachChunk(name, value, 4, func(in []uint32) { tea(&buf, in) })
			return buf[0], buf[1]
		}
	default:
		return nil, false
	}
	return func(name []byte) (uint32, uint32) {
		major, minor := raw(name)
		if major &^= 1; major == hashEOF {
			major = hashEOF - 2
		}
		return major, minor
	}, true
}

// legacyHash is dx_hack_hash.
func legacyHash(name []byte, value func(byte) uint32) uint32 {
	hash0, hash1 := uint32(0x12a3fe2d), uint32(0x37abe8f9)
	for _, b := range name {
		hash := hash1 + (hash0 ^ value(b)*7152373)
		if hash&0x80000000 != 0 {
			hash -= 0x7fffffff
		}
		hash0, hash1 = hash, hash0
	}
	return hash0 << 1
}

// eachChunk cuts a name into chunks of n words, the last one padded with the
// length of what was left (str2hashbuf).
func eachChunk(name []byte, value func(byte) uint32, n int, visit func([]uint32)) {
	var words [8]uint32
	for len(name) > 0 {
		pad := uint32(len(name)) | uint32(len(name))<<8
		pad |= pad << 16
		part := name[:min(len(name), 4*n)]
		for i := range n {
			word := pad
			for j := 4 * i; j < min(4*i+4, len(part)); j++ {
				word = value(part[j]) + word<<8
			}
			words[i] = word
		}
		visit(words[:n])
		name = name[len(part):]
	}
}

// halfMD4 is half_md4_transform: three rounds of MD4's functions over eight
// words.
func halfMD4(buf *[4]uint32, in []uint32) {
	rounds := [3]struct {
		f      func(x, y, z uint32) uint32
		k      uint32
		order  [8]int
		shifts [4]int
	}{
		{func(x, y, z uint32) uint32 { return z ^ x&(y^z) }, 0,
			[8]int{0, 1, 2, 3, 4, 5, 6, 7}, [4]int{3, 7, 11, 19}},
		{func(x, y, z uint32) uint32 { return x&y + (x^y)&z }, 0x5A827999,
			[8]int{1, 3, 5, 7, 0, 2, 4, 6}, [4]int{3, 5, 9, 13}},
		{func(x, y, z uint32) uint32 { return x ^ y ^ z }, 0x6ED9EBA1,
			[8]int{3, 7, 2, 6, 1, 5, 0, 4}, [4]int{3, 9, 11, 15}},
	}
	a, b, c, d := buf[0], buf[1], buf[2], buf[3]
	for _, r := range rounds {
		for i, word := range r.order {
			a = bits.RotateLeft32(a+r.f(b, c, d)+in[word]+r.k, r.shifts[i%4])
			a, b, c, d = d, a, b, c
		}
	}
	buf[0] += a
	buf[1] += b
	buf[2] += c
	buf[3] += d
}

// tea is TEA_transform: sixteen cycles of the Tiny Encryption Algorithm.
func tea(buf *[4]uint32, in []uint32) {
	b0, b1, sum := buf[0], buf[1], uint32(0)
	for range 16 {
		sum += 0x9E3779B9
		b0 += (b1<<4 + in[0]) ^ (b1 + sum) ^ (b1>>5 + in[1])
		b1 += (b0<<4 + in[2]) ^ (b0 + sum) ^ (b0>>5 + in[3])
	}
	buf[0] += b0
	buf[1] += b1
}
