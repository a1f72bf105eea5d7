package antcrm_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

func TestTheEnvironmentConfiguresAClient(t *testing.T) {
	t.Setenv("ANTCRM_API_KEY", "")
	_, err := antcrm.NewClientFromEnv()
	require.ErrorIs(t, err, antcrm.ErrValidation)
	t.Setenv("ANTCRM_API_KEY", "key")
	t.Setenv("ANTCRM_BASE_URL", "https://crm.example")
	client, err := antcrm.NewClientFromEnv()
	require.NoError(t, err)
	assert.Equal(t, "antcrm.Client{https://crm.example}", fmt.Sprint(client))
}

// A zero Client has nil services: forgetting NewClient is an error that says
// so, never a panic.
func TestEveryMethodOfAZeroClientIsAnError(t *testing.T) {
	t.Parallel()
	const want = "was not made by NewClient"
	forEachOperation(t, func(t *testing.T, op operation) {
		_, err := op.call(t.Context(), new(antcrm.Client))
		require.ErrorIs(t, err, antcrm.ErrValidation)
		assert.Contains(t, err.Error(), want)
	})
	var zero antcrm.Client
	var none *antcrm.Client
	for _, c := range []*antcrm.Client{&zero, none} {
		require.ErrorContains(t, c.Do(t.Context(), http.MethodGet, "/x", nil, nil, nil), want)
		c.CloseIdleConnections()
		assert.Equal(t, "antcrm.Client{}", fmt.Sprintf("%+v", c))
	}
	failed := 0
	for _, err := range zero.Contacts.Import(t.Context(), func(func(antcrm.ContactCreateParams, error) bool) {}) {
		require.ErrorContains(t, err, want)
		failed++
	}
	assert.Equal(t, 1, failed)
}
