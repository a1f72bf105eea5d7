package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/antbuddy/antcrm-go"
)

// ErrWorkersRun is a Rebind while workers of the account that the fleet belongs
// to are alive: one job would be sent to two accounts.
var ErrWorkersRun = errors.New("workers of another account are running: end them first")

// accountKey is the key of the limits bucket that names the account to which the
// fleet is bound: antcrm.Client.Account, and how far it is to be trusted.
const accountKey = "account"

// binding is the value of accountKey.
type binding string

const (
	untried = "?" // behind the account: no worker has had an answer yet
	refused = "!" // nor has one, and the service has refused the key
)

func (b binding) account() string { return strings.TrimRight(string(b), untried+refused) }

// open reports whether another account may take the place: nothing was ever
// sent with a key that the service has refused from the first request on.
func (b binding) open() bool { return strings.HasSuffix(string(b), refused) }

// firm reports whether a worker has had an answer, or Bind or Rebind was called.
func (b binding) firm() bool { return string(b) == b.account() }

func (f *Fleet) otherAccount() error {
	return fmt.Errorf("%w; it is called %q: use another name for a fleet of this account", ErrOtherAccount, f.cfg.Name)
}

func accountOf(client *antcrm.Client) (string, error) {
	account := client.Account()
	if account == "" {
		return "", invalid("the client was not made by antcrm.NewClient")
	}
	return account, nil
}

// Bind binds the fleet to the account of a client, which is a hash of its base
// URL and its key. Work does so, too, and whoever came first decides: a client of
// another account is refused as ErrOtherAccount, since jobs that are finished in
// one account would count as finished in the other, and workers of two accounts
// would share out the records between them.
//
// A key that was mistyped does not lock the right one out: if the service has
// refused (401, 403) all that the first workers sent, the fleet is free again for
// another account once these workers have ended.
func (f *Fleet) Bind(ctx context.Context, client *antcrm.Client) error {
	account, err := accountOf(client)
	if err != nil {
		return err
	}
	return f.bind(ctx, account, "")
}

// bind binds the fleet to an account, whose trust is "" or untried.
func (f *Fleet) bind(ctx context.Context, account, trust string) error {
	return f.ask(ctx, "bind the fleet to its account", func(ctx context.Context) error {
		_, err := f.limits.Create(ctx, accountKey, []byte(account+trust))
		if err == nil || !conflict(err) {
			return err
		}
		kept, revision, err := f.bound(ctx)
		switch {
		case err != nil:
			return err
		case kept.account() == account && (trust != "" || kept.firm()):
			return nil
		case kept.account() != account && !kept.open():
			return f.otherAccount()
		}
		if running, err := f.strangers(ctx, account); err != nil {
			return err
		} else if running > 0 {
			return fmt.Errorf("%w (the service refuses their key, but %d of its workers are running: end them first)", f.otherAccount(), running)
		}
		_, err = f.limits.Update(ctx, accountKey, []byte(account+trust), revision)
		return err
	})
}

// bound returns to what the fleet is bound; an empty binding if it is not.
func (f *Fleet) bound(ctx context.Context) (binding, uint64, error) {
	kept, err := f.limits.Get(ctx, accountKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return "", 0, nil
	}
	if err != nil {
		return "", 0, err
	}
	return binding(kept.Value()), kept.Revision(), nil
}

// CheckAccount returns ErrOtherAccount if the fleet is bound to another account
// than the client's. It binds nothing: feeders, which need no key, may ask.
func (f *Fleet) CheckAccount(ctx context.Context, client *antcrm.Client) error {
	account, err := accountOf(client)
	if err != nil {
		return err
	}
	return f.ask(ctx, "compare the account", func(ctx context.Context) error {
		kept, _, err := f.bound(ctx)
		if err == nil && kept != "" && kept.account() != account && !kept.open() {
			err = f.otherAccount()
		}
		return err
	})
}

// Rebind binds the fleet to the account of another client: for a key that was
// replaced in the same CRM. With another CRM, jobs that are finished stay
// finished, although that CRM has none of their records. While workers of another
// account are alive it returns ErrWorkersRun and changes nothing.
func (f *Fleet) Rebind(ctx context.Context, client *antcrm.Client) error {
	account, err := accountOf(client)
	if err != nil {
		return err
	}
	return f.ask(ctx, "bind the fleet to another account", func(ctx context.Context) error {
		if err := f.noStrangers(ctx, account); err != nil {
			return err
		}
		before, _, err := f.bound(ctx)
		if err != nil {
			return err
		}
		revision, err := f.limits.Put(ctx, accountKey, []byte(account))
		if err != nil {
			return err
		}
		// A worker reports itself before it looks at the account: one that has just
		// begun is seen here, or sees the new account.
		err = f.noStrangers(ctx, account)
		if errors.Is(err, ErrWorkersRun) && before != "" {
			if _, failure := f.limits.Update(ctx, accountKey, []byte(before), revision); failure != nil && !conflict(failure) {
				return failure
			}
		}
		return err
	})
}

// ForceRebind is Rebind whoever is alive: for workers that have died and are
// still listed. A worker that does run notices within a tenth of DeadAfter, and
// ends; until then it sends to its own account.
func (f *Fleet) ForceRebind(ctx context.Context, client *antcrm.Client) error {
	account, err := accountOf(client)
	if err != nil {
		return err
	}
	return f.ask(ctx, "bind the fleet to another account", func(ctx context.Context) error {
		_, err := f.limits.Put(ctx, accountKey, []byte(account))
		return err
	})
}

func (f *Fleet) noStrangers(ctx context.Context, account string) error {
	running, err := f.strangers(ctx, account)
	if err == nil && running > 0 {
		err = fmt.Errorf("%w (%d alive; a worker that was killed counts as alive for %s)", ErrWorkersRun, running, f.cfg.DeadAfter)
	}
	return err
}

// strangers counts the workers that are alive and not of an account.
func (f *Fleet) strangers(ctx context.Context, account string) (running int, err error) {
	err = f.each(ctx, f.workers, ">", func(kept jetstream.KeyValueEntry) {
		var r report
		if json.Unmarshal(kept.Value(), &r) == nil && !r.Left && r.Account != account && f.lately(kept) {
			running++
		}
	})
	return running, err
}

// lookAtAccount ends the worker if the fleet is bound to another account by now.
func (w *worker) lookAtAccount(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if kept, _, err := w.f.bound(ctx); err == nil && kept != "" && kept.account() != w.cfg.Client.Account() {
		w.stop(w.f.otherAccount())
	}
}

// mayHold reports whether the account may hold or know any of the records: it has
// taken or refused one itself, or an answer was lost.
func mayHold(answers []answer) bool {
	return slices.ContainsFunc(answers, func(a answer) bool {
		_, answered := errors.AsType[*antcrm.APIError](a.err)
		return a.letter == letterDone || a.letter == letterUnknown || a.letter == letterRejected && answered
	})
}

// trust notes whether the service takes the key. Only an untried binding is
// changed: a key that was good once stays bound when it is revoked.
func (w *worker) trust(ctx context.Context, taken bool) {
	if w.trusted.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	kept, revision, err := w.f.bound(ctx)
	if err != nil || kept.account() != w.cfg.Client.Account() {
		return
	}
	want := binding(kept.account())
	if !taken {
		want += refused
	}
	if !kept.firm() && kept != want {
		if _, err = w.f.limits.Update(ctx, accountKey, []byte(want), revision); err != nil {
			return // the next answer says it again
		}
	}
	if taken || kept.firm() {
		w.trusted.Store(true)
	}
}
