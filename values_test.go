package antcrm_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/antbuddy/antcrm-go"
)

func TestCustomFieldsTakeAnyJSON(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "Giao <nhanh> & \"rẻ\"", antcrm.TextField("Shipping", "Giao <nhanh> & \"rẻ\"").Text())
	for in, want := range map[string]string{`"text"`: "text", `3`: "3", `{"vip":true}`: `{"vip":true}`, `null`: "", ``: ""} {
		assert.Equal(t, want, antcrm.CustomField{Name: "f", Value: json.RawMessage(in)}.Text(), in)
	}
}
