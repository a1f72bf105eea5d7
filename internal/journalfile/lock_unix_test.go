//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package journalfile

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A process that is being started has every file of its parent open until it runs its program. A journal that is closed
// in that moment can be opened again all the same.
func TestAClosedJournalIsNotLockedByAProcessThatIsBeingStarted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "import.journal")
	file, err := openLocked(path)
	require.NoError(t, err)
	child, err := syscall.Dup(int(file.Fd())) // as fork does
	require.NoError(t, err)
	defer func() { _ = syscall.Close(child) }()
	_, err = openLocked(path)
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, closeLocked(file, path))
	again, err := openLocked(path)
	require.NoError(t, err)
	require.NoError(t, closeLocked(again, path))
}
