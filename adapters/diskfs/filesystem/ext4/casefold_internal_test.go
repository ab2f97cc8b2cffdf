package ext4

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

func TestACasefoldedDirectoryIsSearchedWithoutCase(t *testing.T) {
	p := newPatient(t, "ext2-1k")
	names := p.find("names")
	raw := p.inode(names.num)
	le.PutUint32(raw[0x20:], le.Uint32(raw[0x20:])|flagCasefold)
	incompat := p.image[superblockOffset+0x60:]
	le.PutUint32(incompat, le.Uint32(incompat)|uint32(incompatCasefold))
	e, err := open(bytes.NewReader(p.image), int64(len(p.image)))
	if err != nil {
		t.Fatal(err)
	}
	dir := fstree.ID{Ino: uint64(names.num)}
	for asked, want := range map[string]string{
		"upper": "upper", "Upper": "Upper", ".HIDDEN": ".hidden", "CAFÉ": "café", "Nul.TXT": "nul.txt",
	} {
		entry, err := e.Lookup(dir, asked)
		if err != nil || entry.Name != want {
			t.Errorf("%s: %q, %v; want %q", asked, entry.Name, err, want)
		}
	}
	if _, err := e.Lookup(dir, "no such"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	// Elsewhere case counts.
	if _, err := e.Lookup(e.Root(), "NAMES"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
