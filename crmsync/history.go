package crmsync

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// onlyValidation drops what the offline client says of valid params.
func onlyValidation(err error) error {
	if errors.Is(err, antcrm.ErrValidation) {
		return err
	}
	return nil
}

type historyList func(ctx context.Context, params antcrm.LoyaltyListParams, opts ...antcrm.CallOption) iter.Seq2[antcrm.LoyaltyEntry, error]

// historyBy is the history's filter by phone or e-mail address, and time.
func historyBy(all historyList, name, value string, from, to time.Time) probe {
	params := antcrm.LoyaltyListParams{From: from, To: to}
	if name == "phone" {
		params.Phone = value
	} else {
		params.Email = value
	}
	return probe{
		name: name, value: value,
		list: func(ctx context.Context) ([]candidate, error) {
			return collectCandidates(ctx, all(ctx, params), historyCandidate)
		},
		of: func(c candidate) (probe, bool) {
			entry, _ := c.record.(*antcrm.LoyaltyEntry)
			if entry == nil || entry.Contact == nil || c.created.IsZero() {
				return probe{}, false
			}
			from, to := c.created.Add(-time.Second), c.created.Add(time.Second)
			if name == "phone" && len(entry.Contact.Phones) > 0 {
				return historyBy(all, name, entry.Contact.Phones[0].Value, from, to), true
			}
			if name != "phone" && len(entry.Contact.Emails) > 0 {
				return historyBy(all, name, entry.Contact.Emails[0].Value, from, to), true
			}
			return probe{}, false
		},
	}
}

func historyCandidate(e *antcrm.LoyaltyEntry) candidate {
	return candidate{ref: entryID(e), created: e.CreatedAt.Time, record: e}
}

// entryID is an entry's id: the vendor's sample calls it id here, and _id elsewhere.
func entryID(e *antcrm.LoyaltyEntry) string {
	if e.ID != "" {
		return string(e.ID)
	}
	var named struct {
		ID antcrm.ID `json:"_id"`
	}
	if e.Decode(&named) != nil {
		return ""
	}
	return string(named.ID)
}
