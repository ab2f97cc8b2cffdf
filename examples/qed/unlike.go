package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// unlike are options of the programs that subcommands are named after, and that
// these have not, with what to do instead. A test runs all of them.
func unlike() map[string]map[string]string {
	const (
		escaped = "names that would not be seen are escaped; -0 prints them as they are stored"
		oneLine = "names are one a line; column, of util-linux, puts them side by side"
		noFiles = "the image is not changed, and its files are no files of this system"
		numbers = "owners are numbers, as they are stored; 'qed inspect' names the users"
	)
	return map[string]map[string]string{
		"ls": {
			"F": "-l, or --output json, says what a file is", "classify": "-l, or --output json, says what a file is", "p": "-l, or --output json, says what a file is",
			"G": numbers, "o": numbers, "g": numbers, "C": oneLine, "x": oneLine, "m": oneLine,
			"L": "a slash after a link follows it", "H": "a slash after a link follows it", "Q": escaped, "b": escaped, "q": escaped, "N": escaped,
			"s": "'qed du -a' says what files take", "X": "sort by another program", "v": "'sort -V' sorts by numbers in names",
			"c": "'qed stat' has all times", "u": "'qed stat' has all times", "Z": "'qed stat' has the extended attributes", "full-time": "--output json has times with nanoseconds", "time-style": "--output json has times with nanoseconds",
			"group-directories-first": "'qed tree -d' shows directories alone", "B": "a pattern as '*[^~]' leaves names out", "I": "'qed find --exclude' leaves names out", "ignore": "'qed find --exclude' leaves names out", "k": "-h shows sizes for people",
		},
		"tar": {
			"c": "it writes an archive without being told to", "create": "it writes an archive without being told to",
			"x": "it writes archives of what is inside the image; 'qed cp' copies files out", "t": "'qed ls -R' lists what is there", "v": "-p shows the progress; 'tar -tv' lists an archive",
			"j": "without an option for it: pipe it into bzip2", "J": "without an option for it: pipe it into xz", "xz": "without an option for it: pipe it into xz", "a": "-z and --zstd compress",
			"exclude": "the PATHs say what is in the archive", "T": "xargs gives PATHs from a file", "files-from": "xargs gives PATHs from a file",
			"S": "files with holes are always written without them", "xattrs": "extended attributes are always written", "acls": "access control lists are always written", "numeric-owner": numbers, "one-file-system": "-C VOLUME stays in it",
			"transform": "'tar --transform' changes names where the archive is unpacked",
		},
		"cp": {
			"n": "a file that exists is not replaced without --force", "i": "a file that exists is not replaced without --force", "u": "a file that exists is not replaced without --force",
			"v": "-p shows the progress; 'qed ls -R' lists", "preserve": "modes, times, holes and hard links are kept; -a keeps everything", "d": "-P copies a link as one, and those below always are", "L": "a PATH that is a link is followed", "H": "a PATH that is a link is followed", "sparse": "holes are kept", "x": "a PATH in a volume stays in it", "t": "DEST comes last", "T": "DEST that is not there is the new name", "l": noFiles, "s": noFiles,
		},
		"du": {
			"c": "a PATH above them all has the sum", "total": "a PATH above them all has the sum", "k": "units are 1024 bytes; -h is for people", "m": "units are 1024 bytes; -h is for people", "b": "--apparent-size counts lengths, and --output json prints bytes", "bytes": "--apparent-size counts lengths, and --output json prints bytes",
			"x": "a PATH in a volume stays in it", "L": "links are not followed", "S": "each directory has all below it", "l": "files with several names count once", "exclude": "'qed find --exclude' leaves names out", "time": "'qed ls -l' has times",
		},
		"df": {
			"k": "units are 1024 bytes; -h is for people", "m": "units are 1024 bytes; -h is for people", "T": "the filesystem is always shown", "a": "all filesystems that can be read are shown", "t": "--output json is for programs that choose", "P": "--output json is for programs", "H": "-h is for people",
		},
		"cat": {
			"n": "pipe it into 'cat -n'", "b": "pipe it into 'cat -b'", "A": "pipe it into 'cat -A'", "v": "pipe it into 'cat -v'", "e": "pipe it into 'cat -e'", "s": "pipe it into 'cat -s'", "E": "pipe it into 'cat -E'", "T": "pipe it into 'cat -T'",
		},
		"diff": {
			"u": "it lists the files that differ; 'qed cat' of both, compared by diff, shows how", "y": "it lists the files that differ; 'qed cat' of both, compared by diff, shows how", "c": "it lists the files that differ; 'qed cat' of both, compared by diff, shows how",
			"N": "a file of one side alone has a line with + or -", "w": "files are compared byte by byte", "b": "files are compared byte by byte", "i": "files are compared byte by byte", "B": "files are compared byte by byte", "x": "the PATHs say what is compared", "exclude": "the PATHs say what is compared", "s": "files that are the same have no line", "a": "files are compared byte by byte", "no-dereference": "links are compared as links",
		},
		"stat": {
			"c": "--output json is for programs", "t": "--output json is for programs", "printf": "--output json is for programs", "L": "a slash after a link follows it",
		},
		"hash": {
			"c": "sha256sum -c checks the list where the files are", "check": "sha256sum -c checks the list where the files are", "b": "files are always read as they are", "z": "-0 ends lines with a NUL",
		},
		"tree": {
			"p": "'qed ls -lR' has modes and sizes", "s": "'qed ls -lR' has modes and sizes", "u": numbers, "g": numbers, "D": "'qed ls -lR' has times", "P": "'qed find --name' finds names", "I": "'qed find --exclude' leaves names out", "J": "'qed ls -R --output json' is for programs", "C": "--color=always colours", "n": "--color=never does not colour", "l": "links are not followed",
		},
		"mount": {
			"o": "it mounts for reading; --allow-other lets other users in", "t": "the filesystem is found out", "r": "it mounts for reading always", "a": "-C says what is mounted",
		},
	}
}

// instead adds to the error of an unknown option what to do.
func instead(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	name := unknown.GetSpecifiedName()
	hint, ok := unlike()[cmd.Name()][name]
	if !ok {
		return err
	}
	if len(name) == 1 {
		name = "-" + name
	} else {
		name = "--" + name
	}
	return fmt.Errorf("there is no %s: %s", name, hint)
}
