package probe_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/probe"
)

// What follows is checked by the compiler: programs are written against these names and signatures.
var (
	_ func(context.Context, *antcrm.Client, ...probe.Option) (*probe.Report, error) = probe.Run
	_ func() probe.Option                                                           = probe.WithWrites
	_ func(func(probe.Finding)) probe.Option                                        = probe.WithProgress

	_ = probe.Report{Findings: []probe.Finding{}, Fields: []probe.UnknownField{}, Leftovers: []string{}}
	_ = probe.Finding{ID: "", Question: "", Answer: probe.CannotTell, Observed: "", Consequence: "", Advice: ""}
	_ = probe.UnknownField{Resource: "", Name: "", JSONKind: "", Seen: 0}
	_ = []probe.Answer{probe.CannotTell, probe.AsDecided, probe.Differs}
)

func TestAForgottenAnswerClaimsNothing(t *testing.T) {
	t.Parallel()
	assert.Zero(t, probe.CannotTell)
}
