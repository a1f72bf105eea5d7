package antcrm

import (
	"context"
	"hash/maphash"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strconv"
)

// Collect gathers the records of an iteration. On an error it also returns the records that came before it.
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

// all iterates over the records of every page. Ranging twice starts over.
func (l listEndpoint[T]) all(ctx context.Context, f *filters, opts []CallOption) iter.Seq2[T, error] {
	opts = slices.Clone(opts) // the caller may change the slice before ranging
	return func(yield func(T, error) bool) {
		cfg, err := newCallConfig(opts)
		if ctx == nil {
			err = invalid("ctx", "is nil")
		}
		if err := firstError(err, f.err); err != nil {
			yield(*new(T), err)
			return
		}
		newIteration(l, f.values, cfg).run(ctx, yield)
	}
}

// iteration is one pass over a list.
type iteration[T any] struct {
	list  listEndpoint[T]
	query url.Values // read only: every pass shares it
	cfg   *callConfig

	next     int  // the page or offset to request next
	begun    bool // a page has been requested
	counting bool // the pass began at page 1, so its records can be compared with the total

	window   int  // how many pages may be in flight
	fullPage bool // a page was full: more pages are likely
	previous int  // how many records the page before had

	yielded  int // distinct records
	total    int // the latest total in an answer
	hasTotal bool

	seed  maphash.Seed
	last  map[uint64]bool // fingerprints of the records of the page before
	pages map[uint64]bool // fingerprints of all pages
}

func newIteration[T any](l listEndpoint[T], query url.Values, cfg *callConfig) *iteration[T] {
	it := &iteration[T]{list: l, query: query, cfg: cfg, window: min(cfg.readAhead, 1), seed: maphash.MakeSeed(), pages: map[uint64]bool{}}
	parameter, first := "page", 1
	if l.advance != nil {
		parameter, first = "offset", 0
	}
	it.next = first
	if n, err := strconv.Atoi(query.Get(parameter)); err == nil {
		it.next = n
	}
	it.counting = it.next == first && l.advance == nil
	return it
}

// run requests pages in order, up to window of them ahead of the consumer, and leaves nothing running when it returns.
func (it *iteration[T]) run(ctx context.Context, yield func(T, error) bool) {
	ctx, cancel := context.WithCancel(ctx)
	var inFlight []chan pageResult[T]
	defer func() {
		cancel()
		for _, page := range inFlight {
			<-page
		}
	}()
	for {
		if len(inFlight) == 0 {
			inFlight = append(inFlight, it.request(ctx))
		}
		got, waited := receive(inFlight[0])
		inFlight = inFlight[1:]
		items, more, err := it.accept(&got)
		if more && err == nil {
			it.widen(waited, &got)
			inFlight = it.requestAhead(ctx, inFlight, len(got.items))
		}
		for i := range items {
			if !yield(items[i], nil) {
				return
			}
		}
		if err != nil {
			yield(*new(T), err)
			return
		}
		if !more {
			return
		}
	}
}

// receive takes a page out of its channel and reports whether it had to wait for it.
func receive[T any](page chan pageResult[T]) (got pageResult[T], waited bool) {
	select {
	case got = <-page:
		return got, false
	default:
		return <-page, true
	}
}

// request begins to fetch the next page.
func (it *iteration[T]) request(ctx context.Context) chan pageResult[T] {
	query := make(url.Values, len(it.query)+1)
	maps.Copy(query, it.query)
	if it.list.advance != nil {
		query.Set("offset", strconv.Itoa(it.next))
	} else {
		query.Set("page", strconv.Itoa(it.next))
		it.next++
	}
	list := it.list
	list.emptyOn404 = list.emptyOn404 || it.begun // there may be no page after the last one
	it.begun = true
	page := make(chan pageResult[T], 1)
	fetch := func() {
		got := pageResult[T]{err: list.failure(nil, "a callback has left the goroutine of the request")}
		defer func() { page <- got }() // in any case: the consumer waits for it
		got = list.fetch(ctx, query, it.cfg)
	}
	if it.window == 0 {
		fetch()
	} else {
		go fetch()
	}
	return page
}

// widen triples how many pages may be in flight, if the consumer had to wait for the network and more full pages are
// likely. A page counts as full if it has as many records as the server's page size or as the page before it. A first
// page of at least half the vendor's page size may be full too: the server may have a page size of its own.
func (it *iteration[T]) widen(waited bool, got *pageResult[T]) {
	count := len(got.items)
	first := it.previous == 0
	if first && count >= it.provenSize(got) || count == it.previous {
		it.fullPage = true
	}
	it.previous = count
	if waited && it.list.advance == nil && (it.fullPage || first && count >= vendorPage/2) {
		it.window = min(it.window*3, it.cfg.readAhead)
	}
}

// provenSize is how many records prove that a page is full.
func (it *iteration[T]) provenSize(got *pageResult[T]) int {
	if got.limit > 0 {
		return min(got.limit, vendorPage)
	}
	return vendorPage
}

// requestAhead fills the window.
func (it *iteration[T]) requestAhead(ctx context.Context, inFlight []chan pageResult[T], count int) []chan pageResult[T] {
	for len(inFlight) < it.window {
		if len(inFlight) > 0 && !it.likelyMore(len(inFlight), count) {
			break
		}
		inFlight = append(inFlight, it.request(ctx))
	}
	return inFlight
}

// likelyMore reports whether a page is likely to come after those in flight.
func (it *iteration[T]) likelyMore(inFlight, count int) bool {
	if it.list.advance != nil {
		return false // the next offset is not known before the page in flight has come
	}
	if !it.counting || !it.hasTotal || it.yielded > it.total {
		return true // there is no usable total
	}
	return it.yielded+inFlight*count < it.total
}

// accept decides which records of a page to yield, and whether another page may follow.
func (it *iteration[T]) accept(got *pageResult[T]) (items []T, more bool, err error) {
	if it.cfg.response != nil {
		*it.cfg.response = got.response
	}
	if got.err != nil || len(got.items) == 0 {
		return nil, false, got.err
	}
	if err := it.list.checkFiltered(it.query, got.items); err != nil {
		return nil, false, err
	}
	if it.list.advance != nil {
		it.next += it.list.advance(got.items)
	}
	count := len(got.items)
	fresh, repeated := it.distinct(got.items)
	if repeated {
		return nil, false, it.list.failure(ErrRepeatedPage, "the server repeats a page instead of sending the next one or an empty one")
	}
	it.yielded += len(fresh)
	if got.hasTotal {
		// A total smaller than its own page counts something else.
		it.total, it.hasTotal = got.total, got.total >= count
	}
	return it.list.belonging(fresh), !it.complete(got.limit, count), nil
}

// complete reports whether the total has been reached, on a page that is not full. A full page proves nothing: some
// servers' totals are the number of records on the page, a capped number, or an estimate.
func (it *iteration[T]) complete(limit, count int) bool {
	if limit == 0 {
		limit = vendorPage
	}
	return it.counting && it.hasTotal && it.yielded >= it.total && count < limit
}

// distinct drops the records that were on the page before: they have moved because others were inserted. repeated
// reports a page that came before, in any order, or that has no new record: the server ignores the page number, or
// starts over after the last page.
func (it *iteration[T]) distinct(items []T) (fresh []T, repeated bool) {
	before := it.last
	it.last = make(map[uint64]bool, len(items))
	var page uint64
	fresh = filterInPlace(items, func(item *T) bool {
		mark := it.fingerprint(item)
		it.last[mark] = true
		page += mark
		return !before[mark]
	})
	repeated = it.pages[page] || len(fresh) == 0
	it.pages[page] = true
	return fresh, repeated
}

// fingerprint identifies a record by its id or, without one, by its text. Two different records have the same one with
// a probability of 2⁻⁶⁴.
func (it *iteration[T]) fingerprint(item *T) uint64 {
	if id := it.list.id(item); id != "" {
		return maphash.String(it.seed, id)
	}
	text := ""
	if kept, ok := any(item).(rawKeeper); ok { // every record keeps its text
		text = kept.rawText()
	}
	return maphash.String(it.seed, text)
}
