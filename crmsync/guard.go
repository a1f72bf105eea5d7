package crmsync

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/antbuddy/antcrm-go"
)

// guard keeps a push with a new or lost state from creating what the CRM has
// already. Before the first creation of a kind, by a state whose pushes have created
// none of it, the CRM's list is read once. An empty CRM costs one request. Later pushes
// look up three of the records that they are about to create.
type guard[P, U, R any] struct {
	*pushRun[P, U, R]
	asked bool
	on    bool // the state cannot tell what the CRM has
	keyed bool // the list has printed one of the callers' own keys, or is empty
}

// WithFirstPush says that nobody has created the source's records before, so that
// the CRM's list is not read before the first creation: see ErrNotAdopted. If they
// are there after all, each is created a second time. A server whose list cannot be
// read, such as one that refuses 100 records a page, needs it for the first push.
func WithFirstPush() PushOption {
	return func(cfg *pushConfig) error {
		cfg.firstPush = true
		return nil
	}
}

// check looks whether the CRM has one of the records that are about to be created.
func (g *guard[P, U, R]) check(ctx context.Context, creates []*item[P]) error {
	if len(creates) == 0 || g.cfg.dryRun || g.cfg.firstPush || g.asked && !g.on {
		return nil
	}
	if g.asked {
		return g.compare(ctx, creates)
	}
	g.asked = true
	var err error
	if g.on, err = g.core.state.isFirst(ctx, g.spec.kind); err != nil {
		return err
	}
	if !g.on {
		return g.lookUpSome(ctx, creates, g.carriesKey)
	}
	// A push that ends early leaves it to the next one to read the list again.
	if err := g.core.state.setFirst(ctx, g.spec.kind, true); err != nil {
		return err
	}
	if err := g.readList(ctx); err != nil {
		return err
	}
	if err := g.compare(ctx, creates); err != nil || g.keyed {
		return err
	}
	return g.lookUpSome(ctx, creates, g.isThere)
}

// done records that the state knows the kind: the source was read to its end, and
// nothing of it was in the CRM without being in the state.
func (g *guard[P, U, R]) done(ctx context.Context) error {
	if !g.on {
		return nil
	}
	return g.core.state.setFirst(ctx, g.spec.kind, false)
}

// readList spools the keys that the CRM's records carry.
func (g *guard[P, U, R]) readList(ctx context.Context) error {
	g.keyed = true
	some := false
	keys := make([]string, 0, adoptBatch)
	for c, err := range g.listed(ctx) {
		if notFound(err) && !some {
			g.keyed = false // an empty list, as some servers answer it, or nothing of the kind: look-ups may say more
			return nil
		}
		if err != nil {
			return fmt.Errorf("crmsync: nothing was created: the CRM's list could not be read, so that it is not known whether the records are there: %w", err)
		}
		if !some || !g.keyed {
			some, g.keyed = true, c.key != "" // a member that is empty in each record may be one that the list never fills
		}
		if c.key == "" {
			continue
		}
		if keys = append(keys, c.key); len(keys) == cap(keys) {
			if err := g.spool.carry(ctx, keys); err != nil {
				return err
			}
			keys = keys[:0]
		}
	}
	return g.spool.carry(ctx, keys)
}

// compare ends the push at the first record whose key the CRM's list has and the
// state does not.
func (g *guard[P, U, R]) compare(ctx context.Context, creates []*item[P]) error {
	keys := make([]string, len(creates))
	for i, it := range creates {
		keys[i] = it.key
	}
	there, err := g.spool.carried(ctx, keys)
	if err != nil || len(there) == 0 {
		return err
	}
	rows, err := g.core.state.rows(ctx, g.spec.kind, there) // another process may have created it just now
	if err != nil {
		return err
	}
	for _, it := range creates {
		if rows[it.key] == nil && slices.Contains(there, it.key) {
			return &NotAdoptedError{Kind: g.spec.kind, Key: it.key, Index: it.index, Listed: true}
		}
	}
	return nil
}

// guardLookUps is how many records are looked up where the list shows no keys, or is not read.
const guardLookUps = 3

// lookUpSome looks for some of the records, the first and the last among them: a state that was lost has created all of
// them, and a backup that was restored lacks those of its last days.
func (g *guard[P, U, R]) lookUpSome(ctx context.Context, creates []*item[P], look func(context.Context, *item[P]) (there, listed bool, err error)) error {
	step := max(1, (len(creates)-1)/(guardLookUps-1))
	for i := 0; i < len(creates); i += step {
		it := creates[i]
		there, listed, err := look(ctx, it)
		if err != nil {
			return fmt.Errorf("crmsync: nothing was created: a lookup failed, so that it is not known whether the records are there: %w", err)
		}
		if !there {
			continue
		}
		known, err := g.core.state.row(ctx, g.spec.kind, it.key) // another process may have created it just now
		if err != nil {
			return err
		}
		if known == nil {
			return &NotAdoptedError{Kind: g.spec.kind, Key: it.key, Index: it.index, Listed: listed}
		}
	}
	return nil
}

// carriesKey looks for a record that carries the key, which the state does not know: the state is an old backup, or not
// the only one of the account.
func (g *guard[P, U, R]) carriesKey(ctx context.Context, it *item[P]) (there, listed bool, err error) {
	if g.spec.byKey != nil {
		_, there, err = g.spec.byKey(ctx, &it.record, it.key)
		switch {
		case errors.Is(err, errTwoCarriers):
			return true, true, nil
		case filterUnknown(err):
			return false, false, nil
		}
		return there, true, err
	}
	there, err = g.probed(ctx, it, filterUnknown, func(c candidate) bool { return c.key == it.key })
	return there, there, err
}

// isThere looks for a record of the same content.
func (g *guard[P, U, R]) isThere(ctx context.Context, it *item[P]) (there, listed bool, err error) {
	ignored := func(err error) bool {
		return errors.Is(err, antcrm.ErrFilterIgnored) || errors.Is(err, antcrm.ErrNotFound)
	}
	there, err = g.probed(ctx, it, ignored, func(c candidate) bool { return g.spec.same(&it.record, c.record) == alike })
	return there, false, err
}

// probed reports whether one of the lookups of a record finds it. A lookup whose error tells nothing is passed over.
func (g *guard[P, U, R]) probed(ctx context.Context, it *item[P], tellsNothing func(error) bool, is func(candidate) bool) (bool, error) {
	for _, p := range g.spec.probes(&it.record, &intent{}) {
		found, err := p.list(ctx)
		switch {
		case tellsNothing(err), errors.Is(err, errTooMany):
		case err != nil:
			return false, err
		case slices.ContainsFunc(found, is):
			return true, nil
		}
	}
	return false, nil
}

// metaFirst is set from the beginning of a first push, or of an Adopt, to its end.
func metaFirst(kind Kind) string { return "first " + kind.String() }

// isFirst reports whether no push has created a record of the kind yet, or the first
// one that tried has ended early.
func (s *State) isFirst(ctx context.Context, kind Kind) (first bool, err error) {
	err = s.db.QueryRowContext(ctx, s.sql(`SELECT EXISTS (SELECT 1 FROM crmsync_meta WHERE name = ?) OR NOT EXISTS
		(SELECT 1 FROM crmsync_records WHERE kind = ? AND origin = ? AND digest IS NOT NULL)`), metaFirst(kind), kind, byPush).Scan(&first)
	return first, stateError("read the state", err)
}

func (s *State) setFirst(ctx context.Context, kind Kind, first bool) error {
	if first {
		return s.exec(ctx, "INSERT INTO crmsync_meta (name, value) VALUES (?, '1') ON CONFLICT (name) DO NOTHING", metaFirst(kind))
	}
	return s.exec(ctx, "DELETE FROM crmsync_meta WHERE name = ?", metaFirst(kind))
}
