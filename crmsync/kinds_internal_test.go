package crmsync

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// TestFieldsAreClearedOrNamedAsKept asks the SDK, which refuses what cannot be sent, of each field.
func TestFieldsAreClearedOrNamedAsKept(t *testing.T) {
	t.Parallel()
	clears(t, contactKind(offline()))
	clears(t, orderKind(offline()))
	clears(t, productKind(offline()))
	clears(t, ticketKind(offline()))
}

func clears[P, U, R any](t *testing.T, s spec[P, U, R]) {
	t.Helper()
	ref, err := s.readRef("lead:1", "")
	require.NoError(t, err)
	for _, name := range s.fields {
		change, err := s.change(map[string]json.RawMessage{}, []string{name})
		if err == nil {
			err = s.update(context.Background(), "K", ref, change)
		}
		require.Error(t, err, "nobody is reached")
		unreadable := &json.UnmarshalTypeError{}
		refused := errors.As(err, &unreadable) || errors.Is(err, antcrm.ErrValidation)
		assert.Equal(t, slices.Contains(s.kept, name), refused, "%s of %s: %v", name, s.kind, err)
	}
}
