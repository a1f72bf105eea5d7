package antcrm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

func openJournal(tb testing.TB, path string) *antcrm.FileJournal {
	tb.Helper()
	journal, err := antcrm.OpenJournal(path)
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, journal.Close()) })
	return journal
}

// rerun imports a source with the journal of a file, in chunks of ten.
func rerun(tb testing.TB, server *ledger, path string, source iter.Seq2[antcrm.ContactCreateParams, error], opts ...antcrm.BatchOption) ([]importResult, error) {
	tb.Helper()
	journal, err := antcrm.OpenJournal(path)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, journal.Close()) }()
	own := []antcrm.BatchOption{antcrm.WithJournal(journal), antcrm.WithChunkSize(10), antcrm.WithSettle(0)}
	opts = append(own, opts...)
	return imported(tb, server.client().Contacts.Import(context.Background(), source, opts...))
}

func journalPath(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(tb.TempDir(), "import.journal")
}

func mixed(n int) []antcrm.ContactCreateParams {
	list := contacts(n)
	for i := range list {
		if i%4 == 1 {
			list[i].ContactType = antcrm.ContactTypeCustomer
		}
	}
	return list
}

func TestAnImportRunAgainSendsNothingAndGivesTheSameReferences(t *testing.T) {
	t.Parallel()
	server, path, list := newLedger(t), journalPath(t), mixed(137)
	list[50].Name = ""
	first, err := rerun(t, server, path, from(list, nil))
	require.NoError(t, err)
	sent := len(server.all())
	second, err := rerun(t, server, path, from(list, nil), antcrm.WithChunkSize(7), antcrm.WithConcurrency(1))
	require.NoError(t, err)
	assert.Equal(t, first, second)
	checkRefs(t, list, second)
	assert.Len(t, server.all(), sent)
}

func TestAnImportGoesOnWhereTheSourceHadFailed(t *testing.T) {
	t.Parallel()
	server, path, list := newLedger(t), journalPath(t), mixed(137)
	_, err := rerun(t, server, path, from(list[:64], errors.New("bad row")))
	require.Error(t, err)
	results, err := rerun(t, server, path, from(list, nil))
	require.NoError(t, err)
	assert.Equal(t, "done×137", outcomes(results))
	checkRefs(t, list, results)
	once, doubled := server.counts()
	assert.Equal(t, 137, once)
	assert.Empty(t, doubled)
}

func TestAnImportSendsTheRecordsThatASourceHasGrownBy(t *testing.T) {
	t.Parallel()
	server, path := newLedger(t), journalPath(t)
	for n := 5; n < 80; n += 9 {
		results, err := rerun(t, server, path, from(mixed(n), nil))
		require.NoError(t, err)
		checkRefs(t, mixed(n), results)
	}
	_, doubled := server.counts()
	assert.Empty(t, doubled)
}

func TestAnImportSendsAnInvalidRecordOnceItIsMended(t *testing.T) {
	t.Parallel()
	server, path, list := newLedger(t), journalPath(t), mixed(35)
	list[13].Name = ""
	_, err := rerun(t, server, path, from(list, nil))
	require.NoError(t, err)
	list[13].Name = "Mai"
	results, err := rerun(t, server, path, from(list, nil))
	require.NoError(t, err)
	assert.Equal(t, "done×35", outcomes(results))
	once, doubled := server.counts()
	assert.Equal(t, 35, once)
	assert.Empty(t, doubled)
}

func TestAnImportThatWasInterruptedNamesWhatItCannotKnow(t *testing.T) {
	t.Parallel()
	server, path := newLedger(t), journalPath(t)
	server.lose = func(_ int, codes []string) bool { return codes[0] == "C10" }
	first, err := rerun(t, server, path, from(contacts(35), nil))
	require.NoError(t, err)
	assert.Equal(t, "done×10 unknown×10 done×15", outcomes(first))

	server.lose = nil
	second, err := rerun(t, server, path, from(contacts(35), nil))
	require.NoError(t, err)
	assert.Equal(t, "done×10 unknown×10 done×15", outcomes(second))
	assert.ErrorIs(t, second[10].Err, antcrm.ErrOutcomeUnknown)
	assert.Len(t, server.all(), 4)
}

// resolving answers for every chunk by what is known of each record.
func resolving(answer func(index int64, c antcrm.ContactCreateParams) antcrm.Resolution[antcrm.ContactRef]) antcrm.BatchOption {
	return antcrm.WithUnknownResolver(func(_ context.Context, chunk antcrm.UnknownChunk[antcrm.ContactCreateParams]) ([]antcrm.Resolution[antcrm.ContactRef], error) {
		list := make([]antcrm.Resolution[antcrm.ContactRef], len(chunk.Records))
		for i, c := range chunk.Records {
			list[i] = answer(chunk.Indexes[i], c)
		}
		return list, nil
	})
}

func found(c antcrm.ContactCreateParams) antcrm.Resolution[antcrm.ContactRef] {
	return antcrm.Resolution[antcrm.ContactRef]{Outcome: antcrm.OutcomeDone, Ref: antcrm.LeadRef(antcrm.ID(fmt.Sprint(1000 + numberOf(c.ExternalID))))}
}

func TestAResolverSettlesUnknownChunksRecordByRecord(t *testing.T) {
	t.Parallel()
	server, path := newLedger(t), journalPath(t)
	server.refuse = func(_ int, codes []string) reply {
		if codes[0] == "C10" { // of this chunk only the even ones get in
			server.mu.Lock()
			defer server.mu.Unlock()
			for i := 0; i < len(codes); i += 2 {
				server.created[codes[i]]++
			}
			return reply{err: errLost}
		}
		return reply{}
	}
	_, err := rerun(t, server, path, from(contacts(35), nil))
	require.NoError(t, err)

	server.refuse = nil
	results, err := rerun(t, server, path, from(contacts(35), nil), resolving(func(index int64, c antcrm.ContactCreateParams) antcrm.Resolution[antcrm.ContactRef] {
		assert.EqualValues(t, index, numberOf(c.ExternalID))
		server.mu.Lock()
		defer server.mu.Unlock()
		switch {
		case index == 11:
			return antcrm.Resolution[antcrm.ContactRef]{} // could not be told
		case server.created[c.ExternalID] > 0:
			return found(c)
		}
		return antcrm.Resolution[antcrm.ContactRef]{Outcome: antcrm.OutcomeNotSent}
	}))
	require.NoError(t, err)
	assert.Equal(t, "done×11 unknown×1 done×23", outcomes(results))
	checkRefs(t, contacts(35), results)
	once, doubled := server.counts()
	assert.Equal(t, 34, once)
	assert.Empty(t, doubled)
	assert.Len(t, server.all(), 4+1)

	again, err := rerun(t, server, path, from(contacts(35), nil))
	require.NoError(t, err)
	assert.Equal(t, "done×11 unknown×1 done×23", outcomes(again))
	checkRefs(t, contacts(35), again)
	assert.Len(t, server.all(), 5, "what was found out is in the journal")
}

func TestAResolverThatFailsLeavesTheChunkUnknown(t *testing.T) {
	t.Parallel()
	server, path := newLedger(t), journalPath(t)
	server.lose = func(int, []string) bool { return true }
	_, err := rerun(t, server, path, from(contacts(10), nil))
	require.NoError(t, err)
	server.lose = nil

	broken := errors.New("search is down")
	for name, answer := range map[string]func() ([]antcrm.Resolution[antcrm.ContactRef], error){
		"an error": func() ([]antcrm.Resolution[antcrm.ContactRef], error) { return nil, broken },
		"nothing":  func() ([]antcrm.Resolution[antcrm.ContactRef], error) { return nil, nil },
		"too few": func() ([]antcrm.Resolution[antcrm.ContactRef], error) {
			return make([]antcrm.Resolution[antcrm.ContactRef], 9), nil
		},
		"of no such outcome": func() ([]antcrm.Resolution[antcrm.ContactRef], error) { return resolutions(10, 17), nil },
		"done without a reference": func() ([]antcrm.Resolution[antcrm.ContactRef], error) {
			return resolutions(10, antcrm.OutcomeDone), nil
		},
		"rejected": func() ([]antcrm.Resolution[antcrm.ContactRef], error) {
			return resolutions(10, antcrm.OutcomeRejected), nil
		},
	} {
		results, err := rerun(t, server, path, from(contacts(10), nil), antcrm.WithUnknownResolver(
			func(context.Context, antcrm.UnknownChunk[antcrm.ContactCreateParams]) ([]antcrm.Resolution[antcrm.ContactRef], error) {
				return answer()
			}))
		require.NoError(t, err)
		assert.Equal(t, "unknown×10", outcomes(results), name)
		assert.ErrorIs(t, results[0].Err, antcrm.ErrOutcomeUnknown, name)
		if name == "an error" {
			assert.ErrorIs(t, results[0].Err, broken)
		}
	}
	assert.Len(t, server.all(), 1)
}

// It would be done for ever, and nobody could tell as what.
func TestAResolutionWithoutItsReferenceLeavesTheRecordUnknown(t *testing.T) {
	t.Parallel()
	server, path := newLedger(t), journalPath(t)
	server.lose = func(int, []string) bool { return true }
	_, err := rerun(t, server, path, from(contacts(10), nil))
	require.NoError(t, err)

	results, err := rerun(t, server, path, from(contacts(10), nil), resolving(func(index int64, c antcrm.ContactCreateParams) antcrm.Resolution[antcrm.ContactRef] {
		if index == 3 {
			return antcrm.Resolution[antcrm.ContactRef]{Outcome: antcrm.OutcomeDone}
		}
		return found(c)
	}))
	require.NoError(t, err)
	assert.Equal(t, "done×3 unknown×1 done×6", outcomes(results))
	assert.ErrorContains(t, results[3].Err, "1 of 10 resolutions are done without a reference")

	results, err = rerun(t, server, path, from(contacts(10), nil), resolving(func(_ int64, c antcrm.ContactCreateParams) antcrm.Resolution[antcrm.ContactRef] { return found(c) }))
	require.NoError(t, err)
	assert.Equal(t, "done×10", outcomes(results), "it could be asked for again")
	checkRefs(t, contacts(10), results)
	assert.Len(t, server.all(), 1)
}

func resolutions(n int, outcome antcrm.Outcome) []antcrm.Resolution[antcrm.ContactRef] {
	return slices.Repeat([]antcrm.Resolution[antcrm.ContactRef]{{Outcome: outcome}}, n)
}

func TestRejectedChunksAreReportedAgainOrSentAgain(t *testing.T) {
	t.Parallel()
	server, path, list := newLedger(t), journalPath(t), contacts(35)
	server.refuse = refuseCodes("C14", "C31")
	_, err := rerun(t, server, path, from(list, nil), antcrm.WithIsolation())
	require.NoError(t, err)
	sent := len(server.all())

	again, err := rerun(t, server, path, from(list, nil))
	require.NoError(t, err)
	assert.Equal(t, "done×14 rejected×1 done×16 rejected×1 done×3", outcomes(again))
	refusal := requireError[*antcrm.APIError](t, again[14].Err)
	assert.Equal(t, http.StatusUnprocessableEntity, refusal.StatusCode)
	onOneLine(t, refusal, "0900000001")
	assert.Len(t, server.all(), sent)

	list[14].Name = "Corrected"
	server.refuse = refuseCodes("C31")
	last, err := rerun(t, server, path, from(list, nil), antcrm.WithIsolation(), antcrm.WithRetryRejected())
	require.NoError(t, err)
	assert.Equal(t, "done×31 rejected×1 done×3", outcomes(last))
	once, doubled := server.counts()
	assert.Equal(t, 34, once)
	assert.Empty(t, doubled)

	final, err := rerun(t, server, path, from(list, nil))
	require.NoError(t, err)
	assert.Equal(t, "done×31 rejected×1 done×3", outcomes(final))
}

// A no that comes with ids may have been carried out in part: it is not sent again.
func TestARefusalThatGivesIDsStaysInTheJournal(t *testing.T) {
	t.Parallel()
	server, path, list := newLedger(t), journalPath(t), contacts(1)
	server.refuse = func(int, []string) reply { return reply{status: http.StatusOK, body: `{"success":0,"leadId":[1]}`} }
	_, err := rerun(t, server, path, from(list, nil), antcrm.WithIsolation())
	require.NoError(t, err)
	server.refuse = nil
	results, err := rerun(t, server, path, from(list, nil))
	require.NoError(t, err)
	assert.Equal(t, "rejected×1", outcomes(results))
	assert.Len(t, server.all(), 1)
}

// A wrong key must not leave a journal that refuses everything for good.
func TestWhatWasRefusedForNoRecordsFaultIsSentByTheNextRun(t *testing.T) {
	t.Parallel()
	for _, refusal := range []reply{
		{status: http.StatusUnauthorized}, {status: http.StatusNotFound}, {status: http.StatusTooManyRequests},
		{status: http.StatusServiceUnavailable, header: map[string]string{"Retry-After": "0"}},
	} {
		server, path, list := newLedger(t), journalPath(t), contacts(35)
		server.refuse = func(int, []string) reply { return refusal }
		results, err := rerun(t, server, path, from(list, nil))
		require.NoError(t, err)
		assert.Equal(t, "rejected×35", outcomes(results), refusal.status)

		server.refuse = nil
		results, err = rerun(t, server, path, from(list, nil))
		require.NoError(t, err)
		assert.Equal(t, "done×35", outcomes(results), refusal.status)
		once, doubled := server.counts()
		assert.Equal(t, 35, once)
		assert.Empty(t, doubled)
	}
}

func TestAChangedSourceIsRefusedBeforeTheChunkIsSent(t *testing.T) {
	t.Parallel()
	changes := map[string]func([]antcrm.ContactCreateParams) []antcrm.ContactCreateParams{
		"a value": func(list []antcrm.ContactCreateParams) []antcrm.ContactCreateParams { list[15].Name = "X"; return list },
		"a row inserted": func(list []antcrm.ContactCreateParams) []antcrm.ContactCreateParams {
			return slices.Insert(list, 12, contact(900))
		},
		"a row removed": func(list []antcrm.ContactCreateParams) []antcrm.ContactCreateParams {
			return slices.Delete(list, 12, 13)
		},
		"rows swapped": func(list []antcrm.ContactCreateParams) []antcrm.ContactCreateParams {
			list[12], list[13] = list[13], list[12]
			return list
		},
		"another type": func(list []antcrm.ContactCreateParams) []antcrm.ContactCreateParams {
			list[12].ContactType = antcrm.ContactTypeCustomer
			return list
		},
		"invalid now": func(list []antcrm.ContactCreateParams) []antcrm.ContactCreateParams { list[13].Name = ""; return list },
		"another order": func(list []antcrm.ContactCreateParams) []antcrm.ContactCreateParams {
			slices.Reverse(list)
			return list
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, path := newLedger(t), journalPath(t)
			_, err := rerun(t, server, path, from(contacts(30), nil))
			require.NoError(t, err)
			results, err := rerun(t, server, path, from(change(contacts(40)), nil))
			require.ErrorIs(t, err, antcrm.ErrSourceChanged)
			onOneLine(t, err)
			assert.NotContains(t, outcomes(results), "done×20", "the first chunk at most")
			_, doubled := server.counts()
			assert.Empty(t, doubled)
			assert.Len(t, server.all(), 3)
			if last := results[len(results)-1]; assert.Equal(t, antcrm.OutcomeUnknown, last.Outcome) {
				assert.ErrorIs(t, last.Err, antcrm.ErrSourceChanged)
			}
		})
	}
}

func TestASourceThatEndsBeforeItsJournalIsRefused(t *testing.T) {
	t.Parallel()
	for _, left := range []int{0, 10, 15, 20, 29} {
		server, path := newLedger(t), journalPath(t)
		_, err := rerun(t, server, path, from(contacts(30), nil))
		require.NoError(t, err)
		results, err := rerun(t, server, path, from(contacts(left), nil))
		require.ErrorIs(t, err, antcrm.ErrSourceChanged)
		assert.Len(t, results, left)
		for i, result := range results {
			assert.Equal(t, i < left/10*10, result.Outcome == antcrm.OutcomeDone)
			assert.NotEqual(t, antcrm.OutcomeNotSent, result.Outcome, "it was sent")
		}
	}
}

func TestASourceThatFailsInsideAKnownChunkSaysNothingOfIt(t *testing.T) {
	t.Parallel()
	server, path := newLedger(t), journalPath(t)
	_, err := rerun(t, server, path, from(contacts(30), nil))
	require.NoError(t, err)
	broken := errors.New("disk is gone")
	results, err := rerun(t, server, path, from(contacts(15), broken))
	require.ErrorIs(t, err, broken)
	assert.Equal(t, "done×10 unknown×5", outcomes(results))
}

func TestAnImportThatIsStoppedSaysWhyItCannotTellOfAKnownChunk(t *testing.T) {
	t.Parallel()
	server, path := newLedger(t), journalPath(t)
	_, err := rerun(t, server, path, from(contacts(30), nil))
	require.NoError(t, err)
	results, err := rerun(t, server, path, from(contacts(15), errors.New("disk is gone")))
	require.Error(t, err)
	assert.NotContains(t, results[14].Err.Error(), "not in the journal", "it is")
	assert.ErrorIs(t, results[14].Err, antcrm.ErrOutcomeUnknown)
	onOneLine(t, results[14].Err)

	// The last record of a chunk comes after the end: it can be compared.
	ctx, cancel := context.WithCancel(t.Context())
	source := func(yield func(antcrm.ContactCreateParams, error) bool) {
		for i, c := range contacts(30) {
			if i == 9 {
				cancel()
			}
			if !yield(c, nil) {
				return
			}
		}
	}
	results, err = imported(t, server.client().Contacts.Import(ctx, source, antcrm.WithJournal(openJournal(t, path))))
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, "done×10", outcomes(results))
	assert.Len(t, server.all(), 3)
}

// empty is a journal of one's own that has nothing to give.
type empty struct{ history *antcrm.JournalHistory }

func (e empty) Resume(context.Context, string) (*antcrm.JournalHistory, error) { return e.history, nil }
func (empty) Begin(context.Context, antcrm.JournalEntry) error                 { return nil }
func (empty) Record(context.Context, ...antcrm.JournalEntry) error             { return nil }
func (empty) Finish(context.Context) error                                     { return nil }

func TestAJournalOfOnesOwnMayHaveNoHistory(t *testing.T) {
	t.Parallel()
	for _, history := range []*antcrm.JournalHistory{nil, {}} {
		server := newLedger(t)
		results, err := imported(t, server.client().Contacts.Import(t.Context(), from(contacts(3), nil), antcrm.WithJournal(empty{history})))
		require.NoError(t, err)
		assert.Equal(t, "done×3", outcomes(results))
	}
}

func TestAResolverThatLeavesItsGoroutineLeavesTheChunkUnknown(t *testing.T) {
	t.Parallel()
	server, path := newLedger(t), journalPath(t)
	server.lose = func(int, []string) bool { return true }
	_, err := rerun(t, server, path, from(contacts(10), nil))
	require.NoError(t, err)
	results, err := rerun(t, server, path, from(contacts(10), nil), resolving(func(int64, antcrm.ContactCreateParams) antcrm.Resolution[antcrm.ContactRef] {
		runtime.Goexit() // as FailNow does
		panic("not reached")
	}))
	require.Error(t, err)
	assert.Equal(t, "unknown×10", outcomes(results))
	assert.Len(t, server.all(), 1)
}

// interrupted is a journal that a crash cuts off: after so many lines nothing
// is written any more.
type interrupted struct {
	antcrm.Journal
	left atomic.Int64
	err  error
}

func interruptedAfter(journal antcrm.Journal, lines int64) *interrupted {
	j := &interrupted{Journal: journal, err: errors.New("no space left on device")}
	j.left.Store(lines)
	return j
}

func (j *interrupted) Begin(ctx context.Context, entry antcrm.JournalEntry) error {
	if j.left.Add(-1) < 0 {
		return j.err
	}
	return j.Journal.Begin(ctx, entry)
}

func (j *interrupted) Record(ctx context.Context, entries ...antcrm.JournalEntry) error {
	if j.left.Add(-1) < 0 {
		return j.err
	}
	return j.Journal.Record(ctx, entries...)
}

func TestAJournalThatFailsStopsTheImportBeforeAnythingUnrecordedIsSent(t *testing.T) {
	t.Parallel()
	for lines := range int64(24) {
		server, path, list := newLedger(t), journalPath(t), mixed(50)
		server.refuse = refuseCodes("C3")
		file := openJournal(t, path)
		broken := interruptedAfter(file, lines)
		results, err := imported(t, server.client().Contacts.Import(t.Context(), from(list, nil),
			antcrm.WithJournal(broken), antcrm.WithChunkSize(10), antcrm.WithConcurrency(1), antcrm.WithIsolation()))
		if broken.left.Load() >= 0 {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, broken.err)
		}
		notSent := 0
		for i, result := range results {
			created := server.created[list[i].ExternalID] > 0
			assert.Equal(t, created, result.Outcome == antcrm.OutcomeDone, "line %d, record %d", lines, i)
			if result.Outcome == antcrm.OutcomeNotSent {
				notSent++
			}
		}
		require.NoError(t, file.Close())

		// After the crash nothing is doubled or lost without being named.
		results, err = rerun(t, server, path, from(list, nil), antcrm.WithIsolation())
		require.NoError(t, err)
		_, doubled := server.counts()
		assert.Empty(t, doubled)
		for i, result := range results {
			if result.Outcome == antcrm.OutcomeNotSent || result.Outcome == antcrm.OutcomeDone {
				assert.Equal(t, 1, server.created[list[i].ExternalID], "line %d, record %d", lines, i)
			}
		}
		assert.NotContains(t, outcomes(results), "not sent")
		assert.Contains(t, outcomes(results), "done")
	}
}

func TestAJournalCutAnywhereNeverLeadsToADoubledOrLostRecord(t *testing.T) {
	t.Parallel()
	server, path, list := newLedger(t), journalPath(t), mixed(24)
	server.refuse = refuseCodes("C5")
	_, err := rerun(t, server, path, from(list, nil), antcrm.WithIsolation(), antcrm.WithConcurrency(1))
	require.NoError(t, err)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	order := server.all()
	for size := range len(whole) + 1 {
		atEnd := size == len(whole) || whole[size] == '\n' || size > 0 && strings.ContainsRune("\n}", rune(whole[size-1]))
		if !atEnd && size%50 != 0 {
			continue // before and behind each line's end, behind each brace, and some places within
		}
		require.NoError(t, os.WriteFile(path, whole[:size], 0o600))
		// The server as it was at that moment: it has all requests that were
		// begun on disk, the last of them answered or not.
		begun := len(regexp.MustCompile(`"begun","at":[0-9]+}`).FindAll(whole[:size], -1))
		past := newLedger(t)
		past.refuse = server.refuse
		for _, req := range order[:begun] {
			past.answer(0, req)
		}
		results, err := rerun(t, past, path, from(list, nil), antcrm.WithIsolation(), antcrm.WithConcurrency(1))
		require.NoError(t, err, "cut at %d", size)
		_, doubled := past.counts()
		require.Empty(t, doubled, "cut at %d", size)
		checkRefs(t, list, results)
		unknown := 0
		for i, result := range results {
			switch result.Outcome {
			case antcrm.OutcomeUnknown:
				unknown++
			case antcrm.OutcomeRejected:
				require.Equal(t, 5, i)
			default:
				require.Equal(t, antcrm.OutcomeDone, result.Outcome)
				require.Equal(t, 1, past.created[list[i].ExternalID])
			}
		}
		require.LessOrEqual(t, unknown, 10, "the chunk under way")
	}
}

func TestAJournalHoldsNoPersonalData(t *testing.T) {
	t.Parallel()
	server, path := newLedger(t), journalPath(t)
	server.refuse = refuseCodes("C5")
	_, err := rerun(t, server, path, from(contacts(20), nil), antcrm.WithIsolation())
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, private := range []string{"Khách", `"C5"`, `"C1"`, "0900000001", "bad phone"} {
		assert.NotContains(t, string(text), private)
	}
	if runtime.GOOS != "windows" {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}

	other := journalPath(t)
	_, err = rerun(t, newLedger(t), other, from(contacts(20), nil))
	require.NoError(t, err)
	otherText, err := os.ReadFile(other)
	require.NoError(t, err)
	digest := strings.Split(strings.Split(string(otherText), `"digest":"`)[1], `"`)[0]
	assert.NotContains(t, string(text), digest, "hashes of two journals cannot be compared")
}

func TestAJournalInUseIsLocked(t *testing.T) {
	t.Parallel()
	path := journalPath(t)
	journal := openJournal(t, path)
	_, err := antcrm.OpenJournal(path)
	require.ErrorIs(t, err, antcrm.ErrJournalLocked)
	require.ErrorIs(t, err, antcrm.ErrJournal)

	server := newLedger(t)
	client := server.client()
	nested := false
	for _, err := range client.Contacts.Import(t.Context(), from(contacts(1), nil), antcrm.WithJournal(journal)) {
		require.NoError(t, err)
		_, err = imported(t, client.Contacts.Import(t.Context(), from(contacts(1), nil), antcrm.WithJournal(journal)))
		require.ErrorIs(t, err, antcrm.ErrJournalLocked)
		nested = true
	}
	assert.True(t, nested)
	_, err = imported(t, client.Contacts.Import(t.Context(), from(contacts(1), nil), antcrm.WithJournal(journal)))
	require.NoError(t, err, "the first import is over")
	assert.Len(t, server.all(), 1)

	require.NoError(t, journal.Close())
	openJournal(t, path)
}

func TestAJournalThatIsClosedFailsTheImport(t *testing.T) {
	t.Parallel()
	server, journal := newLedger(t), openJournal(t, journalPath(t))
	require.NoError(t, journal.Close())
	_, err := imported(t, server.client().Contacts.Import(t.Context(), from(contacts(1), nil), antcrm.WithJournal(journal)))
	require.ErrorIs(t, err, antcrm.ErrJournal)
	require.ErrorIs(t, err, os.ErrClosed)
	assert.Empty(t, server.all())
}

func TestAJournalClosedUnderWayLosesNothing(t *testing.T) {
	t.Parallel()
	server, path := newLedger(t), journalPath(t)
	journal := openJournal(t, path)
	var outcome []antcrm.Outcome
	var failure error
	for result, err := range server.client().Contacts.Import(t.Context(), from(contacts(100), nil), antcrm.WithJournal(journal), antcrm.WithChunkSize(10), antcrm.WithConcurrency(1)) {
		if err != nil {
			failure = err
			continue
		}
		outcome = append(outcome, result.Outcome)
		if len(outcome) == 1 {
			require.NoError(t, journal.Close())
		}
	}
	require.ErrorIs(t, failure, antcrm.ErrJournal)
	assert.Contains(t, outcome, antcrm.OutcomeNotSent)
	results, err := rerun(t, server, path, from(contacts(100), nil))
	require.NoError(t, err)
	_, doubled := server.counts()
	assert.Empty(t, doubled)
	assert.NotContains(t, outcomes(results), "not sent")
}

func TestAJournalOfAnotherOperationIsRefused(t *testing.T) {
	t.Parallel()
	server, path := newLedger(t), journalPath(t)
	_, err := rerun(t, server, path, from(contacts(1), nil))
	require.NoError(t, err)
	orders := from([]antcrm.OpportunityCreateParams{{Name: "A", ReceiverName: "Mai"}}, nil)
	for _, err := range server.client().Opportunities.Import(t.Context(), orders, antcrm.WithJournal(openJournal(t, path))) {
		require.ErrorIs(t, err, antcrm.ErrJournal)
		assert.ErrorContains(t, err, "create contacts")
	}
	assert.Len(t, server.all(), 1)
}

const (
	goodHeader = `{"journal":"antcrm","version":1,"operation":"create contacts","key":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}` + "\n"
	goodLine   = `{"sum":"e31a4c0f","records":[[0,10]],"digest":"x","state":"begun"}` + "\n"
)

// sealed is a line with its checksum.
func sealed(line string) string {
	return fmt.Sprintf(`{"sum":"%08x",`, crc32.ChecksumIEEE([]byte(line))) + line[1:] + "\n"
}

func TestOpenJournalRefusesWhatItCannotTrust(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ content, want string }{
		"a customer file":         {"name,phone\nMai,0900000001\n", "is not a journal"},
		"a lone word":             {"x", "is not a journal"},
		"zeros alone":             {"\x00\x00\x00", "is not a journal"},
		"the beginning of a JSON": {`{"jour`, "is not a journal"},
		"a header and a half":     {strings.TrimSuffix(goodHeader, "\n") + "\x0b", "line 1 is damaged"},
		"a last line changed":     {goodHeader + strings.Replace(goodLine, "begun", "begin", 1), "line 2 is damaged"},
		"one without its end":     {goodHeader + strings.TrimSuffix(strings.Replace(goodLine, "begun", "begin", 1), "\n"), "line 2 is damaged"},
		"its end changed":         {goodHeader + strings.TrimSuffix(goodLine, "\n") + "\x0b", "line 2 is damaged"},
		"its last quote changed":  {goodHeader + strings.Replace(strings.TrimSuffix(goodLine, "\n"), `n"}`, "n#}", 1), "line 2 is damaged"},
		"zeros within it":         {goodHeader + goodLine[:30] + "\x00\x00\n", "line 2 is damaged"},
		"another program's line":  {goodHeader + goodLine + "import began", "line 3 is damaged"},
		"another JSON":            {`{"name":"Mai"}` + "\n", "is not a journal"},
		"a newer format":          {strings.Replace(goodHeader, `"version":1`, `"version":3`, 1), "another version"},
		"a damaged header":        {strings.Replace(goodHeader, `"MDE`, `"`, 1) + goodLine, "line 1 is damaged"},
		"a header of nothing":     {`{"journal":"antcrm","version":1,"operation":"","key":""}` + "\n" + goodLine, "line 1 is damaged"},
		"a damaged line":          {goodHeader + "{]\n" + goodLine, "line 2 is damaged"},
		"zeros":                   {goodHeader + goodLine + "\x00\x00\x00\n" + goodLine, "line 3 is damaged"},
		"an unknown member":       {goodHeader + sealed(`{"records":[[0,10]],"state":"begun","more":1}`) + goodLine, "line 2 is damaged"},
		"an unknown state":        {goodHeader + sealed(`{"records":[[0,10]],"state":"perhaps"}`) + goodLine, "line 2 is damaged"},
		"no records":              {goodHeader + sealed(`{"records":[],"state":"begun"}`) + goodLine, "line 2 is damaged"},
		"more than a chunk":       {goodHeader + sealed(`{"records":[[0,101]],"state":"begun"}`) + goodLine, "line 2 is damaged"},
		"a run backwards":         {goodHeader + sealed(`{"records":[[5,2],[3,1]],"state":"begun"}`) + goodLine, "line 2 is damaged"},
		"a run before the source": {goodHeader + sealed(`{"records":[[-5,2]],"state":"begun"}`) + goodLine, "line 2 is damaged"},
		"a run past the end":      {goodHeader + sealed(`{"records":[[9223372036854775807,1]],"state":"begun"}`) + goodLine, "line 2 is damaged"},
		"half a run":              {goodHeader + sealed(`{"records":[[5]],"state":"begun"}`) + goodLine, "line 2 is damaged"},
		"a line that was edited":  {goodHeader + strings.Replace(goodLine, "[[0,10]]", "[[0,11]]", 1), "line 2 is damaged"},
		"no checksum":             {goodHeader + `{"records":[[0,10]],"digest":"x","state":"begun"}` + "\n" + goodLine, "line 2 is damaged"},
		"two values on a line":    {goodHeader + strings.TrimSpace(goodLine) + goodLine + goodLine, "line 2 is damaged"},
		"a line without end":      {goodHeader + strings.Repeat("x", 2<<20) + "\n" + goodLine, "line 2 is damaged"},
	} {
		path := journalPath(t)
		require.NoError(t, os.WriteFile(path, []byte(test.content), 0o600))
		_, err := antcrm.OpenJournal(path)
		require.ErrorIs(t, err, antcrm.ErrJournal, name)
		assert.ErrorContains(t, err, test.want, name)
		assert.ErrorContains(t, err, path, name)
		left, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, test.content, string(left), name+": the file is left as it was")
	}
}

func TestOpenJournalCutsOffAPartOfALastLine(t *testing.T) {
	t.Parallel()
	for _, cut := range []string{`{`, goodLine[:12], goodLine[:len(goodLine)-2], "\x00\x00\x00", goodLine[:30] + "\x00\x00"} {
		path := journalPath(t)
		require.NoError(t, os.WriteFile(path, []byte(goodHeader+goodLine+cut), 0o600))
		require.NoError(t, openJournal(t, path).Close())
		left, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, goodHeader+goodLine, string(left))
	}
	path := journalPath(t)
	require.NoError(t, os.WriteFile(path, []byte(goodHeader[:30]), 0o600))
	server := newLedger(t)
	_, err := rerun(t, server, path, from(contacts(10), nil))
	require.NoError(t, err, "a part of a header is an empty journal")
}

// Its checksum says that it was written in full: to drop it would be to send its records again.
func TestALastLineWithoutItsEndIsKept(t *testing.T) {
	t.Parallel()
	server, path := newLedger(t), journalPath(t)
	server.lose = func(int, []string) bool { return true }
	_, err := rerun(t, server, path, from(contacts(10), nil))
	require.NoError(t, err)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, zeros := range []string{"", "\x00\x00\x00"} {
		require.NoError(t, os.WriteFile(path, []byte(strings.TrimSuffix(string(whole), "\n")+zeros), 0o600))
		results, err := rerun(t, server, path, from(contacts(10), nil))
		require.NoError(t, err)
		assert.Equal(t, "unknown×10", outcomes(results))
		left, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, string(whole), string(left))
	}
	header, _, _ := strings.Cut(string(whole), "\n")
	require.NoError(t, os.WriteFile(path, []byte(header), 0o600))
	require.NoError(t, openJournal(t, path).Close())
	left, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, header+"\n", string(left), "a header too")
	assert.Len(t, server.all(), 1)
}

func TestAByteThatIsChangedInAJournalNeverDoublesARecord(t *testing.T) {
	t.Parallel()
	server, path, list := newLedger(t), journalPath(t), mixed(30)
	server.refuse = refuseCodes("C14")
	_, err := rerun(t, server, path, from(list, nil), antcrm.WithIsolation())
	require.NoError(t, err)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	server.refuse = nil
	refused := 0
	for at := range good {
		changed := bytes.Clone(good)
		changed[at] ^= 1 // a digit becomes another one
		require.NoError(t, os.WriteFile(path, changed, 0o600))
		journal, err := antcrm.OpenJournal(path)
		if err != nil {
			require.ErrorIs(t, err, antcrm.ErrJournal)
			refused++
			continue
		}
		_, err = imported(t, server.client().Contacts.Import(t.Context(), from(list, nil), antcrm.WithJournal(journal)))
		require.NoError(t, journal.Close())
		if err != nil {
			refused++
		}
		_, doubled := server.counts()
		require.Empty(t, doubled, "byte %d", at)
	}
	assert.GreaterOrEqual(t, refused, len(good)-1, "the last digit of the key has bits that mean nothing")
}

func TestAJournalThatContradictsItselfStopsTheImport(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string]func(digest string) string{
		"a record twice": func(string) string { return goodLine + sealed(`{"records":[[5,10]],"digest":"x","state":"begun"}`) },
		"refs missing": func(digest string) string {
			return sealed(`{"records":[[0,10]],"digest":"` + digest + `","state":"done","refs":[{"leadId":"1"}]}`)
		},
	} {
		server, path := newLedger(t), journalPath(t)
		_, err := rerun(t, server, path, from(contacts(10), nil))
		require.NoError(t, err)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		digest := strings.Split(strings.Split(string(text), `"digest":"`)[1], `"`)[0]
		header, _, _ := strings.Cut(string(text), "\n")
		require.NoError(t, os.WriteFile(path, []byte(header+"\n"+lines(digest)), 0o600))
		results, err := rerun(t, server, path, from(contacts(30), nil))
		require.ErrorIs(t, err, antcrm.ErrJournal, name)
		assert.Contains(t, outcomes(results), "unknown", name)
		assert.NotContains(t, outcomes(results), "done", name)
		assert.Len(t, server.all(), 1, name)
	}
}

func TestAForeignFileKeepsItsContentAndItsMode(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"name,phone\nMai,0900000001\n", "{", "", "\x00\x00"} {
		path := journalPath(t)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		require.NoError(t, os.Chmod(path, 0o644))
		journal, err := antcrm.OpenJournal(path)
		assert.Equal(t, content == "", err == nil, "%q", content)
		if journal != nil {
			require.NoError(t, journal.Close())
		}
		left, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, content, string(left))
		if info, err := os.Stat(path); runtime.GOOS != "windows" && assert.NoError(t, err) {
			assert.Equal(t, os.FileMode(0o644), info.Mode().Perm(), "%q", content)
		}
	}
}

// Whoever imports again without the journal sends everything twice.
func TestAJournalThatIsMovedOrChangedStopsTheImport(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be moved there")
	}
	for name, disturb := range map[string]func(path string) error{
		"deleted": os.Remove,
		"moved":   func(path string) error { return os.Rename(path, path+".old") },
		"replaced": func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, nil, 0o600))
		},
		"truncated":  func(path string) error { return os.Truncate(path, 100) },
		"written to": func(path string) error { return appendTo(path, "x\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, path := newLedger(t), journalPath(t)
			journal, err := antcrm.OpenJournal(path)
			require.NoError(t, err)
			sent, failure := 0, error(nil)
			for result, err := range server.client().Contacts.Import(t.Context(), from(contacts(200), nil),
				antcrm.WithJournal(journal), antcrm.WithChunkSize(10), antcrm.WithConcurrency(1)) {
				if failure = err; err == nil && result.Index == 0 {
					require.NoError(t, disturb(path))
					sent = len(server.all())
				}
			}
			require.ErrorIs(t, failure, antcrm.ErrJournal)
			require.NotErrorIs(t, failure, antcrm.ErrJournalLocked)
			assert.ErrorContains(t, failure, path)
			assert.LessOrEqual(t, len(server.all()), sent+2, "what was under way, and what had its line already")
			_ = journal.Close()
		})
	}
	t.Run("before and behind the requests", func(t *testing.T) {
		t.Parallel()
		server, path := newLedger(t), journalPath(t)
		journal, err := antcrm.OpenJournal(path)
		require.NoError(t, err)
		require.NoError(t, os.Remove(path))
		_, err = imported(t, server.client().Contacts.Import(t.Context(), from(contacts(1), nil), antcrm.WithJournal(journal)))
		require.ErrorIs(t, err, antcrm.ErrJournal)
		assert.Empty(t, server.all())
		_ = journal.Close()

		journal, err = antcrm.OpenJournal(path)
		require.NoError(t, err)
		for _, err = range server.client().Contacts.Import(t.Context(), from(contacts(1), nil), antcrm.WithJournal(journal)) {
			_ = os.Remove(path)
		}
		require.ErrorIs(t, err, antcrm.ErrJournal, "the last line is lost too")
		_ = journal.Close()
	})
}

func appendTo(path, text string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

func TestAJournalOfAnotherAccountIsRefused(t *testing.T) {
	t.Parallel()
	server, path := newLedger(t), journalPath(t)
	_, err := rerun(t, server, path, from(contacts(10), nil))
	require.NoError(t, err)
	transport := antcrm.WithHTTPClient(&http.Client{Transport: transport(server.respond)})
	otherKey, err := antcrm.NewClient("another-key", transport)
	require.NoError(t, err)
	otherServer, err := antcrm.NewClient(secretKey, transport, antcrm.WithBaseURL("https://fake.example"))
	require.NoError(t, err)
	again := func(client *antcrm.Client, opts ...antcrm.BatchOption) ([]importResult, error) {
		journal, err := antcrm.OpenJournal(path)
		require.NoError(t, err)
		defer func() { require.NoError(t, journal.Close()) }()
		return imported(t, client.Contacts.Import(t.Context(), from(contacts(12), nil), append(opts, antcrm.WithJournal(journal))...))
	}
	for _, client := range []*antcrm.Client{otherKey, otherServer} {
		results, err := again(client)
		require.ErrorIs(t, err, antcrm.ErrJournal)
		require.ErrorContains(t, err, "another account")
		onOneLine(t, err, "another-key")
		assert.Empty(t, results)
	}
	assert.Len(t, server.all(), 1, "nothing was sent")
	results, err := again(otherKey, antcrm.WithReplacedKey())
	require.NoError(t, err)
	assert.Equal(t, "done×12", outcomes(results))
	_, err = again(otherKey)
	require.NoError(t, err, "the journal keeps the new key")
	_, err = again(server.client())
	require.ErrorIs(t, err, antcrm.ErrJournal)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.NotContains(t, string(text), secretKey)
	assert.NotContains(t, string(text), "another-key")
}

// unknownJournal is the journal of a chunk of ten whose answer was lost.
func unknownJournal(t *testing.T, server *ledger) (path string) {
	t.Helper()
	path = journalPath(t)
	server.lose = func(int, []string) bool { return true }
	_, err := rerun(t, server, path, from(contacts(10), nil))
	require.NoError(t, err)
	server.lose = nil
	return path
}

func TestAResolverIsAskedOnceTheLostRequestCanNoLongerBeUnderWay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		after time.Duration
		opts  []antcrm.Option
		more  []antcrm.BatchOption
		asked bool
	}{
		"younger than the limit and 30 s": {after: 60*time.Second - time.Millisecond},
		"as old":                          {after: 60 * time.Second, asked: true},
		"a longer limit":                  {after: 60 * time.Second, opts: []antcrm.Option{antcrm.WithTimeout(time.Minute)}},
		"as old as a longer limit":        {after: 90 * time.Second, opts: []antcrm.Option{antcrm.WithTimeout(time.Minute)}, asked: true},
		"no limit":                        {after: time.Hour - time.Millisecond, opts: []antcrm.Option{antcrm.WithTimeout(0)}},
		"an hour without a limit":         {after: time.Hour, opts: []antcrm.Option{antcrm.WithTimeout(0)}, asked: true},
		"a time of its own":               {after: 4 * time.Second, more: []antcrm.BatchOption{antcrm.WithSettle(5 * time.Second)}},
		"as old as that":                  {after: 5 * time.Second, more: []antcrm.BatchOption{antcrm.WithSettle(5 * time.Second)}, asked: true},
		"a clock that was set back":       {after: -time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if test.after < 0 {
					time.Sleep(-test.after)
				}
				server := newLedger(t)
				path, sent := unknownJournal(t, server), time.Now()
				if test.after >= 0 {
					time.Sleep(test.after)
				} else {
					text, err := os.ReadFile(path)
					require.NoError(t, err)
					at := regexp.MustCompile(`\{"sum":"[0-9a-f]{8}",("records[^\n]*"at":)[0-9]+\}`)
					later := at.ReplaceAllStringFunc(string(text), func(line string) string {
						return strings.TrimSuffix(sealed("{"+at.FindStringSubmatch(line)[1]+fmt.Sprint(sent.Add(-test.after).UnixMilli())+"}"), "\n")
					})
					require.NoError(t, os.WriteFile(path, []byte(later), 0o600))
				}
				asked := false
				resolve := antcrm.WithUnknownResolver(func(_ context.Context, chunk antcrm.UnknownChunk[antcrm.ContactCreateParams]) ([]antcrm.Resolution[antcrm.ContactRef], error) {
					asked = true
					assert.True(t, chunk.Begun.Equal(sent), "%v", chunk.Begun)
					return resolutions(10, antcrm.OutcomeNotSent), nil
				})
				journal, err := antcrm.OpenJournal(path)
				require.NoError(t, err)
				results, err := imported(t, server.client(test.opts...).Contacts.Import(t.Context(), from(contacts(10), nil), append(test.more, antcrm.WithJournal(journal), resolve)...))
				require.NoError(t, err)
				require.NoError(t, journal.Close())
				assert.Equal(t, test.asked, asked)
				if !test.asked {
					assert.Equal(t, "unknown×10", outcomes(results))
					assert.ErrorContains(t, results[0].Err, "may still be under way")
					assert.Len(t, server.all(), 1)
				}
			})
		})
	}
}

// What is found out of a part of a chunk says nothing of the time at which the other part was sent.
func TestAPartThatStaysUnknownKeepsItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newLedger(t)
		path, sent := unknownJournal(t, server), time.Now()
		var begun []time.Time
		for range 2 {
			time.Sleep(time.Hour)
			_, err := rerun(t, server, path, from(contacts(10), nil), antcrm.WithUnknownResolver(
				func(_ context.Context, chunk antcrm.UnknownChunk[antcrm.ContactCreateParams]) ([]antcrm.Resolution[antcrm.ContactRef], error) {
					begun = append(begun, chunk.Begun.UTC())
					list := resolutions(len(chunk.Records), antcrm.OutcomeUnknown)
					list[0] = found(chunk.Records[0])
					return list, nil
				}))
			require.NoError(t, err)
		}
		assert.Equal(t, []time.Time{sent.UTC(), sent.UTC()}, begun)
	})
}

// A 429 with a long wait repeats the request minutes after its chunk was begun.
func TestAJournalKnowsWhenTheLastAttemptBegan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newLedger(t)
		began := time.Now()
		server.refuse = func(n int, _ []string) reply {
			if n == 0 {
				return reply{status: http.StatusTooManyRequests, header: map[string]string{"Retry-After": "100"}}
			}
			return reply{err: errLost}
		}
		var begun []time.Time
		noted := noting{Journal: empty{}, begin: func(entry antcrm.JournalEntry) { begun = append(begun, entry.Begun) }}
		_, err := imported(t, server.client(antcrm.WithMaxRetries(1)).Contacts.Import(t.Context(), from(contacts(1), nil), antcrm.WithJournal(noted)))
		require.NoError(t, err)
		require.Len(t, begun, 2)
		assert.Equal(t, began, begun[0])
		assert.GreaterOrEqual(t, begun[1].Sub(began), 100*time.Second)
	})
}

// noting is a journal that looks at what is begun.
type noting struct {
	antcrm.Journal
	begin func(antcrm.JournalEntry)
}

func (j noting) Begin(ctx context.Context, entry antcrm.JournalEntry) error {
	j.begin(entry)
	return errors.Join(ctx.Err(), j.Journal.Begin(ctx, entry))
}

// Format 1 had no times, no account: its chunks were sent when the file was last written, or before.
func TestAJournalOfTheFirstFormatGoesOn(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	path := unknownJournal(t, server)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	old := strings.Replace(string(text), `"version":2`, `"version":1`, 1)
	header, lines, _ := strings.Cut(old, "\n")
	digest := regexp.MustCompile(`"digest":"[^"]*"`).FindString(lines)
	old = header + "\n" + sealed(`{"records":[[0,10]],`+digest+`,"state":"begun"}`)
	require.NoError(t, os.WriteFile(path, []byte(old), 0o600))
	asked := 0
	resolve := antcrm.WithUnknownResolver(func(context.Context, antcrm.UnknownChunk[antcrm.ContactCreateParams]) ([]antcrm.Resolution[antcrm.ContactRef], error) {
		asked++
		return resolutions(10, antcrm.OutcomeUnknown), nil
	})
	results, err := rerun(t, server, path, from(contacts(10), nil), resolve, antcrm.WithSettle(time.Minute))
	require.NoError(t, err)
	assert.Equal(t, "unknown×10", outcomes(results))
	assert.Zero(t, asked, "it was written a moment ago")

	require.NoError(t, os.WriteFile(path, []byte(old), 0o600))
	written := time.Now().Add(-2 * time.Minute)
	require.NoError(t, os.Chtimes(path, written, written))
	_, err = rerun(t, server, path, from(contacts(10), nil), resolve, antcrm.WithSettle(time.Minute))
	require.NoError(t, err)
	assert.Equal(t, 1, asked)
}

func TestAJournalOfOnesOwnWithoutTimesCountsAsSentWhenTheRunBegan(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	path := unknownJournal(t, server)
	file := openJournal(t, path)
	resolve := antcrm.WithUnknownResolver(func(context.Context, antcrm.UnknownChunk[antcrm.ContactCreateParams]) ([]antcrm.Resolution[antcrm.ContactRef], error) {
		t.Error("it may still be under way")
		return nil, nil
	})
	results, err := imported(t, server.client().Contacts.Import(t.Context(), from(contacts(10), nil), antcrm.WithJournal(timeless{file}), resolve))
	require.NoError(t, err)
	assert.Equal(t, "unknown×10", outcomes(results))
}

// timeless is a journal that keeps no times, and uses its slices again.
type timeless struct{ antcrm.Journal }

func (j timeless) Resume(ctx context.Context, operation string) (*antcrm.JournalHistory, error) {
	history, err := j.Journal.Resume(ctx, operation)
	if err != nil {
		return nil, err
	}
	entries := history.Entries
	history.Entries = func(yield func(antcrm.JournalEntry, error) bool) {
		for entry, err := range entries {
			entry.Begun = time.Time{}
			if !yield(entry, err) {
				return
			}
			clear(entry.Records)
		}
	}
	return history, nil
}

func TestOpenJournalNamesThePlaceItCannotWrite(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	_, err := antcrm.OpenJournal(folder)
	require.ErrorIs(t, err, antcrm.ErrJournal)
	assert.ErrorContains(t, err, folder)
	_, err = antcrm.OpenJournal(filepath.Join(folder, "missing", "journal"))
	require.ErrorIs(t, err, antcrm.ErrJournal)
	require.ErrorIs(t, err, os.ErrNotExist)
	onOneLine(t, err)
	if runtime.GOOS == "linux" {
		_, err = antcrm.OpenJournal("/dev/full")
		require.ErrorIs(t, err, antcrm.ErrJournal)
	}
	if os.Geteuid() > 0 {
		require.NoError(t, os.Chmod(folder, 0o500))
		_, err = antcrm.OpenJournal(filepath.Join(folder, "journal"))
		require.ErrorIs(t, err, os.ErrPermission)
	}
}

func TestFileJournalKeepsToTheRuleOfItsInterface(t *testing.T) {
	t.Parallel()
	ctx, journal := t.Context(), openJournal(t, journalPath(t))
	entry := antcrm.JournalEntry{Records: []antcrm.JournalRun{{First: 3, Count: 2}}, Digest: "x"}
	require.ErrorIs(t, journal.Begin(ctx, entry), antcrm.ErrJournal, "no import is under way")
	_, err := journal.Resume(ctx, "create contacts")
	require.NoError(t, err)
	require.NoError(t, journal.Begin(ctx, entry))
	require.ErrorIs(t, journal.Begin(ctx, antcrm.JournalEntry{}), antcrm.ErrJournal)
	require.NoError(t, journal.Record(ctx))
	first, second := entry, entry
	first.Outcome = antcrm.OutcomeNotSent
	second.Records = []antcrm.JournalRun{{First: 4, Count: 1}}
	second.Outcome = antcrm.OutcomeRejected
	second.Status = 409
	require.NoError(t, journal.Record(ctx, first, second))
	require.NoError(t, journal.Finish(ctx))

	history, err := journal.Resume(ctx, "create contacts")
	require.NoError(t, err)
	assert.Len(t, history.Key, 32)
	var left []antcrm.JournalEntry
	for entry, err := range history.Entries {
		require.NoError(t, err)
		left = append(left, entry)
	}
	assert.Equal(t, []antcrm.JournalEntry{second}, left)
}

func FuzzOpenJournal(f *testing.F) {
	f.Add(goodHeader + goodLine)
	f.Add(goodHeader + goodLine + sealed(`{"entries":[{"records":[[0,10]],"state":"not sent"},{"records":[[3,4],[9,1]],"digest":"x","state":"done","refs":["1",2,null]}]}`))
	f.Add(goodHeader + goodLine[:20])
	f.Add(`{"journal":"antcrm"` + "\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, content string) {
		path := journalPath(t)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		journal, err := antcrm.OpenJournal(path)
		if err != nil {
			require.ErrorIs(t, err, antcrm.ErrJournal)
			return
		}
		defer func() { require.NoError(t, journal.Close()) }()
		// Whatever it says, an import comes to an end and sends no record that
		// the journal says was begun.
		begun := map[string]bool{}
		if history, err := journal.Resume(t.Context(), "create contacts"); err == nil {
			for entry, err := range history.Entries {
				require.NoError(t, err)
				for _, run := range entry.Records {
					for i := range run.Count {
						begun[fmt.Sprint("C", run.First+i)] = true
					}
				}
			}
			require.NoError(t, journal.Finish(t.Context()))
		}
		server := newLedger(t)
		_, _ = imported(t, server.client().Contacts.Import(t.Context(), from(contacts(30), nil), antcrm.WithJournal(journal), antcrm.WithChunkSize(10)))
		for code := range server.created {
			require.False(t, begun[code], code)
		}
	})
}
