package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/internal/questions"
)

// campaigns is the list with an envelope that needs no other key: it answers what envelopes say.
func (p *prober) campaigns(ctx context.Context, _ reply) {
	got := p.get(ctx, "/campaigns", "page", p.page(1), "limit", "300")
	switch {
	case got.status == http.StatusNotFound && len(got.records()) == 0 && object(got.body)["data"] == nil:
		p.differs(questions.CampaignsPath, "absent", "/campaigns is 404.")
		return
	case !got.good():
		p.unclear(questions.CampaignsPath, got.problem())
		return
	}
	list := got.records()
	p.asDecided(questions.CampaignsPath, "/campaigns answers.")
	p.countFields("campaign", list, reflect.TypeFor[antcrm.Campaign]())
	p.listSuccess(got)
	last, all, complete := p.campaignPages(ctx, got)
	p.listLimit(got, last)
	p.listTotal(ctx, got, all, complete)
}

func (p *prober) listSuccess(got reply) {
	const id = questions.ListSuccess
	switch raw := string(got.member("success")); raw {
	case "true":
		p.asDecided(id, "success is true.")
	case "1":
		p.differs(id, "one", "success is 1.")
	case "null":
		p.differs(id, "null", "success is null.")
	case "":
		p.differs(id, "absent", "There is no success.")
	case `"ok"`:
		p.differs(id, "ok", `success is "ok".`)
	default:
		p.differs(id, "", "success has another value.")
	}
}

// listLimit judges the limit that an envelope prints. last is the last page with records: where that is a shorter one,
// it tells the page's own count from a limit of the server's.
func (p *prober) listLimit(got, last reply) {
	const id = questions.ListLimitEcho
	count, lastCount := len(got.records()), len(last.records())
	raw := got.member("limit")
	limit, err := strconv.Atoi(string(raw))
	lastLimit, _ := strconv.Atoi(string(last.member("limit")))
	switch {
	case len(raw) == 0:
		p.differs(id, "absent", "The answer has no limit.")
	case err != nil:
		p.differs(id, "", "limit is no number.")
	case limit == 300 && count <= 100:
		p.differs(id, "asked", fmt.Sprintf("limit is 300, as asked, on a page of %d.", count))
	case limit == count && count < 100 && (lastCount == count || lastLimit == lastCount):
		p.differs(id, "page", "limit is the number of records on the page.")
	default:
		p.asDecided(id, "limit is "+strconv.Itoa(limit)+", asked was 300.")
	}
}

// campaignPages reads further pages, up to four, and counts distinct records. It returns the last page that has any of
// its own.
func (p *prober) campaignPages(ctx context.Context, first reply) (last reply, all int, complete bool) {
	list := first.records()
	last, all = first, len(list)
	before := list
	for page := 2; page < 6; page++ {
		if len(before) < 20 {
			return last, all, true
		}
		got := p.get(ctx, "/campaigns", "page", p.page(page), "limit", "300")
		more := got.records()
		switch {
		case !got.good() && !p.answered(got):
			return last, all, false
		case len(more) == 0 || sameRecords(more, before) || sameRecords(more, list):
			return last, all, true
		}
		last, before, all = got, more, all+len(more)
	}
	return last, all, false
}

// page is the number of a page, on a server that begins with 0 too.
func (p *prober) page(n int) string {
	if p.verdicts[questions.PageStart].alternative == "zero" {
		n--
	}
	return strconv.Itoa(n)
}

// listTotal compares total with the records that can be counted in a few pages.
func (p *prober) listTotal(ctx context.Context, got reply, all int, complete bool) {
	const id = questions.ListTotal
	count := len(got.records())
	raw := got.member("total")
	text := record{"total": raw}.text("total")
	total, err := strconv.Atoi(text)
	said := fmt.Sprintf("total is %s; %d records were counted, the first page has %d.", strconv.Quote(text), all, count)
	if err != nil {
		said = fmt.Sprintf("%d records were counted, the first page has %d.", all, count)
	}
	switch {
	case len(raw) == 0:
		p.differs(id, "absent", "The answer has no total.")
	case err != nil:
		p.differs(id, "", "total is no number.")
	case raw[0] == '"':
		p.differs(id, "text", "total is text.")
	case total == 0 && all > 0:
		p.differs(id, "zero", said)
	case total > all && !complete:
		p.unclear(id, said+" There are more campaigns than the probe reads.")
	case total > all:
		p.differs(id, "estimated-high", said)
	case total < all && total == count:
		p.differs(id, "page", said)
	case total < all && total == 30:
		p.differs(id, "capped", said)
	case total < all:
		p.differs(id, "estimated-low", said)
	default:
		p.smallTotal(ctx, total, said)
	}
}

// smallTotal asks for a page of one: only there does a total of the page show.
func (p *prober) smallTotal(ctx context.Context, total int, said string) {
	const id = questions.ListTotal
	if total < 2 {
		p.unclear(id, said+" More campaigns are needed.")
		return
	}
	got := p.get(ctx, "/campaigns", "page", p.page(1), "limit", "1")
	again, err := strconv.Atoi(string(got.member("total")))
	switch {
	case err != nil || len(got.records()) != 1:
		p.unclear(id, said)
	case again == 1:
		p.differs(id, "page", "total is the number of records on the page.")
	default:
		p.asDecided(id, said)
	}
}

func (p *prober) ratings(ctx context.Context, _ reply) {
	const id = questions.RatingFilterSource
	all := p.get(ctx, "/rating", "page", p.page(1), "limit", "100")
	list := all.records()
	p.countFields("rating", list, reflect.TypeFor[antcrm.Rating]())
	source := ""
	for _, r := range list {
		if source == "" {
			source = r.text("source")
		}
	}
	if source == "" {
		p.unclear(id, "No rating with a source is listed.")
		return
	}
	none := p.get(ctx, "/rating", "source", randomText())
	switch {
	case none.rejected() && !p.answered(none):
		p.differs(id, "refused", "The filter is refused.")
	case len(none.records()) > 0:
		p.differs(id, "ignored", "Ratings come for a source that does not exist.")
	case !p.answered(none):
		p.unclear(id, "The filter: "+none.problem()+".")
	default:
		switch known := p.get(ctx, "/rating", "source", source); {
		case len(known.records()) > 0:
			p.asDecided(id, "A source that a rating has selects it, another selects nothing.")
		case p.answered(known):
			p.differs(id, "matches-nothing", "A source that a rating has selects nothing.")
		default:
			p.unclear(id, "The filter: "+known.problem()+".")
		}
	}
}

func (p *prober) history(ctx context.Context, _ reply) {
	plain := p.get(ctx, "/history-point", "page", p.page(1))
	points := p.get(ctx, "/history-point", "page", p.page(1), "type", "point")
	accumulations, redemptions := historyTypes(plain.records())
	p.countFields("loyalty entry", append(plain.records(), points.records()...), reflect.TypeFor[antcrm.LoyaltyEntry]())
	earned, spent := historyTypes(points.records())
	switch {
	case accumulations > 0:
		p.differs(questions.RedemptionList, "mixed", "The list without a type has accumulations.")
	case earned > 0 && redemptions > 0:
		p.asDecided(questions.RedemptionList, "The list without a type has redemptions alone.")
	default:
		p.unclear(questions.RedemptionList, "Accumulations and redemptions are needed to tell.")
	}
	switch {
	case spent > 0:
		p.differs(questions.AccumulationList, "mixed", "The list of accumulations has redemptions.")
	case earned > 0 && redemptions > 0:
		p.asDecided(questions.AccumulationList, "The list of accumulations has accumulations alone.")
	default:
		p.unclear(questions.AccumulationList, "Accumulations and redemptions are needed to tell.")
	}
}

func historyTypes(list []record) (accumulations, redemptions int) {
	for _, r := range list {
		switch r.text("type") {
		case "1":
			accumulations++
		case "2":
			redemptions++
		}
	}
	return accumulations, redemptions
}

func (p *prober) tickets(ctx context.Context, _ reply) {
	plain := p.get(ctx, "/tickets", "page", p.page(1)).records()
	with := p.get(ctx, "/tickets", "page", p.page(1), "isTicketDeleted", "true").records()
	p.countFields("ticket", plain, reflect.TypeFor[antcrm.Ticket]())
	for _, r := range plain {
		p.timeForm(r["createdAt"])
		p.embedded(r["contact"])
		if r.text("ticketIdApiRing") != "" {
			p.asDecided(questions.TicketExternalIDShown, "Tickets print ticketIdApiRing.")
		}
		if mark := r.text("isTicketDeleted"); mark == "true" || mark == "1" {
			p.differs(questions.TicketDeletedListed, "listed", "A list without isTicketDeleted has tickets with the mark.")
		}
	}
	marked, unmarked := 0, 0
	for _, r := range with {
		switch r.text("isTicketDeleted") {
		case "true", "1":
			marked++
		case "false", "0":
			unmarked++
		}
	}
	switch {
	case unmarked > 0:
		p.differs(questions.TicketDeletedMark, "always", "Tickets that are not deleted print isTicketDeleted too.")
	case marked > 0:
		p.asDecided(questions.TicketDeletedMark, "Deleted tickets print isTicketDeleted.")
	default:
		p.unclear(questions.TicketDeletedMark, "No deleted ticket is listed.")
	}
}

func (p *prober) embedded(raw json.RawMessage) {
	const id = questions.EmbeddedObject
	switch {
	case len(raw) == 0:
	case string(raw) == "null":
		p.differs(id, "null", "The contact of a ticket is null.")
	case bytes.HasPrefix(raw, []byte("{")):
		p.asDecided(id, "The contact of a ticket is an object.")
	case string(raw) != `""`:
		p.differs(id, "id", "The contact of a ticket is its id alone.")
	}
}

func (p *prober) orders(ctx context.Context, _ reply) {
	list := p.get(ctx, "/opportunities", "page", p.page(1)).records()
	p.countFields("opportunity", list, reflect.TypeFor[antcrm.Opportunity]())
	for _, r := range list {
		p.moneyForm(r["value"])
		p.codeForm(r["typeDiscount"])
		p.timeForm(r["createdAt"])
		if r.text("opportunityIdApiRing") != "" {
			p.asDecided(questions.OrderExternalIDShown, "Orders print opportunityIdApiRing.")
		}
	}
}

func (p *prober) products(ctx context.Context, _ reply) {
	p.countFields("product", p.get(ctx, "/products", "page", p.page(1)).records(), reflect.TypeFor[antcrm.Product]())
}

func (p *prober) znsMessages(ctx context.Context, _ reply) {
	const id = questions.ZNSEmpty
	got := p.get(ctx, "/znsmsg", "dateStart", "1000", "dateEnd", "2000")
	switch {
	case got.status == http.StatusNotFound && got.isHTML():
		p.differs(id, "html", "/znsmsg without messages is 404 with an HTML page.")
	case got.status == http.StatusNotFound:
		p.asDecided(id, "/znsmsg without messages is 404.")
	case got.good() && len(got.records()) == 0:
		p.differs(id, "empty-list", "/znsmsg without messages is an empty list.")
	case got.good():
		p.unclear(id, "The dates are ignored: messages came for a time before there were any.")
	default:
		p.unclear(id, got.problem())
	}
}

// wireTime is how the vendor writes the times of a filter.
const wireTime = "2006-01-02T15:04:05.000Z"

// messages compares pages of one with a larger one.
func (p *prober) messages(ctx context.Context, _ reply) {
	const id = questions.MessagePaging
	to := time.Now().UTC()
	page := func(limit, offset int) (ids []string, first int) {
		got := p.get(ctx, "/messages", "created_from", to.AddDate(0, -1, 0).Format(wireTime), "created_to", to.Format(wireTime),
			"limit", strconv.Itoa(limit), "offset", strconv.Itoa(offset))
		return messageIDs(got.body)
	}
	all, firstSession := page(100, 0)
	if len(all) < 3 || firstSession < 2 {
		p.unclear(id, "The first session of the last month needs two messages, and all sessions three.")
		return
	}
	one, _ := page(1, 0)
	next, _ := page(1, 1)
	switch {
	case len(one) == len(all) && p.verdicts[questions.LimitMaximum].alternative == "ignored":
		p.unclear(id, "The limit is ignored.")
	case len(one) == 0 || len(next) == 0:
		p.unclear(id, "A page of one message came without it.")
	case next[0] == one[0]:
		p.differs(id, "offset-ignored", "Offset 1 is offset 0 again.")
	case len(one) > 1:
		p.differs(id, "sessions", "limit 1 answers a session with several messages.")
	case next[0] != all[1]:
		p.differs(id, "offset-in-sessions", "Offset 1 skips the rest of a session.")
	default:
		p.asDecided(id, "limit and offset count messages.")
	}
}

// messageIDs lists the ids of messages in the order of the answer, and counts those of the first session.
func messageIDs(body []byte) (ids []string, first int) {
	var answer struct {
		Data struct {
			Sessions []struct {
				Messages []record `json:"messages"`
			} `json:"sessions"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return nil, 0
	}
	for i, session := range answer.Data.Sessions {
		for _, message := range session.Messages {
			ids = append(ids, message.text("_id"))
		}
		if i == 0 {
			first = len(ids)
		}
	}
	return ids, first
}
