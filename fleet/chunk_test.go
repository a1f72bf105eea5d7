package fleet

import (
	"bytes"
	"encoding/json"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func TestASourceWithATypeForEveryRecordHoldsFewChunksOpen(t *testing.T) {
	t.Parallel()
	s := &splitter{job: Job{Name: "job", ChunkSize: 100}, kind: Contacts, maxBytes: maxChunkBytes}
	closed := 0
	for i := range int64(200) {
		full, err := s.add(i, strconv.FormatInt(i, 10), "", json.RawMessage("{}"))
		require.NoError(t, err)
		if full != nil {
			assert.Equal(t, int64(closed), full.Position)
			closed++
		}
		assert.LessOrEqual(t, len(s.open), mostOpen)
	}
	for s.last() != nil {
		closed++
	}
	assert.Equal(t, 200, closed)
}

func TestMarkupDoesNotOutgrowAMessage(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	list := contacts(3, false)
	for i := range list {
		list[i].BackgroundInfo = string(bytes.Repeat([]byte("<"), 300<<10))
	}
	feedContacts(t, f, "job", list)
	msg, err := f.chunks.GetLastMsgForSubject(t.Context(), f.subject("chunks")+"."+chunkName("job", 0))
	require.NoError(t, err)
	assert.Less(t, len(msg.Data), 1<<20)
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Equal(t, 3, srv.Count(antcrmtest.Contacts))
}
