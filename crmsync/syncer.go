package crmsync

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// Syncer keeps one account in step. Make it with New and share it: it is safe
// for concurrent use.
type Syncer struct {
	Contacts    *Contacts    // leads, customers, accounts, by customerIdApiRing
	Products    *Products    // by productIdApiRing
	Orders      *Orders      // opportunities, by opportunityIdApiRing
	Tickets     *Tickets     // by ticketIdApiRing
	Points      *Points      // accumulations, by a key of the caller's
	Redemptions *Redemptions // gifts, by a key of the caller's

	core *core
}

// core is what the parts of a Syncer share.
type core struct {
	client *antcrm.Client
	state  *State
	lease  *lease
	settle time.Duration
	secret []byte // of the digests
}

// Option changes a Syncer.
type Option func(*config) error

type config struct {
	settle    time.Duration
	hasSettle bool
}

// WithSettle sets for how long a request that was sent and not answered may
// still be under way: an intent younger than that is not looked up and stays
// unknown, since "not there" would mean nothing yet. The default is the client's
// limit for an attempt plus 30 seconds (our decision: the vendor does not say
// how long a request may take once the connection is gone. If a request can
// arrive later than that, a record may be created twice).
func WithSettle(d time.Duration) Option {
	return func(cfg *config) error {
		if d < 0 {
			return invalid("settle", "is negative")
		}
		cfg.settle, cfg.hasSettle = d, true
		return nil
	}
}

// New returns a Syncer for the client's account. The first one binds the state
// to that account; from then on a client with another base URL or key is
// ErrOtherAccount. When a key was replaced, use Rebind. Nothing is sent.
func New(ctx context.Context, client *antcrm.Client, state *State, opts ...Option) (*Syncer, error) {
	switch {
	case ctx == nil:
		return nil, invalid("ctx", "is nil")
	case client.Account() == "":
		return nil, invalid("client", "was not made by antcrm.NewClient")
	case state == nil || state.db == nil:
		return nil, invalid("state", "was not made by Open")
	}
	var cfg config
	for i, opt := range opts {
		if opt == nil {
			return nil, invalid("opts", fmt.Sprintf("option %d is nil", i))
		}
		if err := opt(&cfg); err != nil {
			return nil, err
		}
	}
	if !cfg.hasSettle {
		if client.AttemptTimeout() == 0 {
			return nil, invalid("settle", "the client sets no limit for an attempt: set one with antcrm.WithTimeout, or use WithSettle")
		}
		cfg.settle = client.AttemptTimeout() + 30*time.Second
	}
	secret, err := state.bind(ctx, client)
	if err != nil {
		return nil, err
	}
	c := &core{client: client, state: state, settle: cfg.settle, secret: secret}
	c.lease = newLease(state, cfg.settle)
	return newSyncer(c), nil
}

func newSyncer(c *core) *Syncer {
	return &Syncer{
		Contacts:    &Contacts{newEngine(c, contactKind(c.client))},
		Products:    &Products{newEngine(c, productKind(c.client))},
		Orders:      &Orders{newEngine(c, orderKind(c.client))},
		Tickets:     &Tickets{newEngine(c, ticketKind(c.client))},
		Points:      &Points{newLoyalty(c, pointsKind(c.client))},
		Redemptions: &Redemptions{newLoyalty(c, redemptionKind(c.client))},
		core:        c,
	}
}

// The settings of a state.
const (
	metaAccount = "account" // a hash of the account, and the secret of the digests, masked by the account
)

// bind makes the state the account's, or says that it is another's, and
// returns the secret of its digests. The secret is masked by the account's
// name, which is not in the state: who has the state alone cannot try phone
// numbers against its digests.
func (s *State) bind(ctx context.Context, client *antcrm.Client) ([]byte, error) {
	secret := make([]byte, sha256.Size)
	if _, err := rand.Read(secret); err != nil {
		return nil, fmt.Errorf("crmsync: make a secret: %w", err)
	}
	stored, err := s.meta(ctx, metaAccount)
	if err == nil && stored == "" {
		// The account and its secret are one row: two processes may bind at once.
		err = s.exec(ctx, "INSERT INTO crmsync_meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
			metaAccount, accountHash(client)+" "+hex.EncodeToString(mask(secret, client)))
	}
	if err == nil {
		stored, err = s.meta(ctx, metaAccount)
	}
	if err != nil {
		return nil, err
	}
	return unlock(stored, client)
}

// unlock takes the secret out of a binding.
func unlock(stored string, client *antcrm.Client) ([]byte, error) {
	var account, masked string
	if _, err := fmt.Sscan(stored, &account, &masked); err != nil {
		return nil, fmt.Errorf("%w: its binding to an account cannot be read", ErrDamaged)
	}
	if subtle.ConstantTimeCompare([]byte(account), []byte(accountHash(client))) != 1 {
		return nil, ErrOtherAccount
	}
	secret, err := hex.DecodeString(masked)
	if err != nil || len(secret) != sha256.Size {
		return nil, fmt.Errorf("%w: its secret cannot be read", ErrDamaged)
	}
	return mask(secret, client), nil
}

// Rebind gives the state to a new key of the same account, once the old one was
// replaced: old has the key that the state is bound to, replaced the new one.
// It is for the same CRM only, which nothing can check: with another CRM's key
// every record would seem to be there.
func Rebind(ctx context.Context, state *State, old, replaced *antcrm.Client) error {
	switch {
	case ctx == nil:
		return invalid("ctx", "is nil")
	case state == nil || state.db == nil:
		return invalid("state", "was not made by Open")
	case old.Account() == "" || replaced.Account() == "":
		return invalid("client", "was not made by antcrm.NewClient")
	}
	stored, err := state.meta(ctx, metaAccount)
	if err != nil {
		return err
	}
	secret, err := unlock(stored, old)
	if err != nil {
		return err
	}
	err = state.exec(ctx, "UPDATE crmsync_meta SET value = ? WHERE name = ? AND value = ?",
		accountHash(replaced)+" "+hex.EncodeToString(mask(secret, replaced)), metaAccount, stored)
	return err
}

func accountHash(client *antcrm.Client) string {
	sum := sha256.Sum256([]byte("crmsync account\n" + client.Account()))
	return hex.EncodeToString(sum[:])
}

// mask hides the secret from who does not know the account, and shows it again.
func mask(secret []byte, client *antcrm.Client) []byte {
	mac := hmac.New(sha256.New, []byte(client.Account()))
	mac.Write([]byte("crmsync secret"))
	masked := make([]byte, len(secret))
	subtle.XORBytes(masked, secret, mac.Sum(nil))
	return masked
}
