//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package journalfile

import (
	"errors"
	"fmt"
	"os"
)

// openLocked opens a file and makes another beside it, which says that it is in use. Here a crash leaves that file: the
// error names it.
func openLocked(path string) (*os.File, error) {
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%w (if there is none, remove %s.lock)", ErrLocked, path)
	}
	if err != nil {
		return nil, err
	}
	if err := lock.Close(); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		_ = os.Remove(path + ".lock")
	}
	return file, err
}

func closeLocked(file *os.File, path string) error {
	return errors.Join(file.Close(), os.Remove(path+".lock"))
}

func syncFolder(string) error { return nil }

// exclusive says that nobody can delete or replace a file that is open here.
const exclusive = false
