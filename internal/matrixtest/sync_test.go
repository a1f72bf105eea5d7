package matrixtest_test

import (
	"context"
	"io"
	"path/filepath"
	"time"

	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/examples/order-sync/ordersync"
)

// syncOrders is the order-sync example: four nights, of which the fault spoils one.
func syncOrders(ctx context.Context, w *world) {
	evening := time.Date(2026, time.November, 23, 22, 0, 0, 0, time.UTC)
	source := &ordersync.ERP{}
	nightly := &ordersync.Syncer{
		ERP: source, CRM: w.crm, Path: filepath.Join(w.t.TempDir(), "state.json"), Out: io.Discard, Now: func() time.Time { return evening },
	}
	source.Place(3, evening)
	for night := range 4 {
		if night == 1 {
			source.Deliver(2, evening)
			source.Place(2, evening)
		}
		done, err := nightly.Run(ctx)
		w.quiet()
		for _, o := range source.Orders {
			made := len(w.changes(antcrmtest.Opportunities, antcrmtest.Created, o.Key))
			if made > 1 {
				w.silently("order-sync: an order was made %d times", made)
			}
			if err == nil && done && made == 0 {
				w.silently("order-sync: told that all is done, and an order is not there")
			}
		}
		evening = evening.AddDate(0, 0, 1)
	}
}
