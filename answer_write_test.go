package antcrm_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

func TestAWritesAnswerOfAnotherKindIsNamedWithoutOurOwnTypes(t *testing.T) {
	t.Parallel()
	for answer, problem := range map[string]string{
		`[{"success":1,"leadId":5}]`: "unexpected JSON array", `null`: "unexpected JSON null", `7`: "unexpected JSON number", `true`: "unexpected JSON boolean",
	} {
		_, err := scripted(t, ok(answer)).client().Contacts.Create(t.Context(), antcrm.ContactCreateParams{Name: "A", ExternalID: "a-1"})
		require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown, answer)
		assert.Equal(t, problem, requireError[*antcrm.DecodeError](t, err).Problem, answer)
	}
}

func TestWritesNeedSuccessOrThePromisedID(t *testing.T) {
	t.Parallel()
	const unknown, rejected = antcrm.OutcomeUnknown, antcrm.OutcomeRejected
	for _, tt := range []struct {
		answer         string
		create, delete antcrm.Outcome
	}{
		{`{"success":1,"number":9457}`, antcrm.OutcomeDone, antcrm.OutcomeDone},
		{`{"success":true,"number":"9457"}`, antcrm.OutcomeDone, antcrm.OutcomeDone},
		{`{"success":"1","number":9457}`, antcrm.OutcomeDone, antcrm.OutcomeDone},
		{`{"success":"true","number":[9457]}`, antcrm.OutcomeDone, antcrm.OutcomeDone},
		{`{"number":9457}`, antcrm.OutcomeDone, unknown},
		{`{"success":null,"number":9457}`, antcrm.OutcomeDone, unknown},
		{`{"success":1}`, unknown, antcrm.OutcomeDone},
		{`{"success":1,"number":""}`, unknown, antcrm.OutcomeDone},
		{`{"success":1,"number":[1,2]}`, unknown, antcrm.OutcomeDone},
		{`{"success":1,"number":{"n":1}}`, unknown, antcrm.OutcomeDone},
		{`{"success":1,"number":true}`, unknown, antcrm.OutcomeDone},
		{`{"success":0,"number":9457}`, rejected, rejected},
		{`{"success":false}`, rejected, rejected},
		{`{"success":"0"}`, rejected, rejected},
		{`{"success":"","number":9457}`, rejected, rejected},
		{`{"success":"no","number":9457}`, antcrm.OutcomeDone, unknown},
		{`{"success":2,"number":9457}`, antcrm.OutcomeDone, unknown},
		{`{"success":200,"number":9457}`, antcrm.OutcomeDone, unknown},
		{`{"success":"OK","number":9457}`, antcrm.OutcomeDone, unknown},
		{`{"success":{},"number":9457}`, antcrm.OutcomeDone, unknown},
		{`{"success":{}}`, unknown, unknown},
		{`{"success":"True"}`, unknown, unknown},
		{`{"success":0,"success":1,"number":9457}`, antcrm.OutcomeDone, antcrm.OutcomeDone},
		{`{"number":9457,"success":1,"success":0}`, rejected, rejected},
		{`{"number":false,"success":false}`, rejected, rejected},
		{`{"number":{"n":1},"success":0}`, rejected, rejected},
		{`{}`, unknown, unknown},
		{`null`, unknown, unknown},
		{`"Ok"`, unknown, unknown},
		{`Ok`, unknown, unknown},
		{`[{"success":1,"number":9457}]`, unknown, unknown},
		{`{"success":1,"number":9457`, unknown, unknown},
	} {
		client := scripted(t, ok(tt.answer), ok(tt.answer)).client()
		number, createErr := client.Opportunities.Create(t.Context(), antcrm.OpportunityCreateParams{Name: "n", ReceiverName: "r"})
		deleteErr := client.Opportunities.Delete(t.Context(), "9457")
		for _, got := range []struct {
			err  error
			want antcrm.Outcome
		}{{createErr, tt.create}, {deleteErr, tt.delete}} {
			switch got.want {
			case antcrm.OutcomeDone:
				require.NoError(t, got.err, tt.answer)
			case rejected:
				require.ErrorIs(t, got.err, antcrm.ErrRejected, tt.answer)
				require.NotErrorIs(t, got.err, antcrm.ErrOutcomeUnknown, tt.answer)
			default:
				require.ErrorIs(t, got.err, antcrm.ErrOutcomeUnknown, tt.answer)
				requireError[*antcrm.DecodeError](t, got.err)
			}
		}
		if createErr == nil {
			assert.Equal(t, antcrm.ID("9457"), number)
		} else {
			assert.Empty(t, number)
		}
	}
}

// A success that says neither yes nor no is named, on one line and not at length.
func TestADoubtfulSuccessIsNamed(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"success":2}`:                   `success is 2, which`,
		`{"success":"ok\u0007\n"}`:        `success is "ok\u0007\n", which`,
		`{"success":"` + secretKey + `"}`: `success is "[redacted]", which`,
		`{"success":null}`:                `does not say success`,
		`{"message":"done"}`:              `does not say success`,
	} {
		err := scripted(t, ok(body)).client().Points.Accumulate(t.Context(), antcrm.AccumulateParams{Code: "c", Data: antcrm.AccumulateCustomer{Name: "n"}})
		require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown, body)
		assert.Contains(t, requireError[*antcrm.DecodeError](t, err).Problem, want)
		onOneLine(t, err)
	}
}
