package antcrmtest

import (
	"fmt"

	"github.com/antbuddy/antcrm-go"
)

// Client returns an SDK client that talks to this server with its key. Options of the caller come after the server's own and win. A bad
// option fails the test; on a server without one it panics, since there is nobody else to tell.
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
