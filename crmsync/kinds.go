package crmsync

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/antbuddy/antcrm-go"
)

// Kind is a kind of records. Its numbers are stored in the state.
type Kind int

// The kinds.
const (
	KindContacts    Kind = 1
	KindProducts    Kind = 2
	KindOrders      Kind = 3
	KindTickets     Kind = 4
	KindPoints      Kind = 5
	KindRedemptions Kind = 6
	KindTelesales   Kind = 7 // of a campaign; mirrored only
	KindTelecalls   Kind = 8 // of a campaign; mirrored only
)

var kindNames = map[Kind]string{
	KindContacts: "contacts", KindProducts: "products", KindOrders: "orders", KindTickets: "tickets", KindPoints: "points",
	KindRedemptions: "redemptions", KindTelesales: "telesales", KindTelecalls: "telecalls",
}

// String returns the kind's name, such as contacts.
func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return "kind " + strconv.Itoa(int(k))
}

// ParseKind reads what Kind.String writes.
func ParseKind(name string) (Kind, error) {
	for kind, known := range kindNames {
		if name == known {
			return kind, nil
		}
	}
	return 0, invalid("kind", "must be one of contacts, products, orders, tickets, points, redemptions, telesales, telecalls")
}

// Action is what a push does with a record.
type Action int

// The actions.
const (
	Unchanged Action = iota
	Create
	Update
	Delete
	Adopt // in State.Unknown only: Adopt has found several records that carry the key
)

// String returns unchanged, create, update, delete or adopt.
func (a Action) String() string {
	switch a {
	case Unchanged:
		return "unchanged"
	case Create:
		return "create"
	case Update:
		return "update"
	case Delete:
		return "delete"
	case Adopt:
		return "adopt"
	}
	return "action " + strconv.Itoa(int(a))
}

// spec is all that is said of one kind of records: how it is keyed, written and
// looked up. P are its create params, U its update params, R its reference.
type spec[P, U, R any] struct {
	kind  Kind
	field string // wire name of the caller's own key
	key   func(*P) string
	// detail is kept with an intent: what its lookup needs and the params may not say later.
	detail func(*P) string
	// fields are the wire names that a PUT can change, in the order of their numbers in the state: append only.
	fields []string
	// fixed are those that only a creation can set; they follow in the same order.
	fixed []string
	// always are sent in each PUT, if the record has them.
	always []string
	// empty is what clears a field, where it is not an empty string.
	empty map[string]string
	// kept are the fields that an update cannot clear.
	kept []string
	// defaults are the values that the API gives to fixed fields which a creation does not have.
	defaults map[string]string

	pack    int // records in one request of creations
	create  func(ctx context.Context, records []P, isolate bool) []reply[R]
	update  func(ctx context.Context, key string, ref R, change U) error
	remove  func(ctx context.Context, key string, ref R) error
	refText func(R) string
	readRef func(text, detail string) (R, error)
	// byKey finds a record that carries the key; nil if the kind has no way to ask.
	byKey func(ctx context.Context, record *P, key string) (R, bool, error)
	// probes are the vendor's documented lookups that would find the record, compare says which record it is.
	probes func(record *P, in *intent) []probe
	// list reads the CRM's whole list.
	list func(ctx context.Context) iter.Seq2[candidate, error]
	// sample lists some records of any kind, to test probes on.
	sample func(ctx context.Context) ([]candidate, error)
	same   func(record *P, found any) likeness
	// validate checks a record as the core does before sending, and sends nothing.
	validate func(ctx context.Context, record P) error
}

// reply is what became of one record of a request.
type reply[R any] struct {
	ref     R
	outcome antcrm.Outcome
	err     error
}

// offline is a client that reaches nobody: what its methods refuse as invalid is
// refused before sending by any client.
var offline = sync.OnceValue(func() *antcrm.Client {
	client, err := antcrm.NewClient("offline", antcrm.WithHTTPClient(&http.Client{Transport: noTransport{}}), antcrm.WithMaxRetries(0))
	if err != nil {
		panic(err) // the arguments are constants
	}
	return client
})

type noTransport struct{}

func (noTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("offline")
}

// single makes one reply of a call for one record.
func single[R any](ref R, err error) []reply[R] {
	return []reply[R]{{ref: ref, outcome: outcomeOf(err), err: err}}
}

// batchReplies are the replies of a batch, one a record.
func batchReplies[R any](result *antcrm.BatchResult[R], n int) []reply[R] {
	replies := make([]reply[R], n)
	for i := range replies {
		replies[i] = reply[R]{outcome: antcrm.OutcomeDone}
		if result != nil && i < len(result.Results) {
			replies[i].ref = result.Results[i]
		}
	}
	for _, failure := range result.Failures {
		for i := failure.First; i < failure.First+failure.Count && i < n; i++ {
			replies[i] = reply[R]{outcome: failure.Outcome, err: failure.Err}
		}
	}
	return replies
}

func batchOptions(isolate bool) []antcrm.BatchOption {
	opts := []antcrm.BatchOption{antcrm.WithConcurrency(1), antcrm.WithCallOptions(antcrm.WithoutRetry())}
	if isolate {
		opts = append(opts, antcrm.WithIsolation())
	}
	return opts
}

func contactKind(client *antcrm.Client) spec[antcrm.ContactCreateParams, antcrm.ContactUpdateParams, antcrm.ContactRef] {
	type params = antcrm.ContactCreateParams
	return spec[params, antcrm.ContactUpdateParams, antcrm.ContactRef]{
		kind: KindContacts, field: "customerIdApiRing",
		key:    func(p *params) string { return p.ExternalID },
		detail: contactDetail,
		fields: []string{"name", "dateOfBirth", "gender", "addresses", "phones", "emails", "industry", "im", "bgInfo", "stage", "tags",
			"sourceContact", "responsibleStaff", "cusFields"},
		fixed: []string{"customerIdApiRing", "type", "contactType"},
		empty: map[string]string{"addresses": "[]", "phones": "[]", "emails": "[]", "im": "[]", "tags": "[]", "cusFields": "[]"},
		kept:  []string{"gender"},
		// As in antcrm.ContactCreateParams.
		defaults: map[string]string{"type": `"` + string(antcrm.KindPerson) + `"`, "contactType": `"` + antcrm.ContactTypeLead + `"`},
		pack:     antcrm.MaxBatchSize,
		create:   createContacts(client),
		update: func(ctx context.Context, key string, ref antcrm.ContactRef, change antcrm.ContactUpdateParams) error {
			return byRefOrKey(ref, key, func(ref antcrm.ContactRef) error {
				_, err := client.Contacts.Update(ctx, ref, change)
				return err
			})
		},
		remove: func(ctx context.Context, key string, ref antcrm.ContactRef) error {
			return byRefOrKey(ref, key, func(ref antcrm.ContactRef) error { return client.Contacts.Delete(ctx, ref) })
		},
		refText: RefText, readRef: readContactRef,
		byKey:  contactByKey(client),
		probes: func(p *params, _ *intent) []probe { return contactProbes(client, p) },
		list: func(ctx context.Context) iter.Seq2[candidate, error] {
			return candidates(client.Contacts.All(ctx, antcrm.ContactListParams{Limit: antcrm.MaxBatchSize}), contactCandidate)
		},
		sample: func(ctx context.Context) ([]candidate, error) {
			page, err := client.Contacts.List(ctx, antcrm.ContactListParams{Limit: antcrm.MaxBatchSize})
			return samples(page, err, contactCandidate)
		},
		same: sameContact,
		validate: func(ctx context.Context, record params) error {
			_, err := offline().Contacts.Create(ctx, record)
			return err
		},
	}
}

func contactDetail(p *antcrm.ContactCreateParams) string {
	if p.ContactType == "" {
		return antcrm.ContactTypeLead
	}
	return p.ContactType
}

func createContacts(client *antcrm.Client) func(context.Context, []antcrm.ContactCreateParams, bool) []reply[antcrm.ContactRef] {
	return func(ctx context.Context, records []antcrm.ContactCreateParams, isolate bool) []reply[antcrm.ContactRef] {
		if len(records) == 1 {
			return single(client.Contacts.Create(ctx, records[0], antcrm.WithoutRetry()))
		}
		result, _ := client.Contacts.CreateBatch(ctx, records, batchOptions(isolate)...)
		return batchReplies(result, len(records))
	}
}

func contactByKey(client *antcrm.Client) func(context.Context, *antcrm.ContactCreateParams, string) (antcrm.ContactRef, bool, error) {
	return func(ctx context.Context, _ *antcrm.ContactCreateParams, key string) (antcrm.ContactRef, bool, error) {
		found, err := client.Contacts.Get(ctx, antcrm.ExternalRef(key))
		if err != nil {
			return antcrm.ContactRef{}, false, err
		}
		// Get returns the first that carries the key. List shows whether there are others; it refuses what comes from a
		// server that does not know the filter.
		page, err := client.Contacts.List(ctx, antcrm.ContactListParams{ExternalID: key})
		if err != nil && !errors.Is(err, antcrm.ErrFilterIgnored) {
			return antcrm.ContactRef{}, false, err
		}
		if page != nil && slices.ContainsFunc(page.Items, func(c antcrm.Contact) bool { return c.Ref() != found.Ref() }) {
			return antcrm.ContactRef{}, false, errTwoCarriers
		}
		return found.Ref(), true, nil
	}
}

// byRefOrKey falls back to the caller's own key, a documented key of PUT and DELETE: a lead that was converted has
// another id than it was created with.
func byRefOrKey(ref antcrm.ContactRef, key string, call func(antcrm.ContactRef) error) error {
	err := call(ref)
	if notFound(err) && ref.ExternalID == "" {
		err = call(antcrm.ExternalRef(key))
	}
	return err
}

// RefText is a contact's reference as State.Settle and "antcrm sync settle --ref" take
// it: lead:9457, customer:475 or key:ERP-475.
func RefText(ref antcrm.ContactRef) string {
	switch {
	case ref.LeadID != "":
		return "lead:" + string(ref.LeadID)
	case ref.CustomerID != "":
		return "customer:" + string(ref.CustomerID)
	}
	return "key:" + ref.ExternalID
}

// readContactRef reads what RefText writes, or a bare number of the
// intent's contact type.
func readContactRef(text, detail string) (antcrm.ContactRef, error) {
	name, id, found := strings.Cut(text, ":")
	if !found {
		name, id = detail, text
	}
	switch {
	case id == "":
	case name == antcrm.ContactTypeLead:
		return antcrm.LeadRef(antcrm.ID(id)), nil
	case name == antcrm.ContactTypeCustomer:
		return antcrm.CustomerRef(antcrm.ID(id)), nil
	case name == "key" || name == "external":
		return antcrm.ExternalRef(id), nil
	}
	return antcrm.ContactRef{}, invalid("ref", "must be lead:ID or customer:ID")
}

func orderKind(client *antcrm.Client) spec[antcrm.OpportunityCreateParams, antcrm.OpportunityUpdateParams, antcrm.ID] {
	type params = antcrm.OpportunityCreateParams
	return spec[params, antcrm.OpportunityUpdateParams, antcrm.ID]{
		kind: KindOrders, field: "opportunityIdApiRing",
		key:    func(p *params) string { return p.ExternalID },
		detail: func(*params) string { return "" },
		fields: []string{"name", "receiverName", "receiverPhone", "receiverAddressObj", "groupPackage", "value", "receiverNote", "description", "stage",
			"branch", "cusFields", "shipping_cost"},
		fixed: []string{"opportunityIdApiRing", "dealByUsers", "dealWith", "createdAt"},
		empty: map[string]string{"receiverAddressObj": "{}", "groupPackage": "[]", "cusFields": "[]"},
		kept:  []string{"value", "shipping_cost"},
		// An update without a value lets the system price the order anew.
		always: []string{"value"},
		pack:   antcrm.MaxBatchSize,
		create: func(ctx context.Context, records []params, isolate bool) []reply[antcrm.ID] {
			if len(records) == 1 {
				return single(client.Opportunities.Create(ctx, records[0], antcrm.WithoutRetry()))
			}
			result, _ := client.Opportunities.CreateBatch(ctx, records, batchOptions(isolate)...)
			return batchReplies(result, len(records))
		},
		update: func(ctx context.Context, _ string, ref antcrm.ID, change antcrm.OpportunityUpdateParams) error {
			_, err := client.Opportunities.Update(ctx, ref, change)
			return err
		},
		remove:  func(ctx context.Context, _ string, ref antcrm.ID) error { return client.Opportunities.Delete(ctx, ref) },
		refText: antcrm.ID.String, readRef: readID,
		probes: func(p *params, _ *intent) []probe { return orderProbes(client, p) },
		list: func(ctx context.Context) iter.Seq2[candidate, error] {
			return candidates(client.Opportunities.All(ctx, antcrm.OpportunityListParams{Limit: antcrm.MaxBatchSize}), orderCandidate)
		},
		sample: func(ctx context.Context) ([]candidate, error) {
			page, err := client.Opportunities.List(ctx, antcrm.OpportunityListParams{Limit: antcrm.MaxBatchSize})
			return samples(page, err, orderCandidate)
		},
		same: sameOrder,
		validate: func(ctx context.Context, record params) error {
			_, err := offline().Opportunities.Create(ctx, record)
			return err
		},
	}
}

func readID(text, _ string) (antcrm.ID, error) {
	if strings.TrimSpace(text) == "" {
		return "", invalid("ref", "is empty: the record's number in the CRM")
	}
	return antcrm.ID(text), nil
}

func productKind(client *antcrm.Client) spec[antcrm.ProductCreateParams, antcrm.ProductUpdateParams, antcrm.ID] {
	type params = antcrm.ProductCreateParams
	return spec[params, antcrm.ProductUpdateParams, antcrm.ID]{
		kind: KindProducts, field: "productIdApiRing",
		key:    func(p *params) string { return p.ExternalID },
		detail: func(*params) string { return "" },
		fields: []string{"name", "code", "value", "canEdit"},
		fixed:  []string{"productIdApiRing"},
		empty:  map[string]string{"canEdit": "false"},
		pack:   1, // the API has no package of products
		create: func(ctx context.Context, records []params, _ bool) []reply[antcrm.ID] {
			return single(client.Products.Create(ctx, records[0], antcrm.WithoutRetry()))
		},
		update: func(ctx context.Context, key string, _ antcrm.ID, change antcrm.ProductUpdateParams) error {
			_, err := client.Products.Update(ctx, key, change)
			return err
		},
		remove:  func(ctx context.Context, key string, _ antcrm.ID) error { return client.Products.Delete(ctx, key) },
		refText: antcrm.ID.String, readRef: readID,
		byKey: func(ctx context.Context, p *params, key string) (antcrm.ID, bool, error) {
			if p == nil {
				return "", false, nil
			}
			found, err := client.Products.Get(ctx, p.Code)
			if err != nil || found.ExternalID != key {
				return "", false, err
			}
			return found.Code, true, nil
		},
		probes: func(p *params, _ *intent) []probe { return productProbes(client, p) },
		list: func(ctx context.Context) iter.Seq2[candidate, error] {
			return candidates(client.Products.All(ctx, antcrm.ProductListParams{Limit: antcrm.MaxBatchSize}), productCandidate)
		},
		sample: func(ctx context.Context) ([]candidate, error) {
			page, err := client.Products.List(ctx, antcrm.ProductListParams{Limit: antcrm.MaxBatchSize})
			return samples(page, err, productCandidate)
		},
		same: sameProduct,
		validate: func(ctx context.Context, record params) error {
			_, err := offline().Products.Create(ctx, record)
			return err
		},
	}
}

func ticketKind(client *antcrm.Client) spec[antcrm.TicketCreateParams, antcrm.TicketUpdateParams, antcrm.ID] {
	type params = antcrm.TicketCreateParams
	return spec[params, antcrm.TicketUpdateParams, antcrm.ID]{
		kind: KindTickets, field: "ticketIdApiRing",
		key:    func(p *params) string { return p.ExternalID },
		detail: func(*params) string { return "" },
		fields: []string{"title", "summary", "priority", "SLA", "deal", "category", "status", "resolutionTypeOb", "files", "cusFields"},
		fixed:  []string{"ticketIdApiRing", "contact", "group"},
		empty:  map[string]string{"files": "[]", "cusFields": "[]"},
		kept:   []string{"deal"},
		pack:   1, // the API has no package of tickets
		create: func(ctx context.Context, records []params, _ bool) []reply[antcrm.ID] {
			return single(client.Tickets.Create(ctx, records[0], antcrm.WithoutRetry()))
		},
		update: func(ctx context.Context, _ string, ref antcrm.ID, change antcrm.TicketUpdateParams) error {
			_, err := client.Tickets.Update(ctx, ref, change)
			return err
		},
		remove:  func(ctx context.Context, _ string, ref antcrm.ID) error { return client.Tickets.Delete(ctx, ref) },
		refText: antcrm.ID.String, readRef: readID,
		probes: func(_ *params, in *intent) []probe { return ticketProbes(client, in) },
		list: func(ctx context.Context) iter.Seq2[candidate, error] {
			return candidates(client.Tickets.All(ctx, antcrm.TicketListParams{Limit: antcrm.MaxBatchSize}), ticketCandidate)
		},
		sample: func(ctx context.Context) ([]candidate, error) {
			page, err := client.Tickets.List(ctx, antcrm.TicketListParams{Limit: antcrm.MaxBatchSize})
			return samples(page, err, ticketCandidate)
		},
		same: sameTicket,
		validate: func(ctx context.Context, record params) error {
			_, err := offline().Tickets.Create(ctx, record)
			return err
		},
	}
}
