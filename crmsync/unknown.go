package crmsync

import (
	"context"
	"database/sql"
	"iter"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// Intent is a write that was begun and whose outcome is not recorded.
type Intent struct {
	Kind   Kind
	Key    string // the caller's own key
	Action Action
	Begun  time.Time
	Ref    string // of the record in the CRM, as Settle takes it; "" of a creation
	// Active says that the process that sends it seems to be alive: its outcome may still come.
	Active bool

	token string
}

// String returns the kind, the key and the action, as the arguments of "antcrm sync
// settle": contacts ERP-475 create. A key may be a customer's: mind where it is printed.
func (i Intent) String() string { return i.Kind.String() + " " + i.Key + " " + i.Action.String() }

// Unknown lists what was sent and not answered, by kind and key: intents of
// crashed processes, of answers that were lost, and of requests that are under
// way at this moment (Active). A push and Ensure look them up by themselves; what
// stays here cannot be told from what the CRM answers. Look at the record in the
// CRM and say with Settle what became of it.
func (s *State) Unknown(ctx context.Context) iter.Seq2[Intent, error] {
	return func(yield func(Intent, error) bool) {
		if err := s.usable(ctx); err != nil {
			yield(Intent{}, err)
			return
		}
		after := Intent{}
		for {
			page, err := s.unknownAfter(ctx, after)
			if err != nil {
				yield(Intent{}, err)
				return
			}
			if len(page) == 0 {
				return
			}
			for _, in := range page {
				if !yield(in, nil) {
					return
				}
			}
			after = page[len(page)-1]
		}
	}
}

func (s *State) usable(ctx context.Context) error {
	switch {
	case ctx == nil:
		return invalid("ctx", "is nil")
	case s == nil || s.db == nil:
		return invalid("state", "was not made by Open")
	}
	return nil
}

// activeFor is how long a process is taken for alive after its last sign.
const activeFor = 15 * time.Second

// unknownAfter reads a page, so that the caller may write the state between two.
func (s *State) unknownAfter(ctx context.Context, after Intent) (page []Intent, err error) {
	query := `SELECT r.kind, r.key, r.action, r.begun_at, r.token, COALESCE(r.ref, ''),
		r.owner IS NOT NULL AND {greatest}(COALESCE(r.touched_at, 0), COALESCE((SELECT o.alive_at FROM crmsync_owners o WHERE o.id = r.owner), 0)) > {now} - ?
		FROM crmsync_records r WHERE r.token IS NOT NULL AND (r.kind > ? OR r.kind = ? AND r.key > ?) ORDER BY r.kind, r.key LIMIT 500`
	rows, err := s.db.QueryContext(ctx, s.sql(query), activeFor.Milliseconds(), after.Kind, after.Kind, after.Key)
	if err != nil {
		return nil, stateError("read the state", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var in Intent
		var begun sql.NullInt64
		if err := rows.Scan(&in.Kind, &in.Key, &in.Action, &begun, &in.token, &in.Ref, &in.Active); err != nil {
			return nil, stateError("read the state", err)
		}
		in.Begun = time.UnixMilli(begun.Int64)
		page = append(page, in)
	}
	return page, stateError("read the state", rows.Err())
}

// Settle says what became of an intent that Unknown has listed:
//
//   - antcrm.OutcomeDone: it was carried out. ref is the record's reference in the
//     CRM: of a contact "lead:ID", "customer:ID" or the bare number of its kind; of
//     an order its number, of a ticket its TicketId, of a product its code. Of a
//     deletion, points and redemptions it is "".
//   - antcrm.OutcomeNotSent or antcrm.OutcomeRejected: it was not carried out. The
//     next push, or Ensure, sends it again. If it was carried out after all, the
//     CRM then has it twice.
//
// Of a key that several records carry (the action Adopt) only OutcomeDone can be said,
// with the reference of the one that is kept in step.
//
// An intent that was settled meanwhile, by a push or by another person, is an
// error, antcrm.ErrConflict, and is left as it is.
func (s *State) Settle(ctx context.Context, key Intent, outcome antcrm.Outcome, ref string) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	known, err := s.row(ctx, key.Kind, key.Key)
	if err != nil {
		return err
	}
	if known == nil || known.intent == nil || key.token != "" && key.token != known.intent.token {
		return &SettledError{Kind: key.Kind}
	}
	end, err := settlement(key.Kind, known, outcome, ref)
	if err != nil {
		return err
	}
	foreign, err := s.finish(ctx, key.Kind, known.intent.token, []ending{end})
	if err == nil && len(foreign) > 0 {
		return &SettledError{Kind: key.Kind}
	}
	return err
}

// SettledError is an intent that is no longer open. It is antcrm.ErrConflict.
type SettledError struct{ Kind Kind }

// Error is one line.
func (e *SettledError) Error() string {
	return "crmsync: nothing is unknown of this key any longer: " + e.Kind.String()
}

// Is matches antcrm.ErrConflict.
func (e *SettledError) Is(target error) bool { return target == antcrm.ErrConflict }

// settlement is the ending that a person's word makes.
func settlement(kind Kind, known *row, outcome antcrm.Outcome, ref string) (ending, error) {
	end := ending{key: known.key, what: refused}
	switch {
	case known.intent.action == Adopt && outcome != antcrm.OutcomeDone:
		return end, invalid("outcome", "must be done, with the reference of the record that it is: several records of the CRM carry this key")
	case outcome == antcrm.OutcomeNotSent || outcome == antcrm.OutcomeRejected:
		return end, nil
	case outcome != antcrm.OutcomeDone:
		return end, invalid("outcome", "must be done, rejected or not sent")
	case known.intent.action == Delete:
		end.what = deleted
		return end, nil
	}
	end.what, end.ref = confirmed, known.ref
	if known.intent.action == Adopt {
		end.digest = adoptedDigest // the next push sends what the source says
	}
	if known.intent.action == Update && ref == "" || kind == KindPoints || kind == KindRedemptions {
		return end, nil
	}
	if kind == KindContacts {
		contact, err := readContactRef(ref, known.intent.detail)
		end.ref = RefText(contact)
		return end, err
	}
	id, err := readID(ref, "")
	end.ref = string(id)
	return end, err
}
