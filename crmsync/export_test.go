package crmsync

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// LimitPages bounds the size of an SQLite state, as a full disk would.
func LimitPages(t testing.TB, state *State, pages int) {
	t.Helper()
	state.db.SetMaxOpenConns(1) // the limit is a connection's
	_, err := state.db.Exec("PRAGMA max_page_count = " + strconv.Itoa(pages))
	require.NoError(t, err)
}
