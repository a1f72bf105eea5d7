package antcrmtest_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func TestOnlyRequestsForThisServersHostAreAnswered(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opts []antcrmtest.Option
		host string
		want int
	}{
		"its own address":                   {nil, "127.0.0.1", 200},
		"localhost":                         {nil, "localhost", 200},
		"another loopback":                  {nil, "[::1]", 200},
		"a name that points here":           {nil, "evil.example", 421},
		"a name that looks like ours":       {nil, "localhost.evil.example", 421},
		"an address that is not listened":   {nil, "192.0.2.7", 421},
		"a name that was allowed":           {[]antcrmtest.Option{antcrmtest.WithHosts("Mock")}, "mock", 200},
		"all addresses, one of them":        {[]antcrmtest.Option{antcrmtest.WithAddr("0.0.0.0:0")}, "192.0.2.7", 200},
		"all addresses, a name":             {[]antcrmtest.Option{antcrmtest.WithAddr("0.0.0.0:0")}, "evil.example", 421},
		"the name that it was to listen on": {[]antcrmtest.Option{antcrmtest.WithAddr("localhost:0")}, "LOCALHOST.", 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, append(tc.opts, antcrmtest.WithControl())...)
			_, port, err := net.SplitHostPort(w.srv.URL[len("http://"):])
			require.NoError(t, err)
			for _, path := range []string{"/contacts", "/_mock/state"} {
				req := w.request("GET", path, "")
				req.Host = tc.host + ":" + port
				status, body, _, err := w.send(req)
				require.NoError(t, err)
				assert.Equal(t, tc.want, status, body)
			}
		})
	}
	_, err := antcrmtest.Start(antcrmtest.WithHosts("name:80"))
	assert.ErrorContains(t, err, "without a port")
}
