package ext4

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// keylessBytes is how much of an encrypted name its listed form holds as it
// is; a longer one ends in the SHA-256 of the rest.
const keylessBytes = 149

// keylessName is the name under which the kernel lists an encrypted name
// without the key: two words of the directory's hash and the encrypted bytes,
// in the alphabet of base64url (struct fscrypt_nokey_name in
// fs/crypto/fname.c).
func keylessName(major, minor uint32, encrypted []byte) string {
	b := le.AppendUint32(nil, major)
	b = le.AppendUint32(b, minor)
	b = append(b, encrypted[:min(len(encrypted), keylessBytes)]...)
	if len(encrypted) > keylessBytes {
		sum := sha256.Sum256(encrypted[keylessBytes:])
		b = append(b, sum[:]...)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// keylessNames returns what names the entries of an encrypted directory. The
// kernel hashes them where it lists the directory in the order of hashes
// (is_dx_dir in fs/ext4/dir.c).
func (e *engine) keylessNames(in *inode) func(dirent) string {
	indexed := in.has(flagIndex|flagInlineData) || in.size == e.sb.blockSize
	hash := func([]byte) (uint32, uint32) { return 0, 0 }
	if indexed && e.sb.compat.has(compatDirIndex) {
		if h, ok := e.hasher(e.hashVersion(in)); ok {
			hash = h
		}
	}
	return func(d dirent) string {
		if d.hash != nil {
			return keylessName(le.Uint32(d.hash), le.Uint32(d.hash[4:]), d.name)
		}
		major, minor := hash(d.name)
		return keylessName(major, minor, d.name)
	}
}

// hashVersion is what the directory's index states, or the default.
func (e *engine) hashVersion(in *inode) byte {
	if !in.has(flagIndex) || in.has(flagInlineData) {
		return e.sb.hashVersion
	}
	for b, err := range e.dirBlocks(in) {
		if err == nil {
			return b.data[indexRootInfo+4]
		}
		break
	}
	return e.sb.hashVersion
}

// keylessTarget is how the kernel shows an encrypted symbolic link without
// the key: a length in two bytes precedes the encrypted target
// (fscrypt_get_symlink in fs/crypto/hooks.c).
func (in *inode) keylessTarget(stored []byte) (string, error) {
	if len(stored) < 2 {
		return "", in.damaged(-1, "an encrypted target of %d bytes", len(stored))
	}
	n := int(le.Uint16(stored))
	if n == 0 || n > len(stored)-2 {
		return "", in.damaged(-1, "an encrypted target of %d bytes in %d", n, len(stored))
	}
	return keylessName(0, 0, stored[2:][:n]), nil
}

func (in *inode) encrypted() error {
	return fmt.Errorf("ext4: inode %d: no key: %w", in.num, fstree.ErrEncrypted)
}
