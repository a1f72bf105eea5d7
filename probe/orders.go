package probe

import (
	"context"
	"net/http"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// orderBody returns an order of this run. The line item's name is no product's, so that the system has no price for it.
func (w *writer) orderBody(value any) body {
	w.count++
	b := body{"name": "antcrm-go probe " + w.run, "receiverName": "antcrm-go probe", "opportunityIdApiRing": w.run + "-order-" + string(rune('a'+w.count%26))}
	if value != nil {
		b["value"] = value
	}
	return b
}

// idsComeBack says that a create answers the id where the pages print it: without it, orders and tickets cannot be
// deleted.
func (w *writer) idsComeBack() bool {
	v := w.verdicts[questions.WriteAnswerID]
	return v.answer == AsDecided || v.alternative == "with-empty-sibling"
}

func (w *writer) readOrder(ctx context.Context, number string) record {
	for _, r := range w.get(ctx, "/opportunities", "number", number).records() {
		if r.text("number") == number {
			return r
		}
	}
	return nil
}

// order creates an order without a value, and one with it.
func (w *writer) order(ctx context.Context) {
	const id = questions.OrderWithoutSum
	if !w.idsComeBack() {
		w.unclear(id, "Creates answer no id: an order of the probe could not be deleted.")
		return
	}
	got := w.create(ctx, "/opportunities", w.orderBody(nil))
	switch {
	case got.refused() || got.status >= 400 && got.status < 500:
		w.differs(id, "refused", "An order without a value is refused.")
	case got.good():
		// An order without line items costs nothing in either case.
		w.unclear(id, "The probe's order has no product of the system in it, so that nothing can be priced.")
	default:
		w.unclear(id, "The order: "+got.problem()+".")
	}
	got = w.create(ctx, "/opportunities", w.orderBody(1234000))
	w.number = object(got.body).text("number")
	switch {
	case got.good():
		w.asDecided(questions.MoneySent, "An order's value is taken as a number.")
	case got.status == http.StatusBadRequest:
		if again := w.create(ctx, "/opportunities", w.orderBody("1234000")); again.good() {
			w.differs(questions.MoneySent, "text-only", "An order's value is refused as a number and taken as text.")
			w.number = object(again.body).text("number")
		}
	}
	r := w.readOrder(ctx, w.number)
	switch {
	case r == nil:
		w.unclear(questions.OrderExternalIDShown, "The order was not found by its number.")
	case r.text("opportunityIdApiRing") != "":
		w.asDecided(questions.OrderExternalIDShown, "The order prints its opportunityIdApiRing.")
	default:
		w.differs(questions.OrderExternalIDShown, "hidden", "The order does not print its opportunityIdApiRing.")
	}
	w.moneyForm(r["value"])
}

// orderUpdates changes an order without its value, and then sends the value 0.
func (w *writer) orderUpdates(ctx context.Context) {
	const id = questions.UpdateReprices
	if w.number == "" {
		w.unclear(id, "No order could be made.")
		return
	}
	before := w.readOrder(ctx, w.number).text("value")
	put := func(changes body) (reply, string) {
		changes["number"] = w.number
		got := w.send(ctx, http.MethodPut, "/opportunities", nil, changes)
		return got, w.readOrder(ctx, w.number).text("value")
	}
	got, after := put(body{"description": "probe"})
	switch {
	case !got.good() && got.status != http.StatusNoContent:
		w.unclear(id, "The update: "+got.problem()+".")
		return
	case after != before:
		w.differs(id, "always", "An update without a value changes the amount.")
	default:
		if _, after = put(body{"groupPackage": []any{body{"name": "antcrm-go probe", "quantity": 1, "value": 1000}}}); after != before {
			w.differs(id, "with-items", "An update with line items and without a value changes the amount.")
		} else {
			w.asDecided(id, "An update without a value leaves the amount alone.")
		}
	}
	got, after = put(body{"value": 0, "groupPackage": []any{body{"name": "antcrm-go probe", "quantity": 1, "value": 1000}}})
	switch {
	case !got.good() && got.status != http.StatusNoContent:
		w.unclear(questions.ClearAmount, "The update: "+got.problem()+".")
	case after == "0":
		w.asDecided(questions.ClearAmount, "The value 0 is kept.")
	default:
		w.differs(questions.ClearAmount, "reprices", "The value 0 is replaced by a price.")
	}
}

// product shows whether a product's price is taken as text.
func (w *writer) product(ctx context.Context) {
	own := w.run + "-product"
	b := body{"name": "antcrm-go probe " + w.run, "code": own, "productIdApiRing": own, "value": "1000"}
	got := w.create(ctx, "/products", b)
	if got.good() {
		w.asDecided(questions.MoneySent, "A product's value is taken as text.")
		return
	}
	if got.status == http.StatusBadRequest {
		b["value"] = 1000
		if again := w.create(ctx, "/products", b); again.good() {
			w.differs(questions.MoneySent, "numbers-only", "A product's value is refused as text and taken as a number.")
		}
	}
}

// ticket creates a ticket, changes it, deletes it and looks whether it is listed afterwards.
func (w *writer) ticket(ctx context.Context) {
	own := w.run + "-ticket"
	if !w.idsComeBack() {
		w.unclear(questions.TicketUpdateAnswer, "Creates answer no id: a ticket of the probe could not be deleted.")
		return
	}
	got := w.create(ctx, "/tickets", body{
		"title": "antcrm-go probe " + w.run, "SLA": "probe", "contact": body{"name": "antcrm-go probe"}, "ticketIdApiRing": own,
	})
	id := object(got.body).text("TicketId")
	if !got.good() || id == "" {
		w.unclear(questions.TicketUpdateAnswer, "The ticket: "+got.problem()+".")
		return
	}
	for _, r := range w.get(ctx, "/tickets", "TicketId", id).records() {
		switch {
		case r.text("TicketId") != id:
		case r.text("ticketIdApiRing") != "":
			w.asDecided(questions.TicketExternalIDShown, "The ticket prints its ticketIdApiRing.")
		default:
			w.differs(questions.TicketExternalIDShown, "hidden", "The ticket does not print its ticketIdApiRing.")
		}
	}
	changed := w.send(ctx, http.MethodPut, "/tickets", nil, body{"TicketId": id, "summary": "probe"})
	switch o := object(changed.body); {
	case changed.good() && o.text("TicketId") != "":
		w.differs(questions.TicketUpdateAnswer, "ticket-id", "A ticket's update answers TicketId.")
	case changed.good() && o.text("number") != "":
		w.asDecided(questions.TicketUpdateAnswer, "A ticket's update answers number.")
	default:
		w.unclear(questions.TicketUpdateAnswer, "The update has no id, or "+changed.problem()+".")
	}
	if gone := w.remove(ctx, leftover{"/tickets", "TicketId", id}, true, true); gone.err == nil && gone.status < 300 && !gone.refused() {
		w.forget("/tickets", id)
		w.deletedTicket(ctx, id)
	}
}

func (w *writer) deletedTicket(ctx context.Context, id string) {
	find := func(pairs ...string) record {
		for _, r := range w.get(ctx, "/tickets", append(pairs, "TicketId", id)...).records() {
			if r.text("TicketId") == id {
				return r
			}
		}
		return nil
	}
	plain, with := find(), find("isTicketDeleted", "true")
	switch mark := plain.text("isTicketDeleted"); {
	case plain != nil && (mark == "true" || mark == "1"):
		w.differs(questions.TicketDeletedListed, "listed", "A deleted ticket is listed, with the mark.")
	case plain != nil:
		w.differs(questions.TicketDeletedListed, "listed-unmarked", "A deleted ticket is listed without the mark.")
	case with == nil:
		w.differs(questions.TicketDeletedListed, "gone", "A deleted ticket is not listed with isTicketDeleted=true either.")
	default:
		w.asDecided(questions.TicketDeletedListed, "A deleted ticket is listed with isTicketDeleted=true alone.")
	}
	if plain == nil && with != nil && with.text("isTicketDeleted") == "" {
		w.differs(questions.TicketDeletedMark, "never", "A deleted ticket does not print isTicketDeleted.")
	}
}
