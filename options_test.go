package antcrm_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

func TestPortsAreChecked(t *testing.T) {
	t.Parallel()
	for port, good := range map[string]bool{"": true, ":": true, ":1": true, ":65535": true, ":65536": false, ":99999999999999999999": false, ":x": false} {
		_, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL("https://h.example"+port+"/prefix"))
		if good {
			require.NoError(t, err, port)
			continue
		}
		assert.Equal(t, "baseURL", requireError[*antcrm.ValidationError](t, err).Field, port)
	}
}

func TestBadConfigurationIsATypedError(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]antcrm.Option{
		"nil option": nil, "no scheme": antcrm.WithBaseURL("apiring.antbuddy.com"), "no host": antcrm.WithBaseURL("https://"),
		"empty": antcrm.WithBaseURL(""), "user": antcrm.WithBaseURL("https://u:p@h.example"), "query": antcrm.WithBaseURL("https://h.example?a=1"),
		"plain http": antcrm.WithBaseURL("http://h.example"), "ftp": antcrm.WithBaseURL("ftp://h.example"),
		"dots": antcrm.WithBaseURL("https://h.example/a/../b"), "dots behind a backslash": antcrm.WithBaseURL(`https://h.example/a\..\b`), "a dot": antcrm.WithBaseURL("https://h.example/./b"),
		"port only": antcrm.WithBaseURL("https://:80"), "not a URL": antcrm.WithBaseURL("https://h.example\n"),
		"client": antcrm.WithHTTPClient(nil), "timeout": antcrm.WithTimeout(-1), "retries": antcrm.WithMaxRetries(-1),
		"backoff": antcrm.WithRetryBackoff(2, 1), "wait": antcrm.WithMaxRetryWait(-1), "rate": antcrm.WithRateLimit(0, 1), "burst": antcrm.WithRateLimit(1, 0),
		"limiter": antcrm.WithRateLimiter(nil), "concurrency": antcrm.WithMaxConcurrency(0), "agent": antcrm.WithUserAgent("a\nb"), "size": antcrm.WithMaxResponseSize(0),
	} {
		_, err := antcrm.NewClient("key", opt)
		require.ErrorIs(t, err, antcrm.ErrValidation, name)
		assert.NotContains(t, err.Error(), "u:p")
	}
	for _, key := range []string{"", "  ", "a\nb", " a", "ключ", "a\x00"} {
		_, err := antcrm.NewClient(key)
		require.ErrorIs(t, err, antcrm.ErrValidation)
	}
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL("http://h.example/prefix/"), antcrm.WithInsecureHTTP(), antcrm.WithLogger(nil), antcrm.WithTimeout(0), antcrm.WithMaxRetryWait(time.Second))
	require.NoError(t, err)
	assert.Equal(t, "antcrm.Client{http://h.example/prefix}", fmt.Sprintf("%+v", client))
	assert.NotContains(t, fmt.Sprintf("%#v %+v", *client.Contacts, *client), secretKey)
}
