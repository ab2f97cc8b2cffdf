package main

import (
	"bufio"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/blake2b"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/manifest"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

// algorithm is what files are summed up by.
type algorithm struct {
	name  string
	tag   string // in lines of --tag
	mtree string // its keyword in a manifest; "" has none
	make  func() hash.Hash
}

// algorithms are those of cksum -a that are in use.
var algorithms = []algorithm{
	{"sha256", "SHA256", "sha256digest", sha256.New},
	{"sha224", "SHA224", "", sha256.New224},
	{"sha384", "SHA384", "sha384digest", sha512.New384},
	{"sha512", "SHA512", "sha512digest", sha512.New},
	{"sha1", "SHA1", "sha1digest", sha1.New},
	{"md5", "MD5", "md5digest", md5.New},
	{"blake2b", "BLAKE2b", "", newBlake2b},
}

func newBlake2b() hash.Hash {
	h, err := blake2b.New512(nil)
	if err != nil {
		panic(err) // only a key can be wrong
	}
	return h
}

func newHash(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hash [flags] IMAGE [PATH]...",
		Short: "Print checksums of files inside the image",
		Long: `Print the checksum of each file, and of all files below each directory, in the
form that sha256sum -c reads, or with --tag in the one that names the algorithm,
as cksum -c reads it. Names that need it are escaped as coreutils does. Without
PATH all volumes are gone through. A PATH that is a symbolic link is followed;
links below are not.

-C begins at a directory of the image, and names are relative to it: the list
can be checked where that directory is copied to, or mounted.

--mtree prints a manifest of everything, which mtree and bsdtar read, and
--bodyfile one that mactime makes timelines of, as fls -m prints it; with -a
md5 it has checksums. The manifest is of one directory, which -C says.

--output json prints one object a line for a file: path, algorithm, digest.

Exit codes: 0 everything was read, 1 something could not be; its line is missing
then, or the rest of its directory.`,
		Args: cobra.MinimumNArgs(1),
	}
	a.addFileFlags(cmd)
	h := &hashing{app: a}
	out := addOutputFlag(cmd)
	asked := addProgressFlag(cmd)
	names := make([]string, len(algorithms))
	for i := range algorithms {
		names[i] = algorithms[i].name
	}
	addChoice(cmd, &h.name, "algorithm", "a", algorithms[0].name, "the checksum", names...)
	flags := cmd.Flags()
	flags.BoolVar(&h.tag, "tag", false, "name the algorithm in each line")
	flags.BoolVarP(&h.nul, "zero", "0", false, "end lines with a NUL, and escape nothing")
	flags.BoolVar(&h.mtree, "mtree", false, "print an mtree manifest")
	flags.BoolVar(&h.body, "bodyfile", false, "print a bodyfile for mactime")
	flags.StringVarP(&h.dir, "directory", "C", "", "begin at this `path` of the image")
	cmd.MarkFlagsMutuallyExclusive("tag", "mtree", "bodyfile", "output")
	cmd.MarkFlagsMutuallyExclusive("zero", "mtree", "bodyfile", "output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := h.check(cmd, args); err != nil {
			return err
		}
		f, err := a.openFiles(cmd, args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		h.files, h.w = f, bufio.NewWriterSize(a.stdout, 64<<10)
		if out.json() {
			h.json = json.NewEncoder(h.w)
			h.json.SetEscapeHTML(false)
		}
		progress := a.newProgress("hash", *asked)
		if a.toTerminal() {
			progress.notes = nil // in the list
		}
		defer progress.finish()
		if err := h.run(cmd.Context(), args[1:], progress); err != nil {
			return err
		}
		progress.finish()
		return f.failed()
	}
	return cmd
}

// hashing is a run of hash.
type hashing struct {
	*app
	*files
	algorithm
	name, dir             string
	tag, nul, mtree, body bool
	w                     *bufio.Writer
	json                  *json.Encoder // nil for people and for sha256sum
}

// check looks at the flags before anything is opened.
func (h *hashing) check(cmd *cobra.Command, args []string) error {
	for _, x := range algorithms {
		if x.name == h.name {
			h.algorithm = x
		}
	}
	switch {
	case h.body && !cmd.Flags().Changed("algorithm"):
		h.make = nil
	case h.body && h.algorithm.name != "md5":
		return usageError(cmd, errors.New("a bodyfile has checksums of md5 only"))
	case h.mtree && h.algorithm.mtree == "":
		return usageError(cmd, errors.New("an mtree manifest has no checksums of "+h.algorithm.name))
	case h.mtree && len(args) > 1:
		return usageError(cmd, errors.New("an mtree manifest is of one directory; -C says which"))
	}
	return nil
}

func (h *hashing) run(ctx context.Context, args []string, progress *progress) error {
	dir, roots, err := h.roots(ctx, args)
	if err != nil {
		return err
	}
	opts := &manifest.Options{Hash: h.make, Follow: !h.body && !h.mtree}
	if progress.shown() && h.make != nil {
		total, err := h.files.storedBytes(ctx, roots)
		if err != nil {
			return err
		}
		var before, done int64
		opts.Progress = func(n int64) {
			if n < done {
				before += done // the next root
			}
			done = n
			progress.set(before+done, total)
		}
	}
	if h.mtree {
		if _, err := io.WriteString(h.w, manifest.MtreeHeader+"\n"); err != nil {
			return err
		}
	}
	for _, root := range roots {
		if root == "." {
			h.requireFiles(root)
		}
		for e, err := range manifest.Files(ctx, h.tree, root, opts) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				h.fail(h.explain(e.Path, err))
				continue
			}
			if err := h.print(e, dir); err != nil {
				return err
			}
		}
	}
	return h.w.Flush()
}

// roots are the paths to go through, and the directory that names are relative to;
// "." is none.
func (h *hashing) roots(ctx context.Context, args []string) (dir string, roots []string, err error) {
	if h.dir == "" {
		return ".", h.paths(ctx, args), nil
	}
	if dir, err = h.path(ctx, h.dir); err != nil {
		return "", nil, err
	}
	if len(args) == 0 {
		return dir, []string{dir}, nil
	}
	below := make([]string, len(args))
	for i, arg := range args {
		below[i] = dir + "/" + arg
	}
	f := *h.files
	f.dir = "" // dir is a whole path already
	return dir, f.paths(ctx, below), nil
}

// print prints the line of a file.
func (h *hashing) print(e *manifest.Entry, dir string) error {
	name := manifest.Relative(dir, e.Path)
	line := ""
	switch {
	case h.body:
		if name == "." {
			return nil // fls leaves the directory itself out, too
		}
		if dir != "." || !isGuest(name) {
			name = "/" + name
		}
		line = manifest.BodyLine(e, name)
	case h.mtree:
		line = manifest.MtreeLine(e, name, h.algorithm.mtree)
	case e.Sum == nil:
		return nil
	case h.json != nil:
		return h.printJSON(e, name)
	case h.tag && h.nul:
		line = h.algorithm.tag + " (" + fstree.OutwardPath(name) + ") = " + hex.EncodeToString(e.Sum)
	case h.tag:
		line = manifest.TagLine(h.algorithm.tag, name, e.Sum)
	case h.nul:
		line = hex.EncodeToString(e.Sum) + "  " + fstree.OutwardPath(name)
	default:
		line = manifest.SumLine(name, e.Sum)
	}
	if h.nul {
		_, err := io.WriteString(h.w, line+"\x00")
		return err
	}
	if h.toTerminal() {
		line = show.Text(line)
	}
	_, err := io.WriteString(h.w, line+"\n")
	return err
}

func (h *hashing) printJSON(e *manifest.Entry, name string) error {
	var line struct {
		Path      string `json:"path"`
		PathHex   string `json:"path_hex,omitempty"`
		Algorithm string `json:"algorithm"`
		Digest    string `json:"digest"`
	}
	line.Path, line.PathHex = jsonPath(name)
	line.Algorithm, line.Digest = h.algorithm.name, hex.EncodeToString(e.Sum)
	return h.json.Encode(line)
}
