// Package bitlocker reads volumes that are encrypted with BitLocker, as Windows
// makes them.
//
//	volume header: where the three copies of the metadata are
//	metadata 64 KiB ×3 ── protectors: each holds the volume master key, encrypted
//	                   └─ the key of the data, encrypted by the master key
//	first sectors of the filesystem, kept elsewhere, encrypted
//	data, sector by sector: the tweak or IV is the place of the sector
//
//	password           ── SHA-256, 2^20 times ── key of its protector
//	recovery password  ── SHA-256, 2^20 times ── key of its protector
//	startup key (.BEK), clear key ── the key itself
//
// Use:
//
//	c, err := bitlocker.Open(r, size)
//	if err != nil {
//		return err
//	}
//	v, err := c.Unlock(ctx, []byte("236808-089419-192665-495704-618299-073414-538373-542366"))
//	if err != nil {
//		return err
//	}
//	defer v.Close()
//	fsys, err := filesystem.Open(v, v.Size())
//
// # What is read
//
//   - Volumes of Windows 7 and later and BitLocker To Go: AES-CBC with and without
//     the Elephant diffuser and AES-XTS, with keys of 128 and 256 bits; sectors of
//     512 and 4096 bytes.
//   - A password, a recovery password, the contents of a startup key file or of
//     the text file in which Windows saves a recovery password. Volumes whose
//     protection is suspended, which hold their key in the clear.
//   - A damaged copy of the metadata: the next one is used, and a note says so.
//
// The metadata and the place of the first sectors read as zeroes, as the drivers
// for Linux show them.
//
// Refused by name, with an error that matches [errors.ErrUnsupported]: protectors
// that need a TPM, a smart card or a network, volumes that are being encrypted or
// decrypted, encryption on write, volumes of Windows Vista (which the oracles at hand
// do not open), other ciphers.
//
// # Safety
//
// The metadata is not trusted: 64 KiB of it are read, whatever it says. At most 16
// protectors are tried with a password, each of which costs 2^20 SHA-256 of 88
// bytes, some tenths of a second; that stops when its context ends. Nothing is
// written.
//
// Keys are never part of an error. Passwords belong to the caller. What is derived
// from them is overwritten as soon as the cipher is set up; the cipher's own tables,
// which no package of Go lets one overwrite, are dropped by [Volume.Close].
//
// BitLocker does not protect against changes: a sector that was damaged decrypts to
// noise without an error, here as in Windows.
//
// # Concurrency
//
// A Container and a Volume are safe for concurrent use.
//
// # How it is tested
//
// By an encrypter in the tests, whose volumes dislocker opens and shows the same
// bytes of; and by the images that cryptsetup is tested with, made by Windows 7 to
// 11, of which nothing is committed.
package bitlocker
