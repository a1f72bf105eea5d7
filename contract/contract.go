package contract

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Contract is a loaded openapi.yaml. It is read-only, and safe for concurrent use.
type Contract struct {
	doc     *openapi3.T
	router  routers.Router
	options *openapi3filter.Options
}

// Load reads and checks the contract at path.
func Load(ctx context.Context, path string) (*Contract, error) {
	doc, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("load the contract: %w", err)
	}
	// Examples are the linter's business: the library takes no null where a schema says nothing.
	if err := doc.Validate(ctx, openapi3.DisableExamplesValidation()); err != nil {
		return nil, fmt.Errorf("check the contract: %w", err)
	}
	if err := useFastValidator(doc); err != nil {
		return nil, err
	}
	doc.Servers = nil // any host: the fake listens where it can
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("route the contract: %w", err)
	}
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder)
	return &Contract{doc: doc, router: router, options: &openapi3filter.Options{
		MultiError:                        true,
		IncludeResponseStatus:             true,
		SkipSettingDefaults:               true,
		RejectWhenRequestBodyNotSpecified: true,
		AuthenticationFunc:                hasKey,
	}}, nil
}

// beyondFast are the keywords of JSON Schema 2020-12 that only the slow validator knows.
var beyondFast = []string{
	"const", "if", "then", "else", "contains", "prefixItems", "patternProperties", "propertyNames", "dependentRequired", "dependentSchemas",
	"unevaluatedItems", "unevaluatedProperties", "contentSchema", "$defs",
}

// useFastValidator makes the library validate as for OpenAPI 3.0: for 3.1 it compiles the schema anew for each value, which costs 30 times as
// much and, for schemas without the keywords above, falls back to the same code. It takes no contract that uses one of them.
func useFastValidator(doc *openapi3.T) error {
	text, err := doc.MarshalJSON()
	if err != nil {
		return fmt.Errorf("read the contract: %w", err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return fmt.Errorf("read the contract: %w", err)
	}
	if word := keywordIn(tree); word != "" {
		return fmt.Errorf("check the contract: the keyword %s would not be looked at", word)
	}
	doc.OpenAPI = "3.0.3"
	if anything := doc.Components.Schemas["Any"]; anything != nil {
		anything.Value.Nullable = true // in 3.0 even a schema without rules excludes null
	}
	return nil
}

func keywordIn(node any) string {
	switch node := node.(type) {
	case map[string]any:
		for name, inner := range node {
			if slices.Contains(beyondFast, name) {
				return name
			}
			if name == "examples" || name == "example" {
				continue
			}
			if word := keywordIn(inner); word != "" {
				return word
			}
		}
	case []any:
		for _, inner := range node {
			if word := keywordIn(inner); word != "" {
				return word
			}
		}
	}
	return ""
}

// hasKey wants the header of the security scheme; whether the key is right is the server's business.
func hasKey(_ context.Context, input *openapi3filter.AuthenticationInput) error {
	if scheme := input.SecurityScheme; input.RequestValidationInput.Request.Header.Get(scheme.Name) == "" {
		return errors.New("header " + scheme.Name + " is missing")
	}
	return nil
}

// Operation is one method and path of the contract.
type Operation struct {
	ID     string
	Method string
	Path   string
	SDK    []string // the methods of the SDK that call it, as x-sdk names them
}

// Operations lists the operations of the contract, by path and method.
func (c *Contract) Operations() []Operation {
	var ops []Operation
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			ops = append(ops, Operation{ID: op.OperationID, Method: method, Path: path, SDK: sdkMethods(op)})
		}
	}
	slices.SortFunc(ops, func(a, b Operation) int { return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method) })
	return ops
}

func sdkMethods(op *openapi3.Operation) []string {
	listed, _ := op.Extensions["x-sdk"].([]any)
	names := make([]string, 0, len(listed))
	for _, name := range listed {
		names = append(names, fmt.Sprint(name))
	}
	return names
}

// exchange is a request that found its operation.
type exchange struct {
	contract *Contract
	input    *openapi3filter.RequestValidationInput
}

// find looks for the operation of a request; err says that there is none.
func (c *Contract) find(req *http.Request) (*exchange, error) {
	route, params, err := c.router.FindRoute(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: no operation of the contract", req.Method, req.URL.Path)
	}
	return &exchange{c, &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route, Options: c.options}}, nil
}

func (x *exchange) operation() Operation {
	op := x.input.Route.Operation
	return Operation{ID: op.OperationID, Method: x.input.Route.Method, Path: x.input.Route.Path, SDK: sdkMethods(op)}
}

// checkRequest returns the rules that the request breaks. Its body can be read again afterwards.
func (x *exchange) checkRequest(ctx context.Context) []error {
	broken := leaves("request", openapi3filter.ValidateRequest(ctx, x.input))
	return append(broken, x.checkQuery()...)
}

// checkQuery does what the library does not: it knows only of the parameters that are documented, and looks at the first value of each.
func (x *exchange) checkQuery() []error {
	values, err := url.ParseQuery(x.input.Request.URL.RawQuery)
	if err != nil {
		return []error{errors.New("request: the query cannot be read")}
	}
	var broken []error
	for name, given := range values {
		switch {
		case x.input.Route.Operation.Parameters.GetByInAndName(openapi3.ParameterInQuery, name) == nil:
			broken = append(broken, fmt.Errorf("request: query parameter %q is not documented", name))
		case len(given) > 1:
			broken = append(broken, fmt.Errorf("request: query parameter %q is there %d times", name, len(given)))
		}
	}
	return broken
}

// checkResponse returns the rules that an answer to the request breaks.
func (x *exchange) checkResponse(ctx context.Context, status int, header http.Header, body []byte) []error {
	if status == http.StatusNoContent && len(body) > 0 { // the library takes it
		return []error{errors.New("response: 204 has a body")}
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: x.input, Status: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Options: x.contract.options,
	}
	return leaves(fmt.Sprintf("response %d", status), openapi3filter.ValidateResponse(ctx, input))
}

// leaves takes a tree of validation errors apart: one line for each broken rule, with the place where.
func leaves(side string, err error) []error {
	if err == nil {
		return nil
	}
	var found []error
	var walk func(where string, err error)
	walk = func(where string, err error) {
		switch e := err.(type) { //nolint:errorlint // the tree is taken apart node by node; errors.As would skip some
		case openapi3.MultiError:
			for _, inner := range e {
				walk(where, inner)
			}
		case *openapi3filter.RequestError:
			if e.Parameter != nil {
				where += ": query parameter " + e.Parameter.Name
			}
			walk(where, cmp.Or(e.Err, errors.New(e.Reason)))
		case *openapi3filter.ResponseError:
			walk(where, cmp.Or(e.Err, errors.New(e.Reason)))
		case *openapi3filter.SecurityRequirementsError:
			walk(where, errors.Join(e.Errors...))
		case *openapi3.SchemaError:
			place := "/" + strings.Join(e.JSONPointer(), "/")
			if e.Origin != nil && e.Reason == "" {
				walk(where+": "+place, e.Origin)
				return
			}
			found = append(found, fmt.Errorf("%s: %s: %s", where, place, firstLine(e.Reason)))
		default:
			found = append(found, fmt.Errorf("%s: %s", where, firstLine(err.Error())))
		}
	}
	walk(side, err)
	return found
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
