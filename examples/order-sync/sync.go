package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// syncer brings what has changed in the ERP into the CRM.
type syncer struct {
	erp  *erp
	crm  *antcrm.Client
	path string           // of the state
	now  func() time.Time // the clock
}

// run is one night. What is not done is tried again the next night, because
// the watermark stays: orders that are in the CRM are then updated once more,
// which changes nothing.
func (s *syncer) run(ctx context.Context) error {
	st, err := load(s.path)
	if err != nil {
		return fmt.Errorf("read the state: %w", err)
	}
	changed := s.erp.changedSince(st.Watermark)
	fmt.Printf("  %d orders have changed\n", len(changed))
	if err := s.lookUp(ctx, st, changed); err != nil {
		return err
	}
	updated, err := s.update(ctx, st, changed)
	if err != nil {
		return err
	}
	created, err := s.create(ctx, st, changed)
	if err != nil {
		return err
	}
	if updated && created {
		st.Watermark = latest(st.Watermark, changed)
		fmt.Println("  all done: the watermark moves to", st.Watermark.Format(time.DateTime))
	} else {
		fmt.Println("  not all is done: the watermark stays at", st.Watermark.Format(time.DateTime))
	}
	return st.save(s.path)
}

// lookUp settles the creations whose answers were lost in an earlier night: an
// order that is in the CRM has its number now, one that is not is created anew.
// An order is looked up only when its lost request can no longer arrive: before
// that, "not there" proves nothing.
func (s *syncer) lookUp(ctx context.Context, st *state, changed []order) error {
	settled := s.now().Add(-s.crm.AttemptTimeout() - 30*time.Second)
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
		fmt.Printf("  looked for %d orders of unknown outcome: %d are in the CRM, %d are not\n", looked, found, looked-found)
	}
	return nil
}

// find goes by the receiver's phone: the API has no filter for the caller's own
// key of an order. The key is the order's name, too, which every record has.
func (s *syncer) find(ctx context.Context, o order) (antcrm.ID, error) {
	for candidate, err := range s.crm.Opportunities.All(ctx, antcrm.OpportunityListParams{Phone: o.Phone}) {
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
func (s *syncer) update(ctx context.Context, st *state, changed []order) (complete bool, err error) {
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
	result, err := s.crm.Opportunities.UpdateBatch(ctx, changes)
	if err := fatal(ctx, err); err != nil {
		return false, err
	}
	report("updated", keys, result.Failures)
	return len(result.Failures) == 0, nil
}

// create creates the others. Before they are sent the state says so: a program
// that dies in the middle finds them there and looks before it sends them again.
func (s *syncer) create(ctx context.Context, st *state, changed []order) (complete bool, err error) {
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
			st.Begun[o.Key] = s.now()
		}
	}
	if err := st.save(s.path); err != nil {
		return false, err
	}
	result, failure := s.crm.Opportunities.CreateBatch(ctx, orders)
	for i, number := range result.Results {
		if number != "" { // done
			st.Numbers[keys[i]] = number
			delete(st.Begun, keys[i])
		}
	}
	for _, failed := range result.Failures {
		if failed.Outcome == antcrm.OutcomeUnknown {
			for _, key := range keys[failed.First : failed.First+failed.Count] {
				st.Begun[key] = s.now() // its last attempt may have begun much later than the batch
			}
			continue
		}
		for _, key := range keys[failed.First : failed.First+failed.Count] { // rejected, or never sent
			delete(st.Begun, key)
		}
	}
	if err := st.save(s.path); err != nil {
		return false, err
	}
	report("created", keys, result.Failures)
	return len(result.Failures) == 0 && waiting == 0, fatal(ctx, failure)
}

// fatal picks the errors that the next night does not mend by itself.
func fatal(ctx context.Context, err error) error {
	if errors.Is(err, antcrm.ErrUnauthorized) || errors.Is(err, antcrm.ErrForbidden) || ctx.Err() != nil {
		return err
	}
	return nil
}

// report prints what became of a batch.
func report(what string, keys []string, failures []antcrm.BatchFailure) {
	done := len(keys)
	for _, failed := range failures {
		done -= failed.Count
	}
	fmt.Printf("  %s %d of %d\n", what, done, len(keys))
	for _, failed := range failures {
		fmt.Printf("    %s to %s (%d) %s: %v\n", keys[failed.First], keys[failed.First+failed.Count-1], failed.Count, failed.Outcome, failed.Err)
	}
}

func latest(mark time.Time, changed []order) time.Time {
	for _, o := range changed {
		if o.Changed.After(mark) {
			mark = o.Changed
		}
	}
	return mark
}

func (o order) params() antcrm.OpportunityCreateParams {
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

func (o order) value() antcrm.Decimal { return antcrm.NewDecimal(o.Quantity * price) }

func (o order) lineItems() []antcrm.LineItem {
	return []antcrm.LineItem{{Name: "Beef combo", Quantity: antcrm.NewDecimal(o.Quantity), Value: antcrm.NewDecimal(price)}}
}
