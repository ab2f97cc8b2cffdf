package archive_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func TestGNUTarExtractsWhatTheKernelShows(t *testing.T) {
	for _, name := range images {
		t.Run(name, func(t *testing.T) {
			image, want := fstreetest.Committed(t, name)
			extract(t, openImage(t, image), want)
		})
	}
}

func TestGNUTarExtractsAttributesWhateverTheyAreCalled(t *testing.T) {
	r, want := fstreetest.Build(t, fstreetest.Config{
		Size: 4 << 20, Mkfs: []string{"mke2fs", "-q", "-F", "-O", "^has_journal"}, Mount: "ext4",
		Fill: func(tb testing.TB, dir string) {
			name := filepath.Join(dir, "file")
			if err := os.WriteFile(name, nil, 0o600); err != nil {
				tb.Fatal(err)
			}
			for _, key := range []string{"a=b", "100%", "%3D", "%253D", "%25=", "new\nline", "caf\xe9"} {
				if err := unix.Setxattr(name, "user."+key, []byte("of "+key), 0); err != nil {
					tb.Fatal(err)
				}
			}
		},
	})
	image, err := io.ReadAll(io.NewSectionReader(r, 0, 4<<20))
	if err != nil {
		t.Fatal(err)
	}
	extract(t, openImage(t, image), want)
}

// extract archives a tree, has GNU tar extract it, and compares what it made.
func extract(t *testing.T, tree *imagefs.Tree, want []fstreetest.Record) {
	t.Helper()
	program := oracle.Tool(t, "tar")
	oracle.Root(t)
	dir := t.TempDir()
	cmd := exec.Command(program, "-x", "-p", "--numeric-owner", "--acls", "--xattrs", "--xattrs-include=*",
		"--xattrs-exclude="+fstreetest.NoCopy, "--warning=no-timestamp", "-C", dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write(t, in, tree, "disk")
	in.Close()
	if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
		t.Errorf("tar: %v\n%s", err, &stderr)
	}
	fstreetest.CompareCopy(t, fstreetest.Manifest(t, dir), want)
}
