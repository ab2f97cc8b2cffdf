// Package machine runs a Linux kernel in qemu for tests whose oracle is a
// driver that the kernel at hand does not have. The kernel needs no disk of its
// own: its root is an archive in memory that a test puts together from the
// kernel's modules and tools of the machine at hand.
//
//	out := machine.Run(t, machine.Script{
//		Modules: []string{"loop", "raid456"},
//		Tools:   []string{"mdadm"},
//		Text:    "mdadm --version > /out/version",
//	})
//	defer out.Close() // a tar of /out
//
// The kernel is /boot/vmlinuz-* with /lib/modules, or the same below the
// directory that QEDFS_GUEST_KERNEL names, as dpkg-deb -x lays it there. Tests
// that have no qemu or no kernel are skipped, or fail, as package oracle says.
package machine
