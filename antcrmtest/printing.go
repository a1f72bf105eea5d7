package antcrmtest

import (
	"strconv"
	"strings"
	"time"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// The store keeps every record in one form. This file prints it in the form that the server answers: times, money,
// codes, what is not there, fields that some servers hide. See internal/questions.

// printed reports whether records have to be printed otherwise than they are stored.
func (c *config) printed() bool {
	for _, id := range []string{
		questions.TimeFormat, questions.MoneyFormat, questions.CodeFormat, questions.TagsFormat, questions.MissingValues, questions.DateOfBirth,
		questions.EmbeddedObject, questions.ContactExternalIDShown, questions.OrderExternalIDShown, questions.TicketExternalIDShown,
		questions.TicketDeletedMark, questions.TicketDeletedListed,
	} {
		if _, ok := c.answers[id]; ok {
			return true
		}
	}
	return false
}

// printAll prints the records of a list.
func (c *config) printAll(kind Kind, raws [][]byte) [][]byte {
	if !c.printed() {
		return raws
	}
	out := make([][]byte, len(raws))
	for i, raw := range raws {
		o, _ := splitObject(raw)
		out[i] = c.print(kind, o).encode()
	}
	return out
}

// print brings one record into the form that the server answers. o is not changed.
func (c *config) print(kind Kind, o object) object {
	shown := make(object, 0, len(o)+1)
	for _, f := range o {
		if c.hides(kind, f.name) {
			continue
		}
		f.value = c.printField(kind, f)
		if isMissing(f.value) {
			if f.value = c.missing(f.value); f.value == nil {
				continue
			}
		}
		shown = append(shown, f)
	}
	if kind == Tickets && c.is(questions.TicketDeletedMark, "always") {
		shown.setDefault("isTicketDeleted", "false")
	}
	return shown
}

func (c *config) hides(kind Kind, name string) bool {
	switch kind {
	case Contacts:
		return name == "customerIdApiRing" && c.is(questions.ContactExternalIDShown, "hidden")
	case Opportunities:
		return name == "opportunityIdApiRing" && c.is(questions.OrderExternalIDShown, "hidden")
	case Tickets:
		return name == "ticketIdApiRing" && c.is(questions.TicketExternalIDShown, "hidden") ||
			name == "isTicketDeleted" && (c.is(questions.TicketDeletedMark, "never") || c.is(questions.TicketDeletedListed, "listed-unmarked"))
	}
	return false
}

func (c *config) printField(kind Kind, f field) []byte {
	switch f.name {
	case "createdAt", "updatedAt", "rating_time", "callTime", "startTime":
		return c.time(f.value)
	case "value", "discount", "shipping_cost", "totalPayment":
		if kind == Opportunities || kind == Products {
			return c.money(f.value)
		}
	case "type", "gender":
		if kind == Contacts {
			return c.code(f.value)
		}
	case "typeDiscount":
		return c.code(f.value)
	case "groupPackage":
		return c.lineItems(f.value)
	case "tags":
		return c.tags(f.value)
	case "dateOfBirth":
		return c.birthday(f.value)
	case "contact":
		if kind == Tickets {
			return c.embedded(f.value)
		}
	}
	return f.value
}

// time prints epoch milliseconds in the server's format.
func (c *config) time(v []byte) []byte {
	format, ok := c.answers[questions.TimeFormat]
	ms := timeOf(v)
	if !ok || ms == noTime {
		return v
	}
	at := time.UnixMilli(ms).UTC()
	east := at.In(time.FixedZone("", 7*3600))
	switch format {
	case "text":
		return quoted(strconv.FormatInt(ms, 10))
	case "iso":
		return quoted(at.Format("2006-01-02T15:04:05.000Z07:00"))
	case "zone":
		return quoted(east.Format("2006-01-02T15:04:05.000Z07:00"))
	case "day":
		return quoted(at.Format(time.DateOnly))
	case "local":
		return quoted(east.Format(time.DateTime))
	}
	return strconv.AppendInt(nil, ms/1000, 10)
}

// money prints an amount in the server's format.
func (c *config) money(v []byte) []byte {
	format, ok := c.answers[questions.MoneyFormat]
	text, scalar := scalarText(v)
	if !ok || !scalar || decimal(text) == nil {
		return v
	}
	switch format {
	case "text":
		return quoted(text)
	case "fraction":
		if !strings.ContainsAny(text, ".eE") {
			text += ".00"
		}
		if isString(v) {
			return quoted(text)
		}
		return []byte(text)
	}
	return quoted(grouped(text))
}

// grouped puts commas between groups of three digits: 4,520,000.
func grouped(text string) string {
	whole, fraction, _ := strings.Cut(text, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return sign + whole + fraction
}

func (c *config) code(v []byte) []byte {
	if text, ok := scalarText(v); ok && c.is(questions.CodeFormat, "text") {
		return quoted(text)
	}
	return v
}

func (c *config) lineItems(v []byte) []byte {
	items, ok := splitArray(v)
	if !ok {
		return v
	}
	out := make([][]byte, len(items))
	for i, item := range items {
		o, ok := splitObject(item)
		if !ok {
			out[i] = item
			continue
		}
		for j, f := range o {
			o[j].value = c.printField(Opportunities, f)
		}
		out[i] = o.encode()
	}
	return array(out)
}

func (c *config) tags(v []byte) []byte {
	var texts []string
	eachValue(v, func(text string) { texts = append(texts, text) })
	switch {
	case c.is(questions.TagsFormat, "comma-text") && len(texts) > 0, c.is(questions.TagsFormat, "text") && len(texts) == 1:
		return quoted(strings.Join(texts, ","))
	}
	return v
}

// birthday reads the printed example's format and a few likely ones.
func (c *config) birthday(v []byte) []byte {
	text, ok := scalarText(v)
	if !ok || !c.is(questions.DateOfBirth, "iso") {
		return v
	}
	for _, layout := range []string{"January 2, 2006", time.DateOnly, "02/01/2006", time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return quoted(at.UTC().Format("2006-01-02T15:04:05.000Z"))
		}
	}
	return v
}

func (c *config) embedded(v []byte) []byte {
	switch c.answers[questions.EmbeddedObject] {
	case "id":
		o, _ := splitObject(v)
		return quoted(o.text("id"))
	case "null":
		return []byte("null")
	}
	return v
}

func isMissing(v []byte) bool {
	return isNull(v) || isEmpty(v)
}

// missing prints what is not there; nil to leave it out.
func (c *config) missing(v []byte) []byte {
	switch c.answers[questions.MissingValues] {
	case "null":
		return []byte("null")
	case "absent":
		return nil
	case "empty-text":
		return []byte(`""`)
	}
	return v
}
