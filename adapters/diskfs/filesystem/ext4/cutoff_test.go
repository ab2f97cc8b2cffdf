package ext4_test

import (
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/ext4"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

func TestAVolumeWithoutItsEndSaysSo(t *testing.T) { fstreetest.CutOff(t, "ext2-1k", ext4.Open) }
