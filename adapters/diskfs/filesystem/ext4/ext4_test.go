package ext4_test

import (
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

func TestTreeEqualsTheKernels(t *testing.T) { fstreetest.Run(t, configs, open) }
