package btrfs_test

import (
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/btrfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

func TestAVolumeWithoutItsEndSaysSo(t *testing.T) { fstreetest.CutOff(t, "btrfs-mixed", btrfs.Open) }
