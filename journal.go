package antcrm

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
)

var (
	// ErrJournal is any failure of an import's journal: it cannot be written, is
	// damaged, belongs to another operation. Nothing is sent that is not in it.
	ErrJournal = errors.New("antcrm: journal failed")
	// ErrJournalLocked is a journal that another process, or another import of
	// this one, is using. It is an ErrJournal too.
	ErrJournalLocked = fmt.Errorf("%w: in use by another import", ErrJournal)
	// ErrSourceChanged is a source that no longer gives the records which the
	// journal says were sent.
	ErrSourceChanged = errors.New("antcrm: the source has changed since the journal was written")
)

// Journal is the memory of an import, by which it goes on after a crash. The
// rule that keeps a record from being created twice is two lines:
//
//   - before a chunk is sent, Begin makes durable that it may have been sent;
//   - a chunk that was begun, and of which nothing more is known, is never sent
//     again unless somebody has looked.
//
// A journal belongs to one source, one account and one server. Nothing checks the
// account and the server: with a journal written against a fake, an import into
// the real service sends nothing, and gives all as done.
//
// The places of records (their numbers in the source, from 0) are its keys: an
// entry replaces the one with the same first record, and one that is
// OutcomeNotSent removes it. What is left at any time are entries that share no
// record.
//
// OpenJournal keeps one in a file. An implementation elsewhere (a database, a
// key-value bucket) must be safe for concurrent use.
type Journal interface {
	// Resume begins an import of the operation, such as "create contacts", and
	// gives what earlier ones have left. An import under way, or a journal of
	// another operation, is an error.
	Resume(ctx context.Context, operation string) (*JournalHistory, error)
	// Begin notes that a chunk is about to be sent (OutcomeUnknown). It returns
	// once the entry is durable; if it fails, the chunk is not sent.
	Begin(ctx context.Context, entry JournalEntry) error
	// Record notes what became of chunks: all the entries or, after a crash,
	// none. They may become durable later than Begin's, in the same order: one
	// that is lost leaves a chunk unknown, never wrong.
	Record(ctx context.Context, entries ...JournalEntry) error
	// Finish ends the import and makes everything durable.
	Finish(ctx context.Context) error
}

// JournalHistory is what a journal knows when an import begins.
type JournalHistory struct {
	// Key is the secret of the journal's digests.
	Key []byte
	// Entries are the chunks that were begun, in the order of their first
	// records. It is read in step with the source, not at once.
	Entries iter.Seq2[JournalEntry, error]
}

// JournalEntry is what is known of one chunk. It holds no personal data.
type JournalEntry struct {
	Records []JournalRun    // the places in the source, ascending
	Digest  string          // HMAC-SHA-256 of the chunk's body under the journal's key
	Outcome Outcome         // OutcomeUnknown from Begin on; OutcomeNotSent: as if it had never been begun
	Status  int             // HTTP status of a refusal, 0 if none
	Refs    json.RawMessage // the references of a chunk that is done: an array, one a record
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

// First is the place of the chunk's first record: the entry's key.
func (e JournalEntry) First() int64 {
	if len(e.Records) == 0 {
		return -1
	}
	return e.Records[0].First
}

// Count is how many records the chunk has.
func (e JournalEntry) Count() int {
	count := int64(0)
	for _, run := range e.Records {
		count += run.Count
	}
	return int(count)
}

// check refuses what no import can have written.
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

var errDamaged = errors.New("is damaged")

// journalLine is an entry as the file has it, or entries that became known at
// once.
type journalLine struct {
	Records []JournalRun    `json:"records,omitempty"`
	Digest  string          `json:"digest,omitempty"`
	State   string          `json:"state,omitempty"`
	Status  int             `json:"status,omitempty"`
	Refs    json.RawMessage `json:"refs,omitempty"`
	Entries []journalLine   `json:"entries,omitempty"`
}

const stateBegun = "begun"

// journalStates are the names of outcomes in the file, by Outcome.
func journalStates() [4]string {
	return [...]string{OutcomeUnknown: "unknown", OutcomeDone: "done", OutcomeRejected: "rejected", OutcomeNotSent: "not sent"}
}

func (e JournalEntry) line(begun bool) journalLine {
	state := journalStates()[e.Outcome]
	if begun {
		state = stateBegun
	}
	return journalLine{Records: e.Records, Digest: e.Digest, State: state, Status: e.Status, Refs: e.Refs}
}

func (l journalLine) entry() (JournalEntry, error) {
	e := JournalEntry{Records: l.Records, Digest: l.Digest, Status: l.Status, Refs: l.Refs}
	states := journalStates()
	outcome := slices.Index(states[:], l.State)
	if l.State == stateBegun {
		outcome = int(OutcomeUnknown)
	}
	e.Outcome = Outcome(outcome) // -1 is refused by check
	return e, e.check()
}

// parseLine reads a line.
func parseLine(line []byte) ([]JournalEntry, error) {
	text, ok := unseal(line)
	if !ok {
		return nil, errDamaged
	}
	var parsed journalLine
	if err := strictJSON(text, &parsed); err != nil {
		return nil, err
	}
	lines := parsed.Entries
	if lines == nil {
		lines = []journalLine{parsed}
	}
	entries := make([]JournalEntry, len(lines))
	for i := range lines {
		var err error
		if entries[i], err = lines[i].entry(); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// A line begins with a checksum of its rest: one that was edited, or rotted, is
// damaged, and not another chunk.
const (
	sealBegin = `{"sum":"`
	sealEnd   = `",`
	sealSize  = len(sealBegin) + 8 + len(sealEnd)
)

func seal(text []byte) []byte {
	line := fmt.Appendf(nil, "%s%08x%s", sealBegin, crc32.ChecksumIEEE(text), sealEnd)
	return append(line, text[1:]...) // without its brace
}

func unseal(line []byte) (text []byte, ok bool) {
	if len(line) < sealSize {
		return nil, false
	}
	text = append([]byte("{"), line[sealSize:]...)
	return text, bytes.Equal(line, seal(text))
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

// journalHeader is the first line of the file. Its beginning tells a journal
// from any other file, so that no other file is ever cut or written to.
type journalHeader struct {
	Kind      string `json:"journal"`
	Version   int    `json:"version"`
	Operation string `json:"operation"`
	Key       []byte `json:"key"`
}

const (
	journalKind    = "antcrm"
	journalMagic   = `{"journal":"antcrm"`
	journalVersion = 1
	journalKeySize = 32
	maxJournalLine = 1 << 20
)

// FileJournal is a Journal in a file: JSON lines, only ever appended to. The
// first line is a header; then one line for a chunk before it is sent and one
// after its answer. Begin returns when its line is on the disk (fsync, one for
// all workers that wait at the time); the lines of answers are written at once
// and reach the disk with the next Begin or the end of the import.
//
// The file holds places, references of the CRM, statuses, and hashes keyed with
// a random key in the header; no personal data. The key keeps the hashes of two
// journals from being compared, and tables from being prepared; it does not
// keep whoever holds the file from trying values for a chunk of one record.
// The file's mode is 0600, and it is locked against other processes while open.
//
// It takes about 300 bytes a chunk and 10 to 20 a record on the disk, and some
// 60 bytes a chunk in memory.
type FileJournal struct {
	path string

	mu      sync.Mutex // of all below
	file    *os.File
	header  journalHeader // Kind "" until the first import
	size    int64         // of the lines written
	entries map[int64]journalSpan
	inUse   bool
	failed  error // a write that failed: nothing may follow it

	syncing sync.Mutex // one fsync at a time; taken before mu
	synced  int64
}

// journalSpan is where in the file the line of an entry is.
type journalSpan struct {
	offset int64
	length int32
}

// OpenJournal opens the journal in a file, or begins one. Each account, and each
// server, a fake included, needs a file of its own: nothing checks it, and what
// was sent to one is not sent to the other (see Journal).
//
// A last line that a crash has torn (no end, or zeros in it) is cut off; any
// other damage, a file that is no journal, and one that is in use
// (ErrJournalLocked) are errors that match ErrJournal. A power cut can leave such
// damage too, if the file system had written a later line first. Close it when
// the import is over.
func OpenJournal(path string) (*FileJournal, error) {
	j := &FileJournal{path: path, entries: map[int64]journalSpan{}}
	file, err := openLocked(path)
	if err != nil {
		return nil, j.failure("open", err)
	}
	j.file = file
	if err := j.load(); err != nil {
		_ = closeLocked(file, path)
		return nil, j.failure("open", err)
	}
	return j, nil
}

// failure names the journal in an error.
func (j *FileJournal) failure(doing string, err error) error {
	if pathErr, ok := errors.AsType[*os.PathError](err); ok {
		err = pathErr.Err // the path is named already
	}
	if errors.Is(err, ErrJournal) {
		return fmt.Errorf("antcrm: %s journal %s: %w", doing, j.path, err)
	}
	return journalFailure{fmt.Errorf("antcrm: %s journal %s: %w", doing, j.path, err)}
}

// journalFailure makes an error match ErrJournal without its text.
type journalFailure struct{ error }

func (f journalFailure) Unwrap() error      { return f.error }
func (journalFailure) Is(target error) bool { return target == ErrJournal }

// load reads the file and leaves it ready to be appended to.
func (j *FileJournal) load() error {
	info, err := j.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("is not a regular file")
	}
	if info.Mode().Perm()&0o077 != 0 {
		// Not every file system can; there is no personal data in it either way.
		_ = j.file.Chmod(0o600)
	}
	if err := j.scan(); err != nil {
		return err
	}
	if j.size < info.Size() {
		if err := j.file.Truncate(j.size); err != nil {
			return err
		}
		return j.file.Sync()
	}
	return nil
}

// scan indexes the lines. It ends before a torn last line, so that size is
// where the next line goes.
func (j *FileJournal) scan() error {
	lines := bufio.NewReaderSize(j.file, 64<<10)
	var damaged error
	for number := 1; ; number++ {
		line, err := readLine(lines)
		if number == 1 && !isHeader(line) {
			return errors.New("is not a journal")
		}
		if errors.Is(err, io.EOF) {
			return nil // what is left has no end: torn
		}
		if damaged != nil {
			return damaged // and more follows
		}
		if err == nil {
			err = j.index(number, line)
		}
		if errors.Is(err, errDamaged) {
			damaged = fmt.Errorf("line %d %w", number, errDamaged)
			if number > 1 && bytes.IndexByte(line, 0) < 0 {
				return damaged
			}
			continue // the last line may be torn in its middle, where zeros are then
		}
		if err != nil {
			return err
		}
		j.size += int64(len(line)) + 1
	}
}

// isHeader reports whether a first line is a header, or the part of one that a
// crash has left.
func isHeader(line []byte) bool {
	return strings.HasPrefix(string(line), journalMagic) || strings.HasPrefix(journalMagic, string(line))
}

// readLine reads a line without its end. Too long a line is damaged; it is
// read to its end all the same.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	tooLong := false
	for {
		piece, err := r.ReadSlice('\n')
		if len(line)+len(piece) > maxJournalLine {
			tooLong = true
			line = line[:min(len(line), len(journalMagic))]
		} else {
			line = append(line, piece...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return line, err
		case tooLong:
			return line, errDamaged
		}
		return line[:len(line)-1], nil
	}
}

func (j *FileJournal) index(number int, line []byte) error {
	if number == 1 {
		return j.readHeader(line)
	}
	entries, err := parseLine(line)
	if err != nil {
		return err
	}
	j.apply(entries, journalSpan{offset: j.size, length: int32(len(line))})
	return nil
}

func (j *FileJournal) readHeader(line []byte) error {
	var header journalHeader
	if err := json.Unmarshal(line, &header); err != nil {
		return errDamaged
	}
	if header.Version != journalVersion {
		return fmt.Errorf("was written by another version of the SDK (format %d)", header.Version)
	}
	if header.Operation == "" || len(header.Key) != journalKeySize {
		return errDamaged
	}
	j.header = header
	return nil
}

func (j *FileJournal) apply(entries []JournalEntry, at journalSpan) {
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
	if err := j.usable(); err != nil {
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
	spans := make([]journalSpan, len(firsts))
	for i, first := range firsts {
		spans[i] = j.entries[first]
	}
	return &JournalHistory{Key: slices.Clone(j.header.Key), Entries: j.replay(j.file, firsts, spans)}, nil
}

func (j *FileJournal) usable() error {
	if j.file == nil {
		return os.ErrClosed
	}
	return j.failed
}

// begin writes the header. It is durable, and so is the file's name, before
// any line follows.
func (j *FileJournal) begin(operation string) error {
	header := journalHeader{Kind: journalKind, Version: journalVersion, Operation: operation, Key: make([]byte, journalKeySize)}
	_, _ = rand.Read(header.Key) // never fails
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	if err := j.write(text, nil); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		j.failed = err
		return err
	}
	if err := syncFolder(j.path); err != nil {
		return err
	}
	j.header = header
	return nil
}

// replay reads entries back, one at a time.
func (j *FileJournal) replay(file *os.File, firsts []int64, spans []journalSpan) iter.Seq2[JournalEntry, error] {
	return func(yield func(JournalEntry, error) bool) {
		for i, first := range firsts {
			entry, err := readEntry(file, first, spans[i])
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

func readEntry(file *os.File, first int64, at journalSpan) (JournalEntry, error) {
	line := make([]byte, at.length)
	if _, err := file.ReadAt(line, at.offset); err != nil {
		return JournalEntry{}, err
	}
	entries, err := parseLine(line)
	if err != nil {
		return JournalEntry{}, fmt.Errorf("the line at offset %d %w", at.offset, err)
	}
	for _, entry := range entries {
		if entry.First() == first && entry.Outcome != OutcomeNotSent {
			return entry, nil
		}
	}
	return JournalEntry{}, fmt.Errorf("the line at offset %d %w", at.offset, errDamaged)
}

// Begin implements Journal.
func (j *FileJournal) Begin(_ context.Context, entry JournalEntry) error {
	end, err := j.add(entry.line(true), entry)
	if err == nil {
		err = j.sync(end)
	}
	if err != nil {
		return j.failure("write", err)
	}
	return nil
}

// Record implements Journal.
func (j *FileJournal) Record(_ context.Context, entries ...JournalEntry) error {
	var err error
	switch len(entries) {
	case 0:
		return nil
	case 1:
		_, err = j.add(entries[0].line(false), entries...)
	default:
		var line journalLine
		for _, entry := range entries {
			line.Entries = append(line.Entries, entry.line(false))
		}
		_, err = j.add(line, entries...)
	}
	if err != nil {
		return j.failure("write", err)
	}
	return nil
}

// add appends a line and returns where it ends.
func (j *FileJournal) add(line journalLine, entries ...JournalEntry) (int64, error) {
	for _, entry := range entries {
		if err := entry.check(); err != nil {
			return 0, fmt.Errorf("an entry %w", err)
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.usable(); err != nil {
		return 0, err
	}
	if !j.inUse {
		return 0, errors.New("no import is under way")
	}
	text, err := json.Marshal(line)
	if err != nil {
		return 0, err
	}
	if err := j.write(seal(text), entries); err != nil {
		return 0, err
	}
	return j.size, nil
}

// write appends a line. After a failure nothing more is written: the next line
// would be glued to a torn one.
func (j *FileJournal) write(text []byte, entries []JournalEntry) error {
	if len(text) > maxJournalLine {
		return errors.New("the references are too long")
	}
	if _, err := j.file.WriteAt(append(text, '\n'), j.size); err != nil {
		j.failed = err
		return err
	}
	j.apply(entries, journalSpan{offset: j.size, length: int32(len(text))})
	j.size += int64(len(text)) + 1
	return nil
}

// sync returns when everything before end is on the disk. Those who wait for
// the fsync of another share the next one.
func (j *FileJournal) sync(end int64) error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	if j.synced >= end {
		return nil
	}
	j.mu.Lock()
	file, size, err := j.file, j.size, j.usable()
	j.mu.Unlock()
	if err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		j.mu.Lock()
		j.failed = err // what is on the disk is not known any more
		j.mu.Unlock()
		return err
	}
	j.synced = size
	return nil
}

// Finish implements Journal.
func (j *FileJournal) Finish(context.Context) error {
	j.mu.Lock()
	j.inUse = false
	end, err := j.size, j.usable()
	j.mu.Unlock()
	if err == nil {
		err = j.sync(end)
	}
	if err != nil {
		return j.failure("write", err)
	}
	return nil
}

// Close closes the file and lets others open it. It may be called twice.
func (j *FileJournal) Close() error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	var err error
	if j.failed == nil && j.synced < j.size {
		err = j.file.Sync()
	}
	if closeErr := closeLocked(j.file, j.path); err == nil {
		err = closeErr
	}
	j.file = nil
	if err != nil {
		return j.failure("close", err)
	}
	return nil
}
