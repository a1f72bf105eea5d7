package probe_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/probe"
)

// seeded is how many records each kind has in the test account.
func seeded(srv *antcrmtest.Server) map[antcrmtest.Kind]int {
	all := map[antcrmtest.Kind]int{}
	for _, kind := range antcrmtest.Kinds() {
		all[kind] = srv.Count(kind)
	}
	return all
}

// left lists the probe's records that the server still has, as Report.Leftovers would name each.
func left(srv *antcrmtest.Server) (names [][]string) {
	for kind, keys := range map[antcrmtest.Kind][]string{
		antcrmtest.Contacts: {"leadId", "customerId", "customerIdApiRing"}, antcrmtest.Opportunities: {"number", "opportunityIdApiRing"},
		antcrmtest.Products: {"productIdApiRing"}, antcrmtest.Tickets: {"TicketId", "ticketIdApiRing"},
	} {
		for _, raw := range srv.Records(kind) {
			if !strings.Contains(string(raw), "antcrm-go-probe-") {
				continue
			}
			var r map[string]any
			if json.Unmarshal(raw, &r) != nil || r["isTicketDeleted"] == true {
				continue
			}
			var forms []string
			for _, key := range keys {
				if value, ok := r[key]; ok {
					if number, ok := value.(float64); ok {
						value = int64(number)
					}
					forms = append(forms, fmt.Sprintf("/%s %s=%v", kind, key, value))
				}
			}
			names = append(names, forms)
		}
	}
	return names
}

// namesAllLeft fails where a record of the probe is still there and the report does not name it.
func namesAllLeft(t *testing.T, srv *antcrmtest.Server, report *probe.Report, what string) {
	t.Helper()
	for _, forms := range left(srv) {
		named := slices.ContainsFunc(forms, func(form string) bool { return slices.Contains(report.Leftovers, form) })
		assert.True(t, named, "%s: %v is left in silence; named are %v", what, forms, report.Leftovers)
	}
	assert.LessOrEqual(t, srv.RequestCount(), probe.MaxRequests, what)
}

// small is an account with a few records: the runs with faults are many.
func small(t *testing.T, opts ...antcrmtest.Option) *antcrmtest.Server {
	t.Helper()
	srv := antcrmtest.NewServer(t, opts...)
	for i := range 25 {
		require.NoError(t, srv.Seed(antcrmtest.Contacts, map[string]any{
			"name": fmt.Sprint(secret, i), "contactType": "lead", "customerIdApiRing": fmt.Sprintf("%s-key-%d", secret, i),
			"phones": []any{map[string]any{"value": fmt.Sprintf("0901%06d", i)}},
		}))
	}
	return srv
}

// Each request of a run is lost once, one after the other: before the server sees it, and after it was carried out.
func TestEveryRequestLostOnce(t *testing.T) {
	t.Parallel()
	whole := small(t)
	run(t, whole, probe.WithWrites())
	total := whole.RequestCount()
	for _, effect := range []antcrmtest.Effect{antcrmtest.CloseBefore, antcrmtest.CloseAfter} {
		for n := range total {
			// Half of the pairs, in turn; the long tests have them all.
			if os.Getenv("ANTCRM_LONG_TESTS") == "" && (n%2 == 0) == (effect == antcrmtest.CloseBefore) {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", effect, n+1), func(t *testing.T) {
				t.Parallel()
				srv := small(t)
				require.NoError(t, srv.Inject(antcrmtest.Fault{Do: effect, Nth: n + 1}).Err())
				report := run(t, srv, probe.WithWrites())
				namesAllLeft(t, srv, report, t.Name())
				for _, f := range report.Findings {
					if f.Answer == probe.Differs {
						assert.Equal(t, "missing-values", f.ID, "a lost request is no difference: %s", f.Observed)
					}
				}
			})
		}
	}
}

func TestNoFaultLeavesARecordInSilence(t *testing.T) {
	t.Parallel()
	everySecond := func(r *antcrmtest.Request) bool { return r.Number%2 == 0 }
	for name, c := range map[string]struct {
		faults []antcrmtest.Fault
		opts   []antcrmtest.Option
		differ []string // what may be found to differ
	}{
		"500 to every second request":       {faults: []antcrmtest.Fault{{Status: 500, Match: everySecond}}},
		"500 to every second, carried out":  {faults: []antcrmtest.Fault{{Status: 500, Commit: true, Match: everySecond}}},
		"a gateway's page for every second": {faults: []antcrmtest.Fault{{Do: antcrmtest.HTML, Match: everySecond}}},
		"503 to every second":               {faults: []antcrmtest.Fault{{Status: 503, Match: everySecond}}, differ: []string{"rate-limit"}},
		"DELETE does nothing":               {faults: []antcrmtest.Fault{{Method: "DELETE", Status: 200, Body: `{"success":1}`}}},
		"DELETE is forbidden":               {faults: []antcrmtest.Fault{{Method: "DELETE", Status: 403}}},
		"only the first DELETE is allowed":  {faults: []antcrmtest.Fault{{Method: "DELETE", Status: 403, After: 3}}},
		"DELETE is an error":                {faults: []antcrmtest.Fault{{Method: "DELETE", Status: 500}}},
		"DELETE is never answered":          {faults: []antcrmtest.Fault{{Method: "DELETE", Do: antcrmtest.CloseBefore}}},
		"only contacts may be read":         {faults: []antcrmtest.Fault{{Match: func(r *antcrmtest.Request) bool { return r.Method != http.MethodGet || r.Path != "/contacts" }, Status: 403}}},
		"PUT is forbidden":                  {faults: []antcrmtest.Fault{{Method: "PUT", Status: 403}}},
		"packages are not there":            {faults: []antcrmtest.Fault{{Path: "/contacts/package", Status: 404}}},
		"creates are lost":                  {faults: []antcrmtest.Fault{{Method: "POST", Do: antcrmtest.CloseAfter}}},
		"answers are cut":                   {faults: []antcrmtest.Fault{{Do: antcrmtest.Truncate, Match: everySecond}}},
		"three writes a minute":             {faults: []antcrmtest.Fault{{Method: "POST", Status: 429, After: 3}}, differ: []string{"rate-limit"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := small(t, c.opts...)
			for _, f := range c.faults {
				require.NoError(t, srv.Inject(f).Err())
			}
			report := run(t, srv, probe.WithWrites())
			namesAllLeft(t, srv, report, name)
			for _, f := range report.Findings {
				if f.Answer == probe.Differs && !slices.Contains(c.differ, f.ID) && f.ID != "missing-values" {
					t.Errorf("%s differs (%s): %s", f.ID, f.Alternative, f.Observed)
				}
			}
		})
	}
}

// Ctrl-C at any time: what was made is deleted, and the report says what was seen so far.
func TestAStoppedRunCleansUp(t *testing.T) {
	t.Parallel()
	for stopAt := 1; stopAt < 80; stopAt += 6 {
		t.Run(fmt.Sprint(stopAt), func(t *testing.T) {
			t.Parallel()
			srv := small(t)
			before := seeded(srv)
			ctx, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			report, err := probe.Run(ctx, srv.Client(), probe.WithWrites(), probe.WithRate(1e6), probe.WithRequestCount(func(sent int) {
				if sent == stopAt {
					stop(errors.New("Ctrl-C"))
				}
			}))
			namesAllLeft(t, srv, report, "stopped")
			if err != nil {
				require.ErrorIs(t, err, context.Canceled)
			}
			assert.Empty(t, report.Leftovers)
			after := seeded(srv)
			delete(before, antcrmtest.Tickets) // a deleted one stays, with its mark
			delete(after, antcrmtest.Tickets)
			assert.Equal(t, before, after)
			assert.Len(t, report.Findings, len(antcrmtest.OpenQuestions()))
		})
	}
}

func TestAKeyThatMayNothingIsAnError(t *testing.T) {
	t.Parallel()
	srv := small(t)
	require.NoError(t, srv.Inject(antcrmtest.Fault{Status: http.StatusForbidden}).Err())
	report, err := probe.Run(t.Context(), srv.Client(), probe.WithWrites(), probe.WithRate(1e6))
	require.ErrorIs(t, err, antcrm.ErrForbidden)
	assert.Equal(t, 1, srv.RequestCount())
	for _, f := range report.Findings {
		assert.NotEqual(t, probe.Differs, f.Answer, f.ID)
	}
}

// An account without a record, and one with many, must be told nothing wrong.
func TestEmptyAndLargeAccounts(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"none": 0, "one": 1, "a full page": 20, "many": 5000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := antcrmtest.NewServer(t)
			var list []map[string]any
			for i := range n {
				list = append(list, map[string]any{"name": fmt.Sprint(secret, i), "contactType": "lead", "phones": []any{map[string]any{"value": fmt.Sprintf("0901%06d", i)}}})
			}
			if n > 0 {
				require.NoError(t, srv.Seed(antcrmtest.Contacts, list))
				require.NoError(t, srv.Seed(antcrmtest.Campaigns, list))
			}
			report := run(t, srv, probe.WithWrites())
			namesAllLeft(t, srv, report, name)
			for _, f := range report.Findings {
				if f.Answer == probe.Differs && f.ID != "missing-values" {
					t.Errorf("%s differs (%s): %s", f.ID, f.Alternative, f.Observed)
				}
			}
		})
	}
}

// A server that is gone, or that refuses the key from some request on: the run ends soon, says so, and names only what
// it may have made.
func TestWhatWasNeverMadeIsNotNamed(t *testing.T) {
	t.Parallel()
	for stopAt := 35; stopAt < 80; stopAt += 8 {
		t.Run(fmt.Sprint("gone after ", stopAt), func(t *testing.T) {
			t.Parallel()
			srv := small(t)
			sent := 0
			report, err := probe.Run(t.Context(), srv.Client(), probe.WithWrites(), probe.WithRate(1e6), probe.WithRequestCount(func(n int) {
				if sent = n; n == stopAt {
					srv.Close()
				}
			}))
			require.NoError(t, err)
			assert.LessOrEqual(t, neverMade(t, srv, report), 1, "the request that was under way: %v", report.Leftovers)
			if stopAt < 60 { // afterwards all questions are answered
				assert.True(t, slices.ContainsFunc(report.Findings, func(f probe.Finding) bool { return f.Observed == "The server stopped answering." }))
			}
			assert.Less(t, sent, stopAt+8+2*len(report.Leftovers)+1, "requests to a server that is gone")
		})
		t.Run(fmt.Sprint("refused after ", stopAt), func(t *testing.T) {
			t.Parallel()
			srv := small(t)
			require.NoError(t, srv.Inject(antcrmtest.Fault{Status: http.StatusUnauthorized, After: stopAt}).Err())
			report, _ := probe.Run(t.Context(), srv.Client(), probe.WithWrites(), probe.WithRate(1e6))
			assert.Zero(t, neverMade(t, srv, report), "%v", report.Leftovers)
		})
	}
}

// A key that is withdrawn in the middle of a run ends it, and that is said: it is no answer to any question.
func TestAKeyThatIsRefusedInTheMiddleIsSaid(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		for after := 2; after < 70; after += 9 {
			t.Run(fmt.Sprint(status, " after ", after), func(t *testing.T) {
				t.Parallel()
				srv := small(t)
				require.NoError(t, srv.Inject(antcrmtest.Fault{Status: status, After: after}).Err())
				report, err := probe.Run(t.Context(), srv.Client(), probe.WithWrites(), probe.WithRate(1e6))
				namesAllLeft(t, srv, report, "refused")
				for _, f := range report.Findings {
					assert.False(t, f.Answer == probe.Differs && f.ID != "missing-values", "%s differs: %s", f.ID, f.Observed)
				}
				if after > 50 {
					return // most of the run is over by then
				}
				require.ErrorContains(t, err, "in the middle of the run")
				assert.True(t, slices.ContainsFunc(report.Findings, func(f probe.Finding) bool { return f.Observed == "The server refused the key before that." }))
				assert.Less(t, srv.RequestCount(), after+6+3*(len(report.Leftovers)+1), "requests with a key that is refused")
			})
		}
	}
}

// A second Ctrl-C does not wait for a server that hangs: what is still there is named at once.
func TestTheDeletesCanBeEndedToo(t *testing.T) {
	t.Parallel()
	srv := small(t)
	hang := antcrmtest.Fault{Method: http.MethodDelete, Latency: time.Hour}
	require.NoError(t, srv.Inject(hang).Err())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	cleanup, stopAtOnce := context.WithCancel(t.Context())
	defer stopAtOnce()
	arrived := antcrmtest.Fault{Method: http.MethodDelete, Match: func(*antcrmtest.Request) bool { stopAtOnce(); return false }}
	require.NoError(t, srv.Inject(arrived).Err())
	report, err := probe.Run(ctx, srv.Client(), probe.WithWrites(), probe.WithRate(1e6), probe.WithCleanupContext(cleanup),
		probe.WithRequestCount(func(sent int) {
			if len(left(srv)) > 0 {
				stop()
			}
		}))
	require.ErrorIs(t, err, context.Canceled)
	assert.NotEmpty(t, report.Leftovers)
	namesAllLeft(t, srv, report, "ended")
}

// neverMade counts the leftovers that the server has never made. It fails where one that is there is not named.
func neverMade(t *testing.T, srv *antcrmtest.Server, report *probe.Report) (n int) {
	t.Helper()
	namesAllLeft(t, srv, report, "leftovers")
	var made []string
	for _, change := range srv.Changes() {
		made = append(made, fmt.Sprint(change.Kind, " ", change.ID, " ", change.ExternalID))
	}
	for _, leftover := range report.Leftovers {
		_, key, _ := strings.Cut(leftover, "=")
		if !slices.ContainsFunc(made, func(m string) bool { return slices.Contains(strings.Fields(m), key) }) {
			n++
		}
	}
	return n
}
