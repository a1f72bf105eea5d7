package antcrm_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

func TestFingerprintTellsAccountsApart(t *testing.T) {
	t.Parallel()
	client := func(key, base string) *antcrm.Client {
		c, err := antcrm.NewClient(key, antcrm.WithBaseURL(base))
		require.NoError(t, err)
		return c
	}
	one := client("key-one", "https://a.example").Fingerprint("state")
	assert.Equal(t, one, client("key-one", "https://a.example/").Fingerprint("state"), "a slash at the end is the same base URL")
	assert.NotEqual(t, one, client("key-two", "https://a.example").Fingerprint("state"))
	assert.NotEqual(t, one, client("key-one", "https://b.example").Fingerprint("state"))
	assert.NotEqual(t, one, client("key-one", "https://a.example").Fingerprint("other"))
	assert.Len(t, one, 64)
	assert.NotContains(t, one, "key-one")
	assert.Empty(t, new(antcrm.Client).Fingerprint("state"))
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
