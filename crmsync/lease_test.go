package crmsync_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/crmsync"
)

// Calls begin while others end: the first of a group and the last of another meet.
func TestCallsThatBeginAndEndAtOnceShareTheSignsOfLife(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		srv := antcrmtest.NewServer(t)
		s, _ := newSyncer(t, srv, dsn, crmsync.WithSettle(3*time.Second))
		const n = 40
		var group sync.WaitGroup
		for worker := range 4 {
			group.Go(func() {
				for i := range n {
					_, err := s.Contacts.Ensure(context.Background(), customer((i+worker*n/4)%n))
					assert.NoError(t, err)
				}
			})
		}
		group.Wait()
		assert.Equal(t, n, srv.Count(antcrmtest.Contacts))
	})
}

// holdWriteLock makes the state unwritable, as another process that writes for long does.
func holdWriteLock(t *testing.T, dsn string) (unlock func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+dsn[len("sqlite:"):]+"?_txlock=immediate&_pragma=busy_timeout(15000)")
	require.NoError(t, err)
	tx, err := db.BeginTx(context.Background(), nil)
	require.NoError(t, err)
	unlock = sync.OnceFunc(func() { assert.NoError(t, errors.Join(tx.Rollback(), db.Close())) })
	t.Cleanup(unlock)
	return unlock
}

func TestAStateThatIsBusyForLongDelaysEnsureAndFailsNothing(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	dsn := sqliteDSN(t)
	s, _ := newSyncer(t, srv, dsn, crmsync.WithSettle(time.Second))
	unlock := holdWriteLock(t, dsn)
	time.AfterFunc(1500*time.Millisecond, unlock) // longer than a process counts as alive
	_, err := s.Contacts.Ensure(context.Background(), customer(1))
	require.NoError(t, err)
	assert.Equal(t, 1, srv.Count(antcrmtest.Contacts))
}

func TestARequestIsCancelledBeforeOthersMayTakeItsProcessForDead(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	srv := antcrmtest.NewServer(t)
	dsn := sqliteDSN(t)
	state := open(t, dsn)
	arrived, ended := make(chan struct{}), make(chan struct{})
	client := srv.Client(antcrm.WithObserver(func(_ context.Context, a antcrm.Attempt) {
		if a.Method == http.MethodPost {
			close(ended)
		}
	}))
	s, err := crmsync.New(ctx, client, state, crmsync.WithSettle(time.Second))
	require.NoError(t, err)
	srv.Inject(antcrmtest.Fault{Method: "POST", Times: 1, Do: antcrmtest.Delay, Latency: time.Minute, Match: func(*antcrmtest.Request) bool {
		close(arrived)
		return true
	}})
	done := make(chan error, 1)
	go func() {
		_, err := s.Contacts.Ensure(ctx, customer(1))
		done <- err
	}()
	<-arrived
	unlock := holdWriteLock(t, dsn)
	<-ended // while the state cannot be written
	unlock()
	err = <-done
	require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown)
	require.ErrorIs(t, err, crmsync.ErrStateLost)
	assert.Len(t, unknown(t, state), 1)
}
