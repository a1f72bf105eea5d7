package crmsync

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
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
	// is says whether an entry is what params would have made, the customer aside.
	is func(params P, entry *antcrm.LoyaltyEntry) bool
	// holder is how params name the customer, and code what is given.
	holder func(params P) (phones, emails []string)
	code   func(params P) string
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
	token, claimed, err := l.core.claim(ctx, l.spec.kind, owner, Create, byEnsure, []claim{{key: key, want: digest, fields: l.marks(params)}})
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
	others, err := l.others(ctx, key, l.marks(params), in)
	if err != nil {
		return finding{why: "the state cannot be read", err: err}
	}
	if others {
		return finding{why: "other keys ask for the same at the same time: their entries cannot be told apart"}
	}
	probes := l.spec.history(params, in.begun.Add(-zoneSkew), in.begun.Add(zoneSkew))
	if len(probes) == 0 {
		return finding{why: "the customer has neither a phone nor an e-mail address to look it up by"}
	}
	var seen entriesSeen
	for _, p := range probes {
		entries, err := p.list(ctx)
		if err != nil {
			return finding{why: "the history by " + p.name + " cannot be read", err: err}
		}
		for _, c := range entries {
			if entry, _ := c.record.(*antcrm.LoyaltyEntry); entry != nil && l.spec.is(params, entry) {
				seen.add(c, l.isHeldBy(params, entry), in)
			}
		}
	}
	switch {
	case len(seen.near) == 1 && len(seen.close) == 0 && seen.near[0] != "":
		return finding{verdict: present, ref: seen.near[0]}
	case len(seen.near) > 0 || len(seen.close) > 0 || seen.far:
		return finding{why: "the history has entries that may be it or not"}
	}
	for _, p := range probes {
		if trusted, err := l.trust.trusts(ctx, p, l.spec.all); err != nil || !trusted {
			return finding{why: "nothing was found by " + p.name + ", and that lookup was not seen to find an entry that is there", err: err}
		}
	}
	return finding{verdict: absent}
}

// entriesSeen are the entries of the history that are like the one that is looked for.
type entriesSeen struct {
	near, close []string // ids of those that are about as old as the request, or a little older
	far         bool     // there are others, which may be it if the server's clock is off, or are perhaps another customer's
}

func (s *entriesSeen) add(c candidate, held bool, in *intent) {
	age := in.begun.Sub(c.created)
	switch {
	case !held || c.created.IsZero() || age.Abs() >= clockSkew:
		s.far = true
	case slices.Contains(s.near, c.ref) && c.ref != "" || slices.Contains(s.close, c.ref) && c.ref != "":
	case age < closeBefore:
		s.near = append(s.near, c.ref)
	default:
		s.close = append(s.close, c.ref)
	}
}

// isHeldBy reports whether an entry shows one of the phones or e-mail addresses of the customer. A server that does not
// know a filter lists the entries of everybody.
func (l *loyalty[P]) isHeldBy(params P, entry *antcrm.LoyaltyEntry) bool {
	if entry.Contact == nil {
		return false
	}
	phones, emails := l.spec.holder(params)
	return slices.ContainsFunc(entry.Contact.Phones, func(p antcrm.Phone) bool {
		return slices.ContainsFunc(phones, func(phone string) bool { return phoneEnd(phone) == phoneEnd(p.Value) && p.Value != "" })
	}) || slices.ContainsFunc(entry.Contact.Emails, func(e antcrm.Email) bool {
		return slices.ContainsFunc(emails, func(email string) bool { return sameText(email, e.Value) && e.Value != "" })
	})
}

// phoneEnd is what a phone number has in common in its forms (0…, +84…, with spaces).
func phoneEnd(phone string) string {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, phone)
	return digits[max(0, len(digits)-9):]
}

// marks are keyed digests of what is given to whom, one for each phone and e-mail address: two requests that share one
// may make entries that cannot be told apart.
func (l *loyalty[P]) marks(params P) fieldSet {
	d := newDigester(l.core.secret)
	var marks fieldSet
	phones, emails := l.spec.holder(params)
	for _, phone := range phones {
		marks = append(append(marks, 0), d.field(l.spec.code(params), "phone", []byte(phoneEnd(phone)))...)
	}
	for _, email := range emails {
		marks = append(append(marks, 1), d.field(l.spec.code(params), "email", []byte(strings.ToLower(strings.TrimSpace(email))))...)
	}
	return marks
}

// shares reports whether two sets of marks have one in common.
func (f fieldSet) shares(other fieldSet) bool {
	for mark := range slices.Chunk(f, 1+fieldSize) {
		for theirs := range slices.Chunk(other, 1+fieldSize) {
			if bytes.Equal(mark, theirs) {
				return true
			}
		}
	}
	return false
}

// others reports whether another key of this state has asked for the same within the time that is looked at.
func (l *loyalty[P]) others(ctx context.Context, key string, marks fieldSet, in *intent) (found bool, err error) {
	query := "SELECT " + rowColumns + " FROM crmsync_records r WHERE r.kind = ? AND r.key <> ? AND COALESCE(r.begun_at, r.done_at) > ?"
	err = l.core.state.query(ctx, query, []any{l.spec.kind, key, in.begun.Add(-2 * clockSkew).UnixMilli()}, func(known *row) bool {
		fields := fieldSet(known.fields)
		if known.intent != nil {
			fields = known.intent.fields
		}
		found = marks.shares(fields) || bytes.Equal(digestOf(known), in.want)
		return !found
	})
	return found, err
}

func pointsHolder(params antcrm.AccumulateParams) (phones, emails []string) {
	for _, phone := range params.Data.Phones {
		phones = append(phones, phone.Value)
	}
	for _, email := range params.Data.Emails {
		emails = append(emails, email.Value)
	}
	return withoutEmpty(phones), withoutEmpty(emails)
}

func redemptionHolder(params antcrm.RedeemParams) (phones, emails []string) {
	return withoutEmpty([]string{params.Data.Phone}), withoutEmpty([]string{params.Data.Email})
}

// withoutEmpty drops what a filter would take for no filter.
func withoutEmpty(texts []string) []string {
	return slices.DeleteFunc(texts, func(text string) bool { return strings.TrimSpace(text) == "" })
}

func historyProbes[P any](all historyList, params P, holder func(P) (phones, emails []string), from, to time.Time) (probes []historyProbe) {
	phones, emails := holder(params)
	for _, phone := range phones {
		probes = append(probes, historyBy(all, "phone", phone, from, to))
	}
	for _, email := range emails {
		probes = append(probes, historyBy(all, "e-mail address", email, from, to))
	}
	return probes
}

func pointsKind(client *antcrm.Client) loyaltySpec[antcrm.AccumulateParams] {
	return loyaltySpec[antcrm.AccumulateParams]{
		kind: KindPoints,
		send: client.Points.Accumulate,
		check: func(ctx context.Context, params antcrm.AccumulateParams) error {
			return onlyValidation(offline().Points.Accumulate(ctx, params))
		},
		history: func(params antcrm.AccumulateParams, from, to time.Time) []historyProbe {
			return historyProbes(client.Points.All, params, pointsHolder, from, to)
		},
		holder: pointsHolder,
		code:   func(params antcrm.AccumulateParams) string { return params.Code },
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
			return historyProbes(client.Redeem.All, params, redemptionHolder, from, to)
		},
		holder: redemptionHolder,
		code:   func(params antcrm.RedeemParams) string { return params.Code },
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
