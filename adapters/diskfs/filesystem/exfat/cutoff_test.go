package exfat_test

import (
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/exfat"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

func TestAVolumeWithoutItsEndSaysSo(t *testing.T) {
	fstreetest.CutOff(t, "exfat-cluster4k", exfat.Open)
}
