package antcrm

import (
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
)

// Page is one page of a list. Total is what the server says of the whole list
// if HasTotal; Limit is the page size it says it used, else the one asked for.
type Page[T any] struct {
	Items    []T
	Page     int // as asked for; 1 if none was
	Limit    int // 0 if neither side named one
	Total    int
	HasTotal bool
}

// Format keeps customers' data out of logs: it prints the numbers of a page with
// every verb, not its records.
func (p Page[T]) Format(s fmt.State, _ rune) {
	writeText(s, fmt.Sprintf("{Page:%d Limit:%d Items:%d Total:%d HasTotal:%t}", p.Page, p.Limit, len(p.Items), p.Total, p.HasTotal))
}

// LogValue keeps a customer's data out of slog records: the numbers of a page,
// not its records.
func (p Page[T]) LogValue() slog.Value {
	attrs := []slog.Attr{slog.Int("page", p.Page), slog.Int("limit", p.Limit), slog.Int("items", len(p.Items))}
	if p.HasTotal {
		attrs = append(attrs, slog.Int("total", p.Total))
	}
	return slog.GroupValue(attrs...)
}

// Collect gathers the records of an iteration. On an error it returns those
// that came before.
func Collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var all []T
	for item, err := range seq {
		if err != nil {
			return all, err
		}
		all = append(all, item)
	}
	return all, nil
}

// lister is a list endpoint: all that a resource file says of it.
type lister[T any, P recordPointer[T]] struct {
	*core
	op   string // "list contacts"
	path string
	// key identifies a record among its likes; "" if it carries no identity.
	key func(*T) string
	// keep drops records that do not belong to the list; nil keeps all.
	keep func(*T) bool
	// emptyOn404: a 404 without data is an empty list.
	emptyOn404 bool
	// byOffset: the list has limit and offset, no page.
	byOffset bool
	// nested is the name of the array inside data, for an envelope whose data
	// is an object.
	nested string
}

// fetched is a page as received: keep is not applied yet, since an iteration
// ends at a page without records, not at one without records to keep.
type fetched[T any] struct {
	items    []T
	limit    int
	total    int
	hasTotal bool
	response Response
	err      error
}

func (l lister[T, P]) fetch(ctx context.Context, query url.Values, cfg *callConfig) fetched[T] {
	var got fetched[T]
	asked, _ := strconv.Atoi(query.Get("limit"))
	got.limit = asked
	req := &request{op: l.op, method: http.MethodGet, path: l.path, query: query, emptyOn404: l.emptyOn404}
	own := *cfg
	if cfg.response != nil {
		own.response = &got.response
	}
	got.err = l.call(ctx, req, &own, func(a *answer) error {
		list, err := decodeList[T](a, l.nested)
		if err != nil {
			return err
		}
		got.items, got.total, got.hasTotal = list.items, list.total, list.hasTotal
		if list.limit > 0 {
			got.limit = list.limit
		}
		return nil
	})
	return got
}

// list fetches one page.
func (l lister[T, P]) list(ctx context.Context, f *filters, opts []CallOption) (*Page[T], error) {
	cfg, err := newCallConfig(opts)
	if err := firstError(err, f.err); err != nil {
		return nil, err
	}
	got := l.fetch(ctx, f.values, cfg)
	if cfg.response != nil {
		*cfg.response = got.response
	}
	if got.err != nil {
		return nil, got.err
	}
	page := &Page[T]{Items: l.kept(got.items), Page: 1, Limit: got.limit, Total: got.total, HasTotal: got.hasTotal}
	if asked, err := strconv.Atoi(f.values.Get("page")); err == nil {
		page.Page = asked
	}
	return page, nil
}

func (l lister[T, P]) kept(items []T) []T {
	if l.keep == nil {
		return items
	}
	kept := items[:0]
	for i := range items {
		if l.keep(&items[i]) {
			kept = append(kept, items[i])
		}
	}
	return kept
}

// get finds the one record whose key is the one asked for. Records with
// another key are not it, even alone (a server that ignores the filter); a
// sole record without the key is taken, since the vendor's records do not
// always carry it.
func (l lister[T, P]) get(ctx context.Context, op, name, key string, keyOf func(*T) string, opts []CallOption) (*T, error) {
	f := newFilters()
	f.required(name, key)
	cfg, err := newCallConfig(opts)
	if err := firstError(err, f.err); err != nil {
		return nil, err
	}
	l.op = op
	got := l.fetch(ctx, f.values, cfg)
	if cfg.response != nil {
		*cfg.response = got.response
	}
	if got.err != nil {
		return nil, got.err
	}
	for i := range got.items {
		if found := keyOf(&got.items[i]); found == key || found == "" && len(got.items) == 1 {
			return &got.items[i], nil
		}
	}
	return nil, fmt.Errorf("%s: no record with this key: %w", callText(op, http.MethodGet, l.path), ErrNotFound)
}

// all iterates over the records of every page. The filters are read, never
// written; ranging twice starts over.
func (l lister[T, P]) all(ctx context.Context, f *filters, opts []CallOption) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		cfg, err := newCallConfig(opts)
		if ctx == nil {
			err = invalid("ctx", "is nil")
		}
		if err := firstError(err, f.err); err != nil {
			var none T
			yield(none, err)
			return
		}
		it := newIteration(l, f.values, cfg)
		it.run(ctx, yield)
	}
}

// iteration is one pass over a list.
type iteration[T any, P recordPointer[T]] struct {
	list     lister[T, P]
	query    url.Values
	cfg      *callConfig
	next     int  // page or offset to fetch next
	counting bool // began at the first page, so that total can be compared
	asked    int  // the limit asked for
	window   int  // pages in flight allowed at present
	full     bool // page 1 has as many records as a page can have

	given    int             // distinct records given
	total    int             // the latest that the server has told
	hasTotal bool            // total can be believed
	previous map[string]bool // keys of the page before
	seed     maphash.Seed
	pages    map[uint64]bool // fingerprints of the pages seen
}

func newIteration[T any, P recordPointer[T]](l lister[T, P], query url.Values, cfg *callConfig) *iteration[T, P] {
	it := &iteration[T, P]{list: l, query: query, cfg: cfg, seed: maphash.MakeSeed(), pages: map[uint64]bool{}}
	name, first := "page", 1
	if l.byOffset {
		name, first = "offset", 0
	}
	it.next = first
	if n, err := strconv.Atoi(query.Get(name)); err == nil {
		it.next = n
	}
	it.counting = it.next == first
	it.asked, _ = strconv.Atoi(query.Get("limit"))
	it.window = min(cfg.readAhead, 1)
	return it
}

// run fetches pages in order, up to window of them ahead of the consumer, and
// leaves nothing running when it returns.
func (it *iteration[T, P]) run(ctx context.Context, yield func(T, error) bool) {
	ctx, cancel := context.WithCancel(ctx)
	var inFlight []chan fetched[T]
	defer func() {
		cancel()
		for _, page := range inFlight {
			<-page
		}
	}()
	for first := true; ; first = false {
		if len(inFlight) == 0 {
			inFlight = append(inFlight, it.start(ctx))
		}
		got, waited := receive(inFlight[0])
		inFlight = inFlight[1:]
		fresh, more, err := it.take(&got, first)
		if more && err == nil {
			inFlight = it.readAhead(ctx, inFlight, waited, &got)
		}
		if !it.give(fresh, yield) {
			return
		}
		if err != nil {
			var none T
			yield(none, err)
			return
		}
		if !more {
			return
		}
	}
}

// receive takes a page and says whether it had to be waited for.
func receive[T any](page chan fetched[T]) (got fetched[T], waited bool) {
	select {
	case got = <-page:
		return got, false
	default:
		return <-page, true
	}
}

// start begins to fetch the next page.
func (it *iteration[T, P]) start(ctx context.Context) chan fetched[T] {
	query := make(url.Values, len(it.query)+1)
	for name, values := range it.query {
		query[name] = values
	}
	if it.list.byOffset {
		query.Set("offset", strconv.Itoa(it.next))
	} else {
		query.Set("page", strconv.Itoa(it.next))
		it.next++
	}
	page := make(chan fetched[T], 1)
	fetch := func() {
		got := fetched[T]{err: fmt.Errorf("%s: a callback has left the goroutine of the request", callText(it.list.op, http.MethodGet, it.list.path))}
		defer func() { page <- got }() // in any case: the consumer waits for it
		got = it.list.fetch(ctx, query, it.cfg)
	}
	if it.window == 0 {
		fetch()
	} else {
		go fetch()
	}
	return page
}

// readAhead fills the window. It widens, threefold each time, only when the
// consumer had to wait for the network and page 1 was full: until then every
// page beyond the next one is a guess.
func (it *iteration[T, P]) readAhead(ctx context.Context, inFlight []chan fetched[T], waited bool, got *fetched[T]) []chan fetched[T] {
	if it.list.byOffset {
		it.next += len(got.items)
	} else if waited && it.full {
		it.window = min(it.window*3, it.cfg.readAhead)
	}
	for len(inFlight) < it.window {
		if len(inFlight) > 0 && !it.worthGuessing(len(inFlight), got) {
			break
		}
		inFlight = append(inFlight, it.start(ctx))
	}
	return inFlight
}

// worthGuessing reports whether a page is likely to come after those in flight.
func (it *iteration[T, P]) worthGuessing(inFlight int, got *fetched[T]) bool {
	if it.list.byOffset {
		return false // where it begins is not known before the one before came
	}
	return !it.counting || !it.hasTotal || it.given+inFlight*len(got.items) < it.total
}

// take sorts a page out: which of its records are new, whether another page
// may follow.
func (it *iteration[T, P]) take(got *fetched[T], first bool) (fresh []T, more bool, err error) {
	if it.cfg.response != nil {
		*it.cfg.response = got.response
	}
	if got.err != nil || len(got.items) == 0 {
		return nil, false, got.err
	}
	if it.repeats(got.items) {
		return nil, false, fmt.Errorf("%s: %w", callText(it.list.op, http.MethodGet, it.list.path), ErrRepeatedPage)
	}
	if first {
		it.full = len(got.items) >= fullPage(it.asked)
	}
	fresh = it.distinct(got.items)
	it.given += len(fresh)
	if got.hasTotal {
		// A total smaller than the page it comes with counts something else.
		it.total, it.hasTotal = got.total, got.total >= len(got.items)
	}
	reached := it.counting && it.hasTotal && it.given >= it.total
	return it.list.kept(fresh), !reached, nil
}

// fullPage is how many records prove that a page is full.
func fullPage(asked int) int {
	if asked > 0 {
		return min(asked, vendorPage)
	}
	return vendorPage
}

// vendorPage is how many records the vendor puts on a page at most, unless a
// larger limit is honoured.
const vendorPage = 20

// repeats reports whether this page came before: the server ignores the page
// number, or begins again past the end.
func (it *iteration[T, P]) repeats(items []T) bool {
	var hash maphash.Hash
	hash.SetSeed(it.seed)
	for i := range items {
		if key := it.list.key(&items[i]); key != "" {
			_, _ = hash.WriteString(key)
		} else {
			_, _ = hash.WriteString(P(&items[i]).rawText())
		}
		_ = hash.WriteByte(0)
	}
	sum := hash.Sum64()
	seen := it.pages[sum]
	it.pages[sum] = true
	return seen
}

// distinct drops the records that the page before has given already: they slid
// over while somebody inserted.
func (it *iteration[T, P]) distinct(items []T) []T {
	keys := make(map[string]bool, len(items))
	fresh := make([]T, 0, len(items))
	for i := range items {
		key := it.list.key(&items[i])
		if key != "" {
			keys[key] = true
			if it.previous[key] {
				continue
			}
		}
		fresh = append(fresh, items[i])
	}
	it.previous = keys
	return fresh
}

func (it *iteration[T, P]) give(items []T, yield func(T, error) bool) bool {
	for i := range items {
		if !yield(items[i], nil) {
			return false
		}
	}
	return true
}

// identity makes a record's key from a kind and an id; "" without an id.
func identity(kind string, id ID) string {
	if id == "" {
		return ""
	}
	return kind + ":" + string(id)
}
