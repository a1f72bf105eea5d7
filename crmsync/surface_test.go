package crmsync_test

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/crmsync"
)

// What follows is checked by the compiler: programs are written against these names and signatures.

type (
	ctxT         = context.Context
	seqOf[T any] = iter.Seq2[T, error]
	pushOpt      = crmsync.PushOption
	refChange    = crmsync.Change[antcrm.ContactRef]
	idChange     = crmsync.Change[antcrm.ID]
)

var (
	_ func(ctxT, string) (*crmsync.State, error)                                                     = crmsync.Open
	_ func(*crmsync.State) error                                                                     = (*crmsync.State).Close
	_ func(ctxT, *antcrm.Client, *crmsync.State, ...crmsync.Option) (*crmsync.Syncer, error)         = crmsync.New
	_ func(*crmsync.State, ctxT) seqOf[crmsync.Intent]                                               = (*crmsync.State).Unknown
	_ func(*crmsync.State, ctxT, crmsync.Intent, antcrm.Outcome, string) error                       = (*crmsync.State).Settle
	_ func(*crmsync.Syncer, ctxT, ...crmsync.PullOption) seqOf[crmsync.PullProgress]                 = (*crmsync.Syncer).Pull
	_ func(*crmsync.Contacts, ctxT, seqOf[antcrm.ContactCreateParams], ...pushOpt) seqOf[refChange]  = (*crmsync.Contacts).Push
	_ func(*crmsync.Products, ctxT, seqOf[antcrm.ProductCreateParams], ...pushOpt) seqOf[idChange]   = (*crmsync.Products).Push
	_ func(*crmsync.Orders, ctxT, seqOf[antcrm.OpportunityCreateParams], ...pushOpt) seqOf[idChange] = (*crmsync.Orders).Push

	_ func(*crmsync.Contacts, ctxT, antcrm.ContactCreateParams) (antcrm.ContactRef, error) = (*crmsync.Contacts).Ensure
	_ func(*crmsync.Products, ctxT, antcrm.ProductCreateParams) (antcrm.ID, error)         = (*crmsync.Products).Ensure
	_ func(*crmsync.Orders, ctxT, antcrm.OpportunityCreateParams) (antcrm.ID, error)       = (*crmsync.Orders).Ensure
	_ func(*crmsync.Tickets, ctxT, antcrm.TicketCreateParams) (antcrm.ID, error)           = (*crmsync.Tickets).Ensure
	_ func(*crmsync.Points, ctxT, string, antcrm.AccumulateParams) error                   = (*crmsync.Points).AccumulateOnce
	_ func(*crmsync.Redemptions, ctxT, string, antcrm.RedeemParams) error                  = (*crmsync.Redemptions).GiftOnce

	_ func(time.Duration) crmsync.Option       = crmsync.WithSettle
	_ func() pushOpt                           = crmsync.WithDryRun
	_ func(int) pushOpt                        = crmsync.WithDeletes
	_ func(int) pushOpt                        = crmsync.WithConcurrency
	_ func() pushOpt                           = crmsync.WithIsolation
	_ func(...crmsync.Kind) crmsync.PullOption = crmsync.WithKinds
	_ func() crmsync.PullOption                = crmsync.WithFullSweep
	_ func(time.Duration) crmsync.PullOption   = crmsync.WithOverlap

	_ = crmsync.Syncer{
		Contacts: (*crmsync.Contacts)(nil), Products: (*crmsync.Products)(nil), Orders: (*crmsync.Orders)(nil),
		Tickets: (*crmsync.Tickets)(nil), Points: (*crmsync.Points)(nil), Redemptions: (*crmsync.Redemptions)(nil),
	}
	_ = crmsync.Change[int]{Key: "", Action: crmsync.Unchanged, Ref: 0, Outcome: antcrm.OutcomeUnknown, Err: error(nil)}
	_ = []error{crmsync.ErrOtherAccount, crmsync.ErrTooManyDeletes}
)

func TestActionsAreNumberedInTheirOrder(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []crmsync.Action{0, 1, 2, 3}, []crmsync.Action{crmsync.Unchanged, crmsync.Create, crmsync.Update, crmsync.Delete})
}
