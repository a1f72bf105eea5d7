package antcrm

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
)

// Page is one page of a list.
type Page[T any] struct {
	Items    []T
	Page     int  // the page requested; 1 if none was
	Limit    int  // the page size in the answer, else the one requested; 0 if there is none
	Total    int  // how many records the whole list has, according to the server; valid if HasTotal
	HasTotal bool // whether the server named a total
}

// Format prints the numbers of a page and not its records, with every verb.
func (p Page[T]) Format(s fmt.State, _ rune) {
	writeText(s, fmt.Sprintf("{Page:%d Limit:%d Items:%d Total:%d HasTotal:%t}", p.Page, p.Limit, len(p.Items), p.Total, p.HasTotal))
}

// LogValue is the numbers of a page, without its records.
func (p Page[T]) LogValue() slog.Value {
	attrs := []slog.Attr{slog.Int("page", p.Page), slog.Int("limit", p.Limit), slog.Int("items", len(p.Items))}
	if p.HasTotal {
		attrs = append(attrs, slog.Int("total", p.Total))
	}
	return slog.GroupValue(attrs...)
}

// vendorPage is how many records the vendor puts on a page (its page says at most 20), unless it honours a larger
// limit.
const vendorPage = 20

// listEndpoint describes a list of the API: a resource file fills it in.
type listEndpoint[T any] struct {
	*core
	op   string // "list contacts"
	path string
	// id identifies a record among the others of its list. "" means that the record has no id: its text identifies it.
	id func(*T) string
	// fields are the filters whose values the records carry.
	fields []filterField[T]
	// belongs reports whether a record is of this list. Nil: every record is.
	belongs func(*T) bool
	// emptyOn404 says that a 404 without data is an empty list.
	emptyOn404 bool
	// advance returns by how much an answer moves the offset. Nil: the list is paged by number.
	advance func(items []T) int
	// nested is the name of the array inside data, for an envelope whose data is an object.
	nested string
}

// pageResult is the result of one request for a page. It has all records that the server sent, also those that do not
// belong to the list: an iteration ends only at a page without any.
type pageResult[T any] struct {
	items    []T
	limit    int // the server's page size, else the one asked for, else 0
	total    int
	hasTotal bool
	response Response
	err      error
}

// fetch requests a page.
func (l listEndpoint[T]) fetch(ctx context.Context, query url.Values, cfg *callConfig) pageResult[T] {
	var got pageResult[T]
	got.limit, _ = strconv.Atoi(query.Get("limit"))
	req := &request{op: l.op, method: http.MethodGet, path: l.path, query: query, emptyOn404: l.emptyOn404}
	own := *cfg
	if cfg.response != nil {
		own.response = &got.response // cfg's is written when the caller gets the records
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

// page fetches one page.
func (l listEndpoint[T]) page(ctx context.Context, f *filters, opts []CallOption) (*Page[T], error) {
	got, err := l.fetchOne(ctx, f, opts)
	if err != nil {
		return nil, err
	}
	if err := l.checkFiltered(f.values, got.items); err != nil {
		return nil, err
	}
	page := &Page[T]{Items: l.belonging(got.items), Page: 1, Limit: got.limit, Total: got.total, HasTotal: got.hasTotal}
	if asked, err := strconv.Atoi(f.values.Get("page")); err == nil {
		page.Page = asked
	}
	return page, nil
}

// get finds the record whose field has the value asked for. It never returns another record, not even a sole one
// without the field: that may be somebody else's.
func (l listEndpoint[T]) get(ctx context.Context, op, name, value string, opts []CallOption) (*T, error) {
	f := newFilters()
	f.required(name, value)
	l.op = op
	got, err := l.fetchOne(ctx, f, opts)
	if err != nil {
		return nil, err
	}
	if len(got.items) == 0 {
		return nil, l.failure(ErrNotFound, "no record has this "+name+": not found")
	}
	field := l.field(name)
	for i := range got.items {
		if field.value(&got.items[i]) == value {
			return &got.items[i], nil
		}
	}
	return nil, l.failure(ErrFilterIgnored, "no record of the answer has the "+name+" asked for: the server may not know this filter, and whether the record exists is not known")
}

// fetchOne is fetch for a call of one request.
func (l listEndpoint[T]) fetchOne(ctx context.Context, f *filters, opts []CallOption) (pageResult[T], error) {
	cfg, err := newCallConfig(opts)
	if err := firstError(err, f.err); err != nil {
		return pageResult[T]{}, err
	}
	got := l.fetch(ctx, f.values, cfg)
	if cfg.response != nil {
		*cfg.response = got.response
	}
	return got, got.err
}

// belonging drops the records that are not of this list.
func (l listEndpoint[T]) belonging(items []T) []T {
	if l.belongs == nil {
		return items
	}
	return filterInPlace(items, l.belongs)
}

// filterInPlace moves the items to keep to the front and clears the rest.
func filterInPlace[T any](items []T, keep func(*T) bool) []T {
	kept := 0
	for i := range items {
		if !keep(&items[i]) {
			continue
		}
		if i != kept {
			items[kept] = items[i]
		}
		kept++
	}
	clear(items[kept:])
	return items[:kept]
}

// failure makes a listError.
func (l listEndpoint[T]) failure(kind error, problem string) error {
	return &listError{text: callText(l.op, http.MethodGet, l.path) + ": " + problem, kind: kind}
}

// listError is an answer with a good status that does not answer the request.
type listError struct {
	text string
	kind error // a sentinel
}

func (e *listError) Error() string { return e.text }

func (e *listError) Unwrap() error { return e.kind }

// filterField is a filter whose value each record carries, so that an answer can be checked against it.
type filterField[T any] struct {
	name  string // of the query parameter
	value func(*T) string
	trust filterTrust
}

// filterTrust is how far a list relies on the server's filter. Get does not rely on it: it compares the records.
type filterTrust int

const (
	// trustLoosely: the vendor's page lists the filter, which may match parts of a value. Nothing is checked.
	trustLoosely filterTrust = iota
	// trustUnique: the vendor's page lists the filter, and at most one record has the value. If several records come
	// and none has it, they were not filtered. A single record is accepted: a merged record may have a second id.
	trustUnique
	// trustNothing: the vendor's page does not list the filter. Every record must have the value.
	trustNothing
)

func (l listEndpoint[T]) field(name string) filterField[T] {
	for _, field := range l.fields {
		if field.name == name {
			return field
		}
	}
	return filterField[T]{name: name, value: func(*T) string { return "" }}
}

// checkFiltered reports an error if the records show that the server did not filter.
func (l listEndpoint[T]) checkFiltered(query url.Values, items []T) error {
	for _, field := range l.fields {
		want := query.Get(field.name)
		if want == "" || field.trust == trustLoosely {
			continue
		}
		matching, others := 0, 0
		for i := range items {
			switch field.value(&items[i]) {
			case want:
				matching++
			case "":
				if field.trust == trustNothing {
					others++
				}
			default:
				others++
			}
		}
		if field.trust == trustNothing && others > 0 || field.trust == trustUnique && matching == 0 && others > 1 {
			return l.failure(ErrFilterIgnored, fmt.Sprintf("%d of the answer's %d records do not have the %s asked for: the server may not know this filter", others, len(items), field.name))
		}
	}
	return nil
}

// identity makes a record's id from a kind and a number; "" without a number.
func identity(kind string, id ID) string {
	if id == "" {
		return ""
	}
	return kind + ":" + string(id)
}
