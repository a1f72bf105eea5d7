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

// empty is a journal of one's own that has nothing to give.
type empty struct{ history *antcrm.JournalHistory }

func (e empty) Resume(context.Context, string) (*antcrm.JournalHistory, error) { return e.history, nil }

func (empty) Begin(context.Context, antcrm.JournalEntry) error { return nil }

func (empty) Record(context.Context, ...antcrm.JournalEntry) error { return nil }

func (empty) Finish(context.Context) error { return nil }

func TestAJournalOfOnesOwnMayHaveNoHistory(t *testing.T) {
	t.Parallel()
	for _, history := range []*antcrm.JournalHistory{nil, {}} {
		server := newLedger(t)
		results, err := imported(t, server.client().Contacts.Import(t.Context(), from(contacts(3), nil), antcrm.WithJournal(empty{history})))
		require.NoError(t, err)
		assert.Equal(t, "done×3", outcomes(results))
	}
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

// What an import promises to a journal of the caller's: contexts that last where they must, and slices that are its
// own.

// keeping is a journal that looks at what it is passed, and overwrites it afterwards.
type keeping struct {
	antcrm.Journal
	t       *testing.T
	begin   func(ctx context.Context) error // nil: nothing
	records func()                          // nil: nothing
}

func (j *keeping) Begin(ctx context.Context, entry antcrm.JournalEntry) error {
	if j.begin != nil {
		if err := j.begin(ctx); err != nil {
			return err
		}
	}
	err := j.Journal.Begin(ctx, copyOf(entry))
	change(entry)
	return err
}

func (j *keeping) Record(ctx context.Context, entries ...antcrm.JournalEntry) error {
	if j.records != nil {
		j.records()
	}
	assert.NoError(j.t, ctx.Err(), "the context of Record is never cancelled")
	assert.NoError(j.t, context.Cause(ctx))
	copies := make([]antcrm.JournalEntry, len(entries))
	for i, entry := range entries {
		copies[i] = copyOf(entry)
	}
	err := j.Journal.Record(ctx, copies...)
	change(entries...)
	return err
}

func (j *keeping) Finish(ctx context.Context) error {
	assert.NoError(j.t, ctx.Err(), "the context of Finish is never cancelled")
	return j.Journal.Finish(ctx)
}

func copyOf(entry antcrm.JournalEntry) antcrm.JournalEntry {
	entry.Records, entry.Refs = slices.Clone(entry.Records), bytes.Clone(entry.Refs)
	return entry
}

// change overwrites what the journal was passed: the slices belong to it.
func change(entries ...antcrm.JournalEntry) {
	for i := range entries {
		clear(entries[i].Records)
		for n := range entries[i].Refs {
			entries[i].Refs[n] = '#'
		}
	}
	clear(entries)
}

func TestAJournalsSlicesAreItsOwn(t *testing.T) {
	t.Parallel()
	server, path, list := newLedger(t), journalPath(t), contacts(20)
	server.refuse = refuseCodes("C7")
	file := openJournal(t, path)
	results, err := imported(t, server.client().Contacts.Import(t.Context(), from(list, nil),
		antcrm.WithJournal(&keeping{Journal: file, t: t}), antcrm.WithChunkSize(5), antcrm.WithIsolation()))
	require.NoError(t, err)
	checkRefs(t, list, results)
	require.NoError(t, file.Close())
	again, err := rerun(t, server, path, from(list, nil), antcrm.WithChunkSize(5))
	require.NoError(t, err)
	assert.Equal(t, outcomes(results), outcomes(again))
	_, doubled := server.counts()
	assert.Empty(t, doubled)
}

// What was sent is recorded although the import was cancelled meanwhile, however long the journal takes.
func TestACancelledImportStillRecordsWhatItKnows(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server, path, list := newLedger(t), journalPath(t), contacts(30)
	file := openJournal(t, path)
	journal := &keeping{Journal: file, t: t, records: cancel}
	results, err := imported(t, server.client().Contacts.Import(ctx, from(list, nil),
		antcrm.WithJournal(journal), antcrm.WithChunkSize(10), antcrm.WithConcurrency(1)))
	require.ErrorIs(t, err, context.Canceled)
	checkRefs(t, list[:len(results)], results)
	require.NoError(t, file.Close())

	results, err = rerun(t, server, path, from(list, nil), antcrm.WithChunkSize(10))
	require.NoError(t, err)
	assert.Equal(t, "done", results[0].Outcome.String(), "the first chunk was recorded")
	_, doubled := server.counts()
	assert.Empty(t, doubled)
}

// A journal that hangs in Begin is stopped by the import's context, and nothing of its chunk is sent.
func TestABeginThatHangsEndsWithTheImport(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		server := newLedger(t)
		journal := &keeping{Journal: empty{nil}, t: t, begin: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		results, err := imported(t, server.client().Contacts.Import(ctx, from(contacts(250), nil), antcrm.WithJournal(journal)))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(begin))
		assert.Empty(t, server.all())
		for _, result := range results {
			assert.Equal(t, antcrm.OutcomeNotSent, result.Outcome)
		}
	})
}

// A slow journal delays what it must and loses nothing.
func TestASlowJournalIsWaitedFor(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		server, list := newLedger(t), contacts(40)
		journal := &keeping{Journal: empty{nil}, t: t, records: func() { time.Sleep(5 * time.Second) }, begin: func(context.Context) error {
			time.Sleep(time.Second)
			return nil
		}}
		results, err := imported(t, server.client().Contacts.Import(t.Context(), from(list, nil),
			antcrm.WithJournal(journal), antcrm.WithChunkSize(10), antcrm.WithConcurrency(2)))
		require.NoError(t, err)
		checkRefs(t, list, results)
		assert.Equal(t, "done×40", outcomes(results))
		assert.Len(t, server.all(), 4)
	})
}
