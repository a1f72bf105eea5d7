package contract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// day is when the seeded records were made.
var day = time.Date(2024, 3, 13, 6, 24, 20, 673e6, time.UTC)

// The records that every scenario finds on its server: what testdata holds, and one of each kind that it does not.
const (
	leadID, customerID, orderNumber, ticketID = "2964", "475", "3609", "17464"
	productKey, productCode, contactKey       = "P-77", "SKU-77", "ERP-SEEDED"
	campaign, phone, email                    = "64d9f28b2b3ba308b322c7c1", "0900000009", "seeded@example.com"
)

func seeded(t testing.TB) *antcrmtest.Server {
	t.Helper()
	srv := antcrmtest.NewServer(t, antcrmtest.WithSeed(os.DirFS("../testdata"),
		"contacts.json", "opportunities.json", "products.json", "tickets.json", "history-point.json", "ratings.json"))
	for kind, record := range map[antcrmtest.Kind]string{
		antcrmtest.Contacts: `{"name":"Seeded","contactType":"customer","customerIdApiRing":"` + contactKey + `","scoreAvailable":500,` +
			`"phones":[{"type":"Work","value":"` + phone + `"}],"emails":[{"type":"Work","value":"` + email + `"}]}`,
		antcrmtest.Telesales:   `{"campaignId":"` + campaign + `","survey":{"q":"a"},"createdAt":1710311060673}`,
		antcrmtest.Telecalls:   `{"campaignId":"` + campaign + `","createdAt":1710311060673}`,
		antcrmtest.Campaigns:   `{"_id":"` + campaign + `","name":"Spring","createdAt":1710311060673}`,
		antcrmtest.ZNSMessages: `{"campaign":"Spring","createdAt":1710311060673}`,
		antcrmtest.Messages: `{"sessionId":"66139e5804bf311bf963a979","conversationId":"36700000000000000000000000000000000000","pageId":"3670000000000000000",` +
			`"createdAt":1710311060673,"leadId":2964,"messages":[{"_id":"66139e5804bf311bf963a97a","channel":"ZALO","attachments":{"data":[]},` +
			`"shares":{"data":[]},"errorMessage":"","isOutboundMessage":true,"isResponsedByBot":false}]}`,
	} {
		require.NoError(t, srv.Seed(kind, record))
	}
	return srv
}

// body reads a wire body into the params of a call.
func body[T any](text string) T {
	var params T
	if err := json.Unmarshal([]byte(text), &params); err != nil {
		panic(err) // a literal of this file
	}
	return params
}

func read[T any](t testing.TB, name string) T { return body[T](sample(t, name)) }

// drain reads an iteration to its end.
func drain[T any](seq iter.Seq2[T, error]) error {
	_, err := antcrm.Collect(seq)
	return err
}

func value[T any](_ T, err error) error { return err }

func each[T any](items ...T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

func imported[R any](results iter.Seq2[antcrm.ImportResult[R], error]) error {
	for result, err := range results {
		if err := errors.Join(err, result.Err); err != nil {
			return err
		}
	}
	return nil
}

const (
	address = `{"type":"Work","street":"319","streetName":"Nguyễn Kiệm","wards":"Phường 12","state":"Tân Bình","city":"Hồ Chí Minh",` +
		`"country":{"code":"VN","name":"Vietnam"},"cityCode":"79","stateCode":"766","wardsCode":"26977","zip":"70000","_id":"66139e5804bf311bf963a976"}`
	addresses = `"addresses":[` + address + `]`
	points    = `"phones":[{"type":"Work","value":"0900000001","_id":"64db290a7796fe24bfe876a8"}],` +
		`"emails":[{"type":"Work","value":"sample@example.com","_id":"64db290a7796fe24bfe876a9"}]`
	contactRest = `"dateOfBirth":"March 15, 2000","gender":"1",` + addresses + `,` + points + `,"industry":"","im":[{"protocol":"Facebook","value":"x"}],` +
		`"bgInfo":"VIP","stage":"Won","tags":[],"sourceContact":"Web","responsibleStaff":"agent@example.com",` +
		`"cusFields":[{"name":"Unit","value":{"any":[1,"json",null]}}]`
	wholeContact = `{"name":"A","customerIdApiRing":"ERP-1","type":"1","contactType":"customer",` + contactRest + `}`
	items        = `"groupPackage":[{"name":"Beef combo","quantity":2,"typeDiscount":0,"discount":10,"value":0,"productIdApiRing":"1","note":"N","code":"Sku"}]`
	orderRest    = `"receiverPhone":"1","receiverAddressObj":` + address + `,` + items +
		`,"receiverNote":"N","description":"D","stage":"New","branch":"B","cusFields":[{"name":"Unit","value":"Fast"}],"shipping_cost":0,"value":12345678901234567890.25`
	ticketRest = `"summary":"<p>S</p>","priority":"High","deal":{"number":3609},"category":"C","status":"New","resolutionTypeOb":"R","files":[{"url":"x"}],` +
		`"cusFields":[{"name":"Unit","value":1}]`
)

// scenarios holds one for each method of the SDK: it calls the method in every documented way, and no other one.
func scenarios(t testing.TB) map[string]func(ctx context.Context, c *antcrm.Client) error {
	t.Helper()
	contactFilters := antcrm.ContactListParams{
		ContactType: antcrm.ContactTypeCustomer, Kind: antcrm.KindPerson, Phone: phone, Email: email, CustomerID: "2000001", ExternalID: contactKey,
		UpdatedFrom: day, UpdatedTo: day, CreatedFrom: day, CreatedTo: day, Page: 1, Limit: 300,
	}
	orderFilters := antcrm.OpportunityListParams{Number: orderNumber, Phone: phone, CustomerID: customerID, Page: 1, Limit: 20}
	productFilters := antcrm.ProductListParams{Code: productCode, Type: antcrm.ProductTypeProduct, Page: 1, Limit: 20}
	ticketFilters := antcrm.TicketListParams{
		TicketID: ticketID, TimeField: antcrm.TicketTimeUpdated, From: day, To: day.In(time.FixedZone("ICT", 7*3600)), IncludeDeleted: true, Page: 1, Limit: 20,
	}
	loyaltyFilters := antcrm.LoyaltyListParams{From: day, To: day, Phone: phone, Email: email, Page: 1}
	telesaleFilters := antcrm.TelesaleListParams{CampaignID: campaign, SurveyOnly: true, From: day, To: day, Page: 1, Limit: 100}
	telecallFilters := antcrm.TelecallListParams{CampaignID: campaign, From: day, To: day, Page: 1, Limit: 100}
	campaignFilters := antcrm.CampaignListParams{From: day, To: day, Page: 1, Limit: 300}
	ratingFilters := antcrm.RatingListParams{From: day, To: day, Type: antcrm.RatingTypeOmni, Score: "3", Source: "ZALO", Page: 1, Limit: 20}
	znsFilters := antcrm.ZNSMessageListParams{Campaign: "Spring", From: day, To: day, Page: 1, Limit: 50}
	messageFilters := antcrm.MessageListParams{CreatedFrom: day, CreatedTo: day, SessionID: "66139e5804bf311bf963a979", Limit: 20, Offset: 1}
	noFilters := antcrm.MessageListParams{CreatedFrom: day.AddDate(-1, 0, 0), CreatedTo: day}

	contact, order := read[antcrm.ContactCreateParams](t, "contact-create.json"), read[antcrm.OpportunityCreateParams](t, "opportunity-create.json")
	wholeOrder := body[antcrm.OpportunityCreateParams](`{"name":"A","receiverName":"B","opportunityIdApiRing":"SO-1","dealByUsers":["agent@example.com"],` +
		`"dealWith":{"customerId":"475","name":"C",` + strings.Split(points, `,"emails"`)[0] + `,"customerIdApiRing":"ERP-1"},"createdAt":1692084490615,` + orderRest + `}`)
	least := antcrm.ContactCreateParams{Name: "Least", ExternalID: "ERP-LEAST"}
	members := []antcrm.ContactCreateParams{contact, {Name: "Only a name"}, body[antcrm.ContactCreateParams](wholeContact)}
	refs := []antcrm.ContactRef{antcrm.LeadRef(leadID), antcrm.CustomerRef(customerID), antcrm.ExternalRef(contactKey)}

	return map[string]func(ctx context.Context, c *antcrm.Client) error{
		"Contacts.List": func(ctx context.Context, c *antcrm.Client) error {
			byLead := antcrm.ContactListParams{LeadID: leadID}
			return errors.Join(value(c.Contacts.List(ctx, antcrm.ContactListParams{})), value(c.Contacts.List(ctx, contactFilters)), value(c.Contacts.List(ctx, byLead)))
		},
		"Contacts.All": func(ctx context.Context, c *antcrm.Client) error {
			return errors.Join(drain(c.Contacts.All(ctx, antcrm.ContactListParams{Limit: 1})), drain(c.Contacts.All(ctx, contactFilters)))
		},
		"Contacts.Get": func(ctx context.Context, c *antcrm.Client) error {
			var errs []error
			for _, ref := range refs {
				errs = append(errs, value(c.Contacts.Get(ctx, ref)))
			}
			return errors.Join(errs...)
		},
		"Contacts.Create": func(ctx context.Context, c *antcrm.Client) error {
			return errors.Join(value(c.Contacts.Create(ctx, contact)), value(c.Contacts.Create(ctx, least)),
				value(c.Contacts.Create(ctx, body[antcrm.ContactCreateParams](wholeContact))))
		},
		"Contacts.Update": func(ctx context.Context, c *antcrm.Client) error {
			errs := []error{value(c.Contacts.Update(ctx, refs[0], antcrm.ContactUpdateParams{}))}
			for _, ref := range refs {
				errs = append(errs, value(c.Contacts.Update(ctx, ref, body[antcrm.ContactUpdateParams](`{"name":"B",`+contactRest+`}`))))
			}
			cleared := antcrm.ContactUpdateParams{
				Name: new(""), DateOfBirth: new(""), Gender: new(antcrm.GenderOther), Addresses: []antcrm.Address{}, Phones: []antcrm.Phone{}, Tags: antcrm.Tags{},
				Industry: new(""),
			}
			return errors.Join(append(errs, value(c.Contacts.Update(ctx, refs[1], cleared)))...)
		},
		"Contacts.Delete": func(ctx context.Context, c *antcrm.Client) error {
			var errs []error
			for _, ref := range refs {
				errs = append(errs, c.Contacts.Delete(ctx, ref))
			}
			return errors.Join(errs...)
		},
		"Contacts.CreateBatch": func(ctx context.Context, c *antcrm.Client) error {
			batch := []antcrm.ContactCreateParams{contact, least, body[antcrm.ContactCreateParams](wholeContact)}
			return value(c.Contacts.CreateBatch(ctx, slices.Repeat(batch, 40)))
		},
		"Contacts.Import": func(ctx context.Context, c *antcrm.Client) error {
			return imported(c.Contacts.Import(ctx, each(contact, least), antcrm.WithChunkSize(1)))
		},

		"Opportunities.List": func(ctx context.Context, c *antcrm.Client) error {
			return errors.Join(value(c.Opportunities.List(ctx, antcrm.OpportunityListParams{})), value(c.Opportunities.List(ctx, orderFilters)))
		},
		"Opportunities.All": func(ctx context.Context, c *antcrm.Client) error {
			return errors.Join(drain(c.Opportunities.All(ctx, antcrm.OpportunityListParams{})), drain(c.Opportunities.All(ctx, orderFilters)))
		},
		"Opportunities.Get": func(ctx context.Context, c *antcrm.Client) error { return value(c.Opportunities.Get(ctx, orderNumber)) },
		"Opportunities.Create": func(ctx context.Context, c *antcrm.Client) error {
			return errors.Join(value(c.Opportunities.Create(ctx, order)), value(c.Opportunities.Create(ctx, wholeOrder)),
				value(c.Opportunities.Create(ctx, antcrm.OpportunityCreateParams{Name: "Least", ReceiverName: "B"})))
		},
		"Opportunities.Update": func(ctx context.Context, c *antcrm.Client) error {
			whole := body[antcrm.OpportunityUpdateParams](`{"name":"A","receiverName":"B",` + orderRest + `}`)
			cleared := antcrm.OpportunityUpdateParams{
				Name: new(""), Value: new(antcrm.Decimal("0")), ShippingCost: new(antcrm.Decimal("0")), LineItems: []antcrm.LineItem{}, ReceiverAddress: antcrm.Address{}.Update(),
			}
			return errors.Join(value(c.Opportunities.Update(ctx, orderNumber, whole)), value(c.Opportunities.Update(ctx, orderNumber, cleared)),
				value(c.Opportunities.Update(ctx, orderNumber, antcrm.OpportunityUpdateParams{})))
		},
		"Opportunities.Delete": func(ctx context.Context, c *antcrm.Client) error { return c.Opportunities.Delete(ctx, orderNumber) },
		"Opportunities.CreateBatch": func(ctx context.Context, c *antcrm.Client) error {
			return value(c.Opportunities.CreateBatch(ctx, slices.Repeat([]antcrm.OpportunityCreateParams{order, wholeOrder}, 51)))
		},
		"Opportunities.Import": func(ctx context.Context, c *antcrm.Client) error {
			return imported(c.Opportunities.Import(ctx, each(order, order)))
		},
		"Opportunities.UpdateBatch": func(ctx context.Context, c *antcrm.Client) error {
			whole := body[antcrm.OpportunityUpdate](`{"number":"` + orderNumber + `","name":"A","receiverName":"B",` + orderRest + `}`)
			return value(c.Opportunities.UpdateBatch(ctx, []antcrm.OpportunityUpdate{whole, {Number: orderNumber}}))
		},

		"Products.List": func(ctx context.Context, c *antcrm.Client) error {
			return errors.Join(value(c.Products.List(ctx, antcrm.ProductListParams{})), value(c.Products.List(ctx, productFilters)))
		},
		"Products.All": func(ctx context.Context, c *antcrm.Client) error {
			return errors.Join(drain(c.Products.All(ctx, antcrm.ProductListParams{Type: antcrm.ProductTypeCombo})), drain(c.Products.All(ctx, productFilters)))
		},
		"Products.Get": func(ctx context.Context, c *antcrm.Client) error { return value(c.Products.Get(ctx, productCode)) },
		"Products.Create": func(ctx context.Context, c *antcrm.Client) error {
			whole := antcrm.ProductCreateParams{Name: "A", Code: "B", ExternalID: "C", Value: "125000.50", CanEdit: new(false)}
			return errors.Join(value(c.Products.Create(ctx, whole)), value(c.Products.Create(ctx, antcrm.ProductCreateParams{Name: "A", Code: "77", ExternalID: "D"})))
		},
		"Products.Update": func(ctx context.Context, c *antcrm.Client) error {
			whole := antcrm.ProductUpdateParams{Name: new("A"), Code: new("B"), Value: new(antcrm.DecimalText("0")), CanEdit: new(true)}
			cleared := antcrm.ProductUpdateParams{Name: new(""), Value: new(antcrm.DecimalText(""))}
			return errors.Join(value(c.Products.Update(ctx, productKey, whole)), value(c.Products.Update(ctx, productKey, cleared)))
		},
		"Products.Delete": func(ctx context.Context, c *antcrm.Client) error { return c.Products.Delete(ctx, productKey) },

		"Tickets.List": func(ctx context.Context, c *antcrm.Client) error {
			return errors.Join(value(c.Tickets.List(ctx, antcrm.TicketListParams{})), value(c.Tickets.List(ctx, ticketFilters)))
		},
		"Tickets.All": func(ctx context.Context, c *antcrm.Client) error { return drain(c.Tickets.All(ctx, ticketFilters)) },
		"Tickets.Get": func(ctx context.Context, c *antcrm.Client) error { return value(c.Tickets.Get(ctx, ticketID)) },
		"Tickets.Create": func(ctx context.Context, c *antcrm.Client) error {
			whole := body[antcrm.TicketCreateParams](`{"title":"A","SLA":"B","contact":{"name":"C",` + points + `},"ticketIdApiRing":"T-1","group":"G",` + ticketRest + `}`)
			least := antcrm.TicketCreateParams{Title: "A", SLA: "B", Contact: antcrm.TicketContact{ID: "64db290a7796fe24bfe876a7"}}
			return errors.Join(value(c.Tickets.Create(ctx, whole)), value(c.Tickets.Create(ctx, least)))
		},
		"Tickets.Update": func(ctx context.Context, c *antcrm.Client) error {
			whole := body[antcrm.TicketUpdateParams](`{"title":"A","SLA":"B",` + ticketRest + `}`)
			return errors.Join(value(c.Tickets.Update(ctx, ticketID, whole)), value(c.Tickets.Update(ctx, ticketID, antcrm.TicketUpdateParams{Summary: new("")})))
		},
		"Tickets.Delete": func(ctx context.Context, c *antcrm.Client) error { return c.Tickets.Delete(ctx, ticketID) },

		"Points.List": func(ctx context.Context, c *antcrm.Client) error {
			return errors.Join(value(c.Points.List(ctx, antcrm.LoyaltyListParams{})), value(c.Points.List(ctx, loyaltyFilters)))
		},
		"Points.All": func(ctx context.Context, c *antcrm.Client) error {
			return drain(c.Points.All(ctx, antcrm.LoyaltyListParams{}))
		},
		"Points.Accumulate": func(ctx context.Context, c *antcrm.Client) error {
			return c.Points.Accumulate(ctx, antcrm.AccumulateParams{
				Code: "TIVInpmx8b98pfg", Data: antcrm.AccumulateCustomer{Name: "Seeded", Phones: []antcrm.Phone{{Type: "Work", Value: phone, ID: "64db290a7796fe24bfe876a8"}}, Emails: []antcrm.Email{{Type: "Work", Value: email, ID: "64db290a7796fe24bfe876a9"}}},
			})
		},
		"Redeem.List": func(ctx context.Context, c *antcrm.Client) error {
			return errors.Join(value(c.Redeem.List(ctx, antcrm.LoyaltyListParams{})), value(c.Redeem.List(ctx, loyaltyFilters)))
		},
		"Redeem.All": func(ctx context.Context, c *antcrm.Client) error { return drain(c.Redeem.All(ctx, loyaltyFilters)) },
		"Redeem.Gift": func(ctx context.Context, c *antcrm.Client) error {
			return errors.Join(c.Redeem.Gift(ctx, antcrm.RedeemParams{Code: "DAUMAY01", Data: antcrm.RedeemCustomer{Phone: phone}}),
				c.Redeem.Gift(ctx, antcrm.RedeemParams{Code: "DAUMAY01", Data: antcrm.RedeemCustomer{Email: email}}))
		},
		"Segments.SetContacts": func(ctx context.Context, c *antcrm.Client) error {
			return c.Segments.SetContacts(ctx, "64d9f28b2b3ba308b322c7aa", members)
		},

		"Telesales.List": func(ctx context.Context, c *antcrm.Client) error {
			return value(c.Telesales.List(ctx, telesaleFilters))
		},
		"Telesales.All": func(ctx context.Context, c *antcrm.Client) error {
			return drain(c.Telesales.All(ctx, antcrm.TelesaleListParams{CampaignID: campaign}))
		},
		"Telecalls.List": func(ctx context.Context, c *antcrm.Client) error {
			return value(c.Telecalls.List(ctx, telecallFilters))
		},
		"Telecalls.All": func(ctx context.Context, c *antcrm.Client) error {
			return drain(c.Telecalls.All(ctx, antcrm.TelecallListParams{CampaignID: campaign}))
		},
		"Campaigns.List": func(ctx context.Context, c *antcrm.Client) error {
			return value(c.Campaigns.List(ctx, campaignFilters))
		},
		"Campaigns.All": func(ctx context.Context, c *antcrm.Client) error {
			return drain(c.Campaigns.All(ctx, antcrm.CampaignListParams{}))
		},
		"Ratings.List": func(ctx context.Context, c *antcrm.Client) error { return value(c.Ratings.List(ctx, ratingFilters)) },
		"Ratings.All": func(ctx context.Context, c *antcrm.Client) error {
			return drain(c.Ratings.All(ctx, antcrm.RatingListParams{}))
		},
		"ZNSMessages.List": func(ctx context.Context, c *antcrm.Client) error {
			return errors.Join(value(c.ZNSMessages.List(ctx, znsFilters)), value(c.ZNSMessages.List(ctx, antcrm.ZNSMessageListParams{Campaign: "No such"})))
		},
		"ZNSMessages.All": func(ctx context.Context, c *antcrm.Client) error {
			return drain(c.ZNSMessages.All(ctx, antcrm.ZNSMessageListParams{}))
		},
		"Messages.List": func(ctx context.Context, c *antcrm.Client) error {
			return errors.Join(value(c.Messages.List(ctx, noFilters)), value(c.Messages.List(ctx, messageFilters)))
		},
		"Messages.All": func(ctx context.Context, c *antcrm.Client) error { return drain(c.Messages.All(ctx, noFilters)) },
	}
}

// TestEveryMethodKeepsTheContract drives every method of the SDK against the fake. Requests and answers must be valid, a method must call the
// operations that name it and no others, and all scenarios together must have sent every documented parameter and field.
func TestEveryMethodKeepsTheContract(t *testing.T) {
	t.Parallel()
	c := load(t)
	all := scenarios(t)
	assert.ElementsMatch(t, sdkSurface(), slices.Collect(maps.Keys(all)), "methods of the SDK, scenarios")
	sent := &coverage{sent: map[string]bool{}}
	t.Run("methods", func(t *testing.T) {
		for name, run := range all {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				srv := seeded(t)
				transport := c.Transport(nil)
				client := srv.Client(antcrm.WithHTTPClient(&http.Client{Transport: transport}), antcrm.WithMaxRetries(0))
				require.NoError(t, run(t.Context(), client))
				exchanges := transport.Exchanges()
				assert.NotEmpty(t, exchanges)
				for _, ex := range exchanges {
					assert.Empty(t, lines(ex.Violations()), "%s %s?%s %s", ex.Method, ex.Path, ex.Query.Encode(), ex.Body)
					assert.Contains(t, ex.Operation.SDK, name)
					checkKeys(t, ex)
					sent.note(ex)
				}
			})
		}
	})
	for _, op := range c.Operations() {
		for _, part := range c.documented(op) {
			assert.True(t, sent.sent[op.ID+" "+part], "%s: no method sends the documented %s", op.ID, part)
		}
	}
}

// checkKeys holds an exchange to the decisions that no schema can express: the key of a DELETE is the same in query and body, a segment's
// contact has the same under phone and phones.
func checkKeys(t *testing.T, ex Exchange) {
	t.Helper()
	switch {
	case ex.Method == http.MethodDelete:
		var keys map[string]string
		require.NoError(t, json.Unmarshal(ex.Body, &keys))
		require.Len(t, ex.Query, 1)
		for name := range ex.Query {
			assert.Equal(t, map[string]string{name: ex.Query.Get(name)}, keys)
		}
	case ex.Operation.ID == "segmentsSetContacts":
		sent := body[struct{ Contacts []map[string]any }](string(ex.Body))
		for _, member := range sent.Contacts {
			assert.Equal(t, member["phones"], member["phone"])
		}
	}
}

// coverage is what was sent: "contactsList ?phone", "contactsCreate /phones[]/value".
type coverage struct {
	mu   sync.Mutex
	sent map[string]bool
}

func (cov *coverage) note(ex Exchange) {
	cov.mu.Lock()
	defer cov.mu.Unlock()
	for name := range ex.Query {
		cov.sent[ex.Operation.ID+" ?"+name] = true
	}
	var tree any
	if json.Unmarshal(ex.Body, &tree) == nil {
		cov.walk(ex.Operation.ID+" ", tree)
	}
}

func (cov *coverage) walk(path string, node any) {
	switch node := node.(type) {
	case map[string]any:
		for name, inner := range node {
			cov.sent[path+"/"+name] = true
			cov.walk(path+"/"+name, inner)
		}
	case []any:
		for _, inner := range node {
			cov.walk(path+"[]", inner)
		}
	}
}

// documented lists the parameters and body fields of an operation, as coverage names them.
func (c *Contract) documented(op Operation) []string {
	operation := c.doc.Paths.Value(op.Path).GetOperation(op.Method)
	var parts []string
	for _, parameter := range operation.Parameters {
		parts = append(parts, "?"+parameter.Value.Name)
	}
	if operation.RequestBody != nil {
		parts = append(parts, fields("", operation.RequestBody.Value.Content["application/json"].Schema.Value)...)
	}
	return parts
}

func fields(path string, schema *openapi3.Schema) []string {
	var parts []string
	for name, property := range schema.Properties {
		parts = append(parts, path+"/"+name)
		parts = append(parts, fields(path+"/"+name, property.Value)...)
	}
	if schema.Items != nil {
		parts = append(parts, fields(path+"[]", schema.Items.Value)...)
	}
	return parts
}

// TestDoKeepsTheContract sends requests through Client.Do: every read of the contract, and one write.
func TestDoKeepsTheContract(t *testing.T) {
	t.Parallel()
	c := load(t)
	srv := seeded(t)
	transport := c.Transport(nil)
	client := srv.Client(antcrm.WithHTTPClient(&http.Client{Transport: transport}), antcrm.WithMaxRetries(0))
	required := map[string]string{"campaignId": campaign, "created_from": "2024-03-13T06:24:20.673Z", "created_to": "2024-03-14T06:24:20.673Z"}
	for _, op := range c.Operations() {
		if op.Method != http.MethodGet {
			continue
		}
		query := url.Values{}
		for _, parameter := range c.doc.Paths.Value(op.Path).Get.Parameters {
			if parameter.Value.Required {
				query.Set(parameter.Value.Name, required[parameter.Value.Name])
			}
		}
		var answer json.RawMessage
		require.NoError(t, client.Do(t.Context(), op.Method, op.Path, query, nil, &answer), op.ID)
	}
	require.NoError(t, client.Do(t.Context(), http.MethodPost, "/contacts", nil, json.RawMessage(sample(t, "contact-create.json")), nil))
	for _, ex := range transport.Exchanges() {
		assert.Empty(t, lines(ex.Violations()), ex.Operation.ID)
	}
}

// TestATransportSeesViolations proves that the tests of this package can fail: an undocumented parameter and a bad answer are seen, and do not
// disturb the call.
func TestATransportSeesViolations(t *testing.T) {
	t.Parallel()
	c := load(t)
	srv := antcrmtest.NewServer(t, antcrmtest.WithLenientQuery())
	srv.Inject(antcrmtest.Fault{Path: "/contacts", Status: 200, Body: `[{"name":7}]`})
	transport := c.Transport(nil)
	client := srv.Client(antcrm.WithHTTPClient(&http.Client{Transport: transport}), antcrm.WithMaxRetries(0))
	query := url.Values{"colour": {"red"}}
	require.NoError(t, client.Do(t.Context(), http.MethodGet, "/contacts", query, nil, nil))
	exchanges := transport.Exchanges()
	require.Len(t, exchanges, 1)
	assert.Contains(t, lines(exchanges[0].Violations()), `query parameter "colour" is not documented`)
	assert.Contains(t, lines(exchanges[0].Violations()), "/0/name")
	assert.Error(t, client.Do(t.Context(), http.MethodGet, "/nowhere", nil, nil, nil))
	assert.Contains(t, lines(transport.Exchanges()[1].Violations()), "no operation of the contract")
	assert.Equal(t, "GET /contacts", fmt.Sprint(exchanges[0].Method, " ", exchanges[0].Path))
}
