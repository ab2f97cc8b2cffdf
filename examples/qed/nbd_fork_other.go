//go:build !unix

package main

import "syscall"

// detached starts a process as any other, where there are no sessions.
func detached() *syscall.SysProcAttr { return nil }
