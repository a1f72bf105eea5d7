package fleet

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func TestATaleThatTheLedgerHasOvertakenIsTakenBack(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	feedContacts(t, f, "job", contacts(10, false))
	begun(t, f, "job", "gone")
	e, rev, err := f.entry(t.Context(), chunkName("job", 0))
	require.NoError(t, err)
	for _, i := range e.open() {
		e.set(i, letterUnknown, "", "")
	}
	e.settle()
	msg, err := f.chunks.GetLastMsgForSubject(t.Context(), f.subject("chunks")+"."+chunkName("job", 0))
	require.NoError(t, err)
	d := &delivery{worker: &worker{f: f, id: "observer"}, name: chunkName("job", 0), entry: e, rev: rev}
	require.NoError(t, d.decode(msg.Data))
	overtaken := *e
	overtaken.Outcomes = "dddddddddd"
	_, _, err = f.put(t.Context(), d.name, &overtaken, rev)
	require.NoError(t, err)
	told, err := d.tell(t.Context())
	require.NoError(t, err)
	assert.False(t, told)
	assert.Empty(t, notes(t, f.unknown))

	d.entry, d.rev, err = f.entry(t.Context(), d.name)
	require.NoError(t, err)
	d.entry.Outcomes, d.entry.Told = "uuuuuuuuuu", false
	d.rev, _, err = f.put(t.Context(), d.name, d.entry, d.rev)
	require.NoError(t, err)
	told, err = d.tell(t.Context())
	require.NoError(t, err)
	assert.True(t, told)
	assert.Len(t, notes(t, f.unknown), 1)
}

func TestPayloadIsKeptUntilItsRejectedRecordsAreTold(t *testing.T) {
	t.Parallel()
	f, srv := newMortalFleet(t), antcrmtest.NewServer(t)
	feedContacts(t, f, "job", contacts(10, false))
	begun(t, f, "job", "gone")
	e, rev, err := f.entry(t.Context(), chunkName("job", 0))
	require.NoError(t, err)
	for _, i := range e.open() {
		e.set(i, letterRejected, "", "bad phone")
	}
	e.settle() // and before it could tell, its worker died
	_, _, err = f.put(t.Context(), chunkName("job", 0), e, rev)
	require.NoError(t, err)
	_, left, err := (&worker{f: f}).finishJobs(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, left)
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Len(t, notes(t, f.rejected), 1)
}

func TestNotesEndWhenTheyGoAwayWhileTheyAreRead(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	srv.Inject(antcrmtest.Fault{Status: http.StatusTooManyRequests})
	feedContacts(t, f, "job", contacts(1000, false))
	workUntilDone(t, f, srv, WorkerConfig{MaxAttempts: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	read := 0
	for _, err := range f.Notes(ctx, "job") {
		require.NoError(t, err)
		if read++; read == 1 {
			require.NoError(t, f.rejected.Purge(t.Context()))
		}
	}
	assert.Less(t, read, 10)
}
