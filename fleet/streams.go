package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// subject is where messages of a kind go: chunks, rejected, unknown.
func (f *Fleet) subject(kind string) string { return "antcrm.fleet." + f.cfg.Name + "." + kind }

// bucket is the name of a stream or bucket.
func (f *Fleet) bucket(kind string) string { return "antcrm_fleet_" + f.cfg.Name + "_" + kind }

// dedupWindow is how long the server remembers message ids. It only saves the
// feeder a question: what keeps a chunk from being queued twice is that each
// has a subject of its own, which must be empty.
const dedupWindow = 10 * time.Minute

// createAll creates the streams and buckets that are missing. Those that are
// there stay as they are: a shorter retention would drop what is queued.
func (f *Fleet) createAll(ctx context.Context) error {
	for kind, stream := range map[string]*jetstream.Stream{"chunks": &f.chunks, "rejected": &f.rejected, "unknown": &f.unknown} {
		err := brief(ctx, func(ctx context.Context) (err error) {
			*stream, err = f.stream(ctx, kind)
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, b := range []struct {
		kind   string
		age    time.Duration
		bucket *jetstream.KeyValue
		stream *jetstream.Stream // of the bucket, where it is needed
	}{
		{"ledger", f.cfg.LedgerAge, &f.ledger, &f.ledgerStream}, {"jobs", 0, &f.jobs, nil}, {"progress", 0, &f.progress, &f.progressStream},
		{"workers", beatsKept * f.cfg.DeadAfter, &f.workers, nil}, {"limits", 0, &f.limits, nil},
	} {
		err := brief(ctx, func(ctx context.Context) error {
			stream, err := f.bucketStream(ctx, b.kind, b.age)
			if err != nil {
				return err
			}
			if b.stream != nil {
				*b.stream = stream
			}
			*b.bucket, err = f.js.KeyValue(ctx, f.bucket(b.kind))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// beatsKept is for how many times DeadAfter a worker's last report is kept.
const beatsKept = 4

func (f *Fleet) stream(ctx context.Context, kind string) (jetstream.Stream, error) {
	stream, err := f.js.Stream(ctx, f.bucket(kind))
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return stream, err
	}
	stream, err = f.js.CreateStream(ctx, jetstream.StreamConfig{
		Name:     f.bucket(kind),
		Subjects: []string{f.subject(kind) + ".>"},
		// Not WorkQueue: such a stream forgets the ids of acknowledged
		// messages when the server restarts.
		Retention:  jetstream.LimitsPolicy,
		Storage:    jetstream.FileStorage,
		MaxAge:     f.cfg.PayloadAge,
		Duplicates: min(dedupWindow, f.cfg.PayloadAge),
		Replicas:   f.cfg.Replicas,
	})
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another process was faster
		return f.js.Stream(ctx, f.bucket(kind))
	}
	return stream, alone(err)
}

// bucketStream is the stream of a bucket. It is read from its leader only: any
// replica may answer a direct read, one that hangs costs a timeout each time,
// and one that lags behind calls what is done unknown.
func (f *Fleet) bucketStream(ctx context.Context, kind string, age time.Duration) (jetstream.Stream, error) {
	name := "KV_" + f.bucket(kind)
	stream, err := f.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		duplicates := 2 * time.Minute // must not be longer than MaxAge
		if age > 0 {
			duplicates = min(duplicates, age)
		}
		stream, err = f.js.CreateStream(ctx, jetstream.StreamConfig{
			Name: name, Subjects: []string{"$KV." + f.bucket(kind) + ".>"}, Storage: jetstream.FileStorage, Replicas: f.cfg.Replicas,
			MaxAge: age, MaxMsgsPerSubject: 1, Duplicates: duplicates, Discard: jetstream.DiscardNew, AllowRollup: true, DenyDelete: true,
		})
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another process was faster
			return f.js.Stream(ctx, name)
		}
		return stream, alone(err)
	}
	if err != nil || !stream.CachedInfo().Config.AllowDirect {
		return stream, err
	}
	cfg := stream.CachedInfo().Config // an earlier version's
	cfg.AllowDirect = false
	return f.js.UpdateStream(ctx, cfg)
}

// replicasNotSupported is JetStream's code for a server that is no cluster.
const replicasNotSupported = 10074

// alone explains the error of a server that is no cluster.
func alone(err error) error {
	if answered, ok := errors.AsType[*jetstream.APIError](err); ok && answered.ErrorCode == replicasNotSupported {
		return invalid("the NATS server is no cluster, and can keep one copy only (Replicas 1, or -replicas 1): %w", err)
	}
	return err
}

// adopt takes over what the fleet was created with, and refuses what was asked
// for and differs.
func (f *Fleet) adopt(ctx context.Context, asked Config) error {
	ledger, err := f.ledger.Status(ctx)
	if err != nil {
		return fmt.Errorf("fleet: ask how long outcomes are kept: %w", err)
	}
	workers, err := f.workers.Status(ctx)
	if err != nil {
		return fmt.Errorf("fleet: ask when workers count as dead: %w", err)
	}
	for _, s := range []struct {
		name         string
		asked, there time.Duration
		ours         *time.Duration
	}{
		{"PayloadAge", asked.PayloadAge, f.chunks.CachedInfo().Config.MaxAge, &f.cfg.PayloadAge},
		{"LedgerAge", asked.LedgerAge, ledger.TTL(), &f.cfg.LedgerAge},
		{"DeadAfter", asked.DeadAfter, workers.TTL() / beatsKept, &f.cfg.DeadAfter},
	} {
		if s.asked != 0 && s.asked != s.there {
			return invalid("the fleet %s was created with %s %s, not %s: leave it out, or take another name for a fleet", f.cfg.Name, s.name, s.there, s.asked)
		}
		*s.ours = s.there
	}
	return nil
}
