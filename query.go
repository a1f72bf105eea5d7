package antcrm

import (
	"net/url"
	"strconv"
	"time"
)

// wireTime is how the ticket, telesales, telecall, campaign, rating and message filters write a time: UTC with
// milliseconds.
const wireTime = "2006-01-02T15:04:05.000Z"

// filters collects the query parameters of a list call. Values that are not set are not sent. err is the first bad
// value.
type filters struct {
	values url.Values
	err    error
}

func newFilters() *filters { return &filters{values: url.Values{}} }

func (f *filters) fail(field, problem string) {
	if f.err == nil {
		f.err = invalid(field, problem)
	}
}

func (f *filters) text(name, value string) {
	if value == "" {
		return
	}
	if err := checkText(name, value); err != nil {
		f.fail(name, "is not valid UTF-8")
		return
	}
	f.values.Set(name, value)
}

func (f *filters) id(name string, value ID) { f.text(name, string(value)) }

// required is like text, for a value that must not be missing.
func (f *filters) required(name, value string) {
	if err := required(name, value); err != nil && f.err == nil {
		f.err = err
	}
	f.text(name, value)
}

// decimal is a number that may be 0 or a fraction. It is sent if it is not empty.
func (f *filters) decimal(name string, value Decimal) {
	switch {
	case value == "":
	case !value.Valid():
		f.fail(name, "is not a decimal number")
	default:
		f.values.Set(name, string(value))
	}
}

// count is a page, a limit or an offset. It is sent if it is positive.
func (f *filters) count(name string, value int) {
	if value < 0 {
		f.fail(name, "is negative")
	}
	if value > 0 {
		f.values.Set(name, strconv.Itoa(value))
	}
}

func (f *filters) flag(name string, value bool) {
	if value {
		f.values.Set(name, "true")
	}
}

func (f *filters) time(name string, t time.Time) {
	if f.plausible(name, t) {
		f.values.Set(name, t.UTC().Format(wireTime))
	}
}

func (f *filters) millis(name string, t time.Time) {
	if f.plausible(name, t) {
		f.values.Set(name, strconv.FormatInt(t.UnixMilli(), 10))
	}
}

// date is a calendar day in the zone that t carries.
func (f *filters) date(name string, t time.Time) {
	if f.plausible(name, t) {
		f.values.Set(name, t.Format(time.DateOnly))
	}
}

// plausible reports whether there is a time to send. The formats have four digits for the year.
func (f *filters) plausible(name string, t time.Time) bool {
	if t.IsZero() {
		return false
	}
	if year := t.UTC().Year(); year < 1 || year > 9998 {
		f.fail(name, "is out of range")
		return false
	}
	return true
}

// paging sets page and limit.
func (f *filters) paging(page, limit int) {
	f.count("page", page)
	f.count("limit", limit)
}
