// Package checkout is a small piece of a shop that keeps its customers and orders in AntCRM. It is here for its tests: they show how a service
// of one's own is tested against package antcrmtest, a lost answer and a 429 included.
package checkout

import (
	"context"
	"errors"
	"fmt"

	"github.com/antbuddy/antcrm-go"
)

// ErrBusy says that the CRM takes no more requests for now: the shop keeps the order and tries again later.
var ErrBusy = errors.New("the CRM is busy")

// maxSends is how often one write is sent at most.
const maxSends = 3

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
	crm *antcrm.Client
}

// New makes a Service.
func New(crm *antcrm.Client) *Service { return &Service{crm: crm} }

// Place makes sure that the customer exists, and writes the order. It returns the CRM's number of the order. The order is written once, even when
// an answer is lost on the way: the CRM is asked whether the order is there before it is sent again.
func (s *Service) Place(ctx context.Context, o Order) (antcrm.ID, error) {
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

// customer finds the customer by the shop's own number, or creates it.
func (s *Service) customer(ctx context.Context, c Customer) (antcrm.ID, error) {
	find := func() (antcrm.ID, error) {
		contact, err := s.crm.Contacts.Get(ctx, antcrm.ExternalRef(c.ID))
		if err != nil {
			return "", err
		}
		return contact.CustomerID, nil
	}
	id, err := find()
	if !errors.Is(err, antcrm.ErrNotFound) {
		return id, err
	}
	return once(find, func() (antcrm.ID, error) {
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
	params := antcrm.OpportunityCreateParams{
		Name:          "Order " + o.ID,
		ExternalID:    o.ID,
		ReceiverName:  o.Customer.Name,
		ReceiverPhone: o.Customer.Phone,
		Customer:      &antcrm.OrderCustomer{CustomerID: customer},
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
			if order.ExternalID == o.ID {
				return order.Number, nil
			}
		}
		return "", antcrm.ErrNotFound
	}
	return once(find, func() (antcrm.ID, error) { return s.crm.Opportunities.Create(ctx, params) })
}

// once repeats a write whose answer was lost only after it has looked whether the write was carried out.
func once(find, write func() (antcrm.ID, error)) (antcrm.ID, error) {
	for sends := 1; ; sends++ {
		id, err := write()
		if !errors.Is(err, antcrm.ErrOutcomeUnknown) {
			return id, err
		}
		found, lookErr := find()
		switch {
		case lookErr == nil:
			return found, nil
		case !errors.Is(lookErr, antcrm.ErrNotFound) || sends == maxSends:
			return "", err // still not known: the caller's next try begins with a look
		}
	}
}
