// Package ntfs reads NTFS. It is read-only and made for untrusted
// images.
//
// Everything is an attribute of a record in the Master File Table, the table
// itself included. An attribute's value lies in the record or in runs of
// clusters:
//
//	boot sector -> MFT -> record 0   $MFT: where the table's records lie
//	                      record 5   root directory
//	                      record N   $STANDARD_INFORMATION  times
//	                                 $FILE_NAME             names, one a hard link
//	                                 $DATA                  contents and streams
//	                                 $INDEX_ROOT, _ALLOCATION  B+tree of a directory
//
//	fsys, err := ntfs.Open(r, size)
//	entries, err := fsys.ReadDir("Windows/System32")
//	b, err := fsys.ReadFile("Users/me/notes.txt")
//
// What is shown is what ntfs-3g shows: metadata files ($MFT and so on) and
// short DOS names are not listed but open by their name, an alternate data stream is an extended
// attribute "user.NAME" (see also [FS.Streams]), special files of Interix and
// of the Windows Subsystem for Linux are what they stand for. Security is
// left out: every file has mode 0777 and owner 0. Names match exactly, with
// their case. Names that are not valid UTF-16 are shown as fstree escapes them.
//
// Symbolic links and junctions are links; backslashes in their targets become
// slashes, and a drive's letter is taken for this volume. Sparse and
// compressed files are read, those that "compact /exe" has compressed (CompactOS,
// as the files of Windows itself often are) too; of the latter ntfs-3g shows
// nothing, and wimlib is what they are compared with. Refused by name: the
// contents of encrypted files and of those that a reparse point says to lie
// elsewhere (deduplication, cloud files, WIM files).
//
// The journal ($LogFile) is not replayed; Info says so of a volume that was
// not unmounted. An FS is safe for concurrent use and keeps up to 16 MiB of
// metadata and 2 MiB of decompressed data.
package ntfs
