package probe

import (
	"bytes"
	"cmp"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/internal/questions"
)

// sameRecords reports whether two pages hold the same records. The order of a record's members does not matter.
func sameRecords(a, b []record) bool {
	return len(a) > 0 && slices.EqualFunc(a, b, func(x, y record) bool {
		return len(x) == len(y) && !slices.ContainsFunc(slices.Collect(mapsKeys(x)), func(name string) bool { return !bytes.Equal(x[name], y[name]) })
	})
}

func mapsKeys(o record) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for name := range o {
			if !yield(name) {
				return
			}
		}
	}
}

func firstPhone(r record) string {
	var phones []struct {
		Value string `json:"value"`
	}
	if json.Unmarshal(r["phones"], &phones) != nil || len(phones) == 0 {
		return ""
	}
	return phones[0].Value
}

// contactValues judges how the values of contacts are printed.
func (p *prober) contactValues(list []record) {
	p.countFields("contact", list, reflect.TypeFor[antcrm.Contact]())
	shown := false
	for _, r := range list {
		p.idForm(cmp.Or(r.text("leadId"), r.text("customerId")), cmp.Or(string(r["leadId"]), string(r["customerId"])))
		p.timeForm(r["createdAt"])
		p.codeForm(r["gender"])
		p.codeForm(r["type"])
		p.tagsForm(r["tags"])
		p.missingForm(r)
		if regexp.MustCompile(`^\d{4}-\d\d-\d\dT`).MatchString(r.text("dateOfBirth")) {
			p.differs(questions.DateOfBirth, "iso", "Dates of birth are printed as RFC 3339.")
		}
		shown = shown || r.text("customerIdApiRing") != ""
	}
	switch {
	case shown:
		p.asDecided(questions.ContactExternalIDShown, "Contacts print customerIdApiRing.")
	default:
		p.unclear(questions.ContactExternalIDShown, "No contact on the first page prints customerIdApiRing: none may have one. WithWrites makes one.")
	}
}

var (
	digits   = regexp.MustCompile(`^[0-9]+$`)
	objectID = regexp.MustCompile(`^[0-9a-f]{24}$`)
)

func (p *prober) idForm(text, raw string) {
	const id = questions.IDType
	switch {
	case text == "":
	case objectID.MatchString(text):
		p.differs(id, "object-id", "Ids are 24 hex digits.")
	case digits.MatchString(text) && len(text) >= 17:
		p.differs(id, "long", "Ids have "+strconv.Itoa(len(text))+" digits.")
	case digits.MatchString(text) && strings.HasPrefix(raw, `"`):
		p.differs(id, "text", "Ids are digits as text.")
	case digits.MatchString(text):
		p.asDecided(id, "Ids are numbers.")
	default:
		p.differs(id, "", "Ids are text of another form.")
	}
}

func (p *prober) timeForm(raw json.RawMessage) {
	const id = questions.TimeFormat
	o := record{"at": raw}
	text := o.text("at")
	quoted := bytes.HasPrefix(raw, []byte(`"`))
	parsed, err := time.Parse(time.RFC3339Nano, text)
	switch {
	case text == "":
	case digits.MatchString(text) && len(text) < 12:
		p.differs(id, "seconds", "Times are epoch seconds.")
	case digits.MatchString(text) && quoted:
		p.differs(id, "text", "Times are milliseconds as text.")
	case digits.MatchString(text):
		p.asDecided(id, "Times are epoch milliseconds.")
	case err == nil && strings.HasSuffix(text, "Z"):
		p.differs(id, "iso", "Times are RFC 3339 in UTC.")
	case err == nil:
		_, offset := parsed.Zone()
		p.differs(id, "zone", "Times are RFC 3339, "+strconv.Itoa(offset/3600)+" hours from UTC.")
	case len(text) == len(time.DateOnly):
		p.differs(id, "day", "Times are days.")
	default:
		p.differs(id, "local", "Times are text without a zone.")
	}
}

func (p *prober) codeForm(raw json.RawMessage) {
	switch {
	case len(raw) == 0 || string(raw) == "null" || string(raw) == `""`:
	case raw[0] == '"':
		p.note(questions.CodeFormat, verdict{Differs, "text", "type and gender are text."})
	default:
		p.asDecided(questions.CodeFormat, "type or gender are numbers.")
	}
}

func (p *prober) tagsForm(raw json.RawMessage) {
	var one string
	var many []string
	switch {
	case bytes.HasPrefix(raw, []byte("[")):
		if json.Unmarshal(raw, &many) == nil && len(many) == 1 {
			p.asDecided(questions.TagsFormat, "A lone tag is an array.") // several are one everywhere
		}
	case json.Unmarshal(raw, &one) != nil || one == "":
	case strings.Contains(one, ","):
		delete(p.verdicts, questions.TagsFormat) // a lone tag looked like a text
		p.differs(questions.TagsFormat, "comma-text", "Tags are one text with commas.")
	default:
		p.differs(questions.TagsFormat, "text", "Tags are a text.")
	}
}

// missingForm looks at the fields that a contact has not.
func (p *prober) missingForm(r record) {
	const id = questions.MissingValues
	for _, name := range []string{"addresses", "phones", "emails", "im", "tags", "bgInfo", "industry", "dateOfBirth"} {
		raw, there := r[name]
		list := slices.Contains([]string{"addresses", "phones", "emails", "im"}, name)
		switch {
		case !there:
			p.differs(id, "absent", "Values that are not there are left out.")
		case string(raw) == "null":
			p.differs(id, "null", "Values that are not there are null.")
		case string(raw) == `""` && list:
			p.differs(id, "empty-text", `Lists that are empty are "".`)
		case string(raw) == `""` || string(raw) == "[]":
			p.asDecided(id, `Values that are not there are "" and [].`)
		}
	}
}

func (p *prober) moneyForm(raw json.RawMessage) {
	const id = questions.MoneyFormat
	text := record{"value": raw}.text("value")
	switch {
	case text == "":
	case !antcrm.Decimal(text).Valid():
		p.differs(id, "grouped", "Money is text that is not a number.")
	case raw[0] == '"':
		p.differs(id, "text", "Money is numeric text.")
	case strings.Contains(text, "."):
		p.differs(id, "fraction", "Money has a fraction.")
	default:
		p.asDecided(id, "Money is a number.")
	}
}

// fieldCounts counts undocumented fields by resource, name and JSON kind.
type fieldCounts map[UnknownField]int

// countFields counts the members of records that the SDK's type does not name. The names themselves could be data where
// a server keys an object by it, so only names that look like a field's are kept.
func (p *prober) countFields(resource string, list []record, typed reflect.Type) {
	known := map[string]bool{}
	for i := range typed.NumField() {
		name, _, _ := strings.Cut(typed.Field(i).Tag.Get("json"), ",")
		known[name] = true
	}
	fieldName := regexp.MustCompile(`^[A-Za-z_][A-Za-z_0-9]{0,39}$`)
	for _, r := range list {
		for name, raw := range r {
			if !known[name] && fieldName.MatchString(name) && len(p.fields) < 1000 {
				p.fields[UnknownField{Resource: resource, Name: name, JSONKind: kindOf(raw)}]++
			}
		}
	}
}

func (c fieldCounts) list() []UnknownField {
	all := make([]UnknownField, 0, len(c))
	for field, n := range c {
		field.Seen = n
		all = append(all, field)
	}
	slices.SortFunc(all, func(a, b UnknownField) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Name, b.Name), cmp.Compare(a.JSONKind, b.JSONKind))
	})
	return all
}

func kindOf(raw json.RawMessage) string {
	switch raw[0] {
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}
