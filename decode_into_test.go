package antcrm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// longer makes a text so long that its memory is counted, which must not change what it means.
func longer(text string) string { return text + strings.Repeat(" ", 70<<10) }

// Into a type of the caller's an answer is decoded as encoding/json does it, whether it is short or long.
func TestDoDecodesLongAnswersAsEncodingJSONDoes(t *testing.T) {
	t.Parallel()
	type inner struct {
		A []any
		B int
	}
	type outer struct {
		X any
		Y map[string]any
		Z []any
	}
	const mixed = ` {"X" : {"a":[1,"2\"}",{"b":[],"c":{} , "d":-1.5e3}],"a2":null}, "Y":{"k":true,"l":"\\"},"Z":[false,[[]],"é\u0301","]"]} `
	for name, newOut := range map[string]func() any{
		"any":                  func() any { return new(any) },
		"a map":                func() any { return new(map[string]any) },
		"a map with members":   func() any { return &map[string]any{"X": 1, "old": 2} },
		"a struct":             func() any { return new(outer) },
		"a struct with values": func() any { return &outer{X: 7, Y: map[string]any{"old": 1}, Z: []any{1, 2, 3, 4, 5}} },
		"any with a pointer":   func() any { var out any = &outer{X: &inner{B: 7}}; return &out },
		"raw members":          func() any { return new(map[string]json.RawMessage) },
		"no any":               func() any { return new(struct{ Y map[string]json.RawMessage }) },
	} {
		for _, body := range []string{mixed, longer(mixed)} {
			want, got := newOut(), newOut()
			require.NoError(t, json.Unmarshal([]byte(body), want), name)
			require.NoError(t, scripted(t, ok(body)).client().Do(t.Context(), http.MethodGet, "/x", nil, nil, got), name)
			assert.Equal(t, want, got, "%s, %d bytes", name, len(body))
		}
	}
}

// An error in the middle of a long answer says where it is, in the whole answer.
func TestDoSaysWhereALongAnswerIsWrong(t *testing.T) {
	t.Parallel()
	type out struct {
		Data []struct{ X any }
	}
	for body, want := range map[string]struct{ path, at string }{
		`{"Data":[{"X":1},{"X":{"a/b":[0,1e999]}}]}`:       {"/Data/1/X/a~1b/1", "1e999"},
		`{"Data":[{"X":1},{"X":"` + longer("") + `"},[]]}`: {"/Data/2", "[]]"},
	} {
		for _, text := range []string{body, longer(body)} {
			err := scripted(t, ok(text)).client().Do(t.Context(), http.MethodGet, "/x", nil, nil, new(out))
			failure := requireError[*antcrm.DecodeError](t, err)
			assert.Equal(t, want.path, failure.Path)
			assert.InDelta(t, strings.Index(text, want.at), failure.Offset, float64(len(want.at)), fmt.Sprint(err))
		}
	}
}

// What looks like structure inside a text takes no room.
func TestDoCountsNoStructureInsideATextOfALongAnswer(t *testing.T) {
	t.Parallel()
	text := strings.Repeat(`\",[],`, 900_000)
	var out any
	require.NoError(t, scripted(t, ok(`["`+text+`"]`)).client().Do(t.Context(), http.MethodGet, "/x", nil, nil, &out))
	assert.Equal(t, []any{strings.ReplaceAll(text, `\"`, `"`)}, out)
}

// countingContext counts how often it is asked whether it has ended.
type countingContext struct {
	context.Context
	asked *atomic.Int64
}

func (c countingContext) Err() error {
	c.asked.Add(1)
	return c.Context.Err()
}

// While a long answer becomes maps and slices, the end of the context is looked for again and again.
func TestDoLooksForTheEndOfTheContextWhileALongValueIsDecoded(t *testing.T) {
	t.Parallel()
	body := `[` + strings.Repeat(`0,`, 500_000) + `0]`
	asked := func(out any) int64 {
		ctx := countingContext{t.Context(), new(atomic.Int64)}
		require.NoError(t, scripted(t, ok(body)).client().Do(ctx, http.MethodGet, "/x", nil, nil, out))
		return ctx.asked.Load()
	}
	assert.Greater(t, asked(new(any)), asked(new(json.RawMessage))+3)
}
