package crmsync_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/crmsync"
)

func jsonUnmarshal(text []byte, into any) error { return json.Unmarshal(text, into) }

// job is what a child process does; it comes as JSON in the environment.
type childJob struct {
	DSN, URL, Key string
	Do            string // "push" or "ensure"
	N             int
	Version       int
	Settle        time.Duration
	Seed          uint64
}

func (j childJob) command(t testing.TB) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(j)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "CRMSYNC_TEST_CHILD="+string(text))
	return cmd
}

// runChild is a process of its own, for tests that kill it.
func runChild(text string) int {
	var j childJob
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return 2
	}
	if err := j.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (j childJob) run(ctx context.Context) error {
	client, err := antcrm.NewClient(j.Key, antcrm.WithBaseURL(j.URL), antcrm.WithRetryBackoff(0, time.Millisecond))
	if err != nil {
		return err
	}
	state, err := crmsync.Open(ctx, j.DSN)
	if err != nil {
		return err
	}
	defer func() { _ = state.Close() }()
	s, err := crmsync.New(ctx, client, state, crmsync.WithSettle(j.Settle))
	if err != nil {
		return err
	}
	if j.Do == "ensure" {
		return j.ensureAll(ctx, s)
	}
	return untilHeld(func() (end error) {
		for _, err := range s.Contacts.Push(ctx, customers(j.N, version(j.Version))) {
			end = err
		}
		return end
	})
}

// untilHeld runs a push again whose state was lost, as a nightly job would: with the short settle times of these tests, a
// machine that is busy for a second is enough.
func untilHeld(push func() error) (err error) {
	for range 10 {
		if err = push(); !errors.Is(err, crmsync.ErrStateLost) {
			return err
		}
	}
	return err
}

// version changes every third customer.
func version(v int) func(int, *antcrm.ContactCreateParams) {
	return func(i int, c *antcrm.ContactCreateParams) {
		if v > 1 && i%3 == 0 {
			c.BackgroundInfo = fmt.Sprint("version ", v)
		}
	}
}

func (j childJob) ensureAll(ctx context.Context, s *crmsync.Syncer) error {
	order := rand.New(rand.NewPCG(j.Seed, 1)).Perm(j.N)
	var group sync.WaitGroup
	errs := make([]error, j.N)
	slots := make(chan struct{}, 8)
	for _, i := range order {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			for { // as a webhook's sender delivers again
				_, errs[i] = s.Contacts.Ensure(ctx, customer(i))
				if !errors.Is(errs[i], antcrm.ErrOutcomeUnknown) {
					return
				}
				time.Sleep(j.Settle / 2)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// killed runs a child and kills it after a while. It reports whether the child ended by itself.
func killed(t testing.TB, j childJob, after time.Duration) (ended bool) {
	t.Helper()
	cmd := j.command(t)
	var output bytes.Buffer
	cmd.Stderr = &output
	require.NoError(t, cmd.Start())
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	if err != nil {
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		require.False(t, exit.Exited(), output.String())
	}
	return err == nil
}

const childSettle = 300 * time.Millisecond

func pushHeld(t testing.TB, s *crmsync.Syncer, n, v int) {
	t.Helper()
	require.NoError(t, untilHeld(func() error { return run(s.Contacts.Push(context.Background(), customers(n, version(v)))).end }))
}

// settleAll pushes until nothing is unknown any longer, or nothing changes.
func settleAll(t testing.TB, s *crmsync.Syncer, state *crmsync.State, n, v int) {
	t.Helper()
	for range 5 {
		time.Sleep(childSettle + 50*time.Millisecond)
		pushHeld(t, s, n, v)
		if len(unknown(t, state)) == 0 {
			return
		}
	}
}

// exactlyOnce holds the server's ledger to the state's promise.
func exactlyOnce(t testing.TB, srv *antcrmtest.Server, state *crmsync.State, n, v int) {
	t.Helper()
	open := unknown(t, state)
	for i := range n {
		key := customer(i).ExternalID
		_, isOpen := open[key]
		count := srv.CountByExternalID(antcrmtest.Contacts, key)
		require.LessOrEqual(t, count, 1, key)
		require.True(t, count == 1 || isOpen, key)
		if count == 0 {
			continue
		}
		raw, _ := srv.Record(antcrmtest.Contacts, "customerIdApiRing", key)
		want := customer(i)
		version(v)(i, &want)
		var got antcrm.ContactCreateParams
		require.NoError(t, json.Unmarshal(raw, &got))
		require.True(t, isOpen || got.BackgroundInfo == want.BackgroundInfo, "%s has not arrived", key)
	}
	assert.LessOrEqual(t, n-len(open), srv.Count(antcrmtest.Contacts))
}

func TestKillsAtRandomMomentsDoubleNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		n, first, second := sized(1500, 300, 5000), sized(10, 3, 30), sized(6, 2, 20)
		srv := antcrmtest.NewServer(t, antcrmtest.WithLatency(3*time.Millisecond))
		require.NoError(t, srv.Seed(antcrmtest.Contacts, map[string]any{"name": "Người khác", "phones": []any{map[string]any{"value": "0911111111"}}}))
		before, _ := srv.Record(antcrmtest.Contacts, "phone", "0911111111")
		j := childJob{DSN: dsn, URL: srv.URL, Key: srv.APIKey, Do: "push", N: n, Version: 1, Settle: childSettle}
		random := rand.New(rand.NewPCG(7, 7))
		for _, round := range []struct{ version, kills int }{{1, first}, {2, second}} {
			j.Version = round.version
			for range round.kills {
				killed(t, j, time.Duration(50+random.IntN(350))*time.Millisecond)
			}
			s, state := newSyncer(t, srv, dsn, crmsync.WithSettle(childSettle))
			settleAll(t, s, state, n, round.version)
			exactlyOnce(t, srv, state, n, round.version)
			assert.Empty(t, unknown(t, state), "this server prints keys: everything can be told")
		}
		after, _ := srv.Record(antcrmtest.Contacts, "phone", "0911111111")
		assert.JSONEq(t, string(before), string(after), "nothing else was touched")
	})
}

func TestEverySecondAnswerLostDoublesNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		n := sized(1000, 200, 5000)
		srv := antcrmtest.NewServer(t)
		s, state := newSyncer(t, srv, dsn, crmsync.WithSettle(childSettle))
		var requests int
		var mu sync.Mutex
		srv.Inject(antcrmtest.Fault{Do: antcrmtest.CloseAfter, Match: func(r *antcrmtest.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			requests++
			return r.Method != http.MethodGet && requests%2 == 0
		}})
		for _, v := range []int{1, 2} {
			pushHeld(t, s, n, v)
			settleAll(t, s, state, n, v)
			exactlyOnce(t, srv, state, n, v)
		}
	})
}

func TestManyProcessesEnsureOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		n, processes, kills := sized(200, 40, 1000), sized(8, 3, 8), sized(2, 1, 2)
		srv := antcrmtest.NewServer(t, antcrmtest.WithLatency(2*time.Millisecond))
		open(t, dsn)
		var all []*exec.Cmd
		var outputs []*bytes.Buffer
		for i := range processes {
			cmd := childJob{DSN: dsn, URL: srv.URL, Key: srv.APIKey, Do: "ensure", N: n, Settle: 3 * time.Second, Seed: uint64(i)}.command(t)
			output := new(bytes.Buffer)
			cmd.Stderr = output
			require.NoError(t, cmd.Start())
			all, outputs = append(all, cmd), append(outputs, output)
		}
		eventually(t, "nothing was created", func() bool { return srv.Count(antcrmtest.Contacts) > n/10 })
		for _, cmd := range all[:kills] {
			_ = cmd.Process.Kill()
		}
		for i, cmd := range all {
			if err := cmd.Wait(); i >= kills {
				require.NoError(t, err, outputs[i].String())
			}
		}
		assert.Equal(t, n, srv.Count(antcrmtest.Contacts))
		assert.Empty(t, srv.Duplicates(antcrmtest.Contacts))
	})
}

func TestEnsureMakesChangesAndLeavesAlone(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		srv := antcrmtest.NewServer(t)
		require.NoError(t, srv.Seed(antcrmtest.Contacts, customer(9)))
		s, _ := newSyncer(t, srv, dsn)
		var group sync.WaitGroup
		refs := make([]antcrm.ContactRef, 20)
		for i := range refs {
			group.Go(func() {
				ref, err := s.Contacts.Ensure(ctx, customer(1))
				assert.NoError(t, err)
				refs[i] = ref
			})
		}
		group.Wait()
		assert.Len(t, slices.Compact(refs), 1)
		assert.Equal(t, 2, srv.Count(antcrmtest.Contacts))
		changed := customer(1)
		changed.Name = "Tên mới"
		_, err := s.Contacts.Ensure(ctx, changed)
		require.NoError(t, err)
		taken := customer(9)
		taken.Name = "Đã nhận"
		_, err = s.Contacts.Ensure(ctx, taken)
		require.NoError(t, err)
		assert.Equal(t, 2, srv.Count(antcrmtest.Contacts), "a contact that carries the key is taken over")
		raw, _ := srv.Record(antcrmtest.Contacts, "customerIdApiRing", customer(9).ExternalID)
		assert.Contains(t, string(raw), "Đã nhận")
		before := srv.RequestCount()
		_, err = s.Contacts.Ensure(ctx, changed)
		require.NoError(t, err)
		assert.Equal(t, before, srv.RequestCount())
	})
}

func TestPointsAndGiftsOncePerKey(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		srv := antcrmtest.NewServer(t)
		require.NoError(t, srv.Seed(antcrmtest.Contacts, customer(1), customer(2)))
		s, state := newSyncer(t, srv, dsn, crmsync.WithSettle(time.Millisecond))
		points := antcrm.AccumulateParams{Code: "C-1", Data: antcrm.AccumulateCustomer{Phones: customer(1).Phones}}
		for range 3 {
			require.NoError(t, s.Points.AccumulateOnce(ctx, "receipt-1", points))
		}
		assert.Equal(t, 1, srv.Count(antcrmtest.History))
		other := points
		other.Code = "C-2"
		require.ErrorIs(t, s.Points.AccumulateOnce(ctx, "receipt-1", other), antcrm.ErrValidation)

		srv.Inject(antcrmtest.Fault{Method: "POST", Do: antcrmtest.CloseAfter, Times: 1})
		require.ErrorIs(t, s.Points.AccumulateOnce(ctx, "receipt-2", other), antcrm.ErrOutcomeUnknown)
		srv.Inject(antcrmtest.Fault{Method: "POST", Do: antcrmtest.CloseBefore, Times: 1})
		gift := antcrm.RedeemParams{Code: "G-1", Data: antcrm.RedeemCustomer{Phone: customer(1).Phones[0].Value}}
		require.ErrorIs(t, s.Redemptions.GiftOnce(ctx, "order-1", gift), antcrm.ErrOutcomeUnknown)
		assert.Len(t, unknown(t, state), 2)
		time.Sleep(5 * time.Millisecond)
		require.NoError(t, s.Points.AccumulateOnce(ctx, "receipt-2", other))
		require.NoError(t, s.Redemptions.GiftOnce(ctx, "order-1", gift))
		assert.Equal(t, 3, srv.Count(antcrmtest.History))
		assert.Empty(t, unknown(t, state))
	})
}

func TestADamagedStateIsRefusedAndKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	garbage := bytes.Repeat([]byte("not a database "), 500)
	require.NoError(t, os.WriteFile(path, garbage, 0o600))
	_, err := crmsync.Open(context.Background(), "sqlite:"+path)
	require.ErrorIs(t, err, crmsync.ErrDamaged)
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, garbage, kept)

	srv := antcrmtest.NewServer(t)
	dsn := sqliteDSN(t)
	s, state := newSyncer(t, srv, dsn)
	require.NoError(t, run(s.Contacts.Push(context.Background(), customers(3000, nil))).end)
	require.NoError(t, state.Close())
	file, err := os.OpenFile(dsn[len("sqlite:"):], os.O_RDWR, 0)
	require.NoError(t, err)
	info, err := file.Stat()
	require.NoError(t, err)
	_, err = file.WriteAt(bytes.Repeat([]byte{0xA5}, 16384), info.Size()/2/4096*4096)
	require.NoError(t, errors.Join(err, file.Close()))
	_, err = crmsync.Open(context.Background(), dsn)
	require.ErrorIs(t, err, crmsync.ErrDamaged)
	assert.NotContains(t, err.Error(), "\n")
	assert.Equal(t, 3000, srv.Count(antcrmtest.Contacts))
}

func TestAFullDiskIsAClearErrorAndLosesNothing(t *testing.T) {
	t.Parallel()
	ctx, n := context.Background(), 1500
	srv := antcrmtest.NewServer(t)
	dsn := sqliteDSN(t)
	s, state := newSyncer(t, srv, dsn, crmsync.WithSettle(time.Millisecond))
	crmsync.LimitPages(t, state, 100)
	result := run(s.Contacts.Push(ctx, customers(n, nil)))
	require.ErrorContains(t, result.end, "full")
	crmsync.LimitPages(t, state, 1<<30)
	for range 3 {
		time.Sleep(5 * time.Millisecond)
		result = run(s.Contacts.Push(ctx, customers(n, nil)))
		require.NoError(t, result.end)
	}
	assert.Empty(t, unknown(t, state))
	assert.Equal(t, n, srv.Count(antcrmtest.Contacts))
	assert.Empty(t, srv.Duplicates(antcrmtest.Contacts))
}

func TestAPostgresThatRestartsLosesNothing(t *testing.T) { //nolint:paralleltest // it restarts the server that a parallel test would use
	dsn := newPostgresOfItsOwn(t)
	ctx, n := context.Background(), sized(3000, 1000, 5000)
	srv := antcrmtest.NewServer(t, antcrmtest.WithLatency(5*time.Millisecond))
	s, state := newSyncer(t, srv, dsn.dsn, crmsync.WithSettle(childSettle))
	restarted := make(chan error, 1)
	seen := 0
	var end error
	for change, err := range s.Contacts.Push(ctx, customers(n, nil)) {
		if err != nil {
			end = err
			break
		}
		_ = change
		if seen++; seen == n/5 {
			go func() { restarted <- dsn.restart() }()
		}
	}
	require.NoError(t, <-restarted)
	if end != nil {
		assert.NotContains(t, end.Error(), "\n")
	}
	for range 8 {
		time.Sleep(childSettle + 100*time.Millisecond)
		if last := run(s.Contacts.Push(ctx, customers(n, nil))); last.end == nil && last.done[crmsync.Unchanged] == n {
			break
		}
	}
	assert.Empty(t, unknown(t, state))
	assert.Equal(t, n, srv.Count(antcrmtest.Contacts))
	assert.Empty(t, srv.Duplicates(antcrmtest.Contacts))
}
