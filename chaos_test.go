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

	mu      sync.Mutex
	random  *rand.Rand
	next    int
	created map[string]int // by the caller's key
	deleted map[string]bool
	served  int
}

// choose draws one of n things to do.
func (c *chaos) choose(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.served++
	return c.random.IntN(n)
}

func (c *chaos) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	assert.Equal(c.tb, secretKey, r.Header.Get("apikey"))
	switch what := c.choose(24); what {
	case 0:
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusTooManyRequests)
	case 1:
		w.WriteHeader(http.StatusTooManyRequests)
	case 2, 3:
		w.WriteHeader([]int{500, 502, 503, 504}[c.choose(4)])
	case 4: // carried out, then an error all the same
		_ = c.carryOut(r)
		w.WriteHeader(http.StatusInternalServerError)
	case 5:
		_, _ = io.WriteString(w, "<html>welcome to the gateway</html>")
	case 6:
		hangUp(w) // nothing was read
	case 7: // carried out, the answer lost
		_ = c.carryOut(r)
		hangUp(w)
	case 8:
		answer := c.carryOut(r)
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = io.WriteString(w, answer[:len(answer)/2])
		hangUp(w)
	case 9:
		answer := c.carryOut(r)
		_, _ = io.WriteString(w, answer[:len(answer)-1])
	case 10:
		answer := c.carryOut(r)
		for _, piece := range strings.SplitAfter(answer, ",") {
			_, _ = io.WriteString(w, piece)
			_ = http.NewResponseController(w).Flush()
		}
	case 11:
		http.Redirect(w, r, c.elsewhere, []int{301, 302, 303, 307, 308}[c.choose(5)])
	case 12:
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		_, _ = io.WriteString(w, c.carryOut(r))
	}
}

// hangUp resets the connection.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// carryOut does what the request asks and returns the good answer.
func (c *chaos) carryOut(r *http.Request) string {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return `{}`
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "POST /opportunities":
		c.created[between(string(body), `"opportunityIdApiRing":"`)]++
		c.next++
		return fmt.Sprintf(`{"success":1,"number":%d}`, c.next)
	case "POST /opportunities/package":
		var ids []string
		for _, record := range strings.Split(string(body), `"opportunityIdApiRing":"`)[1:] {
			c.created[record[:strings.IndexByte(record, '"')]]++
			c.next++
			ids = append(ids, strconv.Itoa(c.next))
		}
		return fmt.Sprintf(`{"success":1,"number":[%s]}`, strings.Join(ids, ","))
	case "DELETE /opportunities":
		c.deleted[r.URL.Query().Get("number")] = true
		return `{"success":1}`
	case "PUT /opportunities":
		return `{"success":1,"number":1}`
	}
	return `[{"number":1},{"number":2}]`
}

func between(text, before string) string {
	_, rest, _ := strings.Cut(text, before)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// tally counts how the calls of a chaos run ended.
type tally struct{ done, refused, unknown, notSent, requests atomic.Int64 }

// judge compares what a caller was told of a create with the ledger.
func (c *chaos) judge(key string, outcome antcrm.Outcome, total *tally) {
	c.mu.Lock()
	times := c.created[key]
	c.mu.Unlock()
	switch outcome {
	case antcrm.OutcomeDone:
		total.done.Add(1)
		assert.Equal(c.tb, 1, times, "done means once: %s", key)
	case antcrm.OutcomeUnknown:
		total.unknown.Add(1)
		assert.LessOrEqual(c.tb, times, 1, "never doubled: %s", key)
	case antcrm.OutcomeRejected:
		total.refused.Add(1)
		assert.Zero(c.tb, times, "a failure told as such did not happen: %s", key)
	case antcrm.OutcomeNotSent:
		total.notSent.Add(1)
		assert.Zero(c.tb, times, "what was not sent did not happen: %s", key)
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
	const seeds, callers, rounds = 20, 16, 6
	var total tally
	var strangers atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strangers.Add(1) }))
	t.Cleanup(other.Close)
	t.Run("seeds", func(t *testing.T) {
		for seed := range uint64(seeds) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				chaosRun(t, seed, callers, rounds, other.URL, &total)
			})
		}
	})
	assert.Zero(t, strangers.Load(), "no other origin was asked for anything")
	t.Logf("chaos ledger: %d seeds, %d requests; creates: %d done, %d refused, %d unknown, %d not sent",
		seeds, total.requests.Load(), total.done.Load(), total.refused.Load(), total.unknown.Load(), total.notSent.Load())
}

func chaosRun(t *testing.T, seed uint64, callers, rounds int, elsewhere string, total *tally) {
	t.Helper()
	state := &chaos{tb: t, elsewhere: elsewhere, random: rand.New(rand.NewPCG(seed, 1)), created: map[string]int{}, deleted: map[string]bool{}}
	server := httptest.NewServer(state)
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL(server.URL), antcrm.WithRetryBackoff(0, time.Millisecond), antcrm.WithTimeout(20*time.Second))
	require.NoError(t, err)

	type told struct {
		key     string
		outcome antcrm.Outcome
	}
	var mu sync.Mutex
	var all []told
	var calls sync.WaitGroup
	for caller := range callers {
		calls.Go(func() {
			for round := range rounds {
				key := fmt.Sprintf("s%d-c%d-r%d", seed, caller, round)
				mine := chaosCalls(t.Context(), t, client, state, key)
				mu.Lock()
				for k, o := range mine {
					all = append(all, told{k, o})
				}
				mu.Unlock()
			}
		})
	}
	calls.Wait()
	client.CloseIdleConnections()
	server.Close() // waits for whatever is still being carried out
	for _, one := range all {
		state.judge(one.key, one.outcome, total)
	}
	total.requests.Add(int64(state.served))
}

// chaosCalls makes one call of each kind and returns what was told of the creates.
func chaosCalls(ctx context.Context, t *testing.T, client *antcrm.Client, state *chaos, key string) map[string]antcrm.Outcome {
	t.Helper()
	mine := map[string]antcrm.Outcome{}
	order := newOrder()
	order.ExternalID = key
	_, err := client.Opportunities.Create(ctx, order)
	mine[key] = outcome(err)

	batch := make([]antcrm.OpportunityCreateParams, 5)
	for i := range batch {
		batch[i] = newOrder()
		batch[i].ExternalID = fmt.Sprintf("%s-b%d", key, i)
		mine[batch[i].ExternalID] = antcrm.OutcomeDone
	}
	result, _ := client.Opportunities.CreateBatch(ctx, batch, antcrm.WithChunkSize(2), antcrm.WithIsolation())
	for _, failure := range result.Failures {
		for i := range failure.Count {
			mine[batch[failure.First+i].ExternalID] = failure.Outcome
		}
	}

	if client.Opportunities.Delete(ctx, antcrm.ID(key)) == nil {
		state.mu.Lock()
		assert.True(t, state.deleted[key], "a delete told as done was done")
		state.mu.Unlock()
	}
	_, _ = client.Opportunities.Update(ctx, "1", antcrm.OpportunityUpdateParams{Name: new("x")})
	page, err := client.Opportunities.List(ctx, antcrm.OpportunityListParams{})
	if err == nil {
		assert.Len(t, page.Items, 2, "a list that came is the whole list")
	}
	return mine
}
