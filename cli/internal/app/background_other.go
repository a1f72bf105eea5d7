//go:build !unix

package app

import "syscall"

// ownSession is for systems that have sessions.
func ownSession() *syscall.SysProcAttr { return nil }
