package tarstream_test

import (
	"bytes"
	"os/exec"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func TestGNUTarExtractsWhatTheKernelShows(t *testing.T) {
	program := oracle.Tool(t, "tar")
	oracle.Root(t)
	for _, name := range images {
		t.Run(name, func(t *testing.T) {
			image, want := fstreetest.Committed(t, name)
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
			write(t, in, openImage(t, image), "disk")
			in.Close()
			if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
				t.Errorf("tar: %v\n%s", err, &stderr)
			}
			fstreetest.CompareCopy(t, fstreetest.Manifest(t, dir), want)
		})
	}
}
