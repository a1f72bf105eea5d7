package records_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/records"
)

func TestTheFieldsThatAFileSpeaksOfAreReported(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		open func(string, records.Option) func() error
		want []string
	}{
		"contacts":          {"name,customerIdApiRing,address.city,cf:Size,phones\nMai,K,Huế,L,\n", csvOf[antcrm.ContactCreateParams], []string{"name", "customerIdApiRing", "addresses", "cusFields", "phones"}},
		"orders":            {"opportunityIdApiRing,item.name,receiverAddressObj.city,dealWith.phones,shipping_cost\n", csvOf[antcrm.OpportunityCreateParams], []string{"opportunityIdApiRing", "groupPackage", "receiverAddressObj", "dealWith", "shipping_cost"}},
		"unknown columns":   {"name,customerIdApiRing,SDT\nMai,K,1\n", csvOf[antcrm.ContactCreateParams], []string{"name", "customerIdApiRing"}},
		"columns of report": {"_line,_outcome,_reason,name,customerIdApiRing\n3,rejected,x,Mai,K\n", csvOf[antcrm.ContactCreateParams], []string{"name", "customerIdApiRing"}},
		"JSON Lines": {`{"name":"Mai","customerIdApiRing":"K"}` + "\n" + `{"name":"Lan","customerIdApiRing":"L","industry":"","_line":2}` + "\n", linesOf,
			[]string{"name", "customerIdApiRing", "industry"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := map[string]bool{}
			read := test.open(test.text, records.WithFields(func(field string) { seen[field] = true }))
			require.NoError(t, read())
			got := make([]string, 0, len(seen))
			for field := range seen {
				got = append(got, field)
			}
			assert.ElementsMatch(t, test.want, got)
		})
	}
	assert.Error(t, csvOf[antcrm.ContactCreateParams]("name,customerIdApiRing\n", records.WithFields(nil))())
}

func csvOf[P records.Params](text string, opt records.Option) func() error {
	return func() error {
		return readAll(records.CSV[P](strings.NewReader(text), opt, records.WithUnknownColumns()))
	}
}

func linesOf(text string, opt records.Option) func() error {
	return func() error {
		return readAll(records.JSONLines[antcrm.ContactCreateParams](strings.NewReader(text), opt))
	}
}

func readAll[P records.Params](r *records.Reader[P]) error {
	for _, err := range r.All() {
		if err != nil {
			return err
		}
	}
	return nil
}
