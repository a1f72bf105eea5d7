package matrixtest_test

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/examples/bulk-import/lookup"
	checkout "github.com/antbuddy/antcrm-go/examples/testing"
)

// people are n contacts of which the one at bad is refused; none where bad is below 0.
func people(prefix string, n, bad int) []antcrm.ContactCreateParams {
	list := make([]antcrm.ContactCreateParams, n)
	for i := range list {
		key := fmt.Sprintf("%s%02d", prefix, i)
		list[i] = antcrm.ContactCreateParams{Name: "N" + key, ExternalID: key, ContactType: antcrm.ContactTypeCustomer, Phones: []antcrm.Phone{{Type: "Work", Value: "+8490" + key}}}
		if i == bad {
			list[i].Gender = "7" // passes the checks of the client, and no page lists it
		}
	}
	return list
}

func createBatch(ctx context.Context, w *world) { w.batch(ctx, "batch", 5, -1) }

func createBatchWithABadRecord(ctx context.Context, w *world) { w.batch(ctx, "bad batch", 7, 3) }

func (w *world) batch(ctx context.Context, what string, n, bad int, opts ...antcrm.BatchOption) {
	list := people("9", n, bad)
	result, _ := w.crm.Contacts.CreateBatch(ctx, list, append(opts, antcrm.WithChunkSize(5))...)
	outcomes := make([]told, n)
	for i := range outcomes {
		outcomes[i] = done
	}
	for _, f := range result.Failures {
		for i := f.First; i < f.First+f.Count; i++ {
			outcomes[i] = ofOutcome(f.Outcome)
		}
	}
	for i, params := range list {
		w.created(what, antcrmtest.Contacts, params.ExternalID, idOf(result.Results[i]), outcomes[i])
	}
}

func updateBatch(ctx context.Context, w *world) {
	w.seedForUpdates()
	w.seed(antcrmtest.Opportunities, `{"name":"Third","opportunityIdApiRing":"513","number":"3000902","value":100,"groupPackage":[]}`)
	updates := []antcrm.OpportunityUpdate{
		{Number: "3000900", OpportunityUpdateParams: antcrm.OpportunityUpdateParams{Description: new("x"), Value: new(antcrm.Decimal("1"))}},
		{Number: "77", OpportunityUpdateParams: antcrm.OpportunityUpdateParams{Description: new("x"), Value: new(antcrm.Decimal("1"))}},
		{Number: "3000902", OpportunityUpdateParams: antcrm.OpportunityUpdateParams{Description: new("x"), Value: new(antcrm.Decimal("1"))}},
	}
	result, _ := w.crm.Opportunities.UpdateBatch(ctx, updates)
	outcomes := []told{done, done, done}
	for _, f := range result.Failures {
		for i := f.First; i < f.First+f.Count; i++ {
			outcomes[i] = ofOutcome(f.Outcome)
		}
	}
	for i, u := range updates {
		wrote := false
		for _, c := range w.srv.Changes() {
			wrote = wrote || c.ID == string(u.Number) && c.Action == antcrmtest.Updated
		}
		switch {
		case outcomes[i] == done && !wrote && result.Results[i] == u.Number:
			w.silently("update batch: told done of %s, and nothing was changed", u.Number)
		case outcomes[i] == refused && wrote:
			w.silently("update batch: told that nothing was done to %s, and it was changed", u.Number)
		}
	}
}

func importRecords(ctx context.Context, w *world) { w.imports(ctx, "import", people("8", 12, 6), nil) }

func importIsolated(ctx context.Context, w *world) {
	w.imports(ctx, "isolated import", people("8", 12, 6), nil, antcrm.WithIsolation())
}

// source yields records, and counts nothing.
func source(list []antcrm.ContactCreateParams) iter.Seq2[antcrm.ContactCreateParams, error] {
	return func(yield func(antcrm.ContactCreateParams, error) bool) {
		for _, params := range list {
			if !yield(params, nil) {
				return
			}
		}
	}
}

// imports runs an import until stop says so, and holds its results against the ledger.
func (w *world) imports(ctx context.Context, what string, list []antcrm.ContactCreateParams, stop func(n int) bool, opts ...antcrm.BatchOption) {
	opts = append(opts, antcrm.WithChunkSize(4), antcrm.WithConcurrency(2))
	n := 0
	for result, err := range w.crm.Contacts.Import(ctx, source(list), opts...) {
		if err != nil {
			return
		}
		if n++; stop != nil && stop(n) {
			return // as a crash would: nothing is told of the others
		}
		w.created(what, antcrmtest.Contacts, list[result.Index].ExternalID, idOf(result.Ref), ofOutcome(result.Outcome))
	}
	if n != len(list) {
		w.silently("%s: told of %d of %d records", what, n, len(list))
	}
}

// resume breaks an import off and runs it again with its journal.
func (w *world) resume(ctx context.Context, what string, list []antcrm.ContactCreateParams, opts ...antcrm.BatchOption) {
	path := filepath.Join(w.t.TempDir(), "journal")
	for run := range 2 {
		journal, err := antcrm.OpenJournal(path)
		require.NoError(w.t, err)
		stop := func(n int) bool { return run == 0 && n == 3 }
		w.imports(ctx, what, list, stop, append(opts, antcrm.WithJournal(journal))...)
		require.NoError(w.t, journal.Close())
		w.quiet()
	}
}

func crashAndResume(ctx context.Context, w *world) {
	w.resume(ctx, "resumed import", people("7", 16, -1))
}

func crashAndResumeIsolated(ctx context.Context, w *world) {
	w.resume(ctx, "resumed import with isolation", people("5", 16, 6), antcrm.WithIsolation())
}

// resolveUnknown resumes with the resolver that the documents show.
func resolveUnknown(ctx context.Context, w *world) {
	w.srv.Inject(antcrmtest.Fault{Method: "POST", Nth: 2, Do: antcrmtest.CloseAfter})
	w.resume(ctx, "import with a resolver", people("6", 16, -1), antcrm.WithUnknownResolver(lookup.Contacts(w.crm)), antcrm.WithSettle(0))
}

// placeOrder is the testing example's logic. The same order is placed twice.
func placeOrder(ctx context.Context, w *world) {
	shop := checkout.New(w.crm)
	placed := checkout.Order{ID: "SO-1", Customer: checkout.Customer{ID: "ERP-1", Name: "Mai", Phone: "0900000001"}, Items: []checkout.Item{{Product: "Bò", Quantity: 1, Price: 5}}}
	number, err := shop.Place(ctx, placed)
	if err == nil && len(w.changes(antcrmtest.Opportunities, antcrmtest.Created, "SO-1")) == 0 {
		w.silently("place an order: told done, and there is none")
	}
	if made := w.changes(antcrmtest.Opportunities, antcrmtest.Created, "SO-1"); err == nil && len(made) > 0 && made[0].ID != string(number) {
		w.silently("place an order: told the number of another one")
	}
	_, _ = shop.Place(ctx, placed) // customers press the button twice
	shop.Now = func() time.Time { return time.Now().Add(time.Hour) }
	_, _ = shop.Place(ctx, placed) // and the shop tries again later
	if n := len(w.changes(antcrmtest.Contacts, antcrmtest.Created, "ERP-1")); n > 1 {
		w.silently("place an order: the customer was made %d times", n)
	}
	if n := len(w.changes(antcrmtest.Opportunities, antcrmtest.Created, "SO-1")); n > 1 {
		w.silently("place an order: the order was made %d times", n)
	}
}
