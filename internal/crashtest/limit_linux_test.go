package crashtest

import (
	"os/signal"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// limitFiles makes writes beyond a size fail, as on a full disk.
func limitFiles(bytes string) {
	limit, err := strconv.ParseUint(bytes, 10, 64)
	if err != nil {
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		panic(err)
	}
}

func TestAnImporterWhoseDiskIsFullStopsAndGoesOnLater(t *testing.T) {
	t.Parallel()
	server, folder := antcrmtest.NewServer(t), makeFile(t)
	server.Inject(antcrmtest.Fault{Method: "POST", Path: "/contacts/package", BodyContains: `"BAD-`, Status: 422})
	for _, limit := range []int{100, 1000, 10_003, 20_077, 30_000} {
		before := server.Count(antcrmtest.Contacts)
		text, err := command(t.Context(), server, folder, envLimit+"="+strconv.Itoa(limit)).CombinedOutput()
		require.Error(t, err)
		assert.Contains(t, string(text), "import.journal: file too large")
		if limit <= 1000 {
			assert.LessOrEqual(t, server.Count(antcrmtest.Contacts)-before, 5*20, "nothing is sent that is not in the journal")
		}
	}
	out, err := command(t.Context(), server, folder).Output()
	require.NoError(t, err)
	var sum tally
	compare(t, server, out, &sum)
	assert.Zero(t, sum.lost)
	assert.Zero(t, sum.doubled)
	assert.Positive(t, sum.unknown)
	t.Logf("%d done, %d rejected, %d unknown, %d lost, %d doubled", sum.done, sum.rejected, sum.unknown, sum.lost, sum.doubled)
}
