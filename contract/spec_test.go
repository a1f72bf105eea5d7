package contract

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func TestTheExamplesAreTheFilesOfTestdata(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../testdata/*.json")
	require.NoError(t, err)
	examples := load(t).doc.Components.Examples
	names := make([]string, 0, len(files))
	for _, file := range files {
		name := filepath.Base(file)
		names = append(names, name)
		if assert.Contains(t, examples, name) {
			value, err := json.Marshal(examples[name].Value.Value)
			require.NoError(t, err)
			assert.JSONEq(t, sample(t, name), string(value), name)
		}
	}
	for name := range examples {
		assert.Contains(t, names, name, "an example without a file")
	}
}

func TestOperationsAreNamedAfterTheSDK(t *testing.T) {
	t.Parallel()
	for _, op := range load(t).Operations() {
		if assert.NotEmpty(t, op.SDK, op.ID) {
			assert.Equal(t, strings.ToLower(strings.ReplaceAll(op.SDK[0], ".", "")), strings.ToLower(op.ID))
			assert.Equal(t, strings.ToLower(op.ID[:1]), op.ID[:1], "lower camel case")
		}
	}
}

// TestEveryOperationHasAMethodAndAHandler proves that the three lists are the same. That a method really calls the operation it is listed
// under is proved by TestEveryMethodKeepsTheContract.
func TestEveryOperationHasAMethodAndAHandler(t *testing.T) {
	t.Parallel()
	var operations, handlers []string
	claimed := map[string]string{}
	for _, op := range load(t).Operations() {
		operations = append(operations, op.Method+" "+op.Path)
		for _, method := range op.SDK {
			assert.NotContains(t, claimed, method, "listed under two operations")
			claimed[method] = op.ID
		}
	}
	for _, op := range antcrmtest.Operations() {
		handlers = append(handlers, op.Method+" "+op.Path)
	}
	assert.ElementsMatch(t, operations, handlers, "operations of openapi.yaml, handlers of the fake")
	methods := sdkSurface()
	for method, id := range claimed {
		assert.Contains(t, methods, method, "%s names a method that the SDK does not have", id)
	}
	for _, method := range methods {
		assert.Contains(t, claimed, method, "a method of the SDK without an operation")
	}
}

// sdkSurface lists the methods of all services of the client: Contacts.List, and so on.
func sdkSurface() []string {
	var methods []string
	for service := range reflect.TypeFor[antcrm.Client]().Fields() {
		if service.IsExported() {
			for method := range service.Type.Methods() {
				methods = append(methods, service.Name+"."+method.Name)
			}
		}
	}
	return methods
}

// TestRecordsHaveTheDocumentedFields compares the schemas of what the service answers with the structs that the SDK decodes into, both ways.
func TestRecordsHaveTheDocumentedFields(t *testing.T) {
	t.Parallel()
	schemas := load(t).doc.Components.Schemas
	for name, record := range map[string]reflect.Type{
		"Contact": reflect.TypeFor[antcrm.Contact](), "Opportunity": reflect.TypeFor[antcrm.Opportunity](), "LineItem": reflect.TypeFor[antcrm.LineItem](),
		"Product": reflect.TypeFor[antcrm.Product](), "Ticket": reflect.TypeFor[antcrm.Ticket](), "LoyaltyEntry": reflect.TypeFor[antcrm.LoyaltyEntry](),
		"Rating": reflect.TypeFor[antcrm.Rating](), "MessageSession": reflect.TypeFor[antcrm.MessageSession](), "Message": reflect.TypeFor[antcrm.Message](),
		"Address": reflect.TypeFor[antcrm.Address](), "Country": reflect.TypeFor[antcrm.Country](), "ContactPoint": reflect.TypeFor[antcrm.Phone](),
		"SocialProfile": reflect.TypeFor[antcrm.SocialProfile](), "CustomField": reflect.TypeFor[antcrm.CustomField](),
	} {
		documented := make([]string, 0, len(schemas[name].Value.Properties))
		for field := range schemas[name].Value.Properties {
			documented = append(documented, field)
		}
		assert.ElementsMatch(t, documented, wireNames(record), name)
	}
	// The records that no page describes.
	for _, record := range []reflect.Type{
		reflect.TypeFor[antcrm.Telesale](), reflect.TypeFor[antcrm.Telecall](), reflect.TypeFor[antcrm.Campaign](), reflect.TypeFor[antcrm.ZNSMessage](),
	} {
		assert.ElementsMatch(t, []string{"_id", "createdAt"}, wireNames(record), record.Name())
	}
}

func wireNames(record reflect.Type) []string {
	var names []string
	for field := range record.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}

func TestAContractThatWouldNotBeLookedAtIsRefused(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(specPath)
	require.NoError(t, err)
	changed := strings.Replace(string(text), "    ContactType:\n      type: string\n", "    ContactType:\n      type: string\n      if: {}\n", 1)
	require.NotEqual(t, string(text), changed)
	file := filepath.Join(t.TempDir(), "openapi.yaml")
	require.NoError(t, os.WriteFile(file, []byte(changed), 0o600))
	_, err = Load(t.Context(), file)
	assert.ErrorContains(t, err, "the keyword if would not be looked at")
	_, err = Load(t.Context(), filepath.Join(t.TempDir(), "none.yaml"))
	assert.ErrorContains(t, err, "load the contract")
}
