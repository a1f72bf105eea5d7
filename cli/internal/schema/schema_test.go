package schema_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/cli/internal/schema"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	contact, order := schema.Of[antcrm.Contact](), schema.Of[antcrm.OpportunityCreateParams]()
	for _, test := range []struct {
		of    schema.Schema
		path  string
		kind  schema.Kind
		known bool
	}{
		{contact, "name", schema.Text, true},
		{contact, "leadId", schema.Text, true},
		{contact, "createdAt", schema.Time, true},
		{contact, "tags", schema.List, true},
		{contact, "tags.0", schema.Text, true},
		{contact, "phones", schema.Lists, true},
		{contact, "phones.0", schema.Object, true},
		{contact, "phones.value", schema.Text, true},
		{contact, "phones.12.value", schema.Text, true},
		{contact, "addresses.country", schema.Object, true},
		{contact, "addresses.country.code", schema.Text, true},
		{contact, "cusFields.value", schema.Any, true},
		{contact, "cusFields.0.value.deep.3", schema.Any, true},
		{order, "value", schema.Number, true},
		{order, "groupPackage.quantity", schema.Number, true},
		{contact, "", 0, false},
		{contact, "nom", 0, false},
		{contact, "Name", 0, false},
		{contact, "name.first", 0, false},
		{contact, "createdAt.0", 0, false},
		{contact, "phones.", 0, false},
		{contact, "phones.-1.value", 0, false},
		{contact, "phones.0.0", 0, false},
	} {
		kind, known := test.of.Lookup(test.path)
		assert.Equal(t, test.known, known, test.path)
		if test.known {
			assert.Equal(t, test.kind, kind, test.path)
		}
	}
}

func TestNames_AreThoseOfTheWireInTheirOrder(t *testing.T) {
	t.Parallel()
	names := schema.Of[antcrm.OpportunityUpdate]().Names()
	assert.Equal(t, "number", names[0])
	assert.Contains(t, names, "groupPackage", "embedded structs are gone into")
	assert.NotContains(t, names, "-")
	assert.Empty(t, schema.Of[struct{}]().Names())
}
