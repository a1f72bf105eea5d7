package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// pausedKey is a key of the limits bucket.
const pausedKey = "paused"

// Pause stops all workers of the fleet from taking chunks, within some seconds:
// a tenth of DeadAfter. What they have begun they finish. The pause holds for
// workers that are started later, until Resume.
func (f *Fleet) Pause(ctx context.Context) error {
	return f.ask(ctx, "pause the fleet", func(ctx context.Context) error {
		_, err := f.limits.Put(ctx, pausedKey, []byte(time.Now().UTC().Format(time.RFC3339)))
		return err
	})
}

// Resume ends a Pause.
func (f *Fleet) Resume(ctx context.Context) error {
	return f.ask(ctx, "resume the fleet", func(ctx context.Context) error { return f.limits.Delete(ctx, pausedKey) })
}

// Paused reports whether the fleet is paused.
func (f *Fleet) Paused(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := f.limits.Get(ctx, pausedKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return false, nil
	}
	return err == nil, err
}
