package ntfs_test

import (
	"errors"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// A record that was given to another file has another sequence number: what
// still refers to the old one is damaged.
func TestAReferenceToARecordThatWasUsedAgainIsDamage(t *testing.T) {
	fsys := committed(t, "ntfs-streams")
	info, err := fsys.Stat("file")
	if err != nil {
		t.Fatal(err)
	}
	engine, _ := fstree.As[fstree.Engine](fsys)
	id := info.Sys().(*fstree.Stat).FileID().ID
	if _, err := engine.Stat(id); err != nil {
		t.Error(err)
	}
	id.Ino += 1 << 48
	if _, err := engine.Stat(id); !errors.Is(err, fstree.ErrDamaged) {
		t.Errorf("of another sequence: %v", err)
	}
}
