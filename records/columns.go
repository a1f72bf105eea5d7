package records

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/antbuddy/antcrm-go"
)

// Params are the records that can be imported.
type Params interface {
	antcrm.ContactCreateParams | antcrm.OpportunityCreateParams
}

// column is one column of a CSV file, and what it sets.
type column[P any] struct {
	names []string // the API's name first
	many  bool     // several columns of a file may be this one
	lines bool     // a value may have line breaks
	parts string   // how the columns begin that set an element of this list
	set   func(record *P, value string) error
}

// fill sets the record's field. A line break where none can be is a quote that
// is missing, most likely: the value would be the rest of its row and more rows.
func (c column[P]) fill(record *P, value string) error {
	if breaks := strings.Count(value, "\n") + strings.Count(value, "\r"); breaks > 0 && !c.lines {
		return fmt.Errorf("has line breaks (%d): is a quote missing, or one too many?", breaks)
	}
	return c.set(record, value)
}

// customPrefix begins the names of columns that are custom fields.
const customPrefix = "cf:"

// Columns lists the columns that a CSV file of such records may have, by their
// names in the API. Custom fields come beside them, as "cf:" and their name.
func Columns[P Params]() []string {
	list := schemaOf[P]().columns
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].names[0]
	}
	return names
}

// schema is what there is to know of a kind of record.
type schema[P any] struct {
	columns []column[P]
	custom  func(record *P, field antcrm.CustomField)
	keyName string
	key     func(record *P) string
}

// schemaOf is the schema of P. The assertions hold by the cases they stand in.
func schemaOf[P Params]() schema[P] {
	var found any
	switch any((*P)(nil)).(type) {
	case *antcrm.ContactCreateParams:
		found = contactSchema()
	case *antcrm.OpportunityCreateParams:
		found = orderSchema()
	}
	s, _ := found.(schema[P])
	return s
}

// fold makes names comparable.
func fold(name string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", "_", "", "-", "", "\u00a0", "").Replace(strings.TrimSpace(name)))
}

// find returns the column of a name; ok is false if there is none.
func (s schema[P]) find(name string) (c column[P], ok bool) {
	if custom, isCustom := strings.CutPrefix(strings.TrimSpace(name), customPrefix); isCustom && strings.TrimSpace(custom) != "" {
		custom = strings.TrimSpace(custom)
		return column[P]{names: []string{customPrefix + custom}, lines: true, set: func(record *P, value string) error {
			s.custom(record, antcrm.TextField(custom, value))
			return nil
		}}, true
	}
	folded := fold(name)
	for _, c := range s.columns {
		if slices.ContainsFunc(c.names, func(n string) bool { return fold(n) == folded }) {
			return c, true
		}
	}
	return column[P]{}, false
}

func contactSchema() schema[antcrm.ContactCreateParams] {
	type params = antcrm.ContactCreateParams
	address := func(p *params) *antcrm.Address {
		if len(p.Addresses) == 0 {
			p.Addresses = make([]antcrm.Address, 1)
		}
		return &p.Addresses[0]
	}
	columns := []column[params]{
		text(func(p *params) *string { return &p.Name }, "name"),
		text(func(p *params) *string { return &p.ExternalID }, "customerIdApiRing", "ExternalID"),
		text(func(p *params) *antcrm.ContactKind { return &p.Kind }, "type", "Kind"),
		text(func(p *params) *string { return &p.ContactType }, "contactType"),
		text(func(p *params) *string { return &p.DateOfBirth }, "dateOfBirth"),
		text(func(p *params) *antcrm.Gender { return &p.Gender }, "gender"),
		many(func(p *params, value string) { p.Phones = append(p.Phones, antcrm.Phone{Value: value}) }, "phones", "phone", "phones.value"),
		many(func(p *params, value string) { p.Emails = append(p.Emails, antcrm.Email{Value: value}) }, "emails", "email", "emails.value"),
		text(func(p *params) *string { return &p.Industry }, "industry"),
		free(text(func(p *params) *string { return &p.BackgroundInfo }, "bgInfo", "BackgroundInfo")),
		text(func(p *params) *string { return &p.Stage }, "stage"),
		many(func(p *params, value string) { p.Tags = append(p.Tags, value) }, "tags", "tag"),
		text(func(p *params) *string { return &p.Source }, "sourceContact", "Source"),
		text(func(p *params) *string { return &p.ResponsibleStaff }, "responsibleStaff"),
		insteadOf("address.", inJSON(func(p *params) *[]antcrm.Address { return &p.Addresses }, "addresses")),
		inJSON(func(p *params) *[]antcrm.SocialProfile { return &p.SocialProfiles }, "im", "SocialProfiles"),
		inJSON(func(p *params) *[]antcrm.CustomField { return &p.CustomFields }, "cusFields", "CustomFields"),
	}
	return schema[params]{
		columns: append(columns, addressColumns("address", "address", address)...),
		custom:  func(p *params, field antcrm.CustomField) { p.CustomFields = append(p.CustomFields, field) },
		keyName: "customerIdApiRing",
		key:     func(p *params) string { return p.ExternalID },
	}
}

func orderSchema() schema[antcrm.OpportunityCreateParams] {
	type params = antcrm.OpportunityCreateParams
	address := func(p *params) *antcrm.Address {
		if p.ReceiverAddress == nil {
			p.ReceiverAddress = new(antcrm.Address)
		}
		return p.ReceiverAddress
	}
	columns := []column[params]{
		text(func(p *params) *string { return &p.Name }, "name"),
		text(func(p *params) *string { return &p.ReceiverName }, "receiverName"),
		text(func(p *params) *string { return &p.ExternalID }, "opportunityIdApiRing", "ExternalID"),
		many(func(p *params, value string) { p.Assignees = append(p.Assignees, value) }, "dealByUsers", "Assignees"),
		text(func(p *params) *antcrm.ID { return &customer(p).CustomerID }, "dealWith.customerId", "Customer.CustomerID"),
		text(func(p *params) *string { return &customer(p).Name }, "dealWith.name", "Customer.Name"),
		many(func(p *params, value string) {
			customer(p).Phones = append(customer(p).Phones, antcrm.Phone{Value: value})
		}, "dealWith.phones", "Customer.Phones"),
		text(func(p *params) *string { return &customer(p).ExternalID }, "dealWith.customerIdApiRing", "Customer.ExternalID"),
		text(func(p *params) *string { return &p.ReceiverPhone }, "receiverPhone"),
		number(func(p *params) *antcrm.Decimal { return &p.Value }, "value"),
		free(text(func(p *params) *string { return &p.ReceiverNote }, "receiverNote")),
		free(text(func(p *params) *string { return &p.Description }, "description")),
		text(func(p *params) *string { return &p.Stage }, "stage"),
		text(func(p *params) *string { return &p.Branch }, "branch"),
		date(func(p *params) *antcrm.Timestamp { return &p.CreatedAt }, "createdAt"),
		number(func(p *params) *antcrm.Decimal { return &p.ShippingCost }, "shipping_cost"),
		insteadOf("item.", inJSON(func(p *params) *[]antcrm.LineItem { return &p.LineItems }, "groupPackage", "LineItems")),
		inJSON(func(p *params) *[]antcrm.CustomField { return &p.CustomFields }, "cusFields", "CustomFields"),
		text(func(p *params) *string { return &item(p).Name }, "item.name"),
		number(func(p *params) *antcrm.Decimal { return &item(p).Quantity }, "item.quantity"),
		number(func(p *params) *antcrm.Decimal { return &item(p).Value }, "item.value"),
		number(func(p *params) *antcrm.Decimal { return &item(p).Discount }, "item.discount"),
		text(func(p *params) *antcrm.NumericCode { return &item(p).DiscountType }, "item.typeDiscount", "item.DiscountType"),
		text(func(p *params) *antcrm.ID { return &item(p).Code }, "item.code"),
		text(func(p *params) *string { return &item(p).ProductExternalID }, "item.productIdApiRing", "item.ProductExternalID"),
		free(text(func(p *params) *string { return &item(p).Note }, "item.note")),
	}
	return schema[params]{
		columns: append(columns, addressColumns("receiverAddressObj", "ReceiverAddress", address)...),
		custom:  func(p *params, field antcrm.CustomField) { p.CustomFields = append(p.CustomFields, field) },
		keyName: "opportunityIdApiRing",
		key:     func(p *params) string { return p.ExternalID },
	}
}

func customer(p *antcrm.OpportunityCreateParams) *antcrm.OrderCustomer {
	if p.Customer == nil {
		p.Customer = new(antcrm.OrderCustomer)
	}
	return p.Customer
}

// item is the one line item that a row can describe in columns of its own.
func item(p *antcrm.OpportunityCreateParams) *antcrm.LineItem {
	if len(p.LineItems) == 0 {
		p.LineItems = make([]antcrm.LineItem, 1)
	}
	return &p.LineItems[0]
}

// addressColumns are the columns of one address.
func addressColumns[P any](wire, field string, address func(*P) *antcrm.Address) []column[P] {
	part := func(of func(*antcrm.Address) *string, name, alias string) column[P] {
		return text(func(p *P) *string { return of(address(p)) }, wire+"."+name, field+"."+alias)
	}
	return []column[P]{
		part(func(a *antcrm.Address) *string { return &a.Type }, "type", "type"),
		free(part(func(a *antcrm.Address) *string { return &a.HouseNumber }, "street", "HouseNumber")),
		free(part(func(a *antcrm.Address) *string { return &a.StreetName }, "streetName", "StreetName")),
		part(func(a *antcrm.Address) *string { return &a.Ward }, "wards", "Ward"),
		part(func(a *antcrm.Address) *string { return &a.District }, "state", "District"),
		part(func(a *antcrm.Address) *string { return &a.City }, "city", "City"),
		{names: []string{wire + ".country", field + ".country"}, set: func(p *P, value string) error {
			if value = strings.TrimSpace(value); countryCode.MatchString(value) {
				address(p).Country = &antcrm.Country{Code: value}
			} else if value != "" {
				address(p).Country = &antcrm.Country{Name: value}
			}
			return nil
		}},
	}
}

var countryCode = regexp.MustCompile(`^[A-Za-z]{2}$`)

// text is a column that is taken as it is.
func text[P any, T ~string](field func(*P) *T, names ...string) column[P] {
	return column[P]{names: names, set: func(record *P, value string) error {
		*field(record) = T(value)
		return nil
	}}
}

// free is a column whose text may have line breaks.
func free[P any](c column[P]) column[P] {
	c.lines = true
	return c
}

// insteadOf is a column that cannot be beside those of the parts.
func insteadOf[P any](parts string, c column[P]) column[P] {
	c.parts = parts
	return c
}

// many is a column with any number of values between ; or |.
func many[P any](add func(record *P, value string), names ...string) column[P] {
	return column[P]{names: names, many: true, set: func(record *P, value string) error {
		for part := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ';' || r == '|' }) {
			if part = strings.TrimSpace(part); part != "" {
				add(record, part)
			}
		}
		return nil
	}}
}

// grouped is a number as people write thousands where the point is not for
// decimals: 1.500 or 1.500.000.
var grouped = regexp.MustCompile(`^-?[1-9][0-9]{0,2}(\.[0-9]{3})+$`)

// number is a column of exact decimals.
func number[P any](field func(*P) *antcrm.Decimal, names ...string) column[P] {
	return column[P]{names: names, set: func(record *P, value string) error {
		value = strings.TrimSpace(value)
		if grouped.MatchString(value) {
			return errors.New("may be thousands or a fraction: write numbers without separators of thousands")
		}
		if _, ok := antcrm.Decimal(value).Float64(); !ok {
			return errors.New("is not a number such as 1500000 or 12.5")
		}
		*field(record) = antcrm.Decimal(value)
		return nil
	}}
}

// date is a column of points in time. A number must have the size of today's
// milliseconds: 20240313, 1710311060 (seconds) and 45364 (Excel's days) would be
// taken as 1970.
func date[P any](field func(*P) *antcrm.Timestamp, names ...string) column[P] {
	return column[P]{names: names, set: func(record *P, value string) error {
		value = strings.TrimSpace(value)
		number, isNumber := antcrm.Decimal(value).Float64()
		quoted, err := json.Marshal(value)
		if err != nil {
			return err
		}
		var at antcrm.Timestamp
		if err := at.UnmarshalJSON(quoted); err != nil || at.IsZero() || isNumber && (number < 1e12 || number >= 1e13) {
			return errors.New("is not a date such as 2024-03-13, 2024-03-13T06:24:20Z or epoch milliseconds (13 digits)")
		}
		*field(record) = at
		return nil
	}}
}

// inJSON is a column that holds a JSON list.
func inJSON[P, T any](field func(*P) *[]T, names ...string) column[P] {
	return column[P]{names: names, lines: true, set: func(record *P, value string) error {
		var list []T
		err := json.Unmarshal([]byte(value), &list, json.RejectUnknownMembers(true))
		if semantic, ok := errors.AsType[*json.SemanticError](err); ok && errors.Is(err, json.ErrUnknownName) {
			return errors.New("has an unknown member: " + label(string(semantic.JSONPointer)))
		}
		if err != nil {
			return errors.New("is not a JSON list of the API's objects")
		}
		*field(record) = append(*field(record), list...)
		return nil
	}}
}
