package ext4_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ext4"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

func open(r io.ReaderAt, size int64) (fs.FS, error) { return ext4.Open(r, size) }

func TestTreeEqualsTheKernels(t *testing.T) { fstreetest.Run(t, configs, open) }

func TestLargeTreeEqualsTheKernels(t *testing.T) { fstreetest.Run(t, largeConfigs(), open) }

func TestTreeEqualsItsSource(t *testing.T) { fstreetest.Run(t, unmountable, open) }

func TestTreeIsAFilesystemByTheStandardLibrarysTest(t *testing.T) {
	image := fstreetest.Image(t, "ext4-ordinary")
	vol, err := ext4.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(vol, "sizes/4096.bin", "many", "deep"); err != nil {
		t.Error(err)
	}
}

func TestDamagedImagesDoNoHarm(t *testing.T) {
	for _, c := range slices.Concat(configs, crashes, fastCrashes, unmountable) {
		t.Run(c.Name, func(t *testing.T) { fstreetest.Mutate(t, c.Name, open) })
	}
}

func TestOtherVolumesAreNotExt4(t *testing.T) {
	for name, image := range map[string][]byte{
		"empty": nil, "short": make([]byte, 1500), "zeroes": make([]byte, 1<<20),
	} {
		_, err := ext4.Open(bytes.NewReader(image), int64(len(image)))
		if !errors.Is(err, fstree.ErrNotThis) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAVolumeThatIsCutOffIsReadAsFarAsItGoes(t *testing.T) {
	whole := fstreetest.Image(t, "ext4-4k")
	image := whole[:len(whole)/2]
	vol, err := openImage(image)
	if err != nil {
		t.Fatal(err)
	}
	if info := vol.Info(); len(info.Notes) != 1 || !strings.Contains(info.Notes[0], "cut off: 8388608 of 16777216 bytes") {
		t.Errorf("notes %q", info.Notes)
	}
	complete, cut := 0, 0
	walk(t, vol, func(name string, info fs.FileInfo) {
		if !info.Mode().IsRegular() {
			return
		}
		_, err := fs.ReadFile(vol, name)
		switch {
		case err == nil:
			complete++
		case errors.Is(err, io.ErrUnexpectedEOF):
			cut++
		default:
			t.Errorf("%s: %v", name, err)
		}
	})
	if complete < 100 || cut < 3 {
		t.Errorf("%d files complete, %d cut", complete, cut)
	}
}
