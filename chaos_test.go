package antcrm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// chaos is a server that answers each request well or badly, by chance, and
// keeps the ledger of what it has carried out.
type chaos struct {
	tb        testing.TB
	elsewhere string // where it redirects to
	stopped   chan struct{}
	hole      *blackhole  // its connections
	calm      atomic.Bool // every answer is good from now on

	mu     sync.Mutex
	random *rand.Rand
	next   int
	ledger map[string]int // how often "create key", "update key", "delete key" was carried out
	did    map[string]int // by the name of a fault
}

// fault is one way to treat a request, as likely as its weight.
type fault struct {
	name   string
	weight int
	answer func(c *chaos, w http.ResponseWriter, r *http.Request)
}

func faults() []fault {
	return []fault{
		{"good", 30, func(c *chaos, w http.ResponseWriter, r *http.Request) { c.answer(w, r) }},
		{"429 with Retry-After", 2, refuse(http.StatusTooManyRequests, "0")},
		{"429", 2, refuse(http.StatusTooManyRequests, "")},
		{"503 with Retry-After", 2, refuse(http.StatusServiceUnavailable, "0")},
		{"5xx", 2, func(c *chaos, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader([]int{500, 502, 503, 504}[c.draw(4)])
		}},
		{"carried out, then 500", 2, func(c *chaos, w http.ResponseWriter, r *http.Request) {
			_, _ = c.carryOut(r)
			w.WriteHeader(http.StatusInternalServerError)
		}},
		{"HTML", 2, func(_ *chaos, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<html>welcome to the gateway</html>")
		}},
		{"truncated JSON", 2, func(c *chaos, w http.ResponseWriter, r *http.Request) {
			_, text := c.carryOut(r)
			_, _ = io.WriteString(w, text[:len(text)-1])
		}},
		{"answer cut", 2, func(c *chaos, w http.ResponseWriter, r *http.Request) {
			_, text := c.carryOut(r)
			w.Header().Set("Content-Length", strconv.Itoa(len(text)))
			_, _ = io.WriteString(w, text[:len(text)/2])
			hangUp(w, "")
		}},
		{"reset before the body is read", 2, func(_ *chaos, w http.ResponseWriter, _ *http.Request) { hangUp(w, "") }},
		{"reset after", 2, func(c *chaos, w http.ResponseWriter, r *http.Request) {
			_, _ = c.carryOut(r)
			hangUp(w, "")
		}},
		// The next request on this connection is never read.
		{"good, then reset", 2, func(c *chaos, w http.ResponseWriter, r *http.Request) {
			status, text := c.carryOut(r)
			hangUp(w, fmt.Sprintf("HTTP/1.1 %d \r\nContent-Length: %d\r\n\r\n%s", status, len(text), text))
		}},
		{"slow body", 2, func(c *chaos, w http.ResponseWriter, r *http.Request) {
			_, text := c.carryOut(r)
			for _, piece := range strings.SplitAfter(text, ",") {
				_, _ = io.WriteString(w, piece)
				_ = http.NewResponseController(w).Flush()
				c.linger(r, 2*time.Millisecond)
			}
		}},
		{"body slower than the attempt may take", 1, func(c *chaos, w http.ResponseWriter, r *http.Request) {
			_, text := c.carryOut(r)
			_, _ = io.WriteString(w, text[:1])
			_ = http.NewResponseController(w).Flush()
			c.linger(r, time.Minute)
		}},
		{"no answer at all, as on a dead connection", 1, func(c *chaos, _ http.ResponseWriter, r *http.Request) {
			_, _ = c.carryOut(r)
			c.linger(r, time.Minute)
		}},
		{"no answer at all, and nothing done", 1, func(c *chaos, _ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			c.linger(r, time.Minute)
		}},
		// What comes from now on is not read, what is written does not arrive, and nobody is told.
		{"every connection dies", 1, func(c *chaos, _ http.ResponseWriter, _ *http.Request) { c.hole.kill() }},
		{"429 by a clock that is wrong", 2, func(c *chaos, w http.ResponseWriter, _ *http.Request) {
			now := time.Now().Add([]time.Duration{-10 * time.Minute, 10 * time.Minute}[c.draw(2)]).UTC().Format(http.TimeFormat)
			w.Header().Set("Date", now)
			w.Header().Set("Retry-After", now)
			w.WriteHeader(http.StatusTooManyRequests)
		}},
		{"redirect elsewhere", 2, func(c *chaos, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, c.elsewhere, []int{301, 302, 303, 307, 308}[c.draw(5)])
		}},
	}
}

// resetUnread is what a chaosListener does, beside the faults.
const resetUnread = "reset before the request is read"

func refuse(status int, retryAfter string) func(*chaos, http.ResponseWriter, *http.Request) {
	return func(_ *chaos, w http.ResponseWriter, _ *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
	}
}

// draw draws one of n.
func (c *chaos) draw(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.IntN(n)
}

func (c *chaos) note(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.did[what]++
}

// linger waits, but not for a client that is gone.
func (c *chaos) linger(r *http.Request, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	case <-c.stopped:
	}
}

func (c *chaos) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	assert.Equal(c.tb, secretKey, r.Header.Get("apikey"))
	if c.calm.Load() {
		c.answer(w, r)
		return
	}
	weights := 0
	for _, f := range faults() {
		weights += f.weight
	}
	drawn := c.draw(weights)
	for _, f := range faults() {
		if drawn -= f.weight; drawn < 0 {
			c.note(f.name)
			f.answer(c, w, r)
			return
		}
	}
}

// chaosListener resets some connections before anything is read from them.
type chaosListener struct {
	net.Listener
	state *chaos
}

func (l chaosListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || l.state.calm.Load() || l.state.draw(15) > 0 {
			return conn, err
		}
		l.state.note(resetUnread)
		reset(conn)
	}
}

func reset(conn net.Conn) {
	if mortal, ok := conn.(*mortalConn); ok {
		conn = mortal.Conn
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// hangUp resets the connection after some last words.
func hangUp(w http.ResponseWriter, words string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, words)
	reset(conn)
}

func (c *chaos) answer(w http.ResponseWriter, r *http.Request) {
	status, text := c.carryOut(r)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// carryOut does what the request asks and returns the good answer to it.
func (c *chaos) carryOut(r *http.Request) (status int, text string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return http.StatusBadRequest, `{}`
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "POST /opportunities":
		return http.StatusOK, fmt.Sprintf(`{"success":1,"number":%d}`, c.create(string(body)))
	case "POST /opportunities/package":
		var ids []string
		for _, record := range strings.SplitAfter(string(body), "},") {
			ids = append(ids, strconv.Itoa(c.create(record)))
		}
		return http.StatusOK, fmt.Sprintf(`{"success":1,"number":[%s]}`, strings.Join(ids, ","))
	case "PUT /opportunities":
		c.ledger["update "+between(string(body), `"number":"`)]++
		return http.StatusOK, `{"success":1,"number":1}`
	case "DELETE /opportunities":
		entry := "delete " + r.URL.Query().Get("number")
		c.ledger[entry]++
		if c.ledger[entry] > 1 {
			return http.StatusNotFound, `{"message":"no such order"}`
		}
		return http.StatusOK, `{"success":1}`
	}
	return http.StatusOK, `[{"number":1},{"number":2}]`
}

func (c *chaos) create(record string) (number int) {
	c.ledger["create "+between(record, `"opportunityIdApiRing":"`)]++
	c.next++
	return c.next
}

func between(text, before string) string {
	_, rest, _ := strings.Cut(text, before)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// tally sums up the runs of all seeds.
type tally struct {
	mu       sync.Mutex
	told     map[string]int // "create done"
	happened map[string]int // by the name of a fault
}

// judge compares what a caller was told of one write with the ledger.
func (t *tally) judge(tb testing.TB, write string, outcome antcrm.Outcome, times int) {
	tb.Helper()
	kind, _, _ := strings.Cut(write, " ")
	t.told[kind+" "+outcome.String()]++
	switch outcome {
	case antcrm.OutcomeDone:
		assert.Positive(tb, times, "done means carried out: %s", write)
	case antcrm.OutcomeRejected, antcrm.OutcomeNotSent:
		assert.Zero(tb, times, "a failure told as such did not happen: %s", write)
	}
	if kind == "create" {
		assert.LessOrEqual(tb, times, 1, "never doubled: %s", write)
	}
}

func outcome(err error) antcrm.Outcome {
	switch {
	case err == nil:
		return antcrm.OutcomeDone
	case errors.Is(err, antcrm.ErrOutcomeUnknown):
		return antcrm.OutcomeUnknown
	}
	return antcrm.OutcomeRejected
}

func TestChaosNeverMakesTheClientLie(t *testing.T) {
	t.Parallel()
	const callers, rounds = 16, 4
	seeds := 4
	if os.Getenv("ANTCRM_LONG_TESTS") != "" {
		seeds = 40
	}
	total := &tally{told: map[string]int{}, happened: map[string]int{}}
	var strangers atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strangers.Add(1) }))
	t.Cleanup(other.Close)
	t.Run("seeds", func(t *testing.T) {
		for seed := range uint64(seeds) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				t.Logf("seed %d", seed)
				chaosRun(t, seed, callers, rounds, other.URL, total)
			})
		}
	})
	assert.Zero(t, strangers.Load(), "no other origin was asked for anything")
	t.Logf("chaos ledger over %d seeds, as told: %v; as treated: %v", seeds, total.told, total.happened)
	for _, f := range append(faults(), fault{name: resetUnread}) {
		assert.Contains(t, total.happened, f.name)
	}
}

func chaosRun(t *testing.T, seed uint64, callers, rounds int, elsewhere string, total *tally) {
	t.Helper()
	state := &chaos{
		tb: t, elsewhere: elsewhere, stopped: make(chan struct{}), random: rand.New(rand.NewPCG(seed, 1)),
		ledger: map[string]int{}, did: map[string]int{},
	}
	var open atomic.Int64
	server := httptest.NewUnstartedServer(state)
	state.hole = &blackhole{Listener: server.Listener}
	server.Listener = chaosListener{state.hole, state}
	server.Config.ConnState = func(_ net.Conn, now http.ConnState) {
		switch now {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		}
	}
	server.Start()
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL(server.URL), antcrm.WithRetryBackoff(0, time.Millisecond), antcrm.WithTimeout(300*time.Millisecond))
	require.NoError(t, err)

	var mu sync.Mutex
	told := map[string]antcrm.Outcome{}
	var calls sync.WaitGroup
	for caller := range callers {
		calls.Go(func() {
			for round := range rounds {
				mine := chaosCalls(t.Context(), t, client, fmt.Sprintf("s%d-c%d-r%d", seed, caller, round), caller%4 == 0)
				mu.Lock()
				for write, outcome := range mine {
					told[write] = outcome
				}
				mu.Unlock()
			}
		})
	}
	calls.Wait()
	afterTheChaos(t, client, state)
	client.CloseIdleConnections()
	assert.Eventually(t, func() bool { return open.Load() == 0 }, time.Minute, time.Millisecond, "no connection is left")
	close(state.stopped)
	server.Close() // waits for whatever is still being carried out

	total.mu.Lock()
	defer total.mu.Unlock()
	for write, outcome := range told {
		total.judge(t, write, outcome, state.ledger[write])
	}
	for what, times := range state.did {
		total.happened[what] += times
	}
}

// afterTheChaos checks that a client has kept nothing that harms it: no pause that a wrong clock has named, and no pool of
// connections that have died.
func afterTheChaos(t *testing.T, client *antcrm.Client, state *chaos) {
	t.Helper()
	const many = 16
	state.calm.Store(true)
	list := func() {
		page, err := client.Opportunities.List(t.Context(), antcrm.OpportunityListParams{})
		if assert.NoError(t, err) {
			assert.Len(t, page.Items, 2)
		}
	}
	var calls sync.WaitGroup
	for range many {
		calls.Go(list)
	}
	calls.Wait()
	state.hole.kill()
	for range 3 {
		list()
	}
}

// wasSent fails if a call was refused because of a pause: no answer of the chaos has named one, by its own clock.
func wasSent(t *testing.T, err error) error {
	t.Helper()
	if refusal, ok := errors.AsType[*antcrm.APIError](err); ok {
		assert.NotZero(t, refusal.Attempts, err)
	}
	return err
}

// chaosCalls makes one call of each kind and returns what was told of the
// writes. An impatient caller gives each call little time.
func chaosCalls(ctx context.Context, t *testing.T, client *antcrm.Client, key string, impatient bool) map[string]antcrm.Outcome {
	t.Helper()
	told := map[string]antcrm.Outcome{}
	call := func(f func(ctx context.Context)) {
		if impatient {
			short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			f(short)
			return
		}
		f(ctx)
	}
	call(func(ctx context.Context) {
		order := newOrder()
		order.ExternalID = key
		_, err := client.Opportunities.Create(ctx, order)
		told["create "+key] = outcome(wasSent(t, err))
	})
	call(func(ctx context.Context) {
		batch := make([]antcrm.OpportunityCreateParams, 5)
		for i := range batch {
			batch[i] = newOrder()
			batch[i].ExternalID = fmt.Sprintf("%s-b%d", key, i)
			told["create "+batch[i].ExternalID] = antcrm.OutcomeDone
		}
		result, _ := client.Opportunities.CreateBatch(ctx, batch, antcrm.WithChunkSize(2), antcrm.WithIsolation())
		for _, failure := range result.Failures {
			_ = wasSent(t, failure.Err)
			for i := range failure.Count {
				told["create "+batch[failure.First+i].ExternalID] = failure.Outcome
			}
		}
	})
	call(func(ctx context.Context) {
		told["delete "+key] = outcome(wasSent(t, client.Opportunities.Delete(ctx, antcrm.ID(key))))
	})
	call(func(ctx context.Context) {
		_, err := client.Opportunities.Update(ctx, antcrm.ID(key), antcrm.OpportunityUpdateParams{Name: new("x")})
		told["update "+key] = outcome(wasSent(t, err))
	})
	call(func(ctx context.Context) {
		page, err := client.Opportunities.List(ctx, antcrm.OpportunityListParams{})
		if wasSent(t, err) == nil {
			assert.Len(t, page.Items, 2, "a list that came is the whole list")
		}
	})
	return told
}
