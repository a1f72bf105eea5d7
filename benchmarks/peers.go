package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/bytedance/sonic"
	jsonexp "github.com/go-json-experiment/json"
	"github.com/go-resty/resty/v2"
)

const apiKey = "benchmark-key"

// handWritten is the client that somebody writes in an afternoon: net/http,
// encoding/json, plain types, no retries.
type handWritten struct {
	base   string
	client *http.Client
	decode func(io.Reader, any) error
}

func newHandWritten(base string) handWritten {
	return handWritten{base, new(http.Client), func(r io.Reader, to any) error { return json.NewDecoder(r).Decode(to) }}
}

// withTimeLimit is the same client with a time limit for each call.
func (h handWritten) withTimeLimit() handWritten {
	h.client = &http.Client{Timeout: 30 * time.Second}
	return h
}

// newExperimentByHand decodes with go-json-experiment instead.
func newExperimentByHand(base string) handWritten {
	return handWritten{base, new(http.Client), func(r io.Reader, to any) error { return jsonexp.UnmarshalRead(r, to) }}
}

// newSonicByHand reads the whole answer and decodes it with sonic. Where sonic
// does not know the Go version or the processor, it uses encoding/json.
func newSonicByHand(base string) handWritten {
	return handWritten{base, new(http.Client), func(r io.Reader, to any) error {
		body, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		return sonic.Unmarshal(body, to)
	}}
}

func (h handWritten) list(ctx context.Context, query url.Values) ([]contact, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.base+"/contacts?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("apikey", apiKey)
	req.Header.Set("Accept", "application/json")
	res, err := h.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("list contacts: %s", res.Status)
	}
	var contacts []contact
	if err := h.decode(res.Body, &contacts); err != nil {
		return nil, err
	}
	return contacts, nil
}

func (h handWritten) page(ctx context.Context, limit int) ([]contact, error) {
	return h.list(ctx, url.Values{"contactType": {"customer"}, "limit": {strconv.Itoa(limit)}})
}

func (h handWritten) get(ctx context.Context, id int64) (*contact, error) {
	contacts, err := h.list(ctx, url.Values{"customerId": {strconv.FormatInt(id, 10)}})
	if err != nil {
		return nil, err
	}
	for i := range contacts {
		if contacts[i].CustomerID == id {
			return &contacts[i], nil
		}
	}
	return nil, fmt.Errorf("contact %d not found", id)
}

// plainResty is resty as its README shows it.
type plainResty struct{ client *resty.Client }

func newPlainResty(base string) plainResty {
	return plainResty{resty.New().SetBaseURL(base).SetHeader("apikey", apiKey)}
}

func (p plainResty) page(ctx context.Context, limit int) ([]contact, error) {
	var contacts []contact
	res, err := p.client.R().SetContext(ctx).SetResult(&contacts).
		SetQueryParams(map[string]string{"contactType": "customer", "limit": strconv.Itoa(limit)}).Get("/contacts")
	if err != nil {
		return nil, err
	}
	if res.IsError() {
		return nil, fmt.Errorf("list contacts: %s", res.Status())
	}
	return contacts, nil
}
