package qedafero_test

import (
	"testing"

	"github.com/spf13/afero"

	qedafero "github.com/qedfs/qedfs/adapters/afero"
	"github.com/qedfs/qedfs/adapters/diskfs/guest"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

func TestARootOfAGuestIsAFileSystem(t *testing.T) {
	d, err := imagefs.Open("../../testdata/guest/debian.qed", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	systems, err := guest.Find(d)
	if err != nil {
		t.Fatal(err)
	}
	files := qedafero.New(systems[0].Root())
	for name, want := range map[string]string{
		"/etc/hostname": "bookworm\n", "/note": "a note\n", "/boot/efi/EFI/debian/grubx64.efi": "loader\n",
	} {
		if b, err := afero.ReadFile(files, name); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if found, err := afero.Glob(files, "/boot/vmlinuz-*"); err != nil || len(found) != 1 {
		t.Errorf("%q, %v", found, err)
	}
	if info, lstat, err := files.(afero.Lstater).LstatIfPossible("/note"); err != nil || !lstat || info.Mode().IsRegular() {
		t.Errorf("%v, %v, %v", info, lstat, err)
	}
}
