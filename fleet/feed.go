package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antbuddy/antcrm-go"
)

// Job is one source to be imported. Feeding the same source again under the
// same name goes on where it was left, and queues nothing twice; another source
// under that name is refused as ErrSourceChanged.
type Job struct {
	Name      string // letters, digits, "-" and "_", 64 at most
	ChunkSize int    // records a request: 1 to 100, the default
	// Progress, if set, is called now and then while feeding, and at the end.
	Progress func(FeedReport)
	// Metrics, if set, counts what is read and queued.
	Metrics *Metrics
}

// FeedReport is how far feeding has come.
type FeedReport struct {
	Records int64 // read from the source
	Chunks  int64 // safe in the stream
	Known   int64 // of these, chunks that an earlier run had fed
}

// maxChunkBytes is what fits a message of a cluster with default settings
// (1 MiB), with room for headers. It is no option: chunks must be cut alike by
// every run of a job.
const maxChunkBytes = 960 << 10

// FeedContacts queues new contacts; leads and customers travel in chunks of
// their own. It returns when all are in the stream, or with the source's error;
// what came before the error stays queued, but for chunks that were not full.
func (f *Fleet) FeedContacts(ctx context.Context, job Job, source iter.Seq2[antcrm.ContactCreateParams, error]) (FeedReport, error) {
	return feed(ctx, f, job, Contacts, source, contactGroup, func(p *antcrm.ContactCreateParams) string { return p.ExternalID })
}

// FeedOpportunities queues new orders; otherwise as FeedContacts.
func (f *Fleet) FeedOpportunities(ctx context.Context, job Job, source iter.Seq2[antcrm.OpportunityCreateParams, error]) (FeedReport, error) {
	return feed(ctx, f, job, Opportunities, source,
		func(*antcrm.OpportunityCreateParams) string { return "" }, func(p *antcrm.OpportunityCreateParams) string { return p.ExternalID })
}

func (j Job) withDefaults() (Job, error) {
	if j.Metrics == nil {
		j.Metrics = NewMetrics()
	}
	setDefault(&j.ChunkSize, antcrm.MaxBatchSize)
	switch {
	case !goodName.MatchString(j.Name):
		return j, invalid("the job's name takes letters, digits, - and _, 64 at most")
	case j.ChunkSize < 1 || j.ChunkSize > antcrm.MaxBatchSize:
		return j, invalid("ChunkSize must be between 1 and %d", antcrm.MaxBatchSize)
	}
	return j, nil
}

func feed[P any](ctx context.Context, f *Fleet, job Job, kind Kind, source iter.Seq2[P, error], group, key func(*P) string) (FeedReport, error) {
	job, err := job.withDefaults()
	if err != nil {
		return FeedReport{}, err
	}
	if source == nil {
		return FeedReport{}, invalid("the source is nil")
	}
	var record *jobRecord
	err = f.persist(ctx, "read job "+job.Name, func(ctx context.Context) error {
		return brief(ctx, func(ctx context.Context) (err error) {
			record, err = f.knownJob(ctx, job, kind)
			return err
		})
	})
	if err != nil {
		return FeedReport{}, err
	}
	if record != nil && record.Purged {
		return FeedReport{}, fmt.Errorf("fleet: feed job %s: %w", job.Name, ErrPurged)
	}
	fd := newFeeder(f, job, kind, record)
	err = split(ctx, fd, kind, source, group, key)
	return fd.end(ctx, err)
}

// split reads the source to its end.
func split[P any](ctx context.Context, fd *feeder, kind Kind, source iter.Seq2[P, error], group, key func(*P) string) error {
	s := &splitter{job: fd.job, kind: kind, maxBytes: maxChunkBytes}
	index := int64(0)
	for params, err := range source {
		if err != nil {
			return fmt.Errorf("fleet: feed job %s: record %d: %w", fd.job.Name, index, err)
		}
		encoded, err := encodeRecord(index, &params)
		if err != nil {
			return err
		}
		full, err := s.add(index, group(&params), key(&params), encoded)
		if err != nil {
			return err
		}
		index++
		fd.records = index
		fd.job.Metrics.fedRecords.Inc()
		if full != nil {
			if err := fd.publish(ctx, full); err != nil {
				return err
			}
		}
	}
	for c := s.last(); c != nil; c = s.last() {
		if err := fd.publish(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// jobRecord is what the jobs bucket knows of a job. It stays when the job's
// payload and ledger are gone, so that a job cannot be fed a second time.
type jobRecord struct {
	Kind      Kind      `json:"kind"`
	ChunkSize int       `json:"chunkSize"`
	Created   time.Time `json:"created"`

	// The first Published chunks are in the stream; Chain is the hash of their
	// digests, Records how many records the source had when it ended.
	Published int64  `json:"published"`
	Chain     string `json:"chain"`
	Records   int64  `json:"records"`
	Complete  bool   `json:"complete"` // the source has been read to its end

	Finished *time.Time `json:"finished,omitempty"` // all outcomes are known, the payload is purged
	Totals   *Totals    `json:"totals,omitempty"`   // when finished
	Purged   bool       `json:"purged,omitempty"`   // the ledger is purged too
}

// knownJob gets the job's record; nil if nobody has fed it.
func (f *Fleet) knownJob(ctx context.Context, job Job, kind Kind) (*jobRecord, error) {
	record, _, err := f.job(ctx, job.Name)
	switch {
	case errors.Is(err, ErrNoJob):
		return nil, nil
	case err != nil:
		return nil, err
	case record.Kind != kind || record.ChunkSize != job.ChunkSize:
		return nil, fmt.Errorf("fleet: job %s was fed as %s in chunks of %d: %w", job.Name, record.Kind, record.ChunkSize, ErrSourceChanged)
	}
	return record, nil
}

// createJob makes the job's record, unless another feeder of the same source
// has. It is made with the first chunk: a file that cannot be read leaves none.
func (f *Fleet) createJob(ctx context.Context, job Job, kind Kind) error {
	text, err := encode(&jobRecord{Kind: kind, ChunkSize: job.ChunkSize, Created: time.Now().UTC()})
	if err == nil {
		_, err = f.jobs.Create(ctx, job.Name, text)
	}
	if err != nil && conflict(err) {
		_, err = f.knownJob(ctx, job, kind)
		return err
	}
	if err != nil {
		return fmt.Errorf("fleet: create job %s: %w", job.Name, err)
	}
	return nil
}

// job gets a job's record, or ErrNoJob.
func (f *Fleet) job(ctx context.Context, name string) (*jobRecord, uint64, error) {
	kept, err := f.jobs.Get(ctx, name)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, fmt.Errorf("%w: %s", ErrNoJob, name)
	}
	var record jobRecord
	if err == nil {
		err = json.Unmarshal(kept.Value(), &record)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("fleet: read job %s: %w", name, err)
	}
	return &record, kept.Revision(), nil
}

// changeJob changes a job's record, whoever else does so at the same time.
// change returns false to leave it as it is.
func (f *Fleet) changeJob(ctx context.Context, name string, change func(*jobRecord) bool) error {
	for {
		record, revision, err := f.job(ctx, name)
		if err != nil || !change(record) {
			return err
		}
		if written, err := f.writeJob(ctx, name, record, revision); err != nil || written {
			return err
		}
	}
}

// writeJob writes a job's record as the successor of a revision; false if
// somebody else was faster.
func (f *Fleet) writeJob(ctx context.Context, name string, record *jobRecord, revision uint64) (bool, error) {
	text, err := encode(record)
	if err != nil {
		return false, fmt.Errorf("fleet: encode job %s: %w", name, err)
	}
	if _, err = f.jobs.Update(ctx, name, text, revision); err != nil && !conflict(err) {
		return false, fmt.Errorf("fleet: write job %s: %w", name, err)
	}
	return err == nil, nil
}

// feeder publishes chunks, one at a time: a place is filled only when all
// before it hold what this source gives. Of two sources under one name, the one
// that loses the first place where they differ gets no further.
type feeder struct {
	f       *Fleet
	job     Job
	kind    Kind
	created bool   // the job has a record
	known   int64  // chunks that an earlier run has published
	kept    string // chain of the known chunks
	ended   bool   // an earlier run has read the source to its end
	next    int64
	chain   string
	records int64
	safe    int64 // chunks that are in the stream
	safeEnd string
	saved   time.Time
}

func newFeeder(f *Fleet, job Job, kind Kind, record *jobRecord) *feeder {
	fd := &feeder{f: f, job: job, kind: kind, created: record != nil, saved: time.Now()}
	if record != nil {
		fd.known, fd.kept, fd.ended = record.Published, record.Chain, record.Complete
		fd.safe, fd.safeEnd = record.Published, record.Chain
	}
	return fd
}

// publish takes the next chunk of the source: one that is known is compared, a
// new one sent.
func (fd *feeder) publish(ctx context.Context, c *chunk) error {
	payload, err := encode(c)
	if err != nil {
		return fmt.Errorf("fleet: encode chunk %d: %w", c.Position, err)
	}
	hash := digest(payload)
	if err := fd.compare(hash); err != nil {
		return err
	}
	if fd.next <= fd.known {
		fd.job.Metrics.fedChunks.WithLabelValues("known").Inc()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("fleet: feed job %s: %w", fd.job.Name, err)
		}
		return nil
	}
	if err := fd.ensureJob(ctx); err != nil {
		return err
	}
	if err := fd.f.queue(ctx, c, payload, hash, fd.job.Metrics); err != nil {
		return err
	}
	fd.job.Metrics.fedChunks.WithLabelValues("queued").Inc()
	fd.safe = fd.next
	fd.safeEnd = fd.chain
	return fd.checkpoint(ctx)
}

// compare adds the next chunk to the chain, and holds it to what is known.
func (fd *feeder) compare(hash string) error {
	link := sha256.Sum256([]byte(fd.chain + hash))
	fd.chain = hex.EncodeToString(link[:16])
	fd.next++
	switch {
	case fd.next == fd.known && fd.chain != fd.kept:
		// One hash is kept of all that was fed: it does not tell where they differ.
		return fmt.Errorf("fleet: feed job %s: somewhere among its first %d records: %w", fd.job.Name, fd.records, ErrSourceChanged)
	case fd.next > fd.known && fd.ended:
		return fmt.Errorf("fleet: feed job %s: it has more records than were fed: %w", fd.job.Name, ErrSourceChanged)
	}
	return nil
}

// ensureJob makes the job's record unless it is there.
func (fd *feeder) ensureJob(ctx context.Context) error {
	if fd.created {
		return nil
	}
	fd.created = true
	return fd.f.persist(ctx, "create job "+fd.job.Name, func(ctx context.Context) error {
		return brief(ctx, func(ctx context.Context) error { return fd.f.createJob(ctx, fd.job, fd.kind) })
	})
}

const (
	headerDigest  = "Fleet-Digest"
	headerRecords = "Fleet-Records" // how many
)

// queue publishes a chunk to the subject that is its own, which must be empty:
// however often it is tried, and by however many feeders, it is there once.
func (f *Fleet) queue(ctx context.Context, c *chunk, payload []byte, hash string, metrics *Metrics) error {
	subject := f.subject("chunks") + "." + c.name()
	msg := nats.NewMsg(subject)
	msg.Data = payload
	msg.Header.Set(headerDigest, hash)
	msg.Header.Set(headerRecords, strconv.Itoa(len(c.Records)))
	inject(ctx, msg.Header)
	for attempt := 0; ; attempt++ {
		err := brief(ctx, func(ctx context.Context) error { return f.place(ctx, c, msg, hash) })
		if err == nil {
			return nil
		}
		// Not found: the chunk that was in the place has just been sent and purged.
		if ctx.Err() != nil || permanent(err) && !isMissing(err) {
			return fmt.Errorf("fleet: feed job %s: chunk %d, which begins with record %d: %w", c.Job, c.Position, c.First, err)
		}
		metrics.feedWaits.Inc()
		if !inProcess(err) { // another feeder of the same source
			f.warnOnce(attempt, "queue a chunk", err)
		}
		_ = sleep(ctx, retryWait(attempt))
	}
}

// place tries once to put a chunk where it belongs. The ledger is asked first:
// a place is also empty when the payload has expired, or was purged.
func (f *Fleet) place(ctx context.Context, c *chunk, msg *nats.Msg, hash string) error {
	taken, _, err := f.entry(ctx, c.name())
	if err != nil {
		return err
	}
	if taken != nil && taken.Digest != hash {
		return ErrSourceChanged
	}
	_, err = f.js.PublishMsg(ctx, msg, jetstream.WithMsgID(c.name()+"/"+hash), jetstream.WithExpectLastSequencePerSubject(0))
	if err != nil && conflict(err) {
		return f.compareQueued(ctx, msg.Subject, hash)
	}
	return err
}

// compareQueued looks whether what stands in a chunk's place is that chunk.
func (f *Fleet) compareQueued(ctx context.Context, subject, hash string) error {
	there, err := f.chunks.GetLastMsgForSubject(ctx, subject)
	if err != nil {
		return err
	}
	if there.Header.Get(headerDigest) != hash {
		return ErrSourceChanged
	}
	return nil
}

// checkpointEvery is how often the job's record is brought up to date.
const checkpointEvery = 2 * time.Second

// checkpoint writes down how far the job is fed. A record that lags behind
// costs the next run some questions.
func (fd *feeder) checkpoint(ctx context.Context) error {
	if time.Since(fd.saved) < checkpointEvery {
		return nil
	}
	fd.saved = time.Now()
	err := brief(ctx, func(ctx context.Context) error { return fd.save(ctx, false) })
	if err != nil && !errors.Is(err, ErrPurged) {
		fd.f.cfg.Logger.Warn("fleet: note how far the job is fed", "job", fd.job.Name, "error", err)
		err = nil
	}
	fd.report()
	return err
}

func (fd *feeder) report() {
	if fd.job.Progress != nil {
		fd.job.Progress(fd.state())
	}
}

func (fd *feeder) state() FeedReport {
	return FeedReport{Records: fd.records, Chunks: fd.safe, Known: min(fd.known, fd.safe)}
}

// ErrPurged is a job that was purged. Its name stays taken, so that its source
// is not fed again by mistake.
var ErrPurged = errors.New("fleet: it has been purged, and its name stays taken: feed it under another name")

// save brings the job's record up to date, complete or not.
func (fd *feeder) save(ctx context.Context, complete bool) error {
	late, purged := false, false
	err := fd.f.changeJob(ctx, fd.job.Name, func(record *jobRecord) bool {
		late, purged = record.Finished != nil, record.Purged
		if purged {
			return false
		}
		before := *record
		if fd.safe > record.Published { // another feeder of the same source may be ahead
			record.Published, record.Chain = fd.safe, fd.safeEnd
		}
		if complete {
			record.Complete, record.Records = true, fd.records
		}
		return *record != before
	})
	if err != nil || !late || !complete && !purged {
		return err
	}
	// Another feeder was faster and the workers are through, or the job was
	// purged: what this one has queued since is known to the ledger, or unwanted.
	if err := fd.f.purgePayload(ctx, fd.job.Name); err != nil || !purged {
		return err
	}
	return fmt.Errorf("fleet: feed job %s: %w", fd.job.Name, ErrPurged)
}

// end completes the job, unless err stands in the way.
func (fd *feeder) end(ctx context.Context, err error) (FeedReport, error) {
	if err == nil {
		err = fd.f.persist(ctx, "end job "+fd.job.Name, func(ctx context.Context) error { return brief(ctx, fd.complete) })
	}
	if err != nil && fd.created {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		if failure := fd.save(ctx, false); failure != nil && errors.Is(failure, ErrPurged) {
			err = failure
		}
	}
	fd.report()
	return fd.state(), err
}

func (fd *feeder) complete(ctx context.Context) error {
	if err := fd.nothingBehind(ctx); err != nil {
		return err
	}
	if err := fd.ensureJob(ctx); err != nil {
		return err
	}
	return fd.save(ctx, true)
}

// nothingBehind looks whether an earlier run has queued more than the source
// gives.
func (fd *feeder) nothingBehind(ctx context.Context) error {
	more := fd.next < fd.known
	if !more {
		_, err := fd.f.chunks.GetLastMsgForSubject(ctx, fd.f.subject("chunks")+"."+chunkName(fd.job.Name, fd.next))
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return fmt.Errorf("fleet: feed job %s: look whether more is queued: %w", fd.job.Name, err)
		}
		more = err == nil
	}
	if more {
		return fmt.Errorf("fleet: feed job %s: it ends after record %d, before the records that were fed: %w", fd.job.Name, fd.records, ErrSourceChanged)
	}
	return nil
}
