package crmsync

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// LimitPages bounds the size of an SQLite state, as a full disk would.
func LimitPages(t testing.TB, state *State, pages int) {
	t.Helper()
	_, err := state.writer.Exec("PRAGMA max_page_count = " + strconv.Itoa(pages))
	require.NoError(t, err)
}
