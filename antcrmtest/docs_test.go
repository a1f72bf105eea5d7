package antcrmtest_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func TestTheFaultsOfTheDocumentsCanBeArmed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/cli.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "A file of faults is a list")
	require.True(t, found)
	_, rest, _ = strings.Cut(rest, "```json\n")
	list, _, _ := strings.Cut(rest, "```")
	faults, err := antcrmtest.ParseFaults([]byte(list))
	require.NoError(t, err)
	require.Len(t, faults, 3)
	srv := antcrmtest.NewServer(t)
	for _, fault := range faults {
		require.NoError(t, srv.Inject(fault).Err())
	}
}
