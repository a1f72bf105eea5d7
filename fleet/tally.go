package fleet

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Running totals. Nobody reads the whole ledger to count a job: each of its
// entries has its counts in a header, and a table with a slot for each chunk
// says what they were up to some place in the ledger's stream. From there on,
// headers alone are read. Reading an entry twice, or two workers that count at
// once, do no harm: a slot holds the latest entry, it is not added to.

// headerCount is the header of a ledger entry: its mark and its totals.
const headerCount = "Fleet-Count"

// mark is how far a chunk has come, as far as counting goes.
type mark byte

const (
	markNone   mark = 0   // not in the ledger
	markOpen   mark = 'o' // to be sent again
	markFlight mark = 'f' // begun, or a resolver is asked about it
	markUntold mark = 'u' // settled, and what was not confirmed stands in no stream yet
	markTold   mark = 't' // settled
)

// count is the header of the entry.
func (e *entry) count() string {
	m := markOpen
	switch {
	case e.State.settled() && e.told():
		m = markTold
	case e.State.settled():
		m = markUntold
	case e.State != stateReleased:
		m = markFlight
	}
	t := e.totals()
	return fmt.Sprintf("%c %d %d %d %d", m, t.Done, t.Rejected, t.Unknown, t.NotSent)
}

// slot is a chunk in the table: its mark and four counts of at most 100.
type slot [5]byte

// parseSlot reads a header.
func parseSlot(text string) (s slot, ok bool) {
	fields := strings.Fields(text)
	if len(fields) != len(s) || len(fields[0]) != 1 {
		return s, false
	}
	s[0] = fields[0][0]
	for i, field := range fields[1:] {
		n, err := strconv.ParseUint(field, 10, 8)
		if err != nil {
			return s, false
		}
		s[i+1] = byte(n)
	}
	return s, true
}

func (s slot) totals() Totals {
	return Totals{Done: int64(s[1]), Rejected: int64(s[2]), Unknown: int64(s[3]), NotSent: int64(s[4])}
}

// segmentSlots is how many chunks a segment of the table covers: it fits a
// message of 1 MiB even if it cannot be compressed.
const segmentSlots = 1 << 16

// segment is a part of a job's table as it is kept in the progress bucket.
type segment struct {
	Seq   uint64    `json:"seq"` // of the ledger's stream, counted up to here
	Time  time.Time `json:"time"`
	Slots []byte    `json:"slots"` // compressed
}

// tally is the table of a job.
type tally struct {
	f     *Fleet
	job   string
	seq   uint64
	saved time.Time
	slots [][]slot // segments
	revs  []uint64 // of the segments in the bucket, 0 for a new one
	news  int      // entries read since it was saved
}

// loadTally reads the table as it was saved last, and then what the ledger has
// had since.
func (f *Fleet) loadTally(ctx context.Context, job string) (*tally, error) {
	t := &tally{f: f, job: job}
	if err := t.load(ctx); err != nil {
		return nil, fmt.Errorf("fleet: read the running totals of job %s: %w", job, err)
	}
	if err := t.advance(ctx); err != nil {
		return t, err
	}
	return t, nil
}

func (t *tally) load(ctx context.Context) error {
	for {
		kept, err := t.f.progress.Get(ctx, segmentKey(t.job, len(t.slots)))
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		var s segment
		var slots []slot
		if err = json.Unmarshal(kept.Value(), &s); err == nil {
			slots, err = unpack(s.Slots)
		}
		if err != nil {
			s, slots = segment{}, nil // the ledger knows it all
		}
		if len(t.slots) == 0 || s.Seq < t.seq { // a save that was broken off
			t.seq, t.saved = s.Seq, s.Time
		}
		t.slots, t.revs = append(t.slots, slots), append(t.revs, kept.Revision())
	}
}

func segmentKey(job string, segment int) string { return job + "." + strconv.Itoa(segment) }

// pack compresses slots. Those of a job that goes well are nearly all alike.
func pack(slots []slot) ([]byte, error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	for i := range slots {
		if _, err := w.Write(slots[i][:]); err != nil {
			return nil, err
		}
	}
	err = w.Close()
	return out.Bytes(), err
}

func unpack(text []byte) ([]slot, error) {
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(text)), segmentSlots*int64(len(slot{}))))
	if err != nil {
		return nil, err
	}
	slots := make([]slot, len(plain)/len(slot{}))
	for i := range slots {
		copy(slots[i][:], plain[i*len(slot{}):])
	}
	return slots, nil
}

// advance reads what the ledger has had since.
func (t *tally) advance(ctx context.Context) error {
	prefix := "$KV." + t.f.bucket("ledger") + "." + t.job + "."
	last, err := eachHeader(ctx, t.f.ledgerStream, prefix+">", t.seq+1, func(msg jetstream.Msg) error {
		position, err := strconv.ParseInt(strings.TrimPrefix(msg.Subject(), prefix), 10, 64)
		if err != nil || position < 0 {
			return nil //nolint:nilerr // not an entry of this program
		}
		t.news++
		s, ok := parseSlot(msg.Headers().Get(headerCount))
		if msg.Headers().Get("KV-Operation") != "" {
			s, ok = slot{}, true // removed
		}
		if !ok {
			if s, err = t.f.slotOf(ctx, chunkName(t.job, position)); err != nil {
				return err
			}
		}
		t.set(position, s)
		return nil
	})
	t.seq = max(t.seq, last)
	if err != nil {
		return fmt.Errorf("fleet: count the chunks of job %s: %w", t.job, err)
	}
	return nil
}

// slotOf reads an entry that has no counts in its header, as an earlier version
// wrote it.
func (f *Fleet) slotOf(ctx context.Context, name string) (slot, error) {
	e, _, err := f.entry(ctx, name)
	if err != nil || e == nil {
		return slot{}, err
	}
	s, _ := parseSlot(e.count())
	return s, nil
}

func (t *tally) set(position int64, s slot) {
	at, i := int(position/segmentSlots), int(position%segmentSlots)
	for len(t.slots) <= at {
		t.slots, t.revs = append(t.slots, nil), append(t.revs, 0)
	}
	for len(t.slots[at]) <= i {
		t.slots[at] = append(t.slots[at], slot{})
	}
	t.slots[at][i] = s
}

func (t *tally) at(position int64) slot {
	at, i := int(position/segmentSlots), int(position%segmentSlots)
	if at >= len(t.slots) || i >= len(t.slots[at]) {
		return slot{}
	}
	return t.slots[at][i]
}

// save keeps the table, unless somebody else has kept a newer one.
func (t *tally) save(ctx context.Context) error {
	now := time.Now().UTC()
	for i, slots := range t.slots {
		packed, err := pack(slots)
		if err != nil {
			return err
		}
		text, err := json.Marshal(segment{Seq: t.seq, Time: now, Slots: packed})
		if err != nil {
			return err
		}
		key := segmentKey(t.job, i)
		if t.revs[i] == 0 {
			t.revs[i], err = t.f.progress.Create(ctx, key, text)
		} else {
			t.revs[i], err = t.f.progress.Update(ctx, key, text, t.revs[i])
		}
		if err != nil {
			return fmt.Errorf("fleet: keep the running totals of job %s: %w", t.job, err)
		}
	}
	t.saved, t.news = now, 0
	return nil
}

// counts is what a table adds up to.
type counts struct {
	settled int64
	untold  int64   // of these, chunks whose rejected or unknown records are in no stream yet
	totals  Totals  // of the settled chunks
	flight  Totals  // of the chunks that are being sent
	open    []int64 // positions of the chunks that are in the ledger and not settled
	refused int64   // of these, chunks that are to be sent again
	waiting Totals  // of the chunks that were refused and are to be sent again
}

func (t *tally) counts() (c counts) {
	for at, slots := range t.slots {
		for i, s := range slots {
			switch mark(s[0]) {
			case markUntold:
				c.untold++
				fallthrough
			case markTold:
				c.settled++
				c.totals.add(s.totals())
			case markFlight:
				c.flight.add(s.totals())
				c.open = append(c.open, int64(at)*segmentSlots+int64(i))
			case markOpen:
				c.waiting.add(s.totals())
				c.refused++
				c.open = append(c.open, int64(at)*segmentSlots+int64(i))
			case markNone:
			}
		}
	}
	return c
}

// eachHeader reads the messages that a stream holds under a subject from a
// sequence on, without their bodies, and returns the last one's sequence.
func eachHeader(ctx context.Context, stream jetstream.Stream, subject string, from uint64, do func(jetstream.Msg) error) (last uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	create, end := context.WithTimeout(ctx, requestTimeout)
	defer end()
	consumer, err := stream.OrderedConsumer(create, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{subject}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from,
		HeadersOnly: true, InactiveThreshold: 5 * time.Second,
	})
	if err != nil {
		return 0, err
	}
	if info := consumer.CachedInfo(); info == nil || info.NumPending == 0 {
		return 0, nil
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(2000))
	if err != nil {
		return 0, err
	}
	defer messages.Stop()
	for {
		// A server that went down would be waited for until ctx ends.
		msg, err := messages.Next(jetstream.NextMaxWait(requestTimeout))
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return 0, err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return 0, err
		}
		if err := do(msg); err != nil {
			return 0, err
		}
		if last = meta.Sequence.Stream; meta.NumPending == 0 {
			return last, nil
		}
	}
}
