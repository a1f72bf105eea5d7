package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// newFleet opens a fleet with a server of its own. On a busy machine nobody in
// it is taken for dead by mistake.
func newFleet(t *testing.T) *Fleet {
	t.Helper()
	return newFleetWith(t, Config{DeadAfter: 10 * time.Second})
}

// newMortalFleet is newFleet for tests that wait for somebody's death.
func newMortalFleet(t *testing.T) *Fleet {
	t.Helper()
	return newFleetWith(t, Config{DeadAfter: time.Second})
}

func newFleetWith(t *testing.T, cfg Config) *Fleet {
	t.Helper()
	cfg.StoreDir, cfg.unsynced = filepath.Join(t.TempDir(), "store"), true
	f, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(f.Close)
	return f
}

// contacts are n invented customers, every third of them a lead if mixed.
func contacts(n int, mixed bool) []antcrm.ContactCreateParams {
	list := make([]antcrm.ContactCreateParams, n)
	for i := range list {
		list[i] = antcrm.ContactCreateParams{Name: "Nguyễn Văn Mẫu " + strconv.Itoa(i), ExternalID: key(i), ContactType: antcrm.ContactTypeCustomer}
		if mixed && i%3 == 0 {
			list[i].ContactType = antcrm.ContactTypeLead
		}
	}
	return list
}

func key(i int) string { return fmt.Sprintf("ERP-%04d", i) }

// source gives the records, and then the error if there is one.
func source[P any](list []P, err error) iter.Seq2[P, error] {
	return func(yield func(P, error) bool) {
		for _, p := range list {
			if !yield(p, nil) {
				return
			}
		}
		if err != nil {
			var zero P
			yield(zero, err)
		}
	}
}

func feedContacts(t *testing.T, f *Fleet, job string, list []antcrm.ContactCreateParams) FeedReport {
	t.Helper()
	report, err := f.FeedContacts(t.Context(), Job{Name: job}, source(list, nil))
	require.NoError(t, err)
	return report
}

// workUntilDone sends everything that is queued.
func workUntilDone(t *testing.T, f *Fleet, srv *antcrmtest.Server, cfg WorkerConfig) {
	t.Helper()
	cfg.Client, cfg.UntilDone, cfg.AckWait = srv.Client(antcrm.WithMaxRetries(0)), true, time.Second
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, f.Work(ctx, cfg))
	require.NoError(t, ctx.Err(), "the worker is not done in time")
}

// resultsOf reads the results of a job by the key of the record.
func resultsOf(t *testing.T, f *Fleet, job string) map[string]Result {
	t.Helper()
	results := map[string]Result{}
	for r, err := range f.Results(t.Context(), job) {
		require.NoError(t, err)
		require.NotContains(t, results, r.Key)
		results[r.Key] = r
	}
	return results
}

// notes reads the stream of rejected or of unknown records.
func notes(t *testing.T, stream jetstream.Stream) (list []Note) {
	t.Helper()
	info, err := stream.Info(t.Context())
	require.NoError(t, err)
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq && info.State.Msgs > 0; seq++ {
		msg, err := stream.GetMsg(t.Context(), seq)
		require.NoError(t, err)
		var note Note
		require.NoError(t, json.Unmarshal(msg.Data, &note))
		list = append(list, note)
	}
	return list
}

// begun writes into the ledger that a worker has begun the only chunk of a job.
func begun(t *testing.T, f *Fleet, job, owner string) {
	t.Helper()
	msg, err := f.chunks.GetLastMsgForSubject(t.Context(), f.subject("chunks")+"."+chunkName(job, 0))
	require.NoError(t, err)
	var c chunk
	require.NoError(t, json.Unmarshal(msg.Data, &c))
	e := newEntry(&c, digest(msg.Data))
	e.State, e.Owner, e.Attempts = stateBegun, owner, 1
	_, won, err := f.put(t.Context(), c.name(), e, 0)
	require.NoError(t, err)
	require.True(t, won)
}

func ended(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// forgetFed makes the job's record what a feeder leaves that was killed before
// it wrote down how far it had come.
func forgetFed(t *testing.T, f *Fleet, job string) {
	t.Helper()
	require.NoError(t, f.changeJob(t.Context(), job, func(r *jobRecord) bool {
		r.Published, r.Chain, r.Complete, r.Records = 0, "", false, 0
		return true
	}))
}

// holdRequests holds all requests but the first few until they are released; then
// they meet the fault.
func holdRequests(srv *antcrmtest.Server, pass int32, fault antcrmtest.Fault) (held func() int, release func()) {
	var arrived atomic.Int32
	goOn := make(chan struct{})
	fault.Match = func(*antcrmtest.Request) bool {
		if arrived.Add(1) <= pass {
			return false
		}
		<-goOn
		return true
	}
	srv.Inject(fault)
	return func() int { return int(max(0, arrived.Load()-pass)) }, func() { close(goOn) }
}

// safeText is a log that many write.
type safeText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *safeText) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *safeText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}
