package contract

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"pgregory.net/rapid"
)

// known are keys and values of the seeded records, so that generated requests also meet records.
var known = []string{leadID, customerID, orderNumber, ticketID, productKey, productCode, contactKey, campaign, phone, email}

// draw makes a JSON value that the schema takes.
func draw(t *rapid.T, s *openapi3.Schema) any {
	switch {
	case len(s.Enum) > 0:
		return rapid.SampledFrom(s.Enum).Draw(t, "enum")
	case s.Properties != nil:
		return drawObject(t, s)
	case len(s.AnyOf) > 0:
		return draw(t, rapid.SampledFrom(s.AnyOf).Draw(t, "anyOf").Value)
	case s.Type == nil:
		return drawAnything(t, 3)
	case s.Type.Is("string"):
		return drawText(t, s)
	case s.Type.Is("integer"):
		least := int64(math.MinInt64)
		if s.Min != nil {
			least = int64(*s.Min)
		}
		return rapid.OneOf(rapid.Int64Range(max(least, 0), 30), rapid.Int64Min(least)).Draw(t, "integer")
	case s.Type.Is("number"):
		return float64(rapid.Int64Range(-1e12, 1e12).Draw(t, "number")) / 100
	case s.Type.Is("boolean"):
		return rapid.Bool().Draw(t, "boolean")
	case s.Type.Is("array"):
		return drawArray(t, s)
	case s.Type.Is("object"):
		return map[string]any{"any": drawAnything(t, 2)}
	}
	panic(fmt.Sprintf("no way to draw a %v", s.Type.Slice()))
}

func drawText(t *rapid.T, s *openapi3.Schema) string {
	if s.Pattern == `\S` {
		text := rapid.StringN(0, 20, -1).Draw(t, "text")
		return rapid.OneOf(rapid.SampledFrom(known), rapid.Just(text+"x")).Draw(t, "known or not")
	}
	when := time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "when")).UTC()
	switch {
	case s.Format == "date":
		return when.Format(time.DateOnly)
	case s.Format == "date-time":
		return when.Format("2006-01-02T15:04:05.000Z")
	case s.Pattern != "":
		return rapid.StringMatching(s.Pattern).Draw(t, "pattern")
	}
	return rapid.StringN(0, 20, -1).Draw(t, "text")
}

func drawArray(t *rapid.T, s *openapi3.Schema) []any {
	least := int(s.MinItems)
	elements := make([]any, rapid.IntRange(least, least+2).Draw(t, "length"))
	for i := range elements {
		elements[i] = draw(t, s.Items.Value)
	}
	return elements
}

// drawObject takes the required fields and some of the others. Alternatives among the required ones are how the contract writes "exactly one
// of these keys" (oneOf) and "at least one" (anyOf).
func drawObject(t *rapid.T, s *openapi3.Schema) map[string]any {
	names := slices.Sorted(maps.Keys(s.Properties))
	required, excluded := slices.Clone(s.Required), []string{}
	for _, alternatives := range []openapi3.SchemaRefs{s.OneOf, s.AnyOf} {
		if len(alternatives) == 0 {
			continue
		}
		chosen := rapid.IntRange(0, len(alternatives)-1).Draw(t, "alternative")
		for i, alternative := range alternatives {
			if i == chosen {
				required = append(required, alternative.Value.Required...)
			} else if len(s.OneOf) > 0 {
				excluded = append(excluded, alternative.Value.Required...)
			}
		}
	}
	if missing := int(s.MinProps) - len(required); missing > 0 {
		required = append(required, rapid.Permutation(names).Draw(t, "least")[:missing]...)
	}
	object := map[string]any{}
	for _, name := range names {
		if slices.Contains(required, name) {
			object[name] = draw(t, s.Properties[name].Value)
		}
	}
	for _, name := range names {
		full := s.MaxProps != nil && len(object) >= int(*s.MaxProps)
		if object[name] == nil && !full && !slices.Contains(excluded, name) && rapid.IntRange(0, 2).Draw(t, "with "+name) == 0 {
			object[name] = draw(t, s.Properties[name].Value)
		}
	}
	return object
}

// drawAnything makes any JSON value.
func drawAnything(t *rapid.T, depth int) any {
	kinds := 4
	if depth > 0 {
		kinds = 6
	}
	switch rapid.IntRange(0, kinds).Draw(t, "kind") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "boolean")
	case 2:
		return rapid.Float64Range(-1e15, 1e15).Draw(t, "number")
	case 3:
		return rapid.SampledFrom([]any{"", " ", "1", "-1", "1e9", "null", "true", "NaN", "\x00", "é́\u202e", 0, -1, 1 << 53, 0.1}).Draw(t, "odd")
	case 4:
		return rapid.StringN(0, 12, -1).Draw(t, "string")
	case 5:
		elements := make([]any, rapid.IntRange(0, 3).Draw(t, "elements"))
		for i := range elements {
			elements[i] = drawAnything(t, depth-1)
		}
		return elements
	}
	object := map[string]any{}
	for range rapid.IntRange(0, 3).Draw(t, "fields") {
		object[rapid.SampledFrom([]string{"name", "value", "type", "_id", "", "x"}).Draw(t, "field")] = drawAnything(t, depth-1)
	}
	return object
}

// drawRequest makes a request that the operation takes.
func (c *Contract) drawRequest(t *rapid.T, op Operation) attackRequest {
	operation := c.doc.Paths.Value(op.Path).GetOperation(op.Method)
	req := attackRequest{op: op, method: op.Method, path: op.Path, query: url.Values{}, header: http.Header{}}
	for _, parameter := range operation.Parameters {
		p := parameter.Value
		if op.Method != http.MethodDelete && (p.Required || rapid.IntRange(0, 3).Draw(t, "with "+p.Name) == 0) {
			req.query.Set(p.Name, scalar(draw(t, p.Schema.Value)))
		}
	}
	if operation.RequestBody != nil {
		req.tree, req.hasBody = draw(t, operation.RequestBody.Value.Content["application/json"].Schema.Value), true
	}
	if op.Method == http.MethodDelete { // the key is the same in both places
		for name, key := range object(req.tree) {
			req.query.Set(name, scalar(key))
		}
	}
	if op.ID == "segmentsSetContacts" { // phone and phones are the same
		members, _ := object(req.tree)["contacts"].([]any)
		for _, member := range members {
			if phones, ok := object(member)["phones"]; ok {
				object(member)["phone"] = phones
			}
		}
	}
	return req
}

// object is a JSON value as an object; one without fields if it is none.
func object(value any) map[string]any {
	fields, _ := value.(map[string]any)
	return fields
}

// scalar writes a value as a query parameter.
func scalar(value any) string {
	if n, ok := value.(float64); ok {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}
