package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/antbuddy/antcrm-go"
)

// Keys of the limits bucket.
const (
	accountKey = "account" // antcrm.Client.Account of the client that the fleet is bound to
	pausedKey  = "paused"
)

// Bind binds the fleet to the account of a client, which is a hash of its base
// URL and its key. Work does so, and whoever came first decides: a client of
// another account is refused as ErrOtherAccount, since jobs that are finished in
// one account would count as finished in the other, and workers of two accounts
// would share out the records between them.
func (f *Fleet) Bind(ctx context.Context, client *antcrm.Client) error {
	account := client.Account()
	if account == "" {
		return invalid("the client was not made by antcrm.NewClient")
	}
	return f.ask(ctx, "bind the fleet to its account", func(ctx context.Context) error {
		_, err := f.limits.Create(ctx, accountKey, []byte(account))
		if err == nil || !conflict(err) {
			return err
		}
		kept, err := f.limits.Get(ctx, accountKey)
		if err == nil && string(kept.Value()) != account {
			err = fmt.Errorf("%w; it is called %q: use another name for a fleet of this account", ErrOtherAccount, f.cfg.Name)
		}
		return err
	})
}

// Rebind binds the fleet to the account of another client: for a key that was
// replaced in the same CRM. With another CRM, jobs that are finished stay
// finished, although that CRM has none of their records. Workers that run keep
// their key: end them first.
func (f *Fleet) Rebind(ctx context.Context, client *antcrm.Client) error {
	account := client.Account()
	if account == "" {
		return invalid("the client was not made by antcrm.NewClient")
	}
	return f.ask(ctx, "bind the fleet to another account", func(ctx context.Context) error {
		_, err := f.limits.Put(ctx, accountKey, []byte(account))
		return err
	})
}

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
