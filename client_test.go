package antcrm_test

import (
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"

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

func TestAnAccountIsABaseURLAndAKey(t *testing.T) {
	t.Parallel()
	account := func(key, base string) string {
		client, err := antcrm.NewClient(key, antcrm.WithBaseURL(base))
		require.NoError(t, err)
		return client.Account()
	}
	mine := account("k-4711", "https://crm.example.com/api")
	assert.Len(t, mine, 32)
	assert.NotContains(t, mine, "4711")
	assert.Equal(t, mine, account("k-4711", "https://CRM.example.com:443/api/"))
	assert.NotEqual(t, mine, account("k-4712", "https://crm.example.com/api"))
	assert.NotEqual(t, mine, account("k-4711", "https://crm.example.org/api"))
	assert.NotEqual(t, mine, account("k-4711", "https://crm.example.com/other"))
	assert.Empty(t, new(antcrm.Client).Account())
}

func TestAttemptTimeoutIsWhatWithTimeoutSet(t *testing.T) {
	t.Parallel()
	client, err := antcrm.NewClient("key", antcrm.WithTimeout(7*time.Second))
	require.NoError(t, err)
	assert.Equal(t, 7*time.Second, client.AttemptTimeout())
	client, err = antcrm.NewClient("key")
	require.NoError(t, err)
	assert.Equal(t, 30*time.Second, client.AttemptTimeout())
	assert.Zero(t, new(antcrm.Client).AttemptTimeout())
}

// Every service of a client is there and, like every exported service type,
// does not panic when it was not made by NewClient.
func TestNewClientWiresEveryService(t *testing.T) {
	t.Parallel()
	client, err := antcrm.NewClient("key")
	require.NoError(t, err)
	v := reflect.ValueOf(client).Elem()
	services := 0
	for i := range v.NumField() {
		if field := v.Type().Field(i); field.IsExported() {
			services++
			assert.False(t, v.Field(i).IsNil(), field.Name)
		}
	}
	assert.Equal(t, 13, services)

	_, err = new(antcrm.ContactsService).List(t.Context(), antcrm.ContactListParams{})
	require.ErrorIs(t, err, antcrm.ErrValidation)
	result, err := new(antcrm.ContactsService).CreateBatch(t.Context(), []antcrm.ContactCreateParams{{Name: "n", ExternalID: "e"}})
	require.ErrorIs(t, err, antcrm.ErrValidation)
	require.Len(t, result.Failures, 1)
	require.ErrorIs(t, new(antcrm.Client).Do(t.Context(), http.MethodGet, "/contacts", nil, nil, nil), antcrm.ErrValidation)
}
