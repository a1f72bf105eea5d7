package probe

import (
	"bytes"
	"context"
	"math/big"
	"net/http"
	"strconv"
	"strings"

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

// items is a line item that no product of the system has, with a price of its own.
func items() []any { return []any{body{"name": "antcrm-go probe", "quantity": 2, "value": 1000}} }

// order creates an order with line items and without a value.
func (w *writer) order(ctx context.Context) {
	const id = questions.OrderWithoutSum
	if !w.idsComeBack() {
		w.unclear(id, "Creates answer no id: an order of the probe could not be deleted.")
		return
	}
	b := w.orderBody(nil)
	b["groupPackage"] = items()
	got := w.create(ctx, "/opportunities", b)
	if got.rejected() {
		b["value"] = 1234000
		if again := w.create(ctx, "/opportunities", b); again.good() {
			w.differs(id, "refused", "An order without a value is refused, with one it is taken.")
			got = again
		}
	}
	w.number = object(got.body).text("number")
	if !got.good() || w.number == "" {
		w.unclear(id, "The order: "+got.problem()+".")
		return
	}
	r := w.readOrder(ctx, w.number)
	if r == nil {
		w.unclear(id, "The order was not found by its number.")
		return
	}
	if r.text("opportunityIdApiRing") != "" {
		w.asDecided(questions.OrderExternalIDShown, "The order prints its opportunityIdApiRing.")
	} else {
		w.differs(questions.OrderExternalIDShown, "hidden", "The order does not print its opportunityIdApiRing.")
	}
	w.moneyForm(r["value"])
	switch {
	case w.verdicts[id].answer == Differs:
	case !bytes.HasPrefix(r["groupPackage"], []byte("[{")):
		w.unclear(id, "The order's line item was dropped, so that nothing can be priced.")
	case sameAmount(r.text("value"), "0"), r.text("value") == "":
		w.differs(id, "zero", "An order without a value is there with the value 0; its line item is no product of the system.")
	default:
		w.asDecided(id, "An order without a value is priced.")
	}
}

// sameAmount compares amounts by value: 0.00 is 0. Texts that are no numbers are compared without their separators.
func sameAmount(a, b string) bool {
	x, okX := new(big.Rat).SetString(strings.ReplaceAll(a, ",", ""))
	y, okY := new(big.Rat).SetString(strings.ReplaceAll(b, ",", ""))
	return okX && okY && len(a) < 40 && len(b) < 40 && x.Cmp(y) == 0
}

// putOrder changes the order and returns its value afterwards; false where that cannot be known.
func (w *writer) putOrder(ctx context.Context, id string, changes body) (value string, ok bool) {
	changes["number"] = w.sentID(w.number)
	got := w.send(ctx, http.MethodPut, "/opportunities", nil, changes)
	if !got.done() {
		w.unclear(id, "The update: "+got.problem()+".")
		return "", false
	}
	r := w.readOrder(ctx, w.number)
	if r == nil {
		w.unclear(id, "The order was not found after the update.")
	}
	return r.text("value"), r != nil
}

// orderUpdates sets the order's value, changes other fields without it, and then sends the value 0.
func (w *writer) orderUpdates(ctx context.Context) {
	const id, sum = questions.UpdateReprices, 1234000
	if w.number == "" {
		w.unclear(id, "No order could be made.")
		return
	}
	got := w.send(ctx, http.MethodPut, "/opportunities", nil, body{"number": w.sentID(w.number), "value": sum})
	if got.rejected() {
		text := w.send(ctx, http.MethodPut, "/opportunities", nil, body{"number": w.sentID(w.number), "value": strconv.Itoa(sum)})
		if text.done() {
			w.differs(questions.MoneySent, "text-only", "An order's value is refused as a number and taken as text.")
			w.unclear(questions.ClearAmount, "An order's value is refused as a number.")
			got = text
		}
	} else if got.done() {
		w.asDecided(questions.MoneySent, "An order's value is taken as a number.")
	}
	if !got.done() {
		w.unclear(id, "The update: "+got.problem()+".")
		return
	}
	before := strconv.Itoa(sum)
	after, ok := w.putOrder(ctx, id, body{"description": "probe"})
	if ok && !sameAmount(after, before) {
		w.differs(id, "always", "An update without a value changes the amount.")
	} else if ok {
		if after, ok = w.putOrder(ctx, id, body{"groupPackage": items()}); ok && !sameAmount(after, before) {
			w.differs(id, "with-items", "An update with line items and without a value changes the amount.")
		} else if ok {
			w.asDecided(id, "An update without a value leaves the amount alone.")
		}
	}
	if w.verdicts[questions.MoneySent].alternative == "text-only" {
		return
	}
	switch after, ok := w.putOrder(ctx, questions.ClearAmount, body{"value": 0, "groupPackage": items()}); {
	case !ok:
	case sameAmount(after, "0"):
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
	if got.rejected() {
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
	listed := false
	for _, r := range w.get(ctx, "/tickets", "TicketId", id).records() {
		listed = listed || r.text("TicketId") == id
		switch {
		case r.text("TicketId") != id:
		case r.text("ticketIdApiRing") != "":
			w.asDecided(questions.TicketExternalIDShown, "The ticket prints its ticketIdApiRing.")
		default:
			w.differs(questions.TicketExternalIDShown, "hidden", "The ticket does not print its ticketIdApiRing.")
		}
	}
	changed := w.send(ctx, http.MethodPut, "/tickets", nil, body{"TicketId": w.sentID(id), "summary": "probe"})
	switch o := object(changed.body); {
	case changed.good() && o.text("TicketId") != "":
		w.differs(questions.TicketUpdateAnswer, "ticket-id", "A ticket's update answers TicketId.")
	case changed.good() && o.text("number") != "":
		w.asDecided(questions.TicketUpdateAnswer, "A ticket's update answers number.")
	default:
		w.unclear(questions.TicketUpdateAnswer, "The update has no id, or "+changed.problem()+".")
	}
	deleted := w.take(ctx, leftover{"/tickets", "TicketId", id}, true, w.verdicts[questions.DeleteKey].alternative != "body-refused")
	if gone(deleted) {
		if w.verdicts[questions.DeleteKey].answer == CannotTell {
			w.unclear(questions.TicketDeletedListed, "It is not certain that a DELETE is carried out.")
			return // it stays noted, and is deleted once more at the end
		}
		w.forget("/tickets", id)
		w.deletedTicket(ctx, id, listed)
	}
}

func (w *writer) deletedTicket(ctx context.Context, id string, listed bool) {
	answered := true
	find := func(pairs ...string) record {
		got := w.get(ctx, "/tickets", append(pairs, "TicketId", id)...)
		answered = answered && w.answered(got)
		for _, r := range got.records() {
			if r.text("TicketId") == id {
				return r
			}
		}
		return nil
	}
	plain, with := find(), find("isTicketDeleted", "true")
	if !answered || !listed {
		w.unclear(questions.TicketDeletedListed, "The ticket was not listed before it was deleted, or no list came.")
		return
	}
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
