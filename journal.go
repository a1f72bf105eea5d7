package antcrm

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/antbuddy/antcrm-go/internal/journalfile"
)

var (
	// ErrJournal is any failure of an import's journal: it cannot be written, is damaged, was moved or deleted, or
	// belongs to another operation or account. The import sends nothing that is not in the journal.
	ErrJournal = errors.New("antcrm: journal failed")
	// ErrJournalLocked is a journal that another process, or another import of this process, is using. It matches
	// ErrJournal too.
	ErrJournalLocked = fmt.Errorf("%w: in use by another import", ErrJournal)
	// ErrSourceChanged is a source that no longer yields the records that were sent according to the journal.
	ErrSourceChanged = errors.New("antcrm: the source has changed since the journal was written")
)

// Journal is what an import remembers, so that it can continue after a crash. Two rules keep a record from being
// created twice:
//
//   - Before a chunk is sent, Begin makes durable that it may have been sent.
//   - A chunk that was begun and has no other entry is not sent again, unless a resolver has looked it up.
//
// A journal belongs to one source and one account (the client's base URL and key). If the source has changed, the
// import ends with ErrSourceChanged. If the account is another one and the journal keeps accounts (see JournalHistory),
// it ends with ErrJournal.
//
// An entry's key is the place of its first record: its number in the source, from 0. An entry replaces the one with the
// same key; an entry with OutcomeNotSent removes it. At any time no two entries share a record.
//
// OpenJournal keeps a journal in a file. An implementation of your own (in a database, a key-value bucket) must be safe
// for concurrent use. The contexts of Record and Finish are never cancelled; those of the other methods may be
// cancelled while they run. The slices passed to a method, and those it returns, belong to the journal: the import
// neither changes nor keeps them.
type Journal interface {
	// Resume begins an import of the operation, such as "create contacts", and returns what earlier imports have
	// recorded. It is an error if an import is under way, or if the journal is one of another operation.
	Resume(ctx context.Context, operation string) (*JournalHistory, error)
	// Begin records that a chunk is about to be sent (OutcomeUnknown). It returns once the entry is durable. If it
	// fails, the chunk is not sent. It is called again, with a later time, before each further attempt, such as after a
	// 429.
	Begin(ctx context.Context, entry JournalEntry) error
	// Record records the outcomes of chunks: all the entries or, after a crash, none. They may become durable later
	// than those of Begin, in the order of the calls: a lost entry leaves its chunk unknown, never wrong.
	Record(ctx context.Context, entries ...JournalEntry) error
	// Finish ends the import and makes all entries durable.
	Finish(ctx context.Context) error
}

// JournalHistory is what a journal knows when an import begins.
type JournalHistory struct {
	// Key is the secret key of the digests.
	Key []byte
	// Account is the account that SetAccount last stored. Empty: none.
	Account string
	// SetAccount stores the account that the journal belongs to (see Client.Account), durably no later than the next
	// entry. It is called at most once, before anything is sent. Nil: the journal keeps no account, and works for any.
	SetAccount func(ctx context.Context, account string) error
	// Entries are the chunks that were begun, ordered by their first records. The import reads them in step with the
	// source.
	Entries iter.Seq2[JournalEntry, error]
}

// JournalEntry is what a journal has about one chunk. It holds no personal data.
type JournalEntry struct {
	Records []JournalRun // the places in the source, ascending
	Digest  string       // HMAC-SHA-256 of the chunk's body under the journal's key
	Outcome Outcome      // OutcomeUnknown from Begin on; OutcomeNotSent removes the entry
	// Begun is when the chunk was last sent, by the clock of the machine that sent it. Zero: not known; the time of
	// WithSettle then counts from the time when the import is resumed.
	Begun  time.Time
	Status int             // HTTP status of a refusal, 0 if none
	Refs   json.RawMessage // the references of a chunk that is done: an array, one for each record
}

// JournalRun is a run of records in a source. In JSON it is [first, count].
type JournalRun struct{ First, Count int64 }

// MarshalJSON writes [first, count].
func (r JournalRun) MarshalJSON() ([]byte, error) { return json.Marshal([2]int64{r.First, r.Count}) }

// UnmarshalJSON reads [first, count].
func (r *JournalRun) UnmarshalJSON(data []byte) error {
	var pair []int64
	if err := json.Unmarshal(data, &pair); err != nil || len(pair) != 2 {
		return errDamaged
	}
	r.First, r.Count = pair[0], pair[1]
	return nil
}

func runsOf(at []int64) []JournalRun {
	var runs []JournalRun
	for _, index := range at {
		if last := len(runs) - 1; last >= 0 && runs[last].First+runs[last].Count == index {
			runs[last].Count++
		} else {
			runs = append(runs, JournalRun{First: index, Count: 1})
		}
	}
	return runs
}

// First returns the place of the chunk's first record, the entry's key; -1 if it has no records.
func (e JournalEntry) First() int64 {
	if len(e.Records) == 0 {
		return -1
	}
	return e.Records[0].First
}

// Count returns how many records the chunk has.
func (e JournalEntry) Count() int {
	count := int64(0)
	for _, run := range e.Records {
		count += run.Count
	}
	return int(count)
}

// copy is an entry for a journal: the slices passed to one belong to it.
func (e JournalEntry) copy() JournalEntry {
	e.Records = slices.Clone(e.Records)
	return e
}

// check refuses an entry that no import can have written.
func (e JournalEntry) check() error {
	next, count := int64(0), int64(0)
	for _, run := range e.Records {
		if run.First < next || run.Count < 1 || run.Count > MaxBatchSize {
			return errDamaged
		}
		next = run.First + run.Count
		count += run.Count
	}
	if count < 1 || count > MaxBatchSize || next < 0 || e.Outcome < OutcomeUnknown || e.Outcome > OutcomeNotSent {
		return errDamaged
	}
	return nil
}

var errDamaged = journalfile.ErrDamaged

// journalLine is a line of the file: an entry, several entries that were recorded together, or the account.
type journalLine struct {
	Records []JournalRun    `json:"records,omitempty"`
	Digest  string          `json:"digest,omitempty"`
	State   string          `json:"state,omitempty"`
	At      int64           `json:"at,omitempty"` // of JournalEntry.Begun, in Unix milliseconds
	Status  int             `json:"status,omitempty"`
	Refs    json.RawMessage `json:"refs,omitempty"`
	Entries []journalLine   `json:"entries,omitempty"`
	Account string          `json:"account,omitempty"`
}

const stateBegun = "begun"

// journalStates are the names of outcomes in the file, by Outcome.
func journalStates() [4]string {
	return [...]string{OutcomeUnknown: "unknown", OutcomeDone: "done", OutcomeRejected: "rejected", OutcomeNotSent: "not sent"}
}

func (e JournalEntry) line() journalLine {
	line := journalLine{Records: e.Records, Digest: e.Digest, State: journalStates()[e.Outcome], Status: e.Status, Refs: e.Refs}
	if e.Outcome == OutcomeUnknown {
		if e.Begun.IsZero() {
			e.Begun = time.Now() // no later
		}
		line.At = e.Begun.UnixMilli()
	}
	return line
}

func (l journalLine) entry() (JournalEntry, error) {
	e := JournalEntry{Records: l.Records, Digest: l.Digest, Status: l.Status, Refs: l.Refs}
	if l.At != 0 {
		e.Begun = time.UnixMilli(l.At)
	}
	states := journalStates()
	e.Outcome = Outcome(slices.Index(states[:], l.State)) // -1 is refused by check
	if l.State == stateBegun {
		e.Outcome = OutcomeUnknown
	}
	return e, e.check()
}

// parseLine reads a line: entries, or the account.
func parseLine(text []byte) (entries []JournalEntry, account string, err error) {
	var parsed journalLine
	if err := strictJSON(text, &parsed); err != nil {
		return nil, "", err
	}
	lines := parsed.Entries
	switch {
	case lines != nil:
	case parsed.Account != "" && parsed.State == "":
		return nil, parsed.Account, nil
	default:
		lines = []journalLine{parsed}
	}
	entries = make([]JournalEntry, len(lines))
	for i := range lines {
		if entries[i], err = lines[i].entry(); err != nil {
			return nil, "", err
		}
	}
	return entries, "", nil
}

func strictJSON(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return errDamaged
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errDamaged
	}
	return nil
}

// journalHeader is the first line of the file. Its beginning identifies a journal, so that another file is never cut or
// written to.
type journalHeader struct {
	Kind      string `json:"journal"`
	Version   int    `json:"version"`
	Operation string `json:"operation"`
	Key       []byte `json:"key"`
}

const (
	journalKind    = "antcrm"
	journalMagic   = `{"journal":"antcrm"`
	journalVersion = 2 // version 1 has neither times nor an account; it is read, and continued with lines of version 2
	journalKeySize = 32
)

// FileJournal is a Journal in a file of JSON lines, which are only appended. The first line is a header. Each chunk has
// a line before it is sent and one after its answer. Begin returns when its line is on the disk: it calls fsync, once
// for all workers that wait at the time. The lines of answers are written at once, and reach the disk with the next
// Begin or the end of the import.
//
// The file holds places, times, the CRM's references, statuses, a hash of the account, and hashes of the chunks under a
// random key in the header; it holds no personal data. Because of the key, the hashes of two journals cannot be
// compared. Whoever has the file, and with it the key, can still try out values for a chunk of one record. The file's
// mode is 0600, and it is locked against other processes while it is open.
//
// A chunk takes about 320 bytes on the disk, plus 10 to 20 for each record, and about 60 bytes in memory.
type FileJournal struct {
	path string
	file *journalfile.File

	mu      sync.Mutex    // of all below
	header  journalHeader // Kind "" until the first import
	account string        // "" until an import sets it
	entries map[int64]journalfile.Span
	inUse   bool
}

// OpenJournal opens the journal in a file, or creates it. Each source and each account needs a file of its own. Close
// the journal when the import is over.
//
// An incomplete last line, as a crash leaves it, is cut off. The error matches ErrJournal if the file is damaged in
// another way (a power cut can do this, if the file system has written a later line first), if it is not a journal (the
// file is not changed), or if it is in use (ErrJournalLocked). If another program moves, deletes, replaces or changes
// the file while an import uses it, the import sends nothing more and ends with ErrJournal.
func OpenJournal(path string) (*FileJournal, error) {
	j := &FileJournal{path: path, entries: map[int64]journalfile.Span{}}
	file, err := journalfile.Open(path, journalMagic, j.read)
	if err != nil {
		return nil, j.failure("open", err)
	}
	j.file = file
	return j, nil
}

// failure names the journal in an error.
func (j *FileJournal) failure(doing string, err error) error {
	if err == nil {
		return nil
	}
	if pathErr, ok := errors.AsType[*os.PathError](err); ok {
		err = pathErr.Err // the path is named already
	}
	if errors.Is(err, journalfile.ErrLocked) {
		err = ErrJournalLocked
	}
	return journalFailure{fmt.Errorf("antcrm: %s journal %s: %w", doing, j.path, err)}
}

// journalFailure makes an error match ErrJournal without its text.
type journalFailure struct{ error }

func (f journalFailure) Unwrap() error      { return f.error }
func (journalFailure) Is(target error) bool { return target == ErrJournal }

// read reads a line of the file.
func (j *FileJournal) read(number int, text []byte, at journalfile.Span) error {
	if number == 1 {
		return j.readHeader(text)
	}
	entries, account, err := parseLine(text)
	if err != nil {
		return err
	}
	if account != "" {
		j.account = account
	}
	j.apply(entries, at)
	return nil
}

func (j *FileJournal) readHeader(line []byte) error {
	var header journalHeader
	if err := json.Unmarshal(line, &header); err != nil {
		return errDamaged
	}
	if header.Version < 1 || header.Version > journalVersion {
		return fmt.Errorf("was written by another version of the SDK (format %d)", header.Version)
	}
	if header.Operation == "" || len(header.Key) != journalKeySize {
		return errDamaged
	}
	j.header = header
	return nil
}

func (j *FileJournal) apply(entries []JournalEntry, at journalfile.Span) {
	for _, entry := range entries {
		if entry.Outcome == OutcomeNotSent {
			delete(j.entries, entry.First())
		} else {
			j.entries[entry.First()] = at
		}
	}
}

// Resume implements Journal.
func (j *FileJournal) Resume(_ context.Context, operation string) (*JournalHistory, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.file.Check(); err != nil {
		return nil, j.failure("resume", err)
	}
	if j.inUse {
		return nil, j.failure("resume", ErrJournalLocked)
	}
	if j.header.Kind == "" {
		if err := j.begin(operation); err != nil {
			return nil, j.failure("begin", err)
		}
	}
	if j.header.Operation != operation {
		return nil, j.failure("resume", fmt.Errorf("it is one of %q, not of %q", oneLine(j.header.Operation, 100), operation))
	}
	j.inUse = true
	firsts := slices.Sorted(maps.Keys(j.entries))
	spans := make([]journalfile.Span, len(firsts))
	for i, first := range firsts {
		spans[i] = j.entries[first]
	}
	return &JournalHistory{Key: slices.Clone(j.header.Key), Account: j.account, SetAccount: j.setAccount, Entries: j.replay(firsts, spans)}, nil
}

func (j *FileJournal) setAccount(_ context.Context, account string) error {
	if err := j.add(journalLine{Account: account}); err != nil {
		return j.failure("write", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.account = account
	return nil
}

// begin writes the header.
func (j *FileJournal) begin(operation string) error {
	header := journalHeader{Kind: journalKind, Version: journalVersion, Operation: operation, Key: make([]byte, journalKeySize)}
	_, _ = rand.Read(header.Key) // never fails
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	if err := j.file.Begin(text); err != nil {
		return err
	}
	j.header = header
	return nil
}

// replay reads entries back, one at a time.
func (j *FileJournal) replay(firsts []int64, spans []journalfile.Span) iter.Seq2[JournalEntry, error] {
	return func(yield func(JournalEntry, error) bool) {
		for i, first := range firsts {
			entry, err := j.entry(first, spans[i])
			if err != nil {
				yield(JournalEntry{}, j.failure("read", err))
				return
			}
			if !yield(entry, nil) {
				return
			}
		}
	}
}

func (j *FileJournal) entry(first int64, at journalfile.Span) (JournalEntry, error) {
	text, err := j.file.Line(at)
	if err != nil {
		return JournalEntry{}, err
	}
	entries, _, err := parseLine(text)
	if err != nil {
		return JournalEntry{}, err
	}
	for _, entry := range entries {
		if entry.First() == first && entry.Outcome != OutcomeNotSent {
			if entry.Outcome == OutcomeUnknown && entry.Begun.IsZero() {
				entry.Begun = j.file.Modified() // of format 1; no later
			}
			return entry, nil
		}
	}
	return JournalEntry{}, fmt.Errorf("the line at offset %d %w", at.Offset, errDamaged)
}

// Begin implements Journal.
func (j *FileJournal) Begin(_ context.Context, entry JournalEntry) error {
	line := entry.line()
	line.State = stateBegun
	err := j.add(line, entry)
	if err == nil {
		err = j.file.Sync(j.file.Size())
	}
	return j.failure("write", err)
}

// Record implements Journal.
func (j *FileJournal) Record(_ context.Context, entries ...JournalEntry) error {
	var line journalLine
	switch len(entries) {
	case 0:
		return nil
	case 1:
		line = entries[0].line()
	default:
		for _, entry := range entries {
			line.Entries = append(line.Entries, entry.line())
		}
	}
	return j.failure("write", j.add(line, entries...))
}

// add appends a line.
func (j *FileJournal) add(line journalLine, entries ...JournalEntry) error {
	for _, entry := range entries {
		if err := entry.check(); err != nil {
			return fmt.Errorf("an entry %w", err)
		}
	}
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.inUse {
		return errors.New("no import is under way")
	}
	at, err := j.file.Append(text)
	if err == nil {
		j.apply(entries, at)
	}
	return err
}

// Finish implements Journal.
func (j *FileJournal) Finish(context.Context) error {
	j.mu.Lock()
	j.inUse = false
	j.mu.Unlock()
	err := j.file.Check()
	if err == nil {
		err = j.file.Sync(j.file.Size())
	}
	return j.failure("write", err)
}

// Close closes the file and lets others open it. It may be called twice.
func (j *FileJournal) Close() error { return j.failure("close", j.file.Close()) }
