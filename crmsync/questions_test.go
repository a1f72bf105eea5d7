package crmsync_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/crmsync"
)

// Under each answer that a server could have, the first creation of each kind is carried out and its answer lost, and the
// second one never arrives.
func TestEveryAnswerToTheOpenQuestionsDoublesNothing(t *testing.T) {
	t.Parallel()
	count := 0
	for _, question := range antcrmtest.OpenQuestions() {
		for _, alternative := range question.Alternatives {
			if count++; raced && count%10 != 0 {
				continue // what runs at once is the same under each
			}
			t.Run(question.ID+"/"+alternative.Name, func(t *testing.T) {
				t.Parallel()
				settle := time.Millisecond
				if question.ID == "read-after-write" {
					settle = 4 * time.Second // covers how far lists lag behind, as the default does
				}
				u := &underAnswer{srv: antcrmtest.NewServer(t, alternative.Option), settle: settle}
				u.s, u.state = newSyncer(t, u.srv, sqliteDSN(t), crmsync.WithSettle(settle))
				u.lose("/contacts*", "/opportunities*", "/products*", "/tickets*", "/accumulate*")
				for _, v := range []int{1, 1, 2, 2} {
					time.Sleep(settle + 3*time.Millisecond)
					u.night(t, v)
				}
				u.atMostOnce(t)
			})
		}
	}
}

// underAnswer is a sync with a server that answers an open question in another way.
type underAnswer struct {
	srv    *antcrmtest.Server
	s      *crmsync.Syncer
	state  *crmsync.State
	settle time.Duration
	lost   []*antcrmtest.Injected

	done map[antcrmtest.Kind]int // confirmed by the last night
}

func (u *underAnswer) lose(paths ...string) {
	for _, path := range paths {
		u.lost = append(u.lost,
			u.srv.Inject(antcrmtest.Fault{Method: "POST", Path: path, Do: antcrmtest.CloseAfter, Nth: 1}),
			u.srv.Inject(antcrmtest.Fault{Method: "POST", Path: path, Do: antcrmtest.CloseBefore, Nth: 2}))
	}
}

const (
	questionContacts = 20
	questionOrders   = 5
	questionProducts = 3
	questionTickets  = 3
	questionPoints   = 3
)

// night syncs every kind.
func (u *underAnswer) night(t *testing.T, v int) {
	t.Helper()
	ctx := context.Background()
	contacts := run(u.s.Contacts.Push(ctx, customers(questionContacts, func(i int, c *antcrm.ContactCreateParams) {
		if version(v)(i, c); i%2 == 1 {
			c.ContactType = antcrm.ContactTypeCustomer // a second package
		}
	})))
	orders := run(u.s.Orders.Push(ctx, func(yield func(antcrm.OpportunityCreateParams, error) bool) {
		for i := range questionOrders {
			if !yield(antcrm.OpportunityCreateParams{
				Name: fmt.Sprint("Đơn ", i), ReceiverName: "Mai", ReceiverPhone: fmt.Sprint("090000000", i), ExternalID: fmt.Sprint("SO-", i), Value: antcrm.Decimal(fmt.Sprint(v)),
			}, nil) {
				return
			}
		}
	}))
	products := run(u.s.Products.Push(ctx, func(yield func(antcrm.ProductCreateParams, error) bool) {
		for i := range questionProducts {
			if !yield(antcrm.ProductCreateParams{Name: "Tivi", Code: fmt.Sprint("TV-", i), ExternalID: fmt.Sprint("P-", i), Value: antcrm.DecimalText(fmt.Sprint(v))}, nil) {
				return
			}
		}
	}))
	u.done = map[antcrmtest.Kind]int{
		antcrmtest.Contacts: confirmed(contacts), antcrmtest.Opportunities: confirmed(orders), antcrmtest.Products: confirmed(products),
	}
	for i := range questionTickets {
		_, err := u.s.Tickets.Ensure(ctx, antcrm.TicketCreateParams{
			Title: fmt.Sprint("Hỏng ", i), Summary: fmt.Sprint("lần ", v), SLA: "1h", ExternalID: fmt.Sprint("T-", i),
			Contact: antcrm.TicketContact{Name: "Mai", Phones: []antcrm.Phone{{Value: "0900000001"}}},
		})
		u.count(antcrmtest.Tickets, err)
	}
	for i := range questionPoints {
		u.count(antcrmtest.History, u.s.Points.AccumulateOnce(ctx, fmt.Sprint("receipt-", i), antcrm.AccumulateParams{
			Code: fmt.Sprint("C-", i), Data: antcrm.AccumulateCustomer{Phones: customer(2).Phones},
		}))
	}
}

func (u *underAnswer) count(kind antcrmtest.Kind, err error) {
	if err == nil {
		u.done[kind]++
	}
}

func confirmed(s summary) int {
	if s.end != nil {
		return 0
	}
	return s.done[crmsync.Create] + s.done[crmsync.Update] + s.done[crmsync.Unchanged]
}

func (u *underAnswer) atMostOnce(t *testing.T) {
	t.Helper()
	t.Logf("done %v, unknown %d", u.done, len(unknown(t, u.state)))
	for kind, most := range map[antcrmtest.Kind]int{
		antcrmtest.Contacts: questionContacts, antcrmtest.Opportunities: questionOrders, antcrmtest.Products: questionProducts,
		antcrmtest.Tickets: questionTickets, antcrmtest.History: questionPoints,
	} {
		counted := u.srv.Count(kind)
		assert.LessOrEqual(t, counted, most, "%v: a record was doubled", kind)
		assert.GreaterOrEqual(t, counted, u.done[kind], "%v: a record was lost", kind)
	}
}

// A server may print the time of another zone, or its clock may be off: what is older than its request by a clock that
// nobody knows is no proof that the request was not carried out.
func TestAServerWhoseClockIsOffDoublesNothing(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-7 * time.Hour, -90 * time.Minute, 0, 90 * time.Minute, 7 * time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			t.Parallel()
			srv := antcrmtest.NewServer(t, antcrmtest.WithClock(func() time.Time { return time.Now().Add(off) }),
				antcrmtest.WithAnswer("contact-external-id-shown", "hidden"), antcrmtest.WithAnswer("contact-filter-external-id", "ignored"),
				antcrmtest.WithAnswer("order-external-id-shown", "hidden"), antcrmtest.WithAnswer("ticket-external-id-shown", "hidden"))
			u := &underAnswer{srv: srv, settle: time.Millisecond}
			dsn := sqliteDSN(t)
			u.lose("/contacts*", "/opportunities*", "/products*", "/tickets*", "/accumulate*")
			for range 3 { // each in a process of its own, which has seen no record
				u.s, u.state = newSyncer(t, srv, dsn, crmsync.WithSettle(u.settle))
				u.night(t, 1)
				time.Sleep(3 * u.settle)
			}
			u.atMostOnce(t)
		})
	}
}
