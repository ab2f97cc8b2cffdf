package iso9660_test

import (
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/iso9660"
)

func TestAVolumeWithoutItsEndSaysSo(t *testing.T) {
	fstreetest.CutOff(t, "iso9660-rock-ridge", iso9660.Open)
}
