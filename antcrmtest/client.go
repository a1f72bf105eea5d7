package antcrmtest

import (
	"fmt"

	"github.com/antbuddy/antcrm-go"
)

// Client returns an SDK client for this server and its key. The given options take precedence over the server's own. A
// bad option fails the test; on a server without a test it panics.
func (s *Server) Client(opts ...antcrm.Option) *antcrm.Client {
	client, err := antcrm.NewClient(s.APIKey, append([]antcrm.Option{antcrm.WithBaseURL(s.URL)}, opts...)...)
	if err == nil {
		return client
	}
	if s.tb == nil {
		panic(fmt.Sprintf("antcrmtest: %v", err))
	}
	s.tb.Helper()
	s.tb.Fatalf("antcrmtest: %v", err)
	return nil
}
