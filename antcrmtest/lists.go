package antcrmtest

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// This file is how the server selects, pages and wraps the records of a list. See internal/questions.

// nothing selects no record: no record can be found by it.
var nothing = posting{"", "nothing"}

// equal adds an equality filter for each of the parameters that was given.
func (c *call) equal(s *selection, names ...string) {
	for _, name := range names {
		if value, ok := c.query[name]; ok {
			s.equal = append(s.equal, posting{name, value})
		}
	}
}

// byKey adds a filter by an id of the CRM, or by a product's code.
func (c *call) byKey(s *selection, names ...string) {
	switch c.srv.cfg.answers[questions.KeyFilter] {
	case "ignored":
	case "prefix":
		for _, name := range names {
			if value, ok := c.query[name]; ok {
				s.like = append(s.like, likeness{name, func(text string) bool { return strings.HasPrefix(text, value) }})
			}
		}
	default:
		c.equal(s, names...)
	}
}

// byPhone adds a filter by a phone number.
func (c *call) byPhone(s *selection, name string) {
	value, ok := c.query[name]
	if !ok {
		return
	}
	switch c.srv.cfg.answers[questions.PhoneFilter] {
	case "ignored":
	case "part":
		s.like = append(s.like, likeness{name, func(text string) bool { return strings.Contains(text, value) }})
	default:
		s.equal = append(s.equal, posting{name, c.srv.cfg.phoneSought(value)})
	}
}

// byUnlisted adds a filter that no page lists.
func (c *call) byUnlisted(s *selection, questionID, name string) *failure {
	if _, ok := c.query[name]; !ok {
		return nil
	}
	switch c.srv.cfg.answers[questionID] {
	case "ignored":
	case "refused":
		return c.unknownParameter(name)
	case "matches-nothing":
		s.equal = append(s.equal, nothing)
	default:
		c.equal(s, name)
	}
	return nil
}

// days are the dates of the contact filters; the last day counts to its end.
func (c *config) days() moment {
	zone := c.location
	if c.is(questions.DayFilterZone, "vietnam") {
		zone = time.FixedZone("ICT", 7*3600)
	}
	return moment{"must be a date like 2024-03-13", func(text string, end bool) (int64, bool) {
		t, err := time.ParseInLocation(time.DateOnly, text, zone)
		switch {
		case err != nil:
			return 0, false
		case !end:
			return t.UnixMilli(), true
		case c.is(questions.DayFilterEnd, "exclusive"):
			return t.UnixMilli() - 1, true
		}
		return t.AddDate(0, 0, 1).UnixMilli() - 1, true
	}}
}

// paging reads page and limit by the server's rules. most cuts the limit down, 0 for not.
func (c *call) paging(s *selection, size, most int) *failure {
	cfg := &c.srv.cfg
	least := 1
	if _, ok := cfg.answers[questions.PageStart]; ok {
		least = 0
	}
	page, f := c.whole("page", least, least)
	if f != nil {
		return f
	}
	if cfg.is(questions.PageStart, "zero") {
		page++
	}
	limit, f := c.limit(s, cfg.defaultLimit(size), most)
	if f != nil {
		return f
	}
	if cfg.is(questions.PageParameter, "ignored") {
		page = 1
	}
	if c.fault != nil && c.fault.Do == StuckPage {
		page = max(c.fault.Page, 1)
	}
	page = max(page, 1)
	s.limit, s.offset = limit, math.MaxInt
	if page-1 <= math.MaxInt/limit {
		s.offset = (page - 1) * limit
	}
	return nil
}

// defaultLimit is how many records a page holds that was asked for without a limit.
func (c *config) defaultLimit(size int) int {
	switch c.answers[questions.LimitDefault] {
	case "ten":
		return 10
	case "fifty":
		return 50
	case "everything":
		return math.MaxInt
	}
	return size
}

// limit reads the limit by the server's rules.
func (c *call) limit(s *selection, size, most int) (int, *failure) {
	limit, f := c.whole("limit", size, 1)
	if f != nil {
		return 0, f
	}
	if _, asked := c.query["limit"]; asked {
		s.asked = limit
	}
	cfg := &c.srv.cfg
	if most == 0 || cfg.maxLimit > 0 {
		most = cfg.maxLimit
	}
	switch cfg.answers[questions.LimitMaximum] {
	case "twenty":
		most = 20
	case "hundred":
		most = 100
	case "ignored":
		limit = size
	case "refused":
		if s.asked > 20 {
			return 0, badQuery("limit", "must be at most 20")
		}
	}
	if most > 0 && (s.asked > 0 || size != math.MaxInt) {
		limit = min(limit, most)
	}
	return limit, nil
}

// visibleAfter is how long a record is not listed where the server lists new ones late.
const visibleAfter = 2 * time.Second

// fetch returns the records of the page, printed, and how many match.
func (c *call) fetch(kind Kind, s *selection) (raws [][]byte, total int) {
	cfg := &c.srv.cfg
	if cfg.is(questions.ReadAfter, "delayed") {
		s.bornBefore = c.srv.Now().Add(-visibleAfter).UnixMilli()
	}
	s.updatedFirst = cfg.is(questions.ListOrder, "updated-first")
	again := cfg.is(questions.PagePastEnd, "last-page", "first-page")
	s.total = s.total || again
	raws, total = c.srv.store.page(kind, *s)
	if again && len(raws) == 0 && total > 0 {
		s.offset = 0
		if cfg.is(questions.PagePastEnd, "last-page") {
			s.offset = (total - 1) / s.limit * s.limit
		}
		raws, total = c.srv.store.page(kind, *s)
	}
	return cfg.printAll(kind, raws), total
}

// nothingListed is what a list answers that has no records; true where that is no ordinary page.
func (c *call) nothingListed(s *selection, envelope bool) (answer, *failure, bool) {
	cfg := &c.srv.cfg
	alternative := cfg.answers[questions.EmptyList]
	if s.offset > 0 {
		alternative = cfg.answers[questions.PagePastEnd]
	}
	switch alternative {
	case "not-found":
		return answer{}, notFound("no data found"), true
	case "not-found-html":
		f := notFound("no data found")
		f.shape = "html-error"
		return answer{}, f, true
	case "refused":
		f := badRequest("NO_DATA", "no data found")
		f.shape = "success-false"
		return answer{}, f, true
	case "null":
		if envelope {
			return jsonAnswer(append(cfg.listSuccess(), field{"data", []byte("null")}).encode()), nil, true
		}
		return jsonAnswer([]byte("null")), nil, true
	case "empty-object":
		if !envelope {
			return jsonAnswer([]byte("{}")), nil, true
		}
	}
	return answer{}, nil, false
}

// plainList answers a bare array.
func (c *call) plainList(kind Kind, s selection) (answer, *failure) {
	if f := c.paging(&s, c.srv.cfg.pageSize, 0); f != nil {
		return answer{}, f
	}
	cfg := &c.srv.cfg
	shape := cfg.answers[questions.ListShape]
	s.total = shape == "envelope-with-total"
	raws, total := c.fetch(kind, &s)
	if len(raws) == 0 {
		if a, f, done := c.nothingListed(&s, false); done {
			return a, f
		}
	}
	switch {
	case shape == "envelope":
		return jsonAnswer(append(cfg.listSuccess(), field{"data", array(raws)}).encode()), nil
	case shape == "envelope-with-total":
		return jsonAnswer(cfg.envelope(&s, raws, total, true).encode()), nil
	case shape == "lone-object" && len(raws) == 1:
		return jsonAnswer(raws[0]), nil
	}
	return jsonAnswer(array(raws)), nil
}

// envelope is {"success":true,"data":[…],"total":n,"limit":n}.
func (c *config) envelope(s *selection, raws [][]byte, total int, withTotal bool) object {
	o := append(c.listSuccess(), field{"data", array(raws)})
	if withTotal {
		if value := c.total(total, len(raws)); value != nil {
			o = append(o, field{"total", value})
		}
	}
	limit := s.limit
	switch c.answers[questions.ListLimitEcho] {
	case "absent":
		return o
	case "page":
		limit = len(raws)
	case "asked":
		if s.asked > 0 {
			limit = s.asked
		}
	}
	return append(o, field{"limit", strconv.AppendInt(nil, int64(limit), 10)})
}

// total counts n matching records, of which the page has some, as the server does; nil to print no total.
func (c *config) total(n, onPage int) []byte {
	switch c.answers[questions.ListTotal] {
	case "absent":
		return nil
	case "page":
		n = onPage
	case "capped":
		n = min(n, 30)
	case "estimated-low":
		n = n * 9 / 10
	case "estimated-high":
		n = n*11/10 + 1
	case "zero":
		n = 0
	case "text":
		return quoted(strconv.Itoa(n))
	}
	return strconv.AppendInt(nil, int64(n), 10)
}

// maxReportLimit is the most that telesales, telecalls, campaigns and ratings take as a limit: the vendor's page.
const maxReportLimit = 100

// report answers the lists that the vendor prints with an envelope.
func (c *call) report(kind Kind, s selection, withTotal bool) (answer, *failure) {
	if f := c.between(&s, "dateStart", "dateEnd", instants(), false); f != nil {
		return answer{}, f
	}
	if f := c.paging(&s, c.srv.cfg.pageSize, maxReportLimit); f != nil {
		return answer{}, f
	}
	s.total = withTotal
	raws, total := c.fetch(kind, &s)
	if len(raws) == 0 {
		if a, f, done := c.nothingListed(&s, true); done {
			return a, f
		}
	}
	return jsonAnswer(c.srv.cfg.envelope(&s, raws, total, withTotal).encode()), nil
}

// znsPageSize is the default limit that the page of this endpoint names.
const znsPageSize = 50

// listZNS answers 404 where there is no data, as its page says.
func listZNS(c *call) (answer, *failure) {
	var s selection
	c.equal(&s, "campaign")
	if f := c.between(&s, "dateStart", "dateEnd", epochs(), false); f != nil {
		return answer{}, f
	}
	if f := c.paging(&s, znsPageSize, 0); f != nil {
		return answer{}, f
	}
	raws, _ := c.fetch(ZNSMessages, &s)
	cfg := &c.srv.cfg
	if len(raws) == 0 && !cfg.is(questions.ZNSEmpty, "empty-list") {
		f := notFound("no data found")
		if cfg.is(questions.ZNSEmpty, "html") {
			f.shape = "html-error"
		}
		return answer{}, f
	}
	return jsonAnswer(append(cfg.listSuccess(), field{"data", array(raws)}).encode()), nil
}

// listMessages goes by offset, not by page.
func listMessages(c *call) (answer, *failure) {
	var s selection
	for _, name := range []string{"created_from", "created_to"} {
		if f := c.required(name); f != nil {
			return answer{}, f
		}
	}
	if f := c.between(&s, "created_from", "created_to", instants(), false); f != nil {
		return answer{}, f
	}
	c.equal(&s, "sessionId")
	offset, f := c.whole("offset", 0, 0)
	if f != nil {
		return answer{}, f
	}
	if f := c.paging(&s, c.srv.cfg.pageSize, 0); f != nil {
		return answer{}, f
	}
	cfg := &c.srv.cfg
	if s.offset = offset; cfg.is(questions.PageParameter, "ignored") || cfg.is(questions.MessagePaging, "offset-ignored") {
		s.offset = 0
	}
	if c.fault != nil && c.fault.Do == StuckPage {
		s.offset = (max(c.fault.Page, 1) - 1) * s.limit
	}
	data := object{{"sessions", array(c.sessions(s))}}
	return jsonAnswer(append(cfg.listSuccess(), field{"data", data.encode()}).encode()), nil
}

// sessions returns the sessions of an answer. limit and offset count messages: a session that has more than the answer
// goes on in the next.
func (c *call) sessions(s selection) [][]byte {
	cfg := &c.srv.cfg
	if cfg.is(questions.MessagePaging, "sessions") {
		raws, _ := c.fetch(Messages, &s)
		return raws
	}
	all := s
	all.offset, all.limit = 0, math.MaxInt
	raws, _ := c.fetch(Messages, &all)
	if cfg.is(questions.MessagePaging, "offset-in-sessions") {
		return window(raws[min(s.offset, len(raws)):], 0, s.limit)
	}
	return window(raws, s.offset, s.limit)
}

// window cuts limit messages out of sessions, from the one at offset on. A session without messages goes with the
// message before it.
func window(sessions [][]byte, offset, limit int) [][]byte {
	end := offset + min(limit, math.MaxInt-offset)
	kept, at := [][]byte{}, 0
	for _, raw := range sessions {
		o, _ := splitObject(raw)
		messages, _ := splitArray(o.get("messages"))
		first, last := max(offset-at, 0), min(end-at, len(messages))
		if here := at; len(messages) == 0 {
			if here == 0 && offset == 0 || here > offset && here <= end {
				kept = append(kept, raw)
			}
			continue
		}
		at += len(messages)
		if first >= last {
			continue
		}
		if last-first < len(messages) {
			o.set("messages", array(messages[first:last]))
			raw = o.encode()
		}
		kept = append(kept, raw)
	}
	return kept
}

// listCampaigns lists the campaigns where the example says they are, or is not there.
func listCampaigns(c *call) (answer, *failure) {
	if c.srv.cfg.is(questions.CampaignsPath, "absent") {
		return answer{}, &failure{status: http.StatusNotFound, code: "UNKNOWN_PATH", message: "path /campaigns: there is no such endpoint"}
	}
	return c.report(Campaigns, selection{}, true)
}
