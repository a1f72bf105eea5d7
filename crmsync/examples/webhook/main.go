// Webhook receives customers from a shop and puts each into the CRM exactly
// once. Shops deliver a webhook twice when the first answer is late, and two
// deliveries may arrive at once, at two machines: Ensure makes one contact of
// them.
//
// It plays against an embedded fake of the service: one customer is delivered
// ten times at once, and the first answer of the CRM is lost. In a program of
// your own the client comes from antcrm.NewClientFromEnv, and the state from a
// Postgres that all machines share.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/crmsync"
)

// customer is what the shop sends.
type customer struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Phone string `json:"phone"`
}

// handler answers 200 once the contact is in the CRM, and 503 while that cannot
// be told: the shop then delivers again.
func handler(syncer *crmsync.Syncer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var c customer
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&c); err != nil {
			http.Error(w, "not a customer", http.StatusBadRequest)
			return
		}
		ref, err := syncer.Contacts.Ensure(r.Context(), antcrm.ContactCreateParams{
			ExternalID: c.ID, Name: c.Name, Phones: []antcrm.Phone{{Type: "Work", Value: c.Phone}},
		})
		switch {
		case err == nil:
			_, _ = fmt.Fprintln(w, "lead", ref.LeadID)
		case errors.Is(err, antcrm.ErrOutcomeUnknown):
			w.Header().Set("Retry-After", "1")
			http.Error(w, "not known yet", http.StatusServiceUnavailable)
		case errors.Is(err, antcrm.ErrValidation), errors.Is(err, antcrm.ErrNotFound), errors.Is(err, crmsync.ErrFixedField), antcrm.RecordFault(err):
			http.Error(w, err.Error(), http.StatusUnprocessableEntity) // to deliver it again would not help
		default:
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	}
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "webhook:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	fake, err := antcrmtest.Start()
	if err != nil {
		return err
	}
	defer fake.Close()
	folder, err := os.MkdirTemp("", "antcrm-webhook-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	state, err := crmsync.Open(ctx, "sqlite:"+filepath.Join(folder, "state.db"))
	if err != nil {
		return err
	}
	defer func() { _ = state.Close() }()
	// A real service needs the default: a lost request may still be under way for a minute.
	syncer, err := crmsync.New(ctx, fake.Client(), state, crmsync.WithSettle(300*time.Millisecond))
	if err != nil {
		return err
	}
	shop := httptest.NewServer(handler(syncer))
	defer shop.Close()

	fake.Inject(antcrmtest.Fault{Method: http.MethodPost, Path: "/contacts", Do: antcrmtest.CloseAfter, Times: 1})
	var deliveries sync.WaitGroup
	for range 10 {
		deliveries.Go(func() { deliver(ctx, shop.URL) })
	}
	deliveries.Wait()
	fmt.Println("10 deliveries at once, an answer lost:", fake.CountByExternalID(antcrmtest.Contacts, "SHOP-7"), "contact")
	if fake.Count(antcrmtest.Contacts) != 1 {
		return errors.New("the contact is there more than once, or not at all")
	}
	return nil
}

// deliver is the shop: it delivers until the answer is 200.
func deliver(ctx context.Context, url string) {
	body, _ := json.Marshal(customer{ID: "SHOP-7", Name: "Nguyễn Văn Mẫu", Phone: "0900000007"})
	for range 50 {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}
