package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Note is a message of the streams of rejected and of unknown records.
type Note struct {
	Job     string       `json:"job"`
	Chunk   int64        `json:"chunk"` // its position in the job
	Kind    Kind         `json:"kind"`
	Group   string       `json:"group,omitempty"`
	Records []NoteRecord `json:"records"`
}

// NoteRecord is a record that was not confirmed.
type NoteRecord struct {
	Index   int64           `json:"index"`
	Key     string          `json:"key,omitempty"`
	Outcome string          `json:"outcome"` // rejected, not sent, unknown
	Error   string          `json:"error,omitempty"`
	Record  json.RawMessage `json:"record"` // as it was fed: it can be corrected and fed again
}

// notConfirmed are the letters of the stream of rejected records.
const notConfirmed = string(letterRejected) + string(letterNotSent)

// notes is the stream of rejected or of unknown records.
func (f *Fleet) notes(kind string) jetstream.Stream {
	if kind == "unknown" {
		return f.unknown
	}
	return f.rejected
}

// tell publishes what was not confirmed to the stream where it belongs, once,
// and notes that: until then the payload is kept. False says that the ledger
// has changed meanwhile.
func (d *delivery) tell(ctx context.Context) (bool, error) {
	if d.entry.told() {
		return true, nil
	}
	for kind, letters := range map[string]string{"rejected": notConfirmed, "unknown": string(letterUnknown)} {
		sequence, err := d.publishNote(ctx, kind, letters, jetstream.WithExpectLastSequencePerSubject(0))
		if err != nil && conflict(err) {
			continue // it has been told
		}
		if err == nil && sequence > 0 && d.entry.Owner != d.id {
			err = d.confirm(ctx, kind, sequence)
		}
		if err != nil {
			return false, err
		}
	}
	d.entry.Told = true
	_, noted, err := d.f.put(ctx, d.name, d.entry, d.rev)
	return noted, err
}

// publishNote publishes the records with these outcomes. Without any, it
// publishes nothing and returns 0.
func (d *delivery) publishNote(ctx context.Context, kind, letters string, options ...jetstream.PublishOpt) (sequence uint64, err error) {
	note := Note{Job: d.chunk.Job, Chunk: d.chunk.Position, Kind: d.chunk.Kind, Group: d.chunk.Group}
	for i := range len(d.entry.Outcomes) {
		if letter := d.entry.Outcomes[i]; strings.IndexByte(letters, letter) >= 0 {
			note.Records = append(note.Records, NoteRecord{
				Index: d.chunk.index(i), Key: d.entry.Keys[i], Outcome: outcomeOf(letter).String(),
				Error: d.entry.errorOf(i), Record: d.chunk.Records[i],
			})
		}
	}
	if len(note.Records) == 0 {
		return 0, nil
	}
	text, err := encode(note)
	if err != nil {
		return 0, fmt.Errorf("fleet: encode the %s records of chunk %s: %w", kind, d.name, err)
	}
	published, err := d.f.js.PublishMsg(ctx, &nats.Msg{Subject: d.f.subject(kind) + "." + d.name, Data: text}, options...)
	if err != nil {
		return 0, fmt.Errorf("fleet: publish the %s records of chunk %s: %w", kind, d.name, err)
	}
	return published.Sequence, nil
}

// confirm takes a message back if its chunk's owner has corrected the ledger
// since it was read.
func (d *delivery) confirm(ctx context.Context, kind string, sequence uint64) error {
	there, _, err := d.f.entry(ctx, d.name)
	if err != nil || there != nil && there.Outcomes == d.entry.Outcomes {
		return err
	}
	return d.f.notes(kind).DeleteMsg(ctx, sequence)
}
