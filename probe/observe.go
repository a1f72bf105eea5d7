package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/internal/questions"
)

const defaultPage = 20 // what the vendor's page says of a page without a limit

// observe runs the experiments that only read.
func (p *prober) observe(ctx context.Context) error {
	first := p.get(ctx, "/contacts", "page", "1")
	if first.err != nil {
		return first.err
	}
	if err := refusedKey(first, "the server refuses the key of this client", "the key of this client may not read contacts"); err != nil {
		return err
	}
	p.begun = true
	for _, experiment := range []func(context.Context, reply){
		p.wrongKey, p.contactShape, p.contactPages, p.contactLimits, p.phoneFilters, p.contactFilters, p.keyFilters,
		p.campaigns, p.ratings, p.history, p.tickets, p.orders, p.products, p.znsMessages, p.messages,
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		experiment(ctx, first)
		p.report(false)
		if p.keyRefused != nil {
			return p.keyRefused
		}
	}
	return ctx.Err()
}

// refusedKey is the error of an answer to a list of contacts that refuses the key.
func refusedKey(got reply, refused, forbidden string) error {
	switch got.status { // 0 where no answer came
	case http.StatusUnauthorized:
		return fmt.Errorf("probe: %s: %w", refused, antcrm.ErrUnauthorized)
	case http.StatusForbidden:
		return fmt.Errorf("probe: %s: %w", forbidden, antcrm.ErrForbidden)
	}
	return nil
}

func randomText() string { return "antcrm-go-probe-" + strings.ToLower(rand.Text()[:16]) }

// randomPhone is a number that no customer has: it is longer than numbers may be.
func randomPhone() string {
	digits := []byte("099000000000000000")
	for i, c := range []byte(rand.Text()[:12]) {
		digits[6+i] = '0' + c%10
	}
	return string(digits)
}

func (p *prober) wrongKey(ctx context.Context, _ reply) {
	if p.cfg.badKey == nil {
		p.unclear(questions.BadKey, "WithWrongKeyClient was not given.")
		return
	}
	switch got := p.sendThrough(ctx, p.cfg.badKey, http.MethodGet, "/contacts", nil, nil); {
	case got.err != nil:
		p.unclear(questions.BadKey, got.problem())
	case got.status == http.StatusUnauthorized:
		p.asDecided(questions.BadKey, "A wrong key is answered 401.")
		p.errorBody(got)
	case got.status == http.StatusForbidden:
		p.differs(questions.BadKey, "forbidden", "A wrong key is answered 403.")
		p.errorBody(got)
	case got.refused():
		p.differs(questions.BadKey, "success-false", "A wrong key is answered 2xx with a falsy success.")
	case got.good():
		p.differs(questions.BadKey, "", "A wrong key is answered like a right one.")
	default:
		p.unclear(questions.BadKey, "The request with a wrong key: "+got.problem()+".")
	}
}

// errorBody classifies the body of a refusal with an error status.
func (p *prober) errorBody(got reply) {
	const id = questions.ErrorBody
	o := object(got.body)
	switch {
	case len(got.body) == 0:
		p.differs(id, "empty", "An error has no body.")
	case got.isHTML():
		p.differs(id, "html", "An error is an HTML page.")
	case bytes.HasPrefix(got.body, []byte("{")) && o == nil:
		p.unclear(id, "An error's body was cut.")
	case o == nil:
		p.differs(id, "text", "An error is plain text.")
	case o["msg"] != nil:
		p.differs(id, "msg", "An error's message is in msg.")
	case o["errors"] != nil:
		p.differs(id, "errors-list", "An error's message is in errors.")
	case bytes.HasPrefix(o["error"], []byte("{")):
		p.differs(id, "error-object", "An error's message is in an object under error.")
	case o["error"] != nil:
		p.differs(id, "error-text", "An error's message is a text under error.")
	case o["message"] != nil:
		p.asDecided(id, "An error's message is in message.")
	default:
		p.differs(id, "", "An error's message is in none of message, error, errors and msg.")
	}
}

// contactShape reads the first page of contacts: its shape and its values.
func (p *prober) contactShape(_ context.Context, first reply) {
	switch {
	case !first.good():
		p.unclear(questions.ListShape, "Contacts: "+first.problem()+".")
	case bytes.HasPrefix(first.body, []byte("[")):
		p.asDecided(questions.ListShape, "Contacts are a bare array.")
	case first.member("data") != nil && first.member("total") != nil:
		p.differs(questions.ListShape, "envelope-with-total", "Contacts come in an envelope with a total.")
	case first.member("data") != nil:
		p.differs(questions.ListShape, "envelope", "Contacts come in an envelope.")
	case len(first.records()) == 1:
		p.differs(questions.ListShape, "lone-object", "One contact comes as an object without an array.")
	default:
		p.unclear(questions.ListShape, "The first page of contacts has no records.")
	}
	p.contactValues(first.records())
}

// contactPages asks for pages 2, 0 and one far past the end.
func (p *prober) contactPages(ctx context.Context, first reply) {
	list := first.records()
	if len(list) == 0 {
		p.unclear(questions.PageParameter, "There are no contacts.")
		return
	}
	second := p.get(ctx, "/contacts", "page", "2")
	next := second.records()
	switch {
	case !p.answered(second) && !second.rejected():
		p.unclear(questions.PageParameter, "Page 2: "+second.problem()+".")
		return
	case second.good() && sameRecords(list, next):
		p.differs(questions.PageParameter, "ignored", "Page 2 is page 1 again.")
		return
	case len(next) > 0:
		p.asDecided(questions.PageParameter, "Page 2 has other records than page 1.")
		p.pageSize(len(list))
		p.pageZero(ctx, list)
	default:
		p.unclear(questions.PageParameter, "All contacts are on page 1.")
		if len(list) > 50 {
			p.differs(questions.LimitDefault, "everything", "All contacts come on one page.")
		}
	}
	p.pastEnd(ctx, list)
}

func (p *prober) pageSize(n int) {
	said := fmt.Sprintf("A page without a limit has %d records.", n)
	switch n {
	case defaultPage:
		p.asDecided(questions.LimitDefault, said)
	case 10:
		p.differs(questions.LimitDefault, "ten", said)
	case 50:
		p.differs(questions.LimitDefault, "fifty", said)
	default:
		p.differs(questions.LimitDefault, "", said)
	}
}

func (p *prober) pageZero(ctx context.Context, first []record) {
	zero := p.get(ctx, "/contacts", "page", "0")
	switch list := zero.records(); {
	case !p.answered(zero) && !zero.rejected():
		p.unclear(questions.PageStart, "Page 0: "+zero.problem()+".")
	case len(list) == 0:
		p.asDecided(questions.PageStart, "Page 0 has no records.")
	case sameRecords(list, first):
		p.differs(questions.PageStart, "zero-and-one", "Pages 0 and 1 are the same.")
	default:
		p.differs(questions.PageStart, "zero", "Page 0 has records that page 1 has not.")
	}
}

func (p *prober) pastEnd(ctx context.Context, first []record) {
	const id = questions.PagePastEnd
	got := p.get(ctx, "/contacts", "page", "1000000")
	list := got.records()
	switch {
	case got.err != nil:
		p.unclear(id, got.problem())
	case got.status == http.StatusNotFound && got.isHTML():
		p.differs(id, "not-found-html", "A page past the end is 404 with an HTML page.")
	case got.status == http.StatusNotFound:
		p.differs(id, "not-found", "A page past the end is 404.")
	case got.refused():
		p.differs(id, "refused", "A page past the end is refused with a falsy success.")
	case got.rejected():
		p.differs(id, "", "A page past the end: "+got.problem()+".")
	case !got.good():
		p.unclear(id, "A page past the end: "+got.problem()+".")
	case string(got.body) == "null":
		p.differs(id, "null", "A page past the end is null.")
	case len(list) == 0:
		p.asDecided(id, "A page past the end has no records.")
	case p.verdicts[questions.PageParameter].answer != AsDecided:
		p.unclear(id, "All contacts are on one page, and it comes for every page number: first and last page are the same.")
	case sameRecords(list, first):
		p.differs(id, "first-page", "A page past the end is the first page again.")
	default:
		p.differs(id, "last-page", "A page past the end is the last page again.")
	}
}

// contactLimits compares pages of several limits. Few contacts leave it open.
func (p *prober) contactLimits(ctx context.Context, first reply) {
	const id = questions.LimitMaximum
	if p.verdicts[questions.PageParameter].answer != AsDecided {
		p.unclear(id, "There are not more contacts than one page holds.")
		return
	}
	size := len(first.records())
	five := p.get(ctx, "/contacts", "page", "1", "limit", "5")
	many := p.get(ctx, "/contacts", "page", "1", "limit", "1000")
	got := len(many.records())
	said := fmt.Sprintf("With limit 1000 a page has %d records, without a limit %d.", got, size)
	switch {
	case many.rejected():
		p.differs(id, "refused", "A limit of 1000 is refused.")
	case !many.good() || !five.good():
		p.unclear(id, "A page with a limit: "+many.problem()+".")
	case len(five.records()) != 5:
		p.differs(id, "ignored", "With limit 5 a page has "+strconv.Itoa(len(five.records()))+" records.")
	case got > 100:
		p.asDecided(id, said)
	case got == 20:
		p.differs(id, "twenty", said)
	case got == 100:
		p.differs(id, "hundred", said)
	default:
		p.unclear(id, said+" More contacts are needed to tell where the server cuts.")
	}
}

// contactFilters asks for random values of filters that no page lists.
func (p *prober) contactFilters(ctx context.Context, first reply) {
	total := len(first.records())
	if total == 0 {
		p.unclear(questions.ContactFilterExternalID, "There are no contacts.")
		return
	}
	got := p.get(ctx, "/contacts", "customerIdApiRing", randomText())
	switch {
	case got.rejected() && !p.answered(got):
		p.differs(questions.ContactFilterExternalID, "refused", "The filter is refused.")
		p.errorBody(got)
	case len(got.records()) > 0:
		p.differs(questions.ContactFilterExternalID, "ignored", "Contacts come for a key that nobody has.")
	case p.answered(got):
		p.knownKey(ctx, first.records())
	default:
		p.unclear(questions.ContactFilterExternalID, got.problem())
	}
	got = p.get(ctx, "/contacts", "antcrmGoProbe", randomText())
	switch {
	case got.rejected() && !p.answered(got):
		p.asDecided(questions.UnknownFilter, "A filter that does not exist is refused.")
	case len(got.records()) > 0:
		p.differs(questions.UnknownFilter, "ignored", "A filter that does not exist is ignored.")
	case p.answered(got):
		p.unclear(questions.UnknownFilter, "A filter that does not exist selects nothing.")
	default:
		p.unclear(questions.UnknownFilter, "A filter that does not exist: "+got.problem()+".")
	}
}

// knownKey asks for a key that a contact on the first page has.
func (p *prober) knownKey(ctx context.Context, list []record) {
	for _, r := range list {
		key := r.text("customerIdApiRing")
		if key == "" {
			continue
		}
		switch got := p.get(ctx, "/contacts", "customerIdApiRing", key); {
		case len(got.records()) > 0:
			p.asDecided(questions.ContactFilterExternalID, "A key that a contact has selects it, a key that nobody has selects nothing.")
		case p.answered(got):
			p.differs(questions.ContactFilterExternalID, "matches-nothing", "A key that a contact has selects nothing.")
		default:
			p.unclear(questions.ContactFilterExternalID, "The filter: "+got.problem()+".")
		}
		return
	}
	p.unclear(questions.ContactFilterExternalID, "No contact on the first page shows a key of the caller's; WithWrites makes one.")
}

// keyFilters asks for one record of the first page by its key.
func (p *prober) keyFilters(ctx context.Context, first reply) {
	const id = questions.KeyFilter
	list := first.records()
	if len(list) < 2 {
		p.unclear(id, "There are fewer than two contacts.")
		return
	}
	for _, name := range []string{"leadId", "customerId"} {
		key := list[0].text(name)
		if key == "" {
			continue
		}
		p.judgeKeyFilter(p.get(ctx, "/contacts", name, key), name, key)
		return
	}
	p.unclear(id, "The first contact shows neither leadId nor customerId.")
}

func (p *prober) judgeKeyFilter(got reply, name, key string) {
	const id = questions.KeyFilter
	if bytes.HasPrefix(got.body, []byte("{")) && object(got.body)["data"] == nil && len(got.records()) == 1 {
		p.differs(questions.ListShape, "lone-object", "A list of one contact is an object without an array.")
	}
	others, prefixed := 0, 0
	for _, r := range got.records() {
		if value := r.text(name); value != key {
			others++
			if strings.HasPrefix(value, key) {
				prefixed++
			}
		}
	}
	switch {
	case !got.good():
		p.unclear(id, got.problem())
	case others == 0 && len(got.records()) > 0:
		p.asDecided(id, "The record with the key comes alone.")
	case others > 0 && others == prefixed:
		p.differs(id, "prefix", "Records whose key begins with the key come too.")
	case others > 0:
		p.differs(id, "ignored", "Records with other keys come too.")
	default:
		p.unclear(id, "No record came for a key that was listed.")
	}
}

// phoneFilters asks for a number that nobody has, and for a part of one that a contact has.
func (p *prober) phoneFilters(ctx context.Context, first reply) {
	none := p.get(ctx, "/contacts", "phone", randomPhone())
	if len(first.records()) > 0 && len(none.records()) > 0 {
		p.differs(questions.PhoneFilter, "ignored", "Contacts come for a number that nobody has.")
		p.unclear(questions.EmptyList, "No request selects nothing: the phone filter is ignored.")
		return
	}
	p.emptyList(none)
	for _, r := range first.records() {
		number := firstPhone(r)
		if len(number) < 8 {
			continue
		}
		switch got := p.get(ctx, "/contacts", "phone", number[2:len(number)-1]); {
		case len(got.records()) > 0:
			p.differs(questions.PhoneFilter, "part", "A part of a contact's number selects the contact.")
		case p.answered(got):
			p.asDecided(questions.PhoneFilter, "A part of a contact's number selects nothing.")
		default:
			p.unclear(questions.PhoneFilter, "The filter: "+got.problem()+".")
		}
		return
	}
	p.unclear(questions.PhoneFilter, "No contact on the first page has a phone number.")
}

func (p *prober) emptyList(got reply) {
	const id = questions.EmptyList
	switch {
	case got.err != nil:
		p.unclear(id, got.problem())
	case got.status == http.StatusNotFound:
		p.differs(id, "not-found", "A list without records is 404.")
	case got.refused():
		p.differs(id, "refused", "A list without records is refused with a falsy success.")
	case !got.good():
		p.unclear(id, got.problem())
	case string(got.body) == "null":
		p.differs(id, "null", "A list without records is null.")
	case string(got.body) == "{}":
		p.differs(id, "empty-object", "A list without records is {}.")
	default:
		p.asDecided(id, "A list without records is an empty array.")
	}
}
