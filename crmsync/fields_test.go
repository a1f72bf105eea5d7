package crmsync_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/crmsync"
)

// puts are the bodies of the updates that a server has had since.
func puts(srv *antcrmtest.Server, since int) (bodies []string) {
	for _, request := range srv.Requests()[since:] {
		if request.Method == http.MethodPut {
			bodies = append(bodies, string(request.Body))
		}
	}
	return bodies
}

// changeOf pushes one contact, and returns what became of it and the updates that were sent.
func changeOf(t *testing.T, s *crmsync.Syncer, srv *antcrmtest.Server, c antcrm.ContactCreateParams, opts ...crmsync.PushOption) (crmsync.Change[antcrm.ContactRef], []string) {
	t.Helper()
	since := len(srv.Requests())
	var changes []crmsync.Change[antcrm.ContactRef]
	for change, err := range s.Contacts.Push(context.Background(), list(c), opts...) {
		require.NoError(t, err)
		changes = append(changes, change)
	}
	require.Len(t, changes, 1)
	return changes[0], puts(srv, since)
}

func TestAFieldThatTheSourceDoesNotSpeakOfStays(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	s, _ := newSyncer(t, srv, sqliteDSN(t))
	whole := antcrm.ContactCreateParams{ExternalID: "K", Name: "Mai", Industry: "Retail", Phones: []antcrm.Phone{{Value: "0900000001"}}}
	change, _ := changeOf(t, s, srv, whole)
	require.NoError(t, change.Err)

	names := crmsync.WithFields("name", "industry")
	short := antcrm.ContactCreateParams{ExternalID: "K", Name: "Mai Anh", Industry: "Retail"}
	change, sent := changeOf(t, s, srv, short, names)
	assert.Equal(t, []string{"name"}, change.Fields)
	require.Len(t, sent, 1)
	assert.NotContains(t, sent[0], "phones")

	change, sent = changeOf(t, s, srv, short, names)
	assert.Equal(t, crmsync.Unchanged, change.Action)
	assert.Empty(t, sent)

	// An empty value of a field that the source speaks of clears it.
	short.Industry = ""
	change, sent = changeOf(t, s, srv, short, names)
	assert.Equal(t, []string{"industry"}, change.Cleared)
	require.Len(t, sent, 1)
	assert.Contains(t, sent[0], `"industry":""`)

	// What was not spoken of is still known: the whole source differs in what it says, and in nothing else.
	whole.Name, whole.Industry, whole.Phones = "Mai Anh", "", nil
	change, _ = changeOf(t, s, srv, whole)
	assert.Equal(t, []string{"phones"}, change.Fields)
	assert.Equal(t, []string{"phones"}, change.Cleared)
}

func TestALostUpdateOfAFieldThatIsNoLongerSpokenOfClearsNothing(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	s, _ := newSyncer(t, srv, sqliteDSN(t), crmsync.WithSettle(0))
	whole := antcrm.ContactCreateParams{ExternalID: "K", Name: "Mai", Phones: []antcrm.Phone{{Value: "0900000001"}}}
	_, _ = changeOf(t, s, srv, whole)

	whole.Phones[0].Value = "0900000002"
	srv.Inject(antcrmtest.Fault{Method: "PUT", Path: "/contacts", Do: antcrmtest.CloseAfter, Times: 10})
	change, _ := changeOf(t, s, srv, whole)
	require.Equal(t, antcrm.OutcomeUnknown, change.Outcome)
	srv.ClearFaults()

	change, sent := changeOf(t, s, srv, antcrm.ContactCreateParams{ExternalID: "K", Name: "Mai Anh"}, crmsync.WithFields("name"))
	require.NoError(t, change.Err)
	require.NotEmpty(t, sent)
	for _, body := range sent {
		assert.NotContains(t, body, "phones")
	}
	// The CRM has either of two phones: what the source says next is sent, whichever it is.
	for _, value := range []string{"0900000001"} {
		whole.Name, whole.Phones[0].Value = "Mai Anh", value
		change, _ = changeOf(t, s, srv, whole)
		assert.Equal(t, []string{"phones"}, change.Fields)
	}
}

func TestTheTypeOfAContactThatEnsureTookOverIsNotGuessed(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	srv := antcrmtest.NewServer(t)
	require.NoError(t, srv.Seed(antcrmtest.Contacts, antcrm.ContactCreateParams{ExternalID: "K", Name: "Mai", ContactType: antcrm.ContactTypeCustomer}))
	s, _ := newSyncer(t, srv, sqliteDSN(t))
	c := antcrm.ContactCreateParams{ExternalID: "K", Name: "Mai"}
	_, err := s.Contacts.Ensure(ctx, c)
	require.NoError(t, err)
	c.Name, c.ContactType = "Mai Anh", antcrm.ContactTypeCustomer
	_, err = s.Contacts.Ensure(ctx, c)
	require.NoError(t, err)
	assert.Equal(t, 1, srv.Count(antcrmtest.Contacts))
}

func TestWhatCannotBeClearedHoldsNoOtherFieldBack(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	s, _ := newSyncer(t, srv, sqliteDSN(t))
	c := antcrm.ContactCreateParams{ExternalID: "K", Name: "Mai", Gender: antcrm.GenderFemale}
	_, _ = changeOf(t, s, srv, c)

	c.Name, c.Gender = "Mai Anh", ""
	planned, _ := changeOf(t, s, srv, c, crmsync.WithDryRun())
	change, sent := changeOf(t, s, srv, c)
	assert.Equal(t, planned.Err, change.Err, "a plan says the same")
	assert.Equal(t, antcrm.OutcomeDone, change.Outcome)
	fixed := &crmsync.FixedFieldError{}
	require.ErrorAs(t, change.Err, &fixed)
	assert.Equal(t, []string{"gender"}, fixed.Kept)
	require.ErrorContains(t, change.Err, "the API cannot clear gender of a record that exists")
	require.Len(t, sent, 1)
	assert.Contains(t, sent[0], `"name":"Mai Anh"`)

	change, sent = changeOf(t, s, srv, c)
	require.ErrorIs(t, change.Err, crmsync.ErrFixedField, "it stays different")
	assert.Equal(t, antcrm.OutcomeNotSent, change.Outcome)
	assert.Empty(t, sent)

	c.Gender = antcrm.GenderFemale
	change, sent = changeOf(t, s, srv, c)
	require.NoError(t, change.Err)
	assert.LessOrEqual(t, len(sent), 1)
}

func TestTheDefaultThatTheAPIGivesIsNoChange(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	s, _ := newSyncer(t, srv, sqliteDSN(t))
	c := antcrm.ContactCreateParams{ExternalID: "K", Name: "Mai"}
	_, _ = changeOf(t, s, srv, c)

	c.Name, c.ContactType, c.Kind = "Mai Anh", antcrm.ContactTypeLead, antcrm.KindPerson
	change, _ := changeOf(t, s, srv, c)
	require.NoError(t, change.Err)
	assert.Equal(t, []string{"name"}, change.Fields)

	other := antcrm.ContactCreateParams{ExternalID: "K2", Name: "Lan"}
	_, _ = changeOf(t, s, srv, other)
	other.Name, other.ContactType = "Lan Lan", antcrm.ContactTypeCustomer
	change, _ = changeOf(t, s, srv, other)
	fixed := &crmsync.FixedFieldError{}
	require.ErrorAs(t, change.Err, &fixed, "it was created as a lead")
	assert.Equal(t, []string{"contactType"}, fixed.Fields)
}

func TestTheTypeThatTheCRMListsIsKnownOfAnAdoptedContact(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	for _, key := range []string{"K", "K2"} {
		require.NoError(t, srv.Seed(antcrmtest.Contacts, antcrm.ContactCreateParams{ExternalID: key, Name: "Mai", ContactType: antcrm.ContactTypeCustomer}))
	}
	s, _ := newSyncer(t, srv, sqliteDSN(t))
	adopt(t, s.Contacts.Adopt(context.Background()))
	for key, contactType := range map[string]string{"K": antcrm.ContactTypeCustomer, "K2": antcrm.ContactTypeLead} {
		c := antcrm.ContactCreateParams{ExternalID: key, Name: "Mai"}
		change, _ := changeOf(t, s, srv, c)
		require.Equal(t, crmsync.Unchanged, change.Action)
		c.Name, c.ContactType = "Mai Anh", contactType
		change, _ = changeOf(t, s, srv, c)
		assert.Equal(t, contactType == antcrm.ContactTypeLead, errors.Is(change.Err, crmsync.ErrFixedField), contactType)
	}
}

func TestAnOrderIsNotChangedWithoutTheValueThatItHas(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	s, state := newSyncer(t, srv, sqliteDSN(t), crmsync.WithSettle(0))
	order := antcrm.OpportunityCreateParams{ExternalID: "O", Name: "Đơn", ReceiverName: "Mai", ReceiverPhone: "0900000001", Value: "100", Stage: "New"}
	push := func(opts ...crmsync.PushOption) crmsync.Change[antcrm.ID] {
		for change, err := range s.Orders.Push(context.Background(), list(order), opts...) {
			require.NoError(t, err)
			return change
		}
		return crmsync.Change[antcrm.ID]{}
	}
	require.NoError(t, push().Err)

	since := len(srv.Requests())
	order.Stage, order.Value = "Shipped", ""
	for _, opts := range [][]crmsync.PushOption{nil, {crmsync.WithFields("name", "stage")}, {crmsync.WithDryRun()}} {
		change := push(opts...)
		require.ErrorIs(t, change.Err, antcrm.ErrValidation)
		require.ErrorContains(t, change.Err, "value: is missing, and the CRM has one")
		assert.Equal(t, antcrm.OutcomeNotSent, change.Outcome)
	}
	_, err := s.Orders.Ensure(context.Background(), order)
	require.ErrorContains(t, err, "value: is missing")
	assert.Empty(t, puts(srv, since))

	// The same after an update whose answer was lost.
	order.Stage, order.Value = "Paid", "100"
	srv.Inject(antcrmtest.Fault{Method: http.MethodPut, Do: antcrmtest.CloseAfter, Times: 10})
	require.Equal(t, antcrm.OutcomeUnknown, push().Outcome)
	srv.ClearFaults()
	since, order.Value, order.Name = len(srv.Requests()), "", "Đơn 2"
	require.ErrorContains(t, push().Err, "value: is missing")
	_, err = s.Orders.Ensure(context.Background(), order)
	require.ErrorContains(t, err, "value: is missing")
	assert.Empty(t, puts(srv, since))
	for key, in := range unknown(t, state) {
		assert.False(t, in.Active, "nobody sends %s", key)
	}

	order.Value, order.Name = "100", "Đơn"
	require.NoError(t, push().Err)
	order.Stage = "Shipped"
	change := push(crmsync.WithFields("name", "stage", "value"))
	require.NoError(t, change.Err)
	assert.Equal(t, []string{"stage"}, change.Fields)
}
