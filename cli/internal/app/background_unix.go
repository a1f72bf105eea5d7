//go:build unix

package app

import "syscall"

// ownSession takes a child out of reach of the terminal's Ctrl-C.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
