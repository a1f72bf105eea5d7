package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/antbuddy/antcrm-go/benchmarks/internal/oapiclient"
)

// generated is the client that oapi-codegen makes of openapi.yaml. What may be
// a number or a string it keeps as raw JSON, which nobody decodes here: that
// is in its favour.
type generated struct {
	client *oapiclient.ClientWithResponses
}

func newGenerated(base string) (generated, error) {
	client, err := oapiclient.NewClientWithResponses(base, oapiclient.WithHTTPClient(new(http.Client)),
		oapiclient.WithRequestEditorFn(func(_ context.Context, req *http.Request) error {
			req.Header.Set("apikey", apiKey)
			return nil
		}))
	return generated{client}, err
}

func (g generated) page(ctx context.Context, limit int) ([]oapiclient.Contact, error) {
	res, err := g.client.ContactsListWithResponse(ctx, &oapiclient.ContactsListParams{ContactType: new(oapiclient.Customer), Limit: &limit})
	if err != nil {
		return nil, err
	}
	if res.JSON200 == nil {
		return nil, fmt.Errorf("list contacts: %s", res.Status())
	}
	return *res.JSON200, nil
}
