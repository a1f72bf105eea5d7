//go:build unix

package fleet

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// tryLock returns the open file if this process now holds the lock, nil if
// another one does. Closing the file, or dying, gives the lock back.
func tryLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("fleet: open the store's lock: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, fmt.Errorf("fleet: lock the store: %w", err)
	}
	return file, nil
}
