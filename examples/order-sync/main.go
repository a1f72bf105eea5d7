// Order-sync is a nightly job in small: it brings the orders that have changed in an ERP since its last run into the
// CRM. It updates known orders and creates new ones, in packages of 100. Each order ends up done, rejected or unknown;
// ordersync/sync.go shows what to do about each.
//
// Module crmsync does this job ready-made, with its state in a database (docs/sync.md, crmsync/examples/nightly): this
// program shows what a batch reports, and what follows.
//
// It plays three nights against an embedded fake of the service and makes the second one go wrong. In a program of your
// own the ERP is a query, the client comes from antcrm.NewClientFromEnv, and each night is a run of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/examples/order-sync/ordersync"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "order-sync:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	fake, err := antcrmtest.Start()
	if err != nil {
		return err
	}
	defer fake.Close()
	folder, err := os.MkdirTemp("", "antcrm-order-sync-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	fmt.Println("talking to an embedded fake AntCRM at", fake.URL)
	source := &ordersync.ERP{}
	if err := playNights(ctx, fake, source, filepath.Join(folder, "state.json")); err != nil {
		return err
	}

	doubled := len(fake.Duplicates(antcrmtest.Opportunities))
	fmt.Printf("the ERP has %d orders, the CRM %d, %d of them doubled\n", len(source.Orders), fake.Count(antcrmtest.Opportunities), doubled)
	if doubled > 0 || fake.Count(antcrmtest.Opportunities) != len(source.Orders) {
		return errors.New("the two are not the same")
	}
	return nil
}

// playNights runs the job on three evenings. What it knows from one to the next is in the file at path.
func playNights(ctx context.Context, fake *antcrmtest.Server, source *ordersync.ERP, path string) error {
	evening := time.Date(2026, time.November, 23, 22, 0, 0, 0, time.UTC)
	nightly := &ordersync.Syncer{
		ERP: source, CRM: fake.Client(antcrm.WithRateLimit(500, 20)), Path: path,
		Out: os.Stdout, Now: func() time.Time { return evening }, // the nights are played: a real one has time.Now
	}

	fmt.Println("night 1: everything is new")
	source.Place(250, evening)
	if _, err := nightly.Run(ctx); err != nil {
		return err
	}

	fmt.Println("night 2: 40 orders were delivered, 130 placed; the CRM refuses one, and the network fails")
	evening = evening.AddDate(0, 0, 1)
	source.Deliver(40, evening)
	source.Place(130, evening)
	if err := goWrong(fake); err != nil {
		return err
	}
	if _, err := nightly.Run(ctx); err != nil {
		return err
	}

	fmt.Println("night 3: somebody has mended the order that was refused, and the network")
	fake.ClearFaults()
	evening = evening.AddDate(0, 0, 1)
	_, err := nightly.Run(ctx)
	return err
}

// goWrong makes the fake refuse a package because of one update, carry out a package of new orders and lose the answer,
// and never see another package.
func goWrong(fake *antcrmtest.Server) error {
	const path = "/opportunities/package"
	for _, fault := range []antcrmtest.Fault{
		{Method: http.MethodPut, Path: path, BodyContains: `"SO-000007"`, Status: http.StatusBadRequest, Body: `{"success": false, "message": "stage: there is no stage of this name"}`},
		{Method: http.MethodPost, Path: path, BodyContains: `"SO-000251"`, Do: antcrmtest.CloseAfter},
		{Method: http.MethodPost, Path: path, BodyContains: `"SO-000380"`, Status: http.StatusBadGateway},
	} {
		if err := fake.Inject(fault).Err(); err != nil {
			return err
		}
	}
	return nil
}
