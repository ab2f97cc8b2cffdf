// Package fstreetest proves filesystem readers: it makes filesystems with
// the real mkfs tools, fills them through the Linux kernel with a tree of
// everything that goes wrong in practice, writes down what the kernel shows
// of it (a manifest), and compares a reader with that, field for field and
// byte for byte, on one handle and on eight goroutines.
//
//	var configs = []fstreetest.Config{
//		{Name: "ext4-1k", Size: 8 << 20, Mkfs: []string{"mkfs.ext4", "-b", "1024"}, Mount: "ext4"},
//	}
//
//	func TestTreeEqualsTheKernels(t *testing.T) { fstreetest.Run(t, configs, open) }
//	func TestDamagedImagesDoNoHarm(t *testing.T) { fstreetest.Mutate(t, "ext4-1k", open) }
//
// Each configuration is proved twice. The committed image, in
// testdata/filesystems with its manifest, is compared on every machine. A
// fresh one is made and compared where there is a kernel to ask (see package
// oracle for what happens elsewhere). QEDFS_UPDATE_TESTDATA=1 makes the run
// replace the committed images by the fresh ones.
package fstreetest
