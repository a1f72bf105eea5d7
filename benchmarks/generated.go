package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/antbuddy/antcrm-go/benchmarks/internal/oapiclient"
	"github.com/antbuddy/antcrm-go/benchmarks/internal/ogenclient"
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

// ogenGenerated is the client that ogen makes of a spec of its own, with plain
// types: it reads numbers where the spec has numbers, and nothing else.
type ogenGenerated struct {
	client *ogenclient.Client
}

// ogenKey answers ogen's question for the credentials of a request.
type ogenKey struct{}

func (ogenKey) Key(context.Context, ogenclient.OperationName) (ogenclient.Key, error) {
	return ogenclient.Key{APIKey: apiKey}, nil
}

func newOgenGenerated(base string) (ogenGenerated, error) {
	client, err := ogenclient.NewClient(base, ogenKey{}, ogenclient.WithClient(new(http.Client)))
	return ogenGenerated{client}, err
}

func (g ogenGenerated) page(ctx context.Context, limit int) ([]ogenclient.Contact, error) {
	return g.client.ListContacts(ctx, ogenclient.ListContactsParams{
		ContactType: ogenclient.NewOptString("customer"), Limit: ogenclient.NewOptInt(limit),
	})
}
