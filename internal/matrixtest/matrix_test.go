package matrixtest_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/internal/questions"
)

// job is a piece of work that a program does with the SDK.
type job struct {
	name string
	run  func(ctx context.Context, w *world)
}

func jobs() []job {
	return []job{
		{"create contact", createContact}, {"create odd contact", createOddContact}, {"create order", createOrder}, {"create product", createProduct},
		{"create ticket", createTicket}, {"update contact", updateContact}, {"update missing", updateMissing}, {"update order", updateOrder},
		{"delete", deleteRecords}, {"get", getRecords}, {"list all", listAll}, {"look up, then create", lookUpThenCreate},
		{"batch", createBatch}, {"batch with a bad record", createBatchWithABadRecord}, {"update batch", updateBatch},
		{"import", importRecords}, {"import with isolation", importIsolated}, {"crash and resume", crashAndResume}, {"crash and resume with isolation", crashAndResumeIsolated},
		{"resolver", resolveUnknown},
		{"testing example", placeOrder}, {"order-sync", syncOrders}, {"points", movePoints}, {"segment", setSegment},
	}
}

// fault is what goes wrong besides.
type fault struct {
	name string
	arm  func(srv *antcrmtest.Server)
}

func faults() []fault {
	writes := func(r *antcrmtest.Request) bool { return r.Method != http.MethodGet }
	inject := func(f antcrmtest.Fault) func(*antcrmtest.Server) {
		f.Match, f.Times = writes, 1
		return func(srv *antcrmtest.Server) { srv.Inject(f) }
	}
	return []fault{
		{"no fault", func(*antcrmtest.Server) {}},
		{"a lost answer", inject(antcrmtest.Fault{Do: antcrmtest.CloseAfter})},
		{"500 after the write", inject(antcrmtest.Fault{Status: 500, Commit: true})},
		{"429", inject(antcrmtest.Fault{Status: 429, Header: map[string]string{"Retry-After": "0"}})},
		{"half an answer", inject(antcrmtest.Fault{Do: antcrmtest.Truncate})},
	}
}

// answer is one alternative of one question.
type answer struct {
	name      string
	option    antcrmtest.Option
	invisible bool
}

func answers() []answer {
	var all []answer
	for _, q := range questions.All() {
		for _, a := range q.Alternatives {
			all = append(all, answer{q.ID + "=" + a.Name, antcrmtest.WithAnswer(q.ID, a.Name), a.Invisible})
		}
	}
	return all
}

// long says whether the whole matrix runs: in CI it does.
func long() bool { return os.Getenv("ANTCRM_LONG_TESTS") == "1" }

// totals are what the matrix prints.
type totals struct {
	mu        sync.Mutex
	runs      int
	silent    int
	invisible map[string]int
}

func (s *totals) add(a []answer, found []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs++
	for _, one := range a {
		if one.invisible {
			if len(found) > 0 {
				s.invisible[one.name]++
			}
			return
		}
	}
	s.silent += len(found)
}

// play runs one job under some answers and one fault, and returns what the caller was told that is not so.
func play(t *testing.T, w *world, j job, f fault) []string {
	t.Helper()
	require.NoError(t, w.srv.Reset())
	w.silent, w.looked = nil, 0
	f.arm(w.srv)
	j.run(t.Context(), w)
	return w.silent
}

// chosen spreads a short run over the matrix: the same part in every run.
func chosen(one int, names ...string) bool {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(strings.Join(names, "|"))) // a hash takes everything
	return long() || sum.Sum32()%uint32(one) == 0      //nolint:gosec // a small constant
}

// TestEveryJobUnderEveryAnswer is the matrix: nothing is lost, doubled, changed or attributed to another record in
// silence.
func TestEveryJobUnderEveryAnswer(t *testing.T) {
	t.Parallel()
	sum := &totals{invisible: map[string]int{}}
	all := append(answers(), answer{name: "as decided", option: antcrmtest.WithAnswer(questions.SuccessStatus, "default")})
	t.Run("answers", func(t *testing.T) {
		for _, a := range all {
			t.Run(a.name, func(t *testing.T) {
				t.Parallel()
				w := start(t, a.option)
				for _, f := range faults() {
					for _, j := range jobs() {
						if f.name == "no fault" && chosen(4, a.name, j.name) || chosen(50, a.name, j.name, f.name) {
							sum.hold(t, []answer{a}, j, f, play(t, w, j, f))
						}
					}
				}
			})
		}
	})
	sum.print(t, "answers alone")
}

// hold wants no silent failure, unless an answer is one that no client can see.
func (s *totals) hold(t *testing.T, a []answer, j job, f fault, found []string) {
	t.Helper()
	s.add(a, found)
	if !slices.ContainsFunc(a, func(one answer) bool { return one.invisible }) {
		assert.Empty(t, found, "%s, with %s", j.name, f.name)
	}
}

func (s *totals) print(t *testing.T, what string) {
	t.Helper()
	var seen []string
	for name, n := range s.invisible {
		seen = append(seen, fmt.Sprintf("%s (%d)", name, n))
	}
	slices.Sort(seen)
	t.Logf("%s: %d jobs, %d runs, %d silent failures; invisible by nature: %d, of which these harmed a job here: %s",
		what, len(jobs()), s.runs, s.silent, countInvisible(), strings.Join(seen, ", "))
	if long() && what == "answers alone" {
		for _, a := range answers() {
			assert.False(t, a.invisible && s.invisible[a.name] == 0, "%s is called invisible, and no job is harmed by it", a.name)
		}
	}
}

func countInvisible() int {
	n := 0
	for _, a := range answers() {
		if a.invisible {
			n++
		}
	}
	return n
}

// TestEveryJobUnderPairsAndTriplesOfAnswers draws them at random, the same in every run.
func TestEveryJobUnderPairsAndTriplesOfAnswers(t *testing.T) {
	t.Parallel()
	pairs := 10
	if long() {
		pairs = 250
	}
	rng := rand.New(rand.NewPCG(14, 5)) //nolint:gosec // a repeatable sequence is the point
	sum := &totals{invisible: map[string]int{}}
	all := answers()
	t.Run("pairs", func(t *testing.T) {
		for range pairs {
			drawn, name := draw(rng, all, 2+rng.IntN(2))
			f := faults()[rng.IntN(len(faults()))]
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var options []antcrmtest.Option
				for _, a := range drawn {
					options = append(options, a.option)
				}
				w := start(t, options...)
				for _, j := range jobs() {
					if chosen(3, name, j.name) {
						sum.hold(t, drawn, j, f, play(t, w, j, f))
					}
				}
			})
		}
	})
	sum.print(t, "pairs and triples of answers")
}

// draw picks n answers.
func draw(rng *rand.Rand, all []answer, n int) (drawn []answer, name string) {
	names := make([]string, n)
	for i := range n {
		a := all[rng.IntN(len(all))]
		drawn = append(drawn, a)
		names[i] = a.name
	}
	return drawn, strings.Join(names, "+")
}
