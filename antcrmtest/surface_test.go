package antcrmtest_test

import (
	"testing"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// What follows is checked by the compiler: tests are written against these names and signatures.
var (
	_ func(testing.TB, ...antcrmtest.Option) *antcrmtest.Server       = antcrmtest.NewServer
	_ func(...antcrmtest.Option) (*antcrmtest.Server, error)          = antcrmtest.Start
	_ func(*antcrmtest.Server)                                        = (*antcrmtest.Server).Close
	_ func(*antcrmtest.Server, ...antcrm.Option) *antcrm.Client       = (*antcrmtest.Server).Client
	_ func(*antcrmtest.Server) []antcrmtest.Request                   = (*antcrmtest.Server).Requests
	_ func(*antcrmtest.Server, antcrmtest.Fault) *antcrmtest.Injected = (*antcrmtest.Server).Inject
	_ func() []antcrmtest.OpenQuestion                                = antcrmtest.OpenQuestions

	_ = antcrmtest.Server{URL: "", APIKey: ""}
	_ = antcrmtest.OpenQuestion{ID: "", Question: "", Decision: "", Alternatives: []antcrmtest.Alternative{}}
	_ = antcrmtest.Alternative{Name: "", Consequence: "", Option: antcrmtest.Option(nil)}
)
