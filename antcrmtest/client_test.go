package antcrmtest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func TestClientIsWired(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	ref, err := srv.Client(antcrm.WithUserAgent("mine")).Contacts.Create(t.Context(), antcrm.ContactCreateParams{Name: "A", ExternalID: "a"})
	require.NoError(t, err)
	assert.Equal(t, antcrm.LeadRef("1000001"), ref)
	require.Len(t, srv.Requests(), 1)
	assert.Contains(t, srv.Requests()[0].Header.Get("User-Agent"), "mine")
}

func TestABadClientOptionFailsTheTest(t *testing.T) {
	t.Parallel()
	tb := &tester{TB: t}
	assert.Nil(t, antcrmtest.NewServer(tb).Client(antcrm.WithMaxRetries(-1)))
	assert.True(t, tb.fatal)

	srv, err := antcrmtest.Start()
	require.NoError(t, err)
	defer srv.Close()
	assert.Panics(t, func() { srv.Client(antcrm.WithMaxRetries(-1)) }, "there is nobody else to tell")
}
