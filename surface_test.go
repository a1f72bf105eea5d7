package antcrm_test

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/antbuddy/antcrm-go"
)

// What follows is checked by the compiler: programs are written against these
// names and signatures, and a change of one is a new major version.

type (
	ctxT         = context.Context
	seqOf[T any] = iter.Seq2[T, error]
	callOpt      = antcrm.CallOption
	batchOpt     = antcrm.BatchOption
)

const (
	_ string = antcrm.DefaultBaseURL
	_ int    = antcrm.MaxBatchSize
)

var (
	_ func(string, ...antcrm.Option) (*antcrm.Client, error)                             = antcrm.NewClient
	_ func(...antcrm.Option) (*antcrm.Client, error)                                     = antcrm.NewClientFromEnv
	_ func(*antcrm.Client, ctxT, string, string, url.Values, any, any, ...callOpt) error = (*antcrm.Client).Do
	_                                                                                    = antcrm.Client{
		Contacts: (*antcrm.ContactsService)(nil), Opportunities: (*antcrm.OpportunitiesService)(nil), Products: (*antcrm.ProductsService)(nil),
		Tickets: (*antcrm.TicketsService)(nil), Points: (*antcrm.PointsService)(nil), Redeem: (*antcrm.RedeemService)(nil),
		Segments: (*antcrm.SegmentsService)(nil), Telesales: (*antcrm.TelesalesService)(nil), Telecalls: (*antcrm.TelecallsService)(nil),
		Campaigns: (*antcrm.CampaignsService)(nil), Ratings: (*antcrm.RatingsService)(nil), ZNSMessages: (*antcrm.ZNSMessagesService)(nil),
		Messages: (*antcrm.MessagesService)(nil),
	}
)

// Options.
var (
	_ func(string) antcrm.Option                       = antcrm.WithBaseURL
	_ func(*http.Client) antcrm.Option                 = antcrm.WithHTTPClient
	_ func(time.Duration) antcrm.Option                = antcrm.WithTimeout
	_ func(int) antcrm.Option                          = antcrm.WithMaxRetries
	_ func(time.Duration, time.Duration) antcrm.Option = antcrm.WithRetryBackoff
	_ func(time.Duration) antcrm.Option                = antcrm.WithMaxRetryWait
	_ func(float64, int) antcrm.Option                 = antcrm.WithRateLimit
	_ func(antcrm.RateLimiter) antcrm.Option           = antcrm.WithRateLimiter
	_ func(int) antcrm.Option                          = antcrm.WithMaxConcurrency
	_ func(*slog.Logger) antcrm.Option                 = antcrm.WithLogger
	_ func(string) antcrm.Option                       = antcrm.WithUserAgent
	_ func(int64) antcrm.Option                        = antcrm.WithMaxResponseSize
	_ func() antcrm.Option                             = antcrm.WithInsecureHTTP
	_ func(func(ctxT, antcrm.Attempt)) antcrm.Option   = antcrm.WithObserver

	_ func(*antcrm.Response) callOpt = antcrm.WithResponse
	_ func(string, string) callOpt   = antcrm.WithHeader
	_ func() callOpt                 = antcrm.WithRetryUnsafe
	_ func(int) callOpt              = antcrm.WithReadAhead
	_ func() callOpt                 = antcrm.WithoutRetry
	_ antcrm.RateLimiter             = (*rate.Limiter)(nil)
	_                                = antcrm.Response{StatusCode: 0, Header: http.Header{}, Body: []byte{}, Attempts: 0}
	_ interface{ Wait(ctxT) error }  = antcrm.RateLimiter(nil)

	_ func(int) batchOpt                        = antcrm.WithConcurrency
	_ func(int) batchOpt                        = antcrm.WithChunkSize
	_ func() batchOpt                           = antcrm.WithStopOnError
	_ func() batchOpt                           = antcrm.WithIsolation
	_ func(func(antcrm.BatchProgress)) batchOpt = antcrm.WithProgress
	_ func(...callOpt) batchOpt                 = antcrm.WithCallOptions
	_ func(antcrm.Journal) batchOpt             = antcrm.WithJournal
)

// Imports and their journal.
var (
	_ func(*antcrm.ContactsService, ctxT, seqOf[antcrm.ContactCreateParams], ...batchOpt) seqOf[antcrm.ImportResult[antcrm.ContactRef]]  = (*antcrm.ContactsService).Import
	_ func(*antcrm.OpportunitiesService, ctxT, seqOf[antcrm.OpportunityCreateParams], ...batchOpt) seqOf[antcrm.ImportResult[antcrm.ID]] = (*antcrm.OpportunitiesService).Import

	_ = antcrm.ImportResult[int]{Index: int64(0), Ref: 0, Outcome: antcrm.OutcomeUnknown, Err: error(nil)}

	_ func(string) (*antcrm.FileJournal, error) = antcrm.OpenJournal
	_ func(*antcrm.FileJournal) error           = (*antcrm.FileJournal).Close
	_ antcrm.Journal                            = (*antcrm.FileJournal)(nil)
)

// What an observer is told.
var _ = antcrm.Attempt{
	Op: "", Method: "", Path: "", Number: 0, Status: 0, Wait: time.Duration(0), Duration: time.Duration(0), Bytes: 0, WillRetry: false, Err: error(nil),
}

// Services.
var (
	_ func(*antcrm.ContactsService, ctxT, antcrm.ContactListParams, ...callOpt) (*antcrm.Page[antcrm.Contact], error)                = (*antcrm.ContactsService).List
	_ func(*antcrm.ContactsService, ctxT, antcrm.ContactListParams, ...callOpt) seqOf[antcrm.Contact]                                = (*antcrm.ContactsService).All
	_ func(*antcrm.ContactsService, ctxT, antcrm.ContactRef, ...callOpt) (*antcrm.Contact, error)                                    = (*antcrm.ContactsService).Get
	_ func(*antcrm.ContactsService, ctxT, antcrm.ContactCreateParams, ...callOpt) (antcrm.ContactRef, error)                         = (*antcrm.ContactsService).Create
	_ func(*antcrm.ContactsService, ctxT, antcrm.ContactRef, antcrm.ContactUpdateParams, ...callOpt) (antcrm.ContactRef, error)      = (*antcrm.ContactsService).Update
	_ func(*antcrm.ContactsService, ctxT, antcrm.ContactRef, ...callOpt) error                                                       = (*antcrm.ContactsService).Delete
	_ func(*antcrm.ContactsService, ctxT, []antcrm.ContactCreateParams, ...batchOpt) (*antcrm.BatchResult[antcrm.ContactRef], error) = (*antcrm.ContactsService).CreateBatch

	_ func(*antcrm.OpportunitiesService, ctxT, antcrm.OpportunityListParams, ...callOpt) (*antcrm.Page[antcrm.Opportunity], error)    = (*antcrm.OpportunitiesService).List
	_ func(*antcrm.OpportunitiesService, ctxT, antcrm.OpportunityListParams, ...callOpt) seqOf[antcrm.Opportunity]                    = (*antcrm.OpportunitiesService).All
	_ func(*antcrm.OpportunitiesService, ctxT, antcrm.ID, ...callOpt) (*antcrm.Opportunity, error)                                    = (*antcrm.OpportunitiesService).Get
	_ func(*antcrm.OpportunitiesService, ctxT, antcrm.OpportunityCreateParams, ...callOpt) (antcrm.ID, error)                         = (*antcrm.OpportunitiesService).Create
	_ func(*antcrm.OpportunitiesService, ctxT, antcrm.ID, antcrm.OpportunityUpdateParams, ...callOpt) (antcrm.ID, error)              = (*antcrm.OpportunitiesService).Update
	_ func(*antcrm.OpportunitiesService, ctxT, antcrm.ID, ...callOpt) error                                                           = (*antcrm.OpportunitiesService).Delete
	_ func(*antcrm.OpportunitiesService, ctxT, []antcrm.OpportunityCreateParams, ...batchOpt) (*antcrm.BatchResult[antcrm.ID], error) = (*antcrm.OpportunitiesService).CreateBatch
	_ func(*antcrm.OpportunitiesService, ctxT, []antcrm.OpportunityUpdate, ...batchOpt) (*antcrm.BatchResult[antcrm.ID], error)       = (*antcrm.OpportunitiesService).UpdateBatch

	_ func(*antcrm.ProductsService, ctxT, antcrm.ProductListParams, ...callOpt) (*antcrm.Page[antcrm.Product], error) = (*antcrm.ProductsService).List
	_ func(*antcrm.ProductsService, ctxT, antcrm.ProductListParams, ...callOpt) seqOf[antcrm.Product]                 = (*antcrm.ProductsService).All
	_ func(*antcrm.ProductsService, ctxT, string, ...callOpt) (*antcrm.Product, error)                                = (*antcrm.ProductsService).Get
	_ func(*antcrm.ProductsService, ctxT, antcrm.ProductCreateParams, ...callOpt) (antcrm.ID, error)                  = (*antcrm.ProductsService).Create
	_ func(*antcrm.ProductsService, ctxT, string, antcrm.ProductUpdateParams, ...callOpt) (antcrm.ID, error)          = (*antcrm.ProductsService).Update
	_ func(*antcrm.ProductsService, ctxT, string, ...callOpt) error                                                   = (*antcrm.ProductsService).Delete

	_ func(*antcrm.TicketsService, ctxT, antcrm.TicketListParams, ...callOpt) (*antcrm.Page[antcrm.Ticket], error) = (*antcrm.TicketsService).List
	_ func(*antcrm.TicketsService, ctxT, antcrm.TicketListParams, ...callOpt) seqOf[antcrm.Ticket]                 = (*antcrm.TicketsService).All
	_ func(*antcrm.TicketsService, ctxT, antcrm.ID, ...callOpt) (*antcrm.Ticket, error)                            = (*antcrm.TicketsService).Get
	_ func(*antcrm.TicketsService, ctxT, antcrm.TicketCreateParams, ...callOpt) (antcrm.ID, error)                 = (*antcrm.TicketsService).Create
	_ func(*antcrm.TicketsService, ctxT, antcrm.ID, antcrm.TicketUpdateParams, ...callOpt) (antcrm.ID, error)      = (*antcrm.TicketsService).Update
	_ func(*antcrm.TicketsService, ctxT, antcrm.ID, ...callOpt) error                                              = (*antcrm.TicketsService).Delete

	_ func(*antcrm.PointsService, ctxT, antcrm.LoyaltyListParams, ...callOpt) (*antcrm.Page[antcrm.LoyaltyEntry], error) = (*antcrm.PointsService).List
	_ func(*antcrm.PointsService, ctxT, antcrm.LoyaltyListParams, ...callOpt) seqOf[antcrm.LoyaltyEntry]                 = (*antcrm.PointsService).All
	_ func(*antcrm.PointsService, ctxT, antcrm.AccumulateParams, ...callOpt) error                                       = (*antcrm.PointsService).Accumulate
	_ func(*antcrm.RedeemService, ctxT, antcrm.LoyaltyListParams, ...callOpt) (*antcrm.Page[antcrm.LoyaltyEntry], error) = (*antcrm.RedeemService).List
	_ func(*antcrm.RedeemService, ctxT, antcrm.LoyaltyListParams, ...callOpt) seqOf[antcrm.LoyaltyEntry]                 = (*antcrm.RedeemService).All
	_ func(*antcrm.RedeemService, ctxT, antcrm.RedeemParams, ...callOpt) error                                           = (*antcrm.RedeemService).Gift
	_ func(*antcrm.SegmentsService, ctxT, string, []antcrm.ContactCreateParams, ...batchOpt) error                       = (*antcrm.SegmentsService).SetContacts

	_ func(*antcrm.TelesalesService, ctxT, antcrm.TelesaleListParams, ...callOpt) (*antcrm.Page[antcrm.Telesale], error)       = (*antcrm.TelesalesService).List
	_ func(*antcrm.TelesalesService, ctxT, antcrm.TelesaleListParams, ...callOpt) seqOf[antcrm.Telesale]                       = (*antcrm.TelesalesService).All
	_ func(*antcrm.TelecallsService, ctxT, antcrm.TelecallListParams, ...callOpt) (*antcrm.Page[antcrm.Telecall], error)       = (*antcrm.TelecallsService).List
	_ func(*antcrm.TelecallsService, ctxT, antcrm.TelecallListParams, ...callOpt) seqOf[antcrm.Telecall]                       = (*antcrm.TelecallsService).All
	_ func(*antcrm.CampaignsService, ctxT, antcrm.CampaignListParams, ...callOpt) (*antcrm.Page[antcrm.Campaign], error)       = (*antcrm.CampaignsService).List
	_ func(*antcrm.CampaignsService, ctxT, antcrm.CampaignListParams, ...callOpt) seqOf[antcrm.Campaign]                       = (*antcrm.CampaignsService).All
	_ func(*antcrm.RatingsService, ctxT, antcrm.RatingListParams, ...callOpt) (*antcrm.Page[antcrm.Rating], error)             = (*antcrm.RatingsService).List
	_ func(*antcrm.RatingsService, ctxT, antcrm.RatingListParams, ...callOpt) seqOf[antcrm.Rating]                             = (*antcrm.RatingsService).All
	_ func(*antcrm.ZNSMessagesService, ctxT, antcrm.ZNSMessageListParams, ...callOpt) (*antcrm.Page[antcrm.ZNSMessage], error) = (*antcrm.ZNSMessagesService).List
	_ func(*antcrm.ZNSMessagesService, ctxT, antcrm.ZNSMessageListParams, ...callOpt) seqOf[antcrm.ZNSMessage]                 = (*antcrm.ZNSMessagesService).All
	_ func(*antcrm.MessagesService, ctxT, antcrm.MessageListParams, ...callOpt) ([]antcrm.MessageSession, error)               = (*antcrm.MessagesService).List
	_ func(*antcrm.MessagesService, ctxT, antcrm.MessageListParams, ...callOpt) seqOf[antcrm.MessageSession]                   = (*antcrm.MessagesService).All
)

// Types.
var (
	_ = antcrm.ID(string("text"))
	_ = antcrm.Decimal(string("1.5"))
	_ = antcrm.Timestamp{Time: time.Time{}}
	_ = antcrm.ContactRef{LeadID: antcrm.ID(""), CustomerID: antcrm.ID(""), ExternalID: string("")}
	_ = antcrm.Page[int]{Items: []int{}, Page: 0, Limit: 0, Total: 0, HasTotal: false}

	_ func(antcrm.ID) antcrm.ContactRef       = antcrm.LeadRef
	_ func(antcrm.ID) antcrm.ContactRef       = antcrm.CustomerRef
	_ func(string) antcrm.ContactRef          = antcrm.ExternalRef
	_ func(*antcrm.Contact) antcrm.ContactRef = (*antcrm.Contact).Ref
	_ func(antcrm.Contact) antcrm.ContactRef  = antcrm.Contact.Ref
	_ func(seqOf[int]) ([]int, error)         = antcrm.Collect[int]
	_ func(antcrm.Decimal) bool               = antcrm.Decimal.Valid

	// Lenient scalars read and write JSON through the standard interfaces alone.
	_ = []json.Unmarshaler{new(antcrm.ID), new(antcrm.Timestamp), new(antcrm.Decimal)}
	_ = []json.Marshaler{antcrm.Timestamp{}, antcrm.Decimal("")}
)

// Errors and batches.
var (
	_ = antcrm.APIError{StatusCode: 0, Method: "", Path: "", Code: "", Message: "", RequestID: "", RetryAfter: time.Duration(0), Body: []byte{}}
	_ = antcrm.ValidationError{Index: 0, Field: "", Problem: ""}
	_ = antcrm.DecodeError{Path: "", Offset: int64(0)}
	_ = antcrm.BatchError{Failures: []antcrm.BatchFailure{}}
	_ = antcrm.BatchFailure{First: 0, Count: 0, Outcome: antcrm.OutcomeUnknown, Err: error(nil)}
	_ = antcrm.BatchResult[int]{Results: []int{}, Failures: []antcrm.BatchFailure{}}
	_ = antcrm.BatchProgress{Total: 0, Confirmed: 0, Failed: 0}

	_                               = []error{(*antcrm.APIError)(nil), (*antcrm.ValidationError)(nil), (*antcrm.DecodeError)(nil), (*antcrm.BatchError)(nil)}
	_ interface{ Unwrap() []error } = (*antcrm.BatchError)(nil)
	_                               = []error{
		antcrm.ErrUnauthorized, antcrm.ErrForbidden, antcrm.ErrNotFound, antcrm.ErrConflict, antcrm.ErrRateLimited, antcrm.ErrServer,
		antcrm.ErrOutcomeUnknown, antcrm.ErrRejected, antcrm.ErrValidation, antcrm.ErrRepeatedPage, antcrm.ErrResponseTooLarge,
		antcrm.ErrFilterIgnored,
	}
	_ = []antcrm.Outcome{antcrm.OutcomeUnknown, antcrm.OutcomeDone, antcrm.OutcomeRejected, antcrm.OutcomeNotSent}
)

// anyRecord is what every listed record can do.
type anyRecord interface {
	RawJSON() json.RawMessage
	Decode(v any) error
}

var _ = []anyRecord{
	antcrm.Contact{}, antcrm.Opportunity{}, antcrm.Product{}, antcrm.Ticket{}, antcrm.LoyaltyEntry{}, antcrm.Telesale{},
	antcrm.Telecall{}, antcrm.Campaign{}, antcrm.Rating{}, antcrm.ZNSMessage{}, antcrm.MessageSession{},
}

// Fields that keep the field's own terms.
var (
	_ = antcrm.ContactCreateParams{
		Name: "", ExternalID: "", Phones: []antcrm.Phone{}, Emails: []antcrm.Email{}, Addresses: []antcrm.Address{}, Tags: antcrm.Tags{}, Stage: "",
		SocialProfiles: []antcrm.SocialProfile{}, BackgroundInfo: "", CustomFields: []antcrm.CustomField{},
	}
	_ = antcrm.ContactUpdateParams{Name: new(""), Phones: nil, Tags: antcrm.Tags{}, Stage: new(""), BackgroundInfo: new("")}
	_ = antcrm.ContactListParams{Phone: "", Email: "", ExternalID: "", Page: 0, Limit: 0, UpdatedFrom: time.Time{}, UpdatedTo: time.Time{}}
	_ = antcrm.OpportunityCreateParams{
		Name: "", ExternalID: "", LineItems: []antcrm.LineItem{}, Assignees: []string{}, Customer: &antcrm.OrderCustomer{}, ShippingCost: "0", Value: "0",
	}
	_ = antcrm.OpportunityUpdate{Number: "9457", OpportunityUpdateParams: antcrm.OpportunityUpdateParams{}}
	_ = antcrm.OpportunityListParams{Number: "", Page: 0, Limit: 0}
	_ = antcrm.ProductCreateParams{Name: "", Code: "", ExternalID: "", Value: "0"}
	_ = antcrm.TicketCreateParams{Title: "", SLA: "", ExternalID: ""}
	_ = antcrm.TicketListParams{TicketID: "", From: time.Time{}, To: time.Time{}}
	_ = antcrm.LoyaltyListParams{From: time.Time{}, To: time.Time{}, Phone: "", Email: "", Page: 0}
	_ = antcrm.TelesaleListParams{CampaignID: "", From: time.Time{}, To: time.Time{}, Page: 0, Limit: 0}
	_ = antcrm.TelecallListParams{CampaignID: "", From: time.Time{}, To: time.Time{}, Page: 0, Limit: 0}
	_ = antcrm.CampaignListParams{From: time.Time{}, To: time.Time{}, Page: 0, Limit: 0}
	_ = antcrm.RatingListParams{From: time.Time{}, To: time.Time{}, Source: "", Page: 0, Limit: 0}
	_ = antcrm.ZNSMessageListParams{From: time.Time{}, To: time.Time{}, Page: 0, Limit: 0}
	_ = antcrm.ProductListParams{Code: "", Page: 0, Limit: 0}
	_ = antcrm.MessageListParams{CreatedFrom: time.Time{}, CreatedTo: time.Time{}, Offset: 0, Limit: 0}
	_ = antcrm.AccumulateCustomer{Emails: []antcrm.Email{}, Name: "", Phones: []antcrm.Phone{}}
	_ = antcrm.AccumulateParams{Code: "", Data: antcrm.AccumulateCustomer{}}
	_ = antcrm.RedeemParams{Code: "", Data: antcrm.RedeemCustomer{Phone: "", Email: ""}}
	_ = antcrm.Email{Type: "", Value: ""}
	_ = antcrm.Phone{Type: "", Value: ""}

	_ = antcrm.OpportunityUpdateParams{Name: new(""), Value: new(antcrm.Decimal("0")), ShippingCost: new(antcrm.Decimal("0")), LineItems: []antcrm.LineItem{}}
	_ = antcrm.ProductUpdateParams{Name: new(""), Code: new("")}
	_ = antcrm.TicketUpdateParams{Title: new(""), SLA: new("")}

	_ = antcrm.Contact{LeadID: "", CustomerID: "", ExternalID: "", Name: "", Phones: []antcrm.Phone{}, Stage: "", Tags: antcrm.Tags{}}
	_ = antcrm.Opportunity{Number: "", ExternalID: "", Value: "", ShippingCost: "", LineItems: []antcrm.LineItem{}, Name: ""}
	_ = antcrm.Product{Code: "", ExternalID: "", Name: ""}
	_ = antcrm.Ticket{TicketID: "", SLA: "", Title: ""}
	_ = antcrm.LoyaltyEntry{Code: "", CreatedAt: antcrm.Timestamp{}}
)

func TestConstantsAreTheVendors(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "https://apiring.antbuddy.com", antcrm.DefaultBaseURL)
	assert.Equal(t, 100, antcrm.MaxBatchSize)
	assert.Zero(t, antcrm.OutcomeUnknown, "a forgotten outcome must promise nothing")
}

// Every method of every service takes a context first and options last, so
// that deadlines, headers and responses reach all of them.
func TestEveryMethodTakesContextAndOptions(t *testing.T) {
	t.Parallel()
	contextType := reflect.TypeFor[context.Context]()
	client := reflect.TypeFor[antcrm.Client]()
	for i := range client.NumField() {
		field := client.Field(i)
		if !field.IsExported() {
			continue
		}
		for m := range field.Type.NumMethod() {
			method := field.Type.Method(m)
			name := field.Name + "." + method.Name
			assert.Equal(t, contextType, method.Type.In(1), name)
			require.True(t, method.Type.IsVariadic(), name)
			option := method.Type.In(method.Type.NumIn() - 1).Elem()
			assert.Contains(t, []reflect.Type{reflect.TypeFor[callOpt](), reflect.TypeFor[batchOpt]()}, option, name)
		}
	}
}

// Ref works on a literal and on what a function returns, not on variables only.
var _ func(antcrm.Contact) antcrm.ContactRef = antcrm.Contact.Ref
