// Package ordersync brings the orders that have changed in an ERP into the CRM.
package ordersync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// Syncer brings what has changed in the ERP into the CRM.
type Syncer struct {
	ERP  *ERP
	CRM  *antcrm.Client
	Path string           // of the state
	Now  func() time.Time // the clock
	Out  io.Writer        // what it reports
}

// Run is one night. It reports whether everything is in the CRM. What is not done is tried again the next night,
// because the watermark stays: orders that are in the CRM are then updated once more, which changes nothing.
func (s *Syncer) Run(ctx context.Context) (done bool, err error) {
	st, err := load(s.Path)
	if err != nil {
		return false, fmt.Errorf("read the state: %w", err)
	}
	changed := s.ERP.changedSince(st.Watermark)
	s.printf("  %d orders have changed\n", len(changed))
	if err := s.lookUp(ctx, st, changed); err != nil {
		return false, err
	}
	updated, err := s.update(ctx, st, changed)
	if err != nil {
		return false, err
	}
	created, err := s.create(ctx, st, changed)
	if err != nil {
		return false, err
	}
	if updated && created {
		st.Watermark = latest(st.Watermark, changed)
		s.printf("  all done: the watermark moves to %s\n", st.Watermark.Format(time.DateTime))
	} else {
		s.printf("  not all is done: the watermark stays at %s\n", st.Watermark.Format(time.DateTime))
	}
	return updated && created, st.save(s.Path)
}

// lookUp settles the creations whose answers were lost in an earlier night: an
// order that is in the CRM has its number now, one that is not is created anew.
// An order is looked up only when its lost request can no longer arrive: before
// that, "not there" proves nothing.
func (s *Syncer) lookUp(ctx context.Context, st *state, changed []Order) error {
	settled := s.Now().Add(-s.CRM.AttemptTimeout() - 30*time.Second)
	looked, found := 0, 0
	for _, o := range changed {
		if begun, ok := st.Begun[o.Key]; !ok || begun.After(settled) {
			continue
		}
		number, err := s.find(ctx, o)
		if err != nil {
			return fmt.Errorf("look for order %s: %w", o.Key, err)
		}
		looked++
		if number != "" {
			st.Numbers[o.Key] = number
			found++
		}
		delete(st.Begun, o.Key)
	}
	if looked > 0 {
		s.printf("  looked for %d orders of unknown outcome: %d are in the CRM, %d are not\n", looked, found, looked-found)
	}
	return nil
}

// find goes by the receiver's phone: the API has no filter for the caller's own
// key of an order. The key is the order's name, too, which every record has.
func (s *Syncer) find(ctx context.Context, o Order) (antcrm.ID, error) {
	for candidate, err := range s.CRM.Opportunities.All(ctx, antcrm.OpportunityListParams{Phone: o.Phone}) {
		if err != nil {
			return "", err
		}
		if candidate.Name == o.Key {
			return candidate.Number, nil
		}
	}
	return "", nil
}

// update changes the orders whose numbers are known. It may be repeated at any
// time: an update of unknown outcome needs no looking up.
func (s *Syncer) update(ctx context.Context, st *state, changed []Order) (complete bool, err error) {
	var changes []antcrm.OpportunityUpdate // each with its value: without one the CRM may price the order anew
	var keys []string
	for _, o := range changed {
		if number := st.Numbers[o.Key]; number != "" {
			changes = append(changes, antcrm.OpportunityUpdate{Number: number, OpportunityUpdateParams: antcrm.OpportunityUpdateParams{
				Name: &o.Key, Stage: &o.Stage, LineItems: o.lineItems(), Value: new(o.value()),
			}})
			keys = append(keys, o.Key)
		}
	}
	result, err := s.CRM.Opportunities.UpdateBatch(ctx, changes)
	if err := fatal(ctx, err); err != nil {
		return false, err
	}
	s.report("updated", keys, result.Failures)
	return len(result.Failures) == 0, nil
}

// create creates the others. Before they are sent the state says so: a program
// that dies in the middle finds them there and looks before it sends them again.
func (s *Syncer) create(ctx context.Context, st *state, changed []Order) (complete bool, err error) {
	var orders []antcrm.OpportunityCreateParams
	var keys []string
	waiting := 0
	for _, o := range changed {
		switch _, begun := st.Begun[o.Key]; {
		case st.Numbers[o.Key] != "":
		case begun: // a lost request may still arrive
			waiting++
		default:
			orders = append(orders, o.params())
			keys = append(keys, o.Key)
			st.Begun[o.Key] = s.Now()
		}
	}
	if err := st.save(s.Path); err != nil {
		return false, err
	}
	result, failure := s.CRM.Opportunities.CreateBatch(ctx, orders)
	for i, number := range result.Results {
		if number != "" { // done
			st.Numbers[keys[i]] = number
			delete(st.Begun, keys[i])
		}
	}
	for _, failed := range result.Failures {
		if failed.Outcome == antcrm.OutcomeUnknown {
			for _, key := range keys[failed.First : failed.First+failed.Count] {
				st.Begun[key] = s.Now() // its last attempt may have begun much later than the batch
			}
			continue
		}
		for _, key := range keys[failed.First : failed.First+failed.Count] { // rejected, or never sent
			delete(st.Begun, key)
		}
	}
	if err := st.save(s.Path); err != nil {
		return false, err
	}
	s.report("created", keys, result.Failures)
	return len(result.Failures) == 0 && waiting == 0, fatal(ctx, failure)
}

func (s *Syncer) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(s.Out, format, args...) // a report that cannot be written stops nothing
}

// fatal picks the errors that the next night does not mend by itself.
func fatal(ctx context.Context, err error) error {
	if errors.Is(err, antcrm.ErrUnauthorized) || errors.Is(err, antcrm.ErrForbidden) || ctx.Err() != nil {
		return err
	}
	return nil
}

// report prints what became of a batch.
func (s *Syncer) report(what string, keys []string, failures []antcrm.BatchFailure) {
	done := len(keys)
	for _, failed := range failures {
		done -= failed.Count
	}
	s.printf("  %s %d of %d\n", what, done, len(keys))
	for _, failed := range failures {
		s.printf("    %s to %s (%d) %s: %v\n", keys[failed.First], keys[failed.First+failed.Count-1], failed.Count, failed.Outcome, failed.Err)
	}
}

func latest(mark time.Time, changed []Order) time.Time {
	for _, o := range changed {
		if o.Changed.After(mark) {
			mark = o.Changed
		}
	}
	return mark
}

func (o Order) params() antcrm.OpportunityCreateParams {
	return antcrm.OpportunityCreateParams{
		Name:          o.Key,
		ExternalID:    o.Key,
		ReceiverName:  o.Customer,
		ReceiverPhone: o.Phone,
		Customer:      &antcrm.OrderCustomer{Name: o.Customer, Phones: []antcrm.Phone{{Value: o.Phone}}},
		Stage:         o.Stage,
		LineItems:     o.lineItems(),
		Value:         o.value(),
	}
}

const price = 125_000

func (o Order) value() antcrm.Decimal { return antcrm.NewDecimal(o.Quantity * price) }

func (o Order) lineItems() []antcrm.LineItem {
	return []antcrm.LineItem{{Name: "Beef combo", Quantity: antcrm.NewDecimal(o.Quantity), Value: antcrm.NewDecimal(price)}}
}
