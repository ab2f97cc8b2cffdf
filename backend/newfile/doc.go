// Package newfile writes files that nobody ever sees unfinished, and that a
// crash of the machine does not take back.
//
// A new file has a temporary name beside its own until it is complete. Then
// its bytes are synced, it is renamed, which replaces the old file if there is
// one, and its directory is synced:
//
//	Create                     Commit
//	  |                          |
//	  v                          v
//	.qed-HASH.partial  write   sync file --> rename to disk.qed --> sync directory
//
// After a crash at any moment disk.qed is the old file or the new one, whole;
// once Commit has returned it is the new one.
//
// # Use
//
//	f, err := newfile.Create("disk.qed", nil)
//	if err != nil {
//		return err
//	}
//	defer f.Close() // removes what was not committed
//	if err := write(f.Storage()); err != nil {
//		return err
//	}
//	return f.Commit()
//
// [CreateIn] does the same inside an [os.Root]. [CommitAll] commits many files
// and waits for the disk about as long as for one.
//
// # The old file
//
// A file that is to be replaced is locked from Create on until it is replaced,
// in the way of [backend.OpenFile]: one that a virtual machine uses is refused.
// The new file gets its permissions, and its owner where that is allowed.
// Create follows a symbolic link and replaces the file that it leads to, if it
// is a regular one. CreateIn replaces the link, as the name may come from
// somebody who is not to be trusted; and it replaces special files.
//
// # What a killed run leaves
//
// The temporary name is made from the final one: [Pattern], with a hash for the
// star. While the file is written it is locked. So the next run that writes
// the same name finds what a killed one has left, sees that nobody holds it,
// and removes it. Several runs at once get a number after the hash. Since such
// a file may be removed, no finished file can have a name of that form. Where
// there are no locks, on Windows for example, what is left is not removed.
//
// # Concurrency
//
// A [File] is used by one goroutine, but its Storage may be written by many.
// Any number of programs may write files of the same name: the last to commit
// wins.
package newfile
