package xfs_test

import (
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/xfs"
)

func TestAVolumeWithoutItsEndSaysSo(t *testing.T) { fstreetest.CutOff(t, "xfs-v5", xfs.Open) }
