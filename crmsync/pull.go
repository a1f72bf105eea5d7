package crmsync

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// PullProgress is how far a pull has come with one kind.
type PullProgress struct {
	Kind     Kind
	Campaign antcrm.ID // of telesales and telecalls
	Read     int64     // records that the CRM listed
	Changed  int64     // of those, new or changed in the mirror
	Deleted  int64     // records that are gone
	Done     bool      // this kind is complete
}

// PullOption changes a pull.
type PullOption func(*pullConfig) error

type pullConfig struct {
	kinds     []Kind
	campaigns []antcrm.ID
	full      bool
	overlap   time.Duration
}

// WithKinds pulls these kinds only. The default is contacts, orders, products,
// tickets, points and redemptions, and with WithCampaigns telesales and telecalls.
func WithKinds(kinds ...Kind) PullOption {
	return func(cfg *pullConfig) error {
		for _, kind := range kinds {
			if _, ok := kindNames[kind]; !ok {
				return invalid("kinds", "has one that is not known")
			}
		}
		cfg.kinds = append(cfg.kinds, kinds...)
		return nil
	}
}

// WithCampaigns pulls the telesales and telecalls of these campaigns: the API
// lists them by campaign only.
func WithCampaigns(ids ...antcrm.ID) PullOption {
	return func(cfg *pullConfig) error {
		if slices.Contains(ids, "") {
			return invalid("campaigns", "has one without an id")
		}
		cfg.campaigns = append(cfg.campaigns, ids...)
		return nil
	}
}

// WithFullSweep reads everything, also what has a filter by time, and so finds
// what was deleted in the CRM. Run it once a day or once a week.
func WithFullSweep() PullOption {
	return func(cfg *pullConfig) error {
		cfg.full = true
		return nil
	}
}

// WithOverlap sets how far before the end of the last pull the filters by time
// begin. The defaults are two days for contacts, whose filter takes days in a
// zone that the vendor does not name, and one hour for the others, for clocks
// that differ. Less than the default may miss changes.
func WithOverlap(d time.Duration) PullOption {
	return func(cfg *pullConfig) error {
		if d < 0 {
			return invalid("overlap", "is negative")
		}
		cfg.overlap = d
		return nil
	}
}

// Pull mirrors the CRM into the tables crm_contacts, crm_orders, crm_products,
// crm_tickets, crm_points, crm_redemptions, crm_telesales and crm_telecalls of
// the state's database: typed columns, the record as received in raw, and
// deleted_at for what is gone. The views crm_orders_by_stage,
// crm_customers_without_order and crm_open_tickets are made of them.
//
// Contacts and tickets are read by the time of their last change, points and
// redemptions by that of their creation, from the last pull on. The API has no
// such filter for orders, products, telesales and telecalls (of the latter two
// only by creation): they are read whole, and records that have not changed are
// not written. The first two pulls read every kind whole: a record that slid to
// an earlier page while the first one ran, because another was deleted, is found
// by the second.
//
// A record that a sweep did not list is looked up by its own key before it is
// taken for deleted. Deletions of contacts, tickets, points and redemptions are
// found by sweeps only: see WithFullSweep.
//
// It yields progress after each batch that is written. A pull that ends early
// goes on where it was when it is run again. One pull at a time: two at once read
// the CRM twice, and do no harm.
func (s *Syncer) Pull(ctx context.Context, opts ...PullOption) iter.Seq2[PullProgress, error] {
	return func(yield func(PullProgress, error) bool) {
		cfg, err := newPullConfig(opts)
		switch {
		case err != nil:
		case s == nil || s.core == nil:
			err = invalid("syncer", "was not made by New")
		case ctx == nil:
			err = invalid("ctx", "is nil")
		}
		if err != nil {
			yield(PullProgress{}, err)
			return
		}
		for _, kind := range cfg.kinds {
			if err := s.pullKind(ctx, kind, cfg, yield); err != nil {
				if !errors.Is(err, errStopped) {
					yield(PullProgress{}, err)
				}
				return
			}
		}
	}
}

func newPullConfig(opts []PullOption) (pullConfig, error) {
	cfg := pullConfig{overlap: -1}
	for _, opt := range opts {
		if opt == nil {
			return cfg, invalid("opts", "a pull option is nil")
		}
		if err := opt(&cfg); err != nil {
			return cfg, err
		}
	}
	byCampaign := []Kind{KindTelesales, KindTelecalls}
	if len(cfg.kinds) == 0 {
		cfg.kinds = []Kind{KindContacts, KindOrders, KindProducts, KindTickets, KindPoints, KindRedemptions}
		if len(cfg.campaigns) > 0 {
			cfg.kinds = append(cfg.kinds, byCampaign...)
		}
	}
	for _, kind := range byCampaign {
		if slices.Contains(cfg.kinds, kind) && len(cfg.campaigns) == 0 {
			return cfg, invalid("campaigns", kind.String()+" are listed by campaign: name one with WithCampaigns")
		}
	}
	return cfg, nil
}

func (s *Syncer) pullKind(ctx context.Context, kind Kind, cfg pullConfig, yield func(PullProgress, error) bool) error {
	client := s.core.client
	switch kind {
	case KindContacts:
		return pull(ctx, s.core.state, contactMirror(client), "", cfg, yield)
	case KindOrders:
		return pull(ctx, s.core.state, orderMirror(client), "", cfg, yield)
	case KindProducts:
		return pull(ctx, s.core.state, productMirror(client), "", cfg, yield)
	case KindTickets:
		return pull(ctx, s.core.state, ticketMirror(client), "", cfg, yield)
	case KindPoints:
		return pull(ctx, s.core.state, historyMirror(KindPoints, client.Points.All, client.Points.List), "", cfg, yield)
	case KindRedemptions:
		return pull(ctx, s.core.state, historyMirror(KindRedemptions, client.Redeem.All, client.Redeem.List), "", cfg, yield)
	}
	for _, campaign := range cfg.campaigns {
		var err error
		if kind == KindTelesales {
			err = pull(ctx, s.core.state, telesaleMirror(client, campaign), campaign, cfg, yield)
		} else {
			err = pull(ctx, s.core.state, telecallMirror(client, campaign), campaign, cfg, yield)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errStopped = errors.New("crmsync: the caller has seen enough")
