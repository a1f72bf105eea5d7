package fleet

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func TestAResolverDecidesWhatBecameOfALostAnswer(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	srv.Inject(antcrmtest.Fault{Method: http.MethodPost, Do: antcrmtest.CloseBefore, Times: 1}) // not carried out
	feedContacts(t, f, "job", contacts(10, false))
	asked := 0
	workUntilDone(t, f, srv, WorkerConfig{Settle: time.Millisecond, Resolver: func(_ context.Context, c UnknownChunk) ([]Resolution, error) {
		if asked++; asked == 1 {
			return nil, errors.New("the CRM cannot be asked at the moment")
		}
		resolutions := make([]Resolution, len(c.Records))
		for i, r := range c.Records {
			assert.Equal(t, key(i), r.Key)
			resolutions[i].Outcome = antcrm.OutcomeNotSent
		}
		resolutions[3] = Resolution{Outcome: antcrm.OutcomeDone, Ref: "4711"}
		resolutions[4] = Resolution{Outcome: antcrm.OutcomeRejected}
		resolutions[5] = Resolution{}
		return resolutions, nil
	}})
	results := resultsOf(t, f, "job")
	assert.Equal(t, 2, asked)
	assert.Equal(t, antcrm.ID("4711"), results[key(3)].Ref)
	assert.Equal(t, antcrm.OutcomeRejected, results[key(4)].Outcome)
	assert.Equal(t, antcrm.OutcomeUnknown, results[key(5)].Outcome)
	assert.Equal(t, 7, srv.Count(antcrmtest.Contacts), "what was to be sent again, was")
	assert.Empty(t, srv.Duplicates(antcrmtest.Contacts))
}

func TestAResolverLearnsWhenTheChunkWasBegun(t *testing.T) {
	t.Parallel()
	f, srv := newMortalFleet(t), antcrmtest.NewServer(t)
	feedContacts(t, f, "job", contacts(10, false))
	begun(t, f, "job", "gone")
	workUntilDone(t, f, srv, WorkerConfig{Resolver: func(_ context.Context, c UnknownChunk) ([]Resolution, error) {
		assert.GreaterOrEqual(t, time.Since(c.Begun), f.cfg.DeadAfter)
		return make([]Resolution, len(c.Records)), nil
	}})
}
