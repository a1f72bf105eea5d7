//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package journalfile

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// openLocked opens a file for this process alone. The lock ends with the process, however it ends.
func openLocked(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil {
		return file, nil
	}
	_ = file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrLocked
	}
	return nil, err
}

// exclusive says that nobody can delete or replace a file that is open here.
const exclusive = false

// closeLocked gives the lock back itself: a process that is being started at this moment has the file open too until it
// runs its program, and would keep the lock for so long.
func closeLocked(file *os.File, _ string) error {
	unlockErr := syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	return errors.Join(file.Close(), unlockErr)
}

// syncFolder makes the name of a new file durable.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	// Some file systems cannot sync a folder; its files are safe by other means.
	if err := folder.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		_ = folder.Close()
		return err
	}
	return folder.Close()
}
