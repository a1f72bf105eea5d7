package antcrmtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Kind is a kind of records that the fake keeps.
type Kind string

// The kinds of records.
const (
	Contacts      Kind = "contacts"      // leads and customers
	Opportunities Kind = "opportunities" // orders
	Products      Kind = "products"
	Tickets       Kind = "tickets"
	History       Kind = "history"  // accumulations (type 1) and redemptions (type 2)
	PointCodes    Kind = "codes"    // what POST /accumulate knows: {code, score, product}; while there are none, any code is good
	Gifts         Kind = "gifts"    // what POST /redeem knows: {code, score, name}; while there are none, any code is good
	Segments      Kind = "segments" // members of segments: {segmentId, contact}
	Telesales     Kind = "telesales"
	Telecalls     Kind = "telecalls"
	Campaigns     Kind = "campaigns"
	Ratings       Kind = "ratings"
	ZNSMessages   Kind = "znsmsg"
	Messages      Kind = "messages" // sessions of omnichannel messages
)

// Kinds lists every kind, in the order of the wire's document.
func Kinds() []Kind {
	return []Kind{Contacts, Opportunities, Products, Tickets, History, PointCodes, Gifts, Segments,
		Telesales, Telecalls, Campaigns, Ratings, ZNSMessages, Messages}
}

// noTime is the time of a record that shows none: it is in no range.
const noTime = math.MinInt64

// posting is one value under which a record can be found.
type posting struct{ index, value string }

func byPosting(a, b posting) int {
	return cmp.Or(strings.Compare(a.index, b.index), strings.Compare(a.value, b.value))
}

// record is one stored object. raw is replaced, never changed, so that a reader may keep it.
type record struct {
	seq     int64
	raw     []byte
	keys    []posting // sorted, each once: a record may carry a million phones
	created int64     // epoch milliseconds, or noTime
	updated int64
	born    int64 // when it was written, or noTime where it was seeded
	gone    bool  // deleted
	hidden  bool  // deleted, but still shown to those who ask for deleted ones
}

func (r *record) has(p posting) bool { return includes(r.keys, p) }

// includes looks into sorted keys.
func includes(keys []posting, p posting) bool {
	_, found := slices.BinarySearchFunc(keys, p, byPosting)
	return found
}

// list is a run of records in the order of their creation. Deleting only marks a record, and the list is swept when it
// is next read: emptying a store of 200,000 stays linear.
type list struct {
	recs []*record
	dead int
}

func (l *list) live() []*record {
	if l.dead > 0 {
		l.recs = slices.DeleteFunc(l.recs, func(r *record) bool { return r.gone })
		l.dead = 0
	}
	return l.recs
}

func bySeq(r *record, seq int64) int { return int(r.seq - seq) }

func (l *list) insert(r *record) {
	if n := len(l.recs); n == 0 || l.recs[n-1].seq < r.seq {
		l.recs = append(l.recs, r)
		return
	}
	if i, found := slices.BinarySearchFunc(l.recs, r.seq, bySeq); !found {
		l.recs = slices.Insert(l.recs, i, r)
	}
}

func (l *list) drop(r *record) {
	if i, found := slices.BinarySearchFunc(l.recs, r.seq, bySeq); found {
		l.recs = slices.Delete(l.recs, i, i+1)
	}
}

// spec says how one kind of records is kept: which ids it is given, what it can be found by, which times it has.
type spec struct {
	kind     Kind
	code     int                                                  // makes object ids differ between kinds
	external string                                               // the field of the caller's own key
	ids      func(o object) string                                // the field of the id that the service counts up, "" for none
	firstID  func(idField string) int64                           // where counting begins
	find     func(st *store, o object, add func(index, v string)) // what the record can be found by
	created  []string                                             // the fields that may hold the time of creation, first one present wins
	stamped  bool                                                 // createdAt and updatedAt are kept by the service
}

// objectID is the field of the object id, as the vendor prints the kind.
func (sp spec) objectID() string {
	if sp.kind == History {
		return "id"
	}
	return "_id"
}

// collection holds the records of one kind.
type collection struct {
	spec   spec
	all    list
	index  map[posting]*list
	next   map[string]int64
	seq    int64
	hidden int // how many live records are hidden
}

func newCollection(sp spec) *collection {
	return &collection{spec: sp, index: map[posting]*list{}, next: map[string]int64{}}
}

// store holds everything, behind one lock that is never held while a body is read or checked, or an answer printed.
type store struct {
	mu     sync.Mutex
	kinds  map[Kind]*collection
	now    func() time.Time
	newest bool // lists begin with the newest record
	idType string
}

func newStore(now func() time.Time, newest bool, idType string) *store {
	st := &store{now: now, newest: newest, idType: idType}
	st.clear()
	return st
}

func (st *store) clear() {
	st.kinds = map[Kind]*collection{}
	for _, sp := range specs() {
		st.kinds[sp.kind] = newCollection(sp)
	}
}

func (st *store) millis() int64 { return st.now().UnixMilli() }

// lookup returns the oldest live record with that value, or nil.
func (c *collection) lookup(index, value string) *record {
	if value == "" {
		return nil
	}
	l := c.index[posting{index, value}]
	if l == nil {
		return nil
	}
	for _, r := range l.live() {
		if !r.hidden {
			return r
		}
	}
	return nil
}

// count says how many live records have that value.
func (c *collection) count(index, value string) int {
	l := c.index[posting{index, value}]
	if l == nil {
		return 0
	}
	n := 0
	for _, r := range l.live() {
		if !r.hidden {
			n++
		}
	}
	return n
}

// insert gives o its ids and times and keeps it. Ids that are there already (a seeded record) are kept, and counting
// goes on above them.
func (st *store) insert(kind Kind, o object) (*record, object) {
	c := st.kinds[kind]
	c.seq++
	o.setDefault(c.spec.objectID(), fmt.Sprintf(`"64d9f28b%04x%012x"`, c.spec.code, c.seq))
	if idField := c.spec.ids(o); idField != "" {
		c.assign(&o, idField, st.idType)
	}
	if c.spec.stamped {
		now := strconv.FormatInt(st.millis(), 10)
		o.setDefault("createdAt", now)
		o.setDefault("updatedAt", now)
	}
	r := &record{seq: c.seq, born: st.millis()}
	st.fill(c, r, o)
	c.all.insert(r)
	for _, k := range r.keys {
		c.post(k, r)
	}
	return r, o
}

// assign counts up the id of o, or notes the one that it brings along.
func (c *collection) assign(o *object, idField, idType string) {
	next, ok := c.next[idField]
	if !ok {
		next = c.spec.firstID(idField)
	}
	if given := o.text(idField); given != "" {
		if n, err := strconv.ParseInt(given, 10, 64); err == nil && n >= next && n < math.MaxInt64 {
			next = n + 1
		}
	} else {
		o.set(idField, newID(c.spec.code, next, idType))
		next++
	}
	c.next[idField] = next
}

// fill sets what is derived from the record's text.
func (st *store) fill(c *collection, r *record, o object) {
	r.raw = o.encode()
	r.keys = r.keys[:0:0]
	c.spec.find(st, o, func(index, value string) {
		if value != "" {
			r.keys = append(r.keys, posting{index, value})
		}
	})
	slices.SortFunc(r.keys, byPosting)
	r.keys = slices.Compact(r.keys)
	r.created, r.updated = noTime, timeOf(o.get("updatedAt"))
	for _, name := range c.spec.created {
		if r.created = timeOf(o.get(name)); r.created != noTime {
			break
		}
	}
}

// newID prints a new id in the server's form.
func newID(kind int, n int64, idType string) []byte {
	switch idType {
	case "text":
		return quoted(strconv.FormatInt(n, 10))
	case "object-id":
		return fmt.Appendf(nil, `"64d9f2ab%04x%012x"`, kind, n)
	case "long":
		n += 1_000_000_000_000_000_000
	}
	return strconv.AppendInt(nil, n, 10)
}

func (c *collection) post(p posting, r *record) {
	l := c.index[p]
	if l == nil {
		l = &list{}
		c.index[p] = l
	}
	l.insert(r)
}

func (c *collection) unpost(p posting, r *record) {
	l := c.index[p]
	l.drop(r)
	if len(l.recs) == l.dead {
		delete(c.index, p)
	}
}

// replace writes a changed object over a record.
func (st *store) replace(kind Kind, r *record, o object) {
	c := st.kinds[kind]
	before := r.keys
	if st.fill(c, r, o); slices.Equal(before, r.keys) {
		return
	}
	for _, k := range before {
		if !r.has(k) {
			c.unpost(k, r)
		}
	}
	for _, k := range r.keys {
		if !includes(before, k) {
			c.post(k, r)
		}
	}
}

func (st *store) remove(kind Kind, r *record) {
	c := st.kinds[kind]
	r.gone = true
	c.all.dead++
	for _, k := range r.keys {
		l := c.index[k]
		if l.dead++; l.dead >= len(l.recs) {
			delete(c.index, k)
		}
	}
	if c.all.dead > 1000 && c.all.dead > len(c.all.recs)/2 {
		c.all.live()
	}
}

func (st *store) hide(kind Kind, r *record) {
	r.hidden = true
	st.kinds[kind].hidden++
}

// selection is what a list request asks for.
type selection struct {
	equal   []posting // all of them
	ranges  []timeRange
	deleted bool // soft-deleted ones too
	offset  int
	limit   int
	total   bool // count all matches, not only those of the page
	newest  bool // the newest first, whatever the server's order is
	asked   int  // the limit that was asked for, 0 for none
	like    []likeness
	// bornBefore hides records that were written later, 0 for none; updatedFirst lists what was changed last at the
	// beginning.
	bornBefore   int64
	updatedFirst bool
}

// likeness is a filter that is no equality.
type likeness struct {
	index   string
	matches func(value string) bool
}

func (l likeness) fits(r *record) bool {
	return slices.ContainsFunc(r.keys, func(p posting) bool { return p.index == l.index && l.matches(p.value) })
}

// plain reports whether an index alone can answer.
func (s *selection) plain() bool {
	return len(s.ranges) == 0 && len(s.equal) <= 1 && len(s.like) == 0 && s.bornBefore == 0
}

// timeRange is from one millisecond to another, both included.
type timeRange struct {
	from, to  int64
	byUpdated bool // the time of the last change, not of the creation
}

func (t timeRange) matches(r *record) bool {
	at := r.created
	if t.byUpdated {
		at = r.updated
	}
	return at != noTime && at >= t.from && at <= t.to
}

func (s *selection) matches(r *record, skip int) bool {
	if r.hidden && !s.deleted {
		return false
	}
	for i, p := range s.equal {
		if i != skip && !r.has(p) {
			return false
		}
	}
	for _, t := range s.ranges {
		if !t.matches(r) {
			return false
		}
	}
	for _, l := range s.like {
		if !l.fits(r) {
			return false
		}
	}
	return s.bornBefore == 0 || r.born <= s.bornBefore
}

// page returns the texts of the selected records. Without a filter, or with one that an index answers alone, it costs
// only the page.
func (st *store) page(kind Kind, s selection) (raws [][]byte, total int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	c := st.kinds[kind]
	candidates, skip := c.narrowest(s.equal)
	n := len(candidates)
	if s.updatedFirst {
		candidates = slices.SortedStableFunc(slices.Values(candidates), func(a, b *record) int { return cmp.Compare(b.updated, a.updated) })
	}
	at := func(i int) *record {
		if (st.newest || s.newest) && !s.updatedFirst {
			return candidates[n-1-i]
		}
		return candidates[i]
	}
	if s.plain() && (s.deleted || c.hidden == 0) {
		for i := s.offset; i < n && i-s.offset < s.limit; i++ {
			raws = append(raws, at(i).raw)
		}
		return raws, n
	}
	for i := range n {
		r := at(i)
		if !s.matches(r, skip) {
			continue
		}
		if total >= s.offset && len(raws) < s.limit {
			raws = append(raws, r.raw)
		} else if len(raws) >= s.limit && !s.total {
			break
		}
		total++
	}
	return raws, total
}

// narrowest returns the shortest run of records that can hold every match, and the place of the filter that it answers.
func (c *collection) narrowest(equal []posting) (recs []*record, skip int) {
	if len(equal) == 0 {
		return c.all.live(), -1
	}
	for i, p := range equal {
		var found []*record
		if l := c.index[p]; l != nil {
			found = l.live()
		}
		if i == 0 || len(found) < len(recs) {
			recs, skip = found, i
		}
	}
	return recs, skip
}

func (st *store) specOf(kind Kind) spec {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.kinds[kind].spec
}

// snapshot copies the texts of all live records.
func (st *store) snapshot(kind Kind) []json.RawMessage {
	st.mu.Lock()
	defer st.mu.Unlock()
	c := st.kinds[kind]
	if c == nil {
		return nil
	}
	raws := make([]json.RawMessage, 0, len(c.all.recs))
	for _, r := range c.all.live() {
		raws = append(raws, slices.Clone(r.raw))
	}
	return raws
}

// timeOf reads a time as records show it: epoch milliseconds as a number or text, or one of the written forms.
func timeOf(v []byte) int64 {
	text, ok := scalarText(v)
	if !ok || text == "" {
		return noTime
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return ms
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixMilli()
		}
	}
	return noTime
}

// addTo adds a number to a numeric field; a field that holds no number counts as 0.
func addTo(o *object, name string, delta *big.Rat) {
	sum := decimal(o.text(name))
	if sum == nil {
		sum = new(big.Rat)
	}
	o.set(name, []byte(decimalText(new(big.Rat).Add(sum, delta))))
}
