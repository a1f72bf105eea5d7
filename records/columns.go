package records

import (
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/antbuddy/antcrm-go"
)

// Params are the records that can be imported.
type Params interface {
	antcrm.ContactCreateParams | antcrm.OpportunityCreateParams | antcrm.ProductCreateParams
}

// column is one column of a table, and what it sets.
type column[P any] struct {
	names    []string // the API's name first
	kind     cellKind
	many     bool   // several columns of a file may be this one
	parts    string // how the columns begin that set an element of this list
	nameless bool   // it has no name: a value in it is nobody's
	set      func(cfg *config, record *P, value string) error
}

// field is the wire name of the field that the column sets, or sets a part of.
func (c column[P]) field() string {
	name, _, _ := strings.Cut(c.names[0], ".")
	switch {
	case strings.HasPrefix(name, customPrefix):
		return "cusFields"
	case name == "address":
		return "addresses"
	case name == "item":
		return "groupPackage"
	}
	return name
}

// customPrefix begins the names of columns that are custom fields.
const customPrefix = "cf:"

// Columns lists the columns that a CSV file of such records may have, by their names in the API. A file may also have
// columns of custom fields: "cf:" and the field's name.
func Columns[P Params]() []string { return schemaOf[P]().names() }

// schema is what there is to know of a kind of record.
type schema[P any] struct {
	columns    []column[P]
	custom     func(record *P, field antcrm.CustomField) // nil: the record has none
	keyName    string
	key        func(record *P) string
	itemPrefix string   // of the columns of one element of the list that rows are merged in; "": none
	ownKeys    []string // the CRM's keys, which exports have
	readOnly   []string // what else exports have and no create takes
	phones     func(record *P) []antcrm.Phone
	check      func(record *P) (field, problem string)
	merge      func(into, from *P) (field string)
}

func (s schema[P]) names() []string {
	names := make([]string, len(s.columns))
	for i := range s.columns {
		names[i] = s.columns[i].names[0]
	}
	return names
}

// schemaOf is the schema of P. The assertions hold by the cases they stand in.
func schemaOf[P Params]() schema[P] {
	var found any
	switch any((*P)(nil)).(type) {
	case *antcrm.ContactCreateParams:
		found = contactSchema()
	case *antcrm.OpportunityCreateParams:
		found = orderSchema()
	case *antcrm.ProductCreateParams:
		found = productSchema()
	}
	s, _ := found.(schema[P])
	return s
}

// find returns the column of a name; ok is false if there is none.
func (s schema[P]) find(name string) (c column[P], ok bool) {
	if custom, isCustom := strings.CutPrefix(trim(name), customPrefix); isCustom && trim(custom) != "" && s.custom != nil {
		custom = trim(custom)
		return column[P]{names: []string{customPrefix + custom}, kind: freeCell, set: func(_ *config, record *P, value string) error {
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
		text(plainCell, func(p *params) *string { return &p.Name }, "name"),
		text(keyCell, func(p *params) *string { return &p.ExternalID }, "customerIdApiRing", "ExternalID"),
		code(kinds, kindWords, func(p *params) *antcrm.ContactKind { return &p.Kind }, "type", "Kind"),
		code(contactTypes, contactWords, func(p *params) *string { return &p.ContactType }, "contactType"),
		birthday(func(p *params) *string { return &p.DateOfBirth }, "dateOfBirth"),
		code(genders, genderWords, func(p *params) *antcrm.Gender { return &p.Gender }, "gender"),
		phones(func(p *params) *[]antcrm.Phone { return &p.Phones }, "phones", "phone", "phones.value"),
		emails(func(p *params) *[]antcrm.Email { return &p.Emails }, "emails", "email", "emails.value"),
		text(plainCell, func(p *params) *string { return &p.Industry }, "industry"),
		text(freeCell, func(p *params) *string { return &p.BackgroundInfo }, "bgInfo", "BackgroundInfo"),
		text(plainCell, func(p *params) *string { return &p.Stage }, "stage"),
		texts(func(p *params, value string) { p.Tags = append(p.Tags, value) }, "tags", "tag"),
		text(plainCell, func(p *params) *string { return &p.Source }, "sourceContact", "Source"),
		text(emailCell, func(p *params) *string { return &p.ResponsibleStaff }, "responsibleStaff"),
		insteadOf("address.", inJSON(func(p *params) *[]antcrm.Address { return &p.Addresses }, "addresses")),
		inJSON(func(p *params) *[]antcrm.SocialProfile { return &p.SocialProfiles }, "im", "SocialProfiles"),
		inJSON(func(p *params) *[]antcrm.CustomField { return &p.CustomFields }, "cusFields", "CustomFields"),
	}
	return schema[params]{
		columns:  append(columns, addressColumns("address", "address", address)...),
		custom:   func(p *params, field antcrm.CustomField) { p.CustomFields = append(p.CustomFields, field) },
		keyName:  "customerIdApiRing",
		key:      func(p *params) string { return p.ExternalID },
		ownKeys:  []string{"leadId", "customerId", "_id"},
		readOnly: []string{"createdAt", "updatedAt", "scoreAvailable", "scoreRank", "rankName", "createdByBot", "sourceLead", "historiesAds", "__v", "id", "org"},
		phones:   func(p *params) []antcrm.Phone { return p.Phones },
		check:    checkContact,
	}
}

// checkContact finds codes that no server is known to take, wherever they come from.
func checkContact(p *antcrm.ContactCreateParams) (field, problem string) {
	switch {
	case !isOneOf(string(p.Gender), "", "0", "1", "2"):
		return "gender", "is not " + genderWords
	case !isOneOf(string(p.Kind), "", "0", "1"):
		return "type", "is not " + kindWords
	case !isOneOf(p.ContactType, "", "lead", "customer"):
		return "contactType", "is not " + contactWords
	}
	return "", ""
}

func isOneOf(value string, words ...string) bool { return slices.Contains(words, value) }

func orderSchema() schema[antcrm.OpportunityCreateParams] {
	type params = antcrm.OpportunityCreateParams
	address := func(p *params) *antcrm.Address {
		if p.ReceiverAddress == nil {
			p.ReceiverAddress = new(antcrm.Address)
		}
		return p.ReceiverAddress
	}
	return schema[params]{
		columns:    slices.Concat(orderColumns(), itemColumns(), addressColumns("receiverAddressObj", "ReceiverAddress", address)),
		custom:     func(p *params, field antcrm.CustomField) { p.CustomFields = append(p.CustomFields, field) },
		keyName:    "opportunityIdApiRing",
		key:        func(p *params) string { return p.ExternalID },
		itemPrefix: "item.",
		ownKeys:    []string{"number", "_id"},
		readOnly:   []string{"status", "discount", "totalPayment", "currency", "updatedAt", "quantity", "dealId", "inActive", "canEdit", "__v", "id", "org"},
		merge:      mergeOrders,
	}
}

// orderColumns are those of the order itself.
func orderColumns() []column[antcrm.OpportunityCreateParams] {
	type params = antcrm.OpportunityCreateParams
	return []column[params]{
		text(plainCell, func(p *params) *string { return &p.Name }, "name"),
		text(plainCell, func(p *params) *string { return &p.ReceiverName }, "receiverName"),
		text(keyCell, func(p *params) *string { return &p.ExternalID }, "opportunityIdApiRing", "ExternalID"),
		texts(func(p *params, value string) { p.Assignees = append(p.Assignees, value) }, "dealByUsers", "Assignees"),
		text(keyCell, func(p *params) *antcrm.ID { return &customer(p).CustomerID }, "dealWith.customerId", "Customer.CustomerID"),
		text(plainCell, func(p *params) *string { return &customer(p).Name }, "dealWith.name", "Customer.Name"),
		phones(func(p *params) *[]antcrm.Phone { return &customer(p).Phones }, "dealWith.phones", "Customer.Phones"),
		text(keyCell, func(p *params) *string { return &customer(p).ExternalID }, "dealWith.customerIdApiRing", "Customer.ExternalID"),
		phone(func(p *params) *string { return &p.ReceiverPhone }, "receiverPhone"),
		number(func(p *params) *antcrm.Decimal { return &p.Value }, "value"),
		text(freeCell, func(p *params) *string { return &p.ReceiverNote }, "receiverNote"),
		text(freeCell, func(p *params) *string { return &p.Description }, "description"),
		text(plainCell, func(p *params) *string { return &p.Stage }, "stage"),
		text(plainCell, func(p *params) *string { return &p.Branch }, "branch"),
		date(func(p *params) *antcrm.Timestamp { return &p.CreatedAt }, "createdAt"),
		number(func(p *params) *antcrm.Decimal { return &p.ShippingCost }, "shipping_cost"),
		insteadOf("item.", inJSON(func(p *params) *[]antcrm.LineItem { return &p.LineItems }, "groupPackage", "LineItems")),
		inJSON(func(p *params) *[]antcrm.CustomField { return &p.CustomFields }, "cusFields", "CustomFields"),
	}
}

// itemColumns are those of one line item.
func itemColumns() []column[antcrm.OpportunityCreateParams] {
	type params = antcrm.OpportunityCreateParams
	return []column[params]{
		text(plainCell, func(p *params) *string { return &item(p).Name }, "item.name"),
		number(func(p *params) *antcrm.Decimal { return &item(p).Quantity }, "item.quantity"),
		number(func(p *params) *antcrm.Decimal { return &item(p).Value }, "item.value"),
		number(func(p *params) *antcrm.Decimal { return &item(p).Discount }, "item.discount"),
		code(discountTypes, discountWord, func(p *params) *antcrm.NumericCode { return &item(p).DiscountType }, "item.typeDiscount", "item.DiscountType"),
		text(keyCell, func(p *params) *antcrm.ID { return &item(p).Code }, "item.code"),
		text(keyCell, func(p *params) *string { return &item(p).ProductExternalID }, "item.productIdApiRing", "item.ProductExternalID"),
		text(freeCell, func(p *params) *string { return &item(p).Note }, "item.note"),
	}
}

// mergeOrders adds the line items of another row of the same order. What the row says of the order itself must be what
// the first row says, or nothing.
func mergeOrders(into, from *antcrm.OpportunityCreateParams) (field string) {
	first, second := reflect.ValueOf(into).Elem(), reflect.ValueOf(from).Elem()
	for i := range second.NumField() {
		name, _, _ := strings.Cut(second.Type().Field(i).Tag.Get("json"), ",")
		if name == "" || name == "groupPackage" || second.Field(i).IsZero() {
			continue
		}
		if !reflect.DeepEqual(first.Field(i).Interface(), second.Field(i).Interface()) {
			return name
		}
	}
	into.LineItems = append(into.LineItems, from.LineItems...)
	return ""
}

func productSchema() schema[antcrm.ProductCreateParams] {
	type params = antcrm.ProductCreateParams
	return schema[params]{
		columns: []column[params]{
			text(plainCell, func(p *params) *string { return &p.Name }, "name"),
			text(keyCell, func(p *params) *string { return &p.Code }, "code"),
			text(keyCell, func(p *params) *string { return &p.ExternalID }, "productIdApiRing", "ExternalID"),
			{names: []string{"value"}, kind: numberCell, set: func(cfg *config, p *params, value string) error {
				number, err := cfg.number(value)
				p.Value = antcrm.DecimalText(number)
				return err
			}},
			{names: []string{"canEdit"}, kind: codeCell, set: func(_ *config, p *params, value string) error {
				word, err := oneOf(map[string]string{"1": "1", "true": "1", "yes": "1", "có": "1", "0": "0", "false": "0", "no": "0", "không": "0"}, value, "yes or no (true, false, 1, 0, có, không)")
				p.CanEdit = new(word == "1")
				return err
			}},
		},
		keyName: "productIdApiRing",
		key:     func(p *params) string { return p.ExternalID },
		ownKeys: []string{"_id"},
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
	part := func(kind cellKind, of func(*antcrm.Address) *string, name, alias string) column[P] {
		return text(kind, func(p *P) *string { return of(address(p)) }, wire+"."+name, field+"."+alias)
	}
	return []column[P]{
		part(plainCell, func(a *antcrm.Address) *string { return &a.Type }, "type", "type"),
		part(freeCell, func(a *antcrm.Address) *string { return &a.HouseNumber }, "street", "HouseNumber"),
		part(freeCell, func(a *antcrm.Address) *string { return &a.StreetName }, "streetName", "StreetName"),
		part(plainCell, func(a *antcrm.Address) *string { return &a.Ward }, "wards", "Ward"),
		part(plainCell, func(a *antcrm.Address) *string { return &a.District }, "state", "District"),
		part(plainCell, func(a *antcrm.Address) *string { return &a.City }, "city", "City"),
		{names: []string{wire + ".country", field + ".country"}, set: func(_ *config, p *P, value string) error {
			if countryCode.MatchString(value) {
				address(p).Country = &antcrm.Country{Code: value}
			} else {
				address(p).Country = &antcrm.Country{Name: value}
			}
			return nil
		}},
	}
}

var countryCode = regexp.MustCompile(`^[A-Za-z]{2}$`)

// text is a column whose value is taken as it is.
func text[P any, T ~string](kind cellKind, field func(*P) *T, names ...string) column[P] {
	return column[P]{names: names, kind: kind, set: func(_ *config, record *P, value string) error {
		*field(record) = T(value)
		return nil
	}}
}

// code is a column of one of a few values, also by the words that people use.
func code[P any, T ~string](words map[string]string, expected string, field func(*P) *T, names ...string) column[P] {
	return column[P]{names: names, kind: codeCell, set: func(_ *config, record *P, value string) error {
		word, err := oneOf(words, value, expected)
		*field(record) = T(word)
		return err
	}}
}

// insteadOf is a column that cannot be beside those of the parts.
func insteadOf[P any](parts string, c column[P]) column[P] {
	c.parts = parts
	return c
}

// texts is a column with any number of values in a cell.
func texts[P any](add func(record *P, value string), names ...string) column[P] {
	return column[P]{names: names, kind: listCell, many: true, set: func(cfg *config, record *P, value string) error {
		for _, part := range cfg.split(value) {
			add(record, part)
		}
		return nil
	}}
}

// phones is a column with any number of phones in a cell, or their JSON list.
func phones[P any](field func(*P) *[]antcrm.Phone, names ...string) column[P] {
	return column[P]{names: names, kind: phoneCell, many: true, set: func(cfg *config, record *P, value string) error {
		if strings.HasPrefix(value, "[{") {
			return addJSON(field(record), value)
		}
		list, err := cfg.phones(value)
		for _, phone := range list {
			*field(record) = append(*field(record), antcrm.Phone{Value: phone})
		}
		return err
	}}
}

// phone is a column of one phone.
func phone[P any](field func(*P) *string, names ...string) column[P] {
	return column[P]{names: names, kind: phoneCell, set: func(cfg *config, record *P, value string) error {
		list, err := cfg.phones(value)
		if len(list) > 1 {
			return errors.New("holds several phones, and one can be sent")
		}
		*field(record) = strings.Join(list, "")
		return err
	}}
}

// emails is a column with any number of e-mail addresses in a cell, or their JSON list.
func emails[P any](field func(*P) *[]antcrm.Email, names ...string) column[P] {
	return column[P]{names: names, kind: emailCell, many: true, set: func(cfg *config, record *P, value string) error {
		if strings.HasPrefix(value, "[{") {
			return addJSON(field(record), value)
		}
		list, err := cfg.emails(value)
		for _, email := range list {
			*field(record) = append(*field(record), antcrm.Email{Value: email})
		}
		return err
	}}
}

// number is a column of exact decimals.
func number[P any](field func(*P) *antcrm.Decimal, names ...string) column[P] {
	return column[P]{names: names, kind: numberCell, set: func(cfg *config, record *P, value string) (err error) {
		*field(record), err = cfg.number(value)
		return err
	}}
}

// date is a column of points in time.
func date[P any](field func(*P) *antcrm.Timestamp, names ...string) column[P] {
	return column[P]{names: names, kind: dateCell, set: func(cfg *config, record *P, value string) (err error) {
		*field(record), err = cfg.date(value)
		return err
	}}
}

// birthday is a column of days that are sent as they stand.
func birthday[P any](field func(*P) *string, names ...string) column[P] {
	return column[P]{names: names, kind: birthdayCell, set: func(cfg *config, record *P, value string) (err error) {
		*field(record), err = cfg.birthday(value)
		return err
	}}
}

// inJSON is a column that holds a JSON list.
func inJSON[P, T any](field func(*P) *[]T, names ...string) column[P] {
	return column[P]{names: names, kind: jsonCell, set: func(_ *config, record *P, value string) error {
		return addJSON(field(record), value)
	}}
}

func addJSON[T any](field *[]T, value string) error {
	var list []T
	err := json.Unmarshal([]byte(value), &list, json.RejectUnknownMembers(true))
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok && errors.Is(err, json.ErrUnknownName) {
		return errors.New("has an unknown member: " + label(string(semantic.JSONPointer)))
	}
	if err != nil {
		return errors.New("is not a JSON list of the API's objects")
	}
	*field = append(*field, list...)
	return nil
}
