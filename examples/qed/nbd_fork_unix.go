//go:build unix

package main

import "syscall"

// detached starts a process without the terminal of this one.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
