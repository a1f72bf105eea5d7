// Package checkout is a small piece of a shop that keeps its customers and orders in AntCRM. It is here for its tests:
// they show how a service of one's own is tested against package antcrmtest, a lost answer and a 429 included.
//
// Module crmsync keeps customers and orders ready-made, exactly once and through crashes: see docs/sync.md and
// crmsync/examples/webhook.
package checkout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// ErrBusy says that the CRM takes no more requests for now: the shop keeps the order and tries again later.
var ErrBusy = errors.New("the CRM is busy")

// ErrUnsettled says that a write was sent and not answered, and may still arrive: the shop keeps the order and calls
// Place again later.
var ErrUnsettled = errors.New("it is not known whether the CRM has it")

// Order is an order as the shop knows it.
type Order struct {
	ID       string // the shop's own number
	Customer Customer
	Items    []Item
}

// Customer is a customer as the shop knows it.
type Customer struct {
	ID    string // the shop's own number
	Name  string
	Phone string
}

// Item is one line of an order.
type Item struct {
	Product  string
	Quantity int64
	Price    int64 // VND
}

// Service writes orders into the CRM.
type Service struct {
	// Settle is how long a lost request may still be under way. Zero: the client's limit for an attempt, and 30
	// seconds.
	Settle time.Duration
	// Now is the clock. Nil: time.Now.
	Now func() time.Time

	crm *antcrm.Client
	mu  sync.Mutex // one write after the other: two calls for one order at once would both find nothing
	// lost holds when a write was sent whose answer was lost. A shop keeps this in its database, so that it survives a
	// restart: package crmsync has that ready, as Ensure.
	lost map[string]time.Time
}

// New makes a Service.
func New(crm *antcrm.Client) *Service { return &Service{crm: crm, lost: map[string]time.Time{}} }

// Place makes sure that the customer and the order are in the CRM, and returns the CRM's number of the order. It may be
// called again with the same order at any time: what is there is found, and what was sent without an answer is not sent
// again before the lost request can no longer arrive. Until then the error is ErrUnsettled.
func (s *Service) Place(ctx context.Context, o Order) (antcrm.ID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	customer, err := s.customer(ctx, o.Customer)
	if err != nil {
		return "", describe("customer", err)
	}
	number, err := s.order(ctx, customer, o)
	if err != nil {
		return "", describe("order", err)
	}
	return number, nil
}

// describe tells a caller who is to wait from one whose order is wrong.
func describe(what string, err error) error {
	if errors.Is(err, antcrm.ErrRateLimited) {
		return fmt.Errorf("writing the %s: %w: %w", what, ErrBusy, err)
	}
	return fmt.Errorf("writing the %s: %w", what, err)
}

// customer finds the customer by phone, which the vendor documents as a filter, or creates it.
func (s *Service) customer(ctx context.Context, c Customer) (antcrm.ID, error) {
	find := func() (antcrm.ID, error) {
		for contact, err := range s.crm.Contacts.All(ctx, antcrm.ContactListParams{Phone: c.Phone, ContactType: antcrm.ContactTypeCustomer}) {
			if err != nil {
				return "", err
			}
			if contact.ExternalID == c.ID || contact.ExternalID == "" && contact.Name == c.Name && hasPhone(contact, c.Phone) {
				return contact.CustomerID, nil
			}
		}
		return "", antcrm.ErrNotFound
	}
	return s.once("customer "+c.ID, find, func() (antcrm.ID, error) {
		ref, err := s.crm.Contacts.Create(ctx, antcrm.ContactCreateParams{
			Name:        c.Name,
			ExternalID:  c.ID,
			ContactType: antcrm.ContactTypeCustomer,
			Phones:      []antcrm.Phone{{Type: "Work", Value: c.Phone}},
		})
		return ref.CustomerID, err
	})
}

func (s *Service) order(ctx context.Context, customer antcrm.ID, o Order) (antcrm.ID, error) {
	total := int64(0)
	for _, item := range o.Items {
		total += item.Quantity * item.Price
	}
	params := antcrm.OpportunityCreateParams{
		Name:          "Order " + o.ID,
		ExternalID:    o.ID,
		ReceiverName:  o.Customer.Name,
		ReceiverPhone: o.Customer.Phone,
		Customer:      &antcrm.OrderCustomer{CustomerID: customer},
		Value:         antcrm.NewDecimal(total), // without it the CRM prices the order
	}
	for _, item := range o.Items {
		params.LineItems = append(params.LineItems, antcrm.LineItem{
			Name: item.Product, Quantity: antcrm.NewDecimal(item.Quantity), Value: antcrm.NewDecimal(item.Price),
		})
	}
	find := func() (antcrm.ID, error) {
		for order, err := range s.crm.Opportunities.All(ctx, antcrm.OpportunityListParams{CustomerID: customer}) {
			if err != nil {
				return "", err
			}
			if order.ExternalID == o.ID || order.ExternalID == "" && order.Name == params.Name {
				return order.Number, nil
			}
		}
		return "", antcrm.ErrNotFound
	}
	return s.once("order "+o.ID, find, func() (antcrm.ID, error) { return s.crm.Opportunities.Create(ctx, params) })
}

// hasPhone compares the last nine digits: a server may keep 0900… as +84900….
func hasPhone(contact antcrm.Contact, phone string) bool {
	tail := func(number string) string { return number[max(0, len(number)-9):] }
	return slices.ContainsFunc(contact.Phones, func(p antcrm.Phone) bool { return tail(p.Value) == tail(phone) })
}

// once writes what is not there. Any error of the look-up ends it: only a list that does not hold the record says that
// it is not there, and not even that while a lost request may still arrive.
func (s *Service) once(key string, find, write func() (antcrm.ID, error)) (antcrm.ID, error) {
	id, err := find()
	if !errors.Is(err, antcrm.ErrNotFound) {
		if err == nil {
			delete(s.lost, key)
		}
		return id, err
	}
	if sent, ok := s.lost[key]; ok && s.now().Before(sent.Add(s.settle())) {
		return "", ErrUnsettled
	}
	id, err = write()
	if !errors.Is(err, antcrm.ErrOutcomeUnknown) {
		delete(s.lost, key)
		return id, err
	}
	s.lost[key] = s.now() // the last attempt has just ended
	if found, lookErr := find(); lookErr == nil {
		delete(s.lost, key)
		return found, nil
	}
	return "", fmt.Errorf("%w: %w", ErrUnsettled, err)
}

func (s *Service) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func (s *Service) settle() time.Duration {
	if s.Settle > 0 {
		return s.Settle
	}
	return s.crm.AttemptTimeout() + 30*time.Second
}
