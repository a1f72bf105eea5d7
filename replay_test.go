package antcrm_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

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
