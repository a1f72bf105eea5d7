package fleet

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

const sharingViolation = syscall.Errno(32)

// tryLock returns the open file if this process now holds the lock, nil if
// another one does: the file is opened without sharing. Closing it, or dying,
// gives the lock back.
func tryLock(path string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, fmt.Errorf("fleet: name of the store's lock: %w", err)
	}
	handle, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, sharingViolation) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("fleet: lock the store: %w", err)
	}
	return os.NewFile(uintptr(handle), path), nil
}
