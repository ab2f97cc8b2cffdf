// Package luks reads volumes that are encrypted with LUKS 1 and LUKS 2, as
// cryptsetup makes them and dm-crypt in the Linux kernel reads them.
//
//	LUKS 1   header 592 bytes ── key slots 0..7 ── data
//	LUKS 2   header ── its copy ── key slots ── data
//	         (each: 4 KiB binary, the rest JSON; a checksum over both)
//
//	passphrase ── pbkdf2, argon2i, argon2id ── key of a slot
//	slot's area ── decrypted ── merged (anti-forensic) ── volume key ── checked by its digest
//	data ── decrypted sector by sector: the tweak or IV is the sector's number
//
// Use:
//
//	c, err := luks.Open(r, size, nil)
//	if err != nil {
//		return err
//	}
//	v, err := c.Unlock(ctx, []byte("passphrase"))
//	if err != nil {
//		return err
//	}
//	defer v.Close()
//	fsys, err := filesystem.Open(v, v.Size())
//
// # What is read
//
//   - aes-xts-plain64, aes-xts-plain, aes-cbc-essiv:HASH, aes-cbc-plain64,
//     aes-cbc-plain, the same with twofish; data sectors of 512 to 4096 bytes.
//   - pbkdf2, argon2i and argon2id; sha1, sha224, sha256, sha384, sha512 and
//     ripemd160.
//   - Any number of key slots, in the order of their priority. A key file is a
//     passphrase that is its contents.
//   - A header in a file of its own (detached).
//   - LUKS 2 whose first header is damaged: the second is used, and a note
//     says so. Checksums are verified.
//
// Refused by name, with an error that matches [errors.ErrUnsupported]: other
// ciphers (serpent, camellia, ...) and modes, a reencryption that is not
// finished, volumes with integrity tags (dm-integrity), hardware encryption
// (OPAL), requirements that are not known.
//
// # Safety
//
// The header is not trusted. What a key slot claims to need of memory and
// time is bounded by [Options]; a slot that needs more is refused with an
// error that says how much, and the others are tried. PBKDF2 stops when its
// context ends; argon2 does not once it has begun. Nothing is written.
//
// Keys are never part of an error. Passphrases belong to the caller. The
// volume key and what it was made from are overwritten as soon as the cipher
// is set up; the cipher's own tables, which no package of Go lets one
// overwrite, are dropped by [Volume.Close].
//
// LUKS does not protect against changes: a sector that was damaged decrypts to
// noise without an error, here as in the kernel.
//
// # Concurrency
//
// A Container and a Volume are safe for concurrent use.
//
// # How it is tested
//
// Contents are encrypted by cryptsetup (reencrypt --encrypt on a file) and by
// qemu-img, and compared byte for byte. The kernel's dm-crypt is not asked:
// both tools have cryptographic code of their own, which reads and writes what
// the kernel does.
package luks
