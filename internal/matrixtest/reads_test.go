package matrixtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

var seeded = time.Date(2024, 3, 12, 18, 0, 0, 0, time.UTC)

// seedForReads puts more records there than a page of any size that is asked for below.
func (w *world) seedForReads() {
	w.srv.SetTime(seeded)
	defer w.srv.SetTime(time.Time{})
	for i := range 45 {
		w.srv.Advance(time.Minute)
		w.seed(antcrmtest.Contacts, map[string]any{"name": fmt.Sprint("C", i), "customerIdApiRing": fmt.Sprint("key", i), "contactType": "customer", "type": 0,
			"customerId": fmt.Sprint(100 + i), "phones": []any{map[string]any{"type": "Work", "value": fmt.Sprint("+8490", i)}}})
		w.seed(antcrmtest.Campaigns, map[string]any{"_id": fmt.Sprintf("64db290a7796fe24bfe8%04d", i), "name": i})
		w.seed(antcrmtest.Opportunities, map[string]any{"number": 100 + i, "name": "O", "value": 4520000, "opportunityIdApiRing": fmt.Sprint("o", i)})
		w.seed(antcrmtest.Products, map[string]any{"code": fmt.Sprint(100 + i), "name": "P", "productIdApiRing": fmt.Sprint("p", i), "value": "5"})
		w.seed(antcrmtest.Tickets, map[string]any{"TicketId": 100 + i, "title": "T", "contact": map[string]any{}, "isTicketDeleted": i >= 40})
		w.seed(antcrmtest.Ratings, map[string]any{"_id": fmt.Sprintf("64db290a7796fe24bfe9%04d", i), "source": []string{"ZALO", "CALL"}[i%2], "rating_score": 3})
		w.seed(antcrmtest.History, map[string]any{"id": fmt.Sprintf("64db290a7796fe24bfea%04d", i), "type": i%2 + 1, "score": 1, "status": 1, "contact": map[string]any{}})
		w.seed(antcrmtest.Messages, map[string]any{"sessionId": fmt.Sprint("s", i), "createdAt": seeded.UnixMilli(),
			"messages": []any{map[string]any{"_id": fmt.Sprint("m", i, "a")}, map[string]any{"_id": fmt.Sprint("m", i, "b")}}})
	}
}

// complete holds the ids of an iteration against those that are there.
func complete[T any](w *world, what string, seq iter.Seq2[T, error], idsOf func(T) []string, want []string) {
	seen := map[string]int{}
	for record, err := range seq {
		if err != nil {
			return // it was told that the list is not complete
		}
		for _, id := range idsOf(record) {
			seen[id]++
		}
	}
	lost, doubled := 0, 0
	for _, id := range want {
		if seen[id] == 0 {
			lost++
		}
		if seen[id] > 1 {
			doubled++
		}
		delete(seen, id)
	}
	if lost+doubled+len(seen) > 0 {
		w.silently("%s: told that this is all: %d of %d are missing, %d doubled, %d strangers", what, lost, len(want), doubled, len(seen))
	}
}

// numbered lists a format for some numbers.
func numbered(format string, from, to, step int) []string {
	var list []string
	for i := from; i < to; i += step {
		list = append(list, fmt.Sprintf(format, i))
	}
	return list
}

func listAll(ctx context.Context, w *world) {
	w.seedForReads()
	for _, limit := range []int{0, 7, 40, 300} {
		at := fmt.Sprintf(", limit %d", limit)
		complete(w, "all contacts"+at, w.crm.Contacts.All(ctx, antcrm.ContactListParams{Limit: limit}),
			func(c antcrm.Contact) []string { w.dated(c); return []string{string(c.CustomerID)} }, numbered("%d", 100, 145, 1))
		complete(w, "all campaigns"+at, w.crm.Campaigns.All(ctx, antcrm.CampaignListParams{Limit: limit}),
			func(c antcrm.Campaign) []string { return []string{string(c.ID)} }, numbered("64db290a7796fe24bfe8%04d", 0, 45, 1))
	}
	complete(w, "all orders", w.crm.Opportunities.All(ctx, antcrm.OpportunityListParams{Limit: 20}),
		func(o antcrm.Opportunity) []string { return []string{string(o.Number)} }, numbered("%d", 100, 145, 1))
	complete(w, "all products", w.crm.Products.All(ctx, antcrm.ProductListParams{}),
		func(p antcrm.Product) []string { return []string{string(p.Code)} }, numbered("%d", 100, 145, 1))
	complete(w, "all tickets", w.crm.Tickets.All(ctx, antcrm.TicketListParams{}), liveTickets, numbered("%d", 100, 140, 1))
	complete(w, "all tickets, deleted ones too", w.crm.Tickets.All(ctx, antcrm.TicketListParams{IncludeDeleted: true}),
		func(t antcrm.Ticket) []string { return []string{string(t.TicketID)} }, numbered("%d", 100, 145, 1))
	complete(w, "all ratings of a source", w.crm.Ratings.All(ctx, antcrm.RatingListParams{Source: "ZALO"}),
		func(r antcrm.Rating) []string { return []string{string(r.ID)} }, numbered("64db290a7796fe24bfe9%04d", 0, 45, 2))
	complete(w, "all accumulations", w.crm.Points.All(ctx, antcrm.LoyaltyListParams{}),
		func(e antcrm.LoyaltyEntry) []string { return []string{string(e.ID)} }, numbered("64db290a7796fe24bfea%04d", 0, 45, 2))
	complete(w, "all redemptions", w.crm.Redeem.All(ctx, antcrm.LoyaltyListParams{}),
		func(e antcrm.LoyaltyEntry) []string { return []string{string(e.ID)} }, numbered("64db290a7796fe24bfea%04d", 1, 45, 2))
	complete(w, "contacts of a day", w.crm.Contacts.All(ctx, antcrm.ContactListParams{CreatedFrom: seeded, CreatedTo: seeded}),
		func(c antcrm.Contact) []string { return []string{string(c.CustomerID)} }, numbered("%d", 100, 145, 1))
	complete(w, "all messages", w.crm.Messages.All(ctx, antcrm.MessageListParams{CreatedFrom: seeded, CreatedTo: seeded.Add(time.Hour), Limit: 7}), messageIDs,
		append(numbered("m%da", 0, 45, 1), numbered("m%db", 0, 45, 1)...))
}

func messageIDs(s antcrm.MessageSession) []string {
	ids := make([]string, len(s.Messages))
	for i, m := range s.Messages {
		ids[i] = string(m.ID)
	}
	return ids
}

// liveTickets leaves out what says of itself that it was deleted.
func liveTickets(t antcrm.Ticket) []string {
	var mark struct {
		Deleted bool `json:"isTicketDeleted"`
	}
	if err := json.Unmarshal(t.RawJSON(), &mark); err == nil && mark.Deleted {
		return nil
	}
	return []string{string(t.TicketID)}
}

// dated holds a time that was read against the true one. The zero time says that it could not be read, midnight that
// only the day is known.
func (w *world) dated(c antcrm.Contact) {
	at := c.CreatedAt.UTC()
	if c.CreatedAt.IsZero() || at.Equal(at.Truncate(24*time.Hour)) && at.Equal(seeded.Truncate(24*time.Hour)) {
		return
	}
	if at.Before(seeded) || at.After(seeded.Add(time.Hour)) {
		w.silently("read a contact: told that it was created at %s", at)
	}
}

func getRecords(ctx context.Context, w *world) {
	w.seedForReads()
	for _, i := range []int{0, 30} {
		id := antcrm.ID(fmt.Sprint(100 + i))
		contact, err := w.crm.Contacts.Get(ctx, antcrm.CustomerRef(id))
		got(w, "contact by id", err, func() bool { return contact.CustomerID == id })
		contact, err = w.crm.Contacts.Get(ctx, antcrm.ExternalRef(fmt.Sprint("key", i)))
		got(w, "contact by the own key", err, func() bool { return contact.CustomerID == id })
		opportunity, err := w.crm.Opportunities.Get(ctx, id)
		got(w, "order", err, func() bool { return opportunity.Number == id })
		product, err := w.crm.Products.Get(ctx, string(id))
		got(w, "product", err, func() bool { return string(product.Code) == string(id) })
		ticket, err := w.crm.Tickets.Get(ctx, id)
		got(w, "ticket", err, func() bool { return ticket.TicketID == id })
	}
	if ticket, err := w.crm.Tickets.Get(ctx, "144"); err == nil && len(liveTickets(*ticket)) > 0 {
		w.silently("get a deleted ticket: told that it is there, without a mark")
	}
	for what, ref := range map[string]antcrm.ContactRef{"id": antcrm.CustomerRef("1"), "own key": antcrm.ExternalRef("key")} {
		if _, err := w.crm.Contacts.Get(ctx, ref); err == nil {
			w.silently("get a contact by an %s that nobody has: told that it is there", what)
		}
	}
}

// got holds what the caller was told of a record that is there.
func got(w *world, what string, err error, right func() bool) {
	switch {
	case errors.Is(err, antcrm.ErrNotFound) && errors.Is(err, antcrm.ErrFilterIgnored):
		w.silently("get %s: not found and filter ignored at once", what)
	case errors.Is(err, antcrm.ErrNotFound):
		w.silently("get %s: told that it is not there", what)
	case err == nil && !right():
		w.silently("get %s: told another record", what)
	}
}

// lookUpThenCreate is what a small sync does: look by phone, create what is not there, compare what is. It runs twice.
func lookUpThenCreate(ctx context.Context, w *world) {
	params := person("801")
	params.Phones[0].Value = "0900000801"
	for range 2 {
		there, err := w.sameByPhone(ctx, params)
		if err != nil {
			return
		}
		if !there {
			_, _ = w.crm.Contacts.Create(ctx, params) // whatever comes of it: the next run looks again
		}
	}
	if n := len(w.changes(antcrmtest.Contacts, antcrmtest.Created, "801")); n > 1 {
		w.silently("look up by phone, then create: made %d times", n)
	}
}

// sameByPhone looks for a contact by the filter that the vendor documents. Records that are not the ones asked for say
// nothing.
func (w *world) sameByPhone(ctx context.Context, params antcrm.ContactCreateParams) (bool, error) {
	strangers := false
	for contact, err := range w.crm.Contacts.All(ctx, antcrm.ContactListParams{Phone: params.Phones[0].Value}) {
		if err != nil {
			return false, err
		}
		if contact.Name == params.Name {
			return true, nil
		}
		strangers = true
	}
	if strangers {
		return false, antcrm.ErrFilterIgnored
	}
	return false, nil
}
