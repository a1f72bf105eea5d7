package crmsync

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// Points gives points once for each key of the caller's.
type Points struct {
	loyalty *loyalty[antcrm.AccumulateParams]
}

// Redemptions spends points once for each key of the caller's.
type Redemptions struct {
	loyalty *loyalty[antcrm.RedeemParams]
}

// AccumulateOnce gives a customer points (POST /accumulate), once for each key:
// points have no key of their own in the API, so the caller names one, such as
// the receipt's number. A key that is done is nil at once. The same key with
// other params is an antcrm.ErrValidation.
//
// If it is not known whether an earlier request was carried out, the history is
// looked up (GET /history-point by phone or e-mail and time) once that request
// can no longer be under way; what it cannot tell stays in State.Unknown, and
// the error is antcrm.ErrOutcomeUnknown.
func (p *Points) AccumulateOnce(ctx context.Context, key string, params antcrm.AccumulateParams) error {
	if p == nil {
		return invalid("syncer", "was not made by New")
	}
	return p.loyalty.once(ctx, key, params)
}

// GiftOnce spends a customer's points on a gift (POST /redeem), once for each
// key: see Points.AccumulateOnce.
func (r *Redemptions) GiftOnce(ctx context.Context, key string, params antcrm.RedeemParams) error {
	if r == nil {
		return invalid("syncer", "was not made by New")
	}
	return r.loyalty.once(ctx, key, params)
}

// loyaltySpec is all that is said of points or redemptions.
type loyaltySpec[P any] struct {
	kind  Kind
	send  func(ctx context.Context, params P, opts ...antcrm.CallOption) error
	check func(ctx context.Context, params P) error // sends nothing
	// history lists what the customer of params has, from a time on.
	history func(params P, from, to time.Time) []historyProbe
	// is says whether an entry is what params would have made.
	is func(params P, entry *antcrm.LoyaltyEntry) bool
	// all lists entries of any customer.
	all func(ctx context.Context) ([]candidate, error)
}

type historyProbe = probe

// loyalty writes points or redemptions.
type loyalty[P any] struct {
	core  *core
	spec  loyaltySpec[P]
	trust *trust
}

func newLoyalty[P any](c *core, spec loyaltySpec[P]) *loyalty[P] {
	return &loyalty[P]{core: c, spec: spec, trust: newTrust()}
}

func (l *loyalty[P]) once(ctx context.Context, key string, params P) error {
	switch {
	case l == nil:
		return invalid("syncer", "was not made by New")
	case ctx == nil:
		return invalid("ctx", "is nil")
	}
	if err := checkKey("key", key, -1); err != nil {
		return err
	}
	if err := l.spec.check(ctx, params); err != nil {
		return err
	}
	body, err := json.Marshal(params)
	if err != nil {
		return invalid("params", "cannot be written as JSON")
	}
	// Without the key: what two keys do alike must be seen.
	digest := newDigester(l.core.secret).digest(digestSize, body)
	for poll := minPoll; ; poll = min(poll*3/2, maxPoll) {
		known, err := l.core.state.row(ctx, l.spec.kind, key)
		switch {
		case err != nil:
			return err
		case known == nil:
			if done, err := l.write(ctx, key, params, digest); done || err != nil {
				return err
			}
			continue
		case !bytes.Equal(digestOf(known), digest):
			return invalid("key", "was used for something else before")
		case known.intent == nil:
			return nil
		}
		if err := l.await(ctx, known, params, poll); err != nil {
			return err
		}
	}
}

func digestOf(known *row) []byte {
	if known.intent != nil {
		return known.intent.want
	}
	return known.digest
}

func (l *loyalty[P]) write(ctx context.Context, key string, params P, digest []byte) (done bool, err error) {
	held, owner, release := l.core.lease.hold(ctx)
	defer release()
	token, claimed, err := l.core.claim(ctx, l.spec.kind, owner, Create, byEnsure, []claim{{key: key, want: digest}})
	if err != nil || !claimed[key] {
		return false, err
	}
	err = l.spec.send(held, params, antcrm.WithoutRetry())
	outcome, sendErr := unlessBusy(outcomeOf(err), err)
	err = l.finish(ctx, token, ending{key: key, what: endingOf(outcome)}, sendErr)
	if heldBack(ctx, outcome, sendErr) {
		return false, nil
	}
	return true, err
}

func (l *loyalty[P]) finish(ctx context.Context, token string, end ending, callErr error) error {
	foreign, err := l.core.finish(ctx, l.spec.kind, token, []ending{end})
	switch {
	case callErr != nil:
		return callErr
	case err != nil:
		return &UnknownError{Reason: "the request was carried out, and the state could not record it", Err: err}
	case len(foreign) > 0:
		return errSettledMeanwhile
	}
	return nil
}

// await waits while another process sends, or looks a lost request up.
func (l *loyalty[P]) await(ctx context.Context, known *row, params P, poll time.Duration) error {
	in := known.intent
	if in.age < l.core.settle {
		if in.owner == "" {
			return &UnknownError{Reason: "it may still be under way (see WithSettle)"}
		}
		return sleep(ctx, min(poll, max(l.core.settle-in.age, minPoll)))
	}
	held, owner, release := l.core.lease.hold(ctx)
	defer release()
	token, taken, err := l.core.state.takeOver(ctx, l.spec.kind, known.key, in, owner)
	if err != nil || !taken {
		return err
	}
	found := l.find(held, known.key, params, in)
	switch found.verdict {
	case present:
		return l.finish(ctx, token, ending{key: known.key, what: confirmed, ref: found.ref}, nil)
	case absent:
		return l.finish(ctx, token, ending{key: known.key, what: refused}, nil)
	}
	return l.finish(ctx, token, ending{key: known.key, what: released}, &UnknownError{Reason: found.why, Err: found.err})
}

const (
	// An entry this much older than the request is certainly not its, if the clocks are as they should be.
	closeBefore = 2 * time.Minute
)

// find looks for the entry that a lost request would have made. Entries have no
// key: it is told by how many there are, beside those of other keys of this
// state that ask for the same.
func (l *loyalty[P]) find(ctx context.Context, key string, params P, in *intent) finding {
	others, err := l.others(ctx, key, in)
	if err != nil {
		return finding{why: "the state cannot be read", err: err}
	}
	if others > 0 {
		return finding{why: "other keys ask for the same at the same time: their entries cannot be told apart"}
	}
	near, wide := map[string]bool{}, map[string]bool{}
	probes := l.spec.history(params, in.begun.Add(-clockSkew), in.begun.Add(clockSkew))
	if len(probes) == 0 {
		return finding{why: "the customer has neither a phone nor an e-mail address to look it up by"}
	}
	for _, p := range probes {
		entries, err := p.list(ctx)
		if err != nil {
			return finding{why: "the history by " + p.name + " cannot be read", err: err}
		}
		for _, c := range entries {
			entry, _ := c.record.(*antcrm.LoyaltyEntry)
			if entry == nil || !l.spec.is(params, entry) {
				continue
			}
			wide[c.ref] = true
			if !c.created.IsZero() && c.created.After(in.begun.Add(-closeBefore)) {
				near[c.ref] = true
			}
		}
	}
	switch {
	case len(near) == 1 && len(wide) == 1:
		for ref := range near {
			return finding{verdict: present, ref: ref}
		}
	case len(wide) > 0:
		return finding{why: "the history has entries that may be it or not"}
	}
	for _, p := range probes {
		if trusted, err := l.trust.trusts(ctx, p, l.spec.all); err != nil || !trusted {
			return finding{why: "nothing was found by " + p.name + ", and that lookup was not seen to find an entry that is there", err: err}
		}
	}
	return finding{verdict: absent}
}

// others counts the keys of this state that have asked for the same within the
// time that is looked at.
func (l *loyalty[P]) others(ctx context.Context, key string, in *intent) (n int, err error) {
	query := "SELECT count(*) FROM crmsync_records WHERE kind = ? AND key <> ? AND (digest = ? OR want = ?) AND COALESCE(begun_at, done_at) > ?"
	err = l.core.state.db.QueryRowContext(ctx, l.core.state.sql(query), l.spec.kind, key, in.want, in.want, in.begun.Add(-2*clockSkew).UnixMilli()).Scan(&n)
	return n, stateError("read the state", err)
}

func pointsKind(client *antcrm.Client) loyaltySpec[antcrm.AccumulateParams] {
	return loyaltySpec[antcrm.AccumulateParams]{
		kind: KindPoints,
		send: client.Points.Accumulate,
		check: func(ctx context.Context, params antcrm.AccumulateParams) error {
			return onlyValidation(offline().Points.Accumulate(ctx, params))
		},
		history: func(params antcrm.AccumulateParams, from, to time.Time) []historyProbe {
			var probes []historyProbe
			for _, phone := range params.Data.Phones {
				probes = append(probes, historyBy(client.Points.All, "phone", phone.Value, from, to))
			}
			for _, email := range params.Data.Emails {
				probes = append(probes, historyBy(client.Points.All, "e-mail address", email.Value, from, to))
			}
			return probes
		},
		is: func(params antcrm.AccumulateParams, entry *antcrm.LoyaltyEntry) bool {
			return string(entry.Code) == params.Code
		},
		all: func(ctx context.Context) ([]candidate, error) {
			page, err := client.Points.List(ctx, antcrm.LoyaltyListParams{})
			return samples(page, err, historyCandidate)
		},
	}
}

func redemptionKind(client *antcrm.Client) loyaltySpec[antcrm.RedeemParams] {
	return loyaltySpec[antcrm.RedeemParams]{
		kind: KindRedemptions,
		send: client.Redeem.Gift,
		check: func(ctx context.Context, params antcrm.RedeemParams) error {
			return onlyValidation(offline().Redeem.Gift(ctx, params))
		},
		history: func(params antcrm.RedeemParams, from, to time.Time) []historyProbe {
			var probes []historyProbe
			if params.Data.Phone != "" {
				probes = append(probes, historyBy(client.Redeem.All, "phone", params.Data.Phone, from, to))
			}
			if params.Data.Email != "" {
				probes = append(probes, historyBy(client.Redeem.All, "e-mail address", params.Data.Email, from, to))
			}
			return probes
		},
		// A redemption that the points did not cover stands in the history as failed.
		is: func(params antcrm.RedeemParams, entry *antcrm.LoyaltyEntry) bool {
			return entry.Gift != nil && string(entry.Gift.Code) == params.Code && entry.Status != antcrm.LoyaltyFailed
		},
		all: func(ctx context.Context) ([]candidate, error) {
			page, err := client.Redeem.List(ctx, antcrm.LoyaltyListParams{})
			return samples(page, err, historyCandidate)
		},
	}
}
