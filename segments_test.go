package antcrm_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

const segmentID = "65f145d4a1b2c3d4e5f60718"

func segmentOperations(testing.TB) []operation {
	return []operation{{
		name: "Segments.SetContacts", method: http.MethodPost, path: "/segments/set-contact", answers: []string{"Ok"}, isBatch: true,
		// The vendor's table prints phone, every other page phones: both go out.
		body: `{"segmentId":"` + segmentID + `","contacts":[
			{"name":"Mai","phone":[{"type":"Work","value":"0900000001"}],"phones":[{"type":"Work","value":"0900000001"}]},
			{"name":"Lan"}]}`,
		call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
			contacts := []antcrm.ContactCreateParams{{Name: "Mai", Phones: []antcrm.Phone{{Type: "Work", Value: "0900000001"}}}, {Name: "Lan"}}
			return nil, c.Segments.SetContacts(ctx, segmentID, contacts, antcrm.WithCallOptions(opts...))
		},
	}}
}

func TestSetContactsTakesTheVendorsWaysToSayOk(t *testing.T) {
	t.Parallel()
	contacts := []antcrm.ContactCreateParams{{Name: "Mai"}}
	for _, answer := range []string{"Ok", "ok\n", `"Ok"`, ` "OK" `, `{"success":1}`, `{"success":true}`, "\ufeffOk"} {
		err := scripted(t, ok(answer)).client().Segments.SetContacts(t.Context(), segmentID, contacts)
		require.NoError(t, err, answer)
	}
	for _, answer := range []string{"", "No", `"Failed"`, "<html>Ok</html>", `{}`, `[]`, "null", `{"success":1`, "Ok Ok"} {
		err := scripted(t, ok(answer)).client().Segments.SetContacts(t.Context(), segmentID, contacts)
		require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown, answer)
	}
	err := scripted(t, ok(`{"success":0,"message":"no such segment"}`)).client().Segments.SetContacts(t.Context(), segmentID, contacts)
	require.ErrorIs(t, err, antcrm.ErrRejected)
}

func TestSetContactsChecksSegmentAndNames(t *testing.T) {
	t.Parallel()
	segments := scripted(t).client().Segments
	for _, id := range []string{"", "  ", "\xff"} {
		err := segments.SetContacts(t.Context(), id, []antcrm.ContactCreateParams{{Name: "Mai"}, {Name: "Lan"}})
		assert.Equal(t, "segmentId", requireError[*antcrm.ValidationError](t, err).Field)
		failures := requireError[*antcrm.BatchError](t, err).Failures
		require.Len(t, failures, 1)
		assert.Equal(t, 2, failures[0].Count)
		assert.Equal(t, antcrm.OutcomeNotSent, failures[0].Outcome)
		require.ErrorIs(t, segments.SetContacts(t.Context(), id, nil), antcrm.ErrValidation)
	}
	err := segments.SetContacts(t.Context(), segmentID, []antcrm.ContactCreateParams{{Name: "Mai"}, {ExternalID: "no name"}})
	invalid := requireError[*antcrm.ValidationError](t, err)
	assert.Equal(t, 1, invalid.Index)
	assert.Equal(t, "name", invalid.Field)
	require.NoError(t, segments.SetContacts(t.Context(), segmentID, nil), "nothing to do")
}
