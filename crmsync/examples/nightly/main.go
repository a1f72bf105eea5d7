// Nightly is a job that runs each night: it makes the CRM's orders what the ERP
// says, and mirrors the CRM into tables for reports.
//
// It plays three nights against an embedded fake of the service, and makes the
// second one go wrong: the CRM refuses an order, carries a package out and loses
// the answer, and never sees another. The third night puts everything right,
// and no order is there twice. In a program of your own the ERP is a query, the
// client comes from antcrm.NewClientFromEnv, and each night is a run of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/crmsync"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "nightly:", err)
		os.Exit(1)
	}
}

// settle is short since the fake is quick. A real service needs the default.
const settle = 50 * time.Millisecond

func run(ctx context.Context) error {
	fake, err := antcrmtest.Start()
	if err != nil {
		return err
	}
	defer fake.Close()
	folder, err := os.MkdirTemp("", "antcrm-nightly-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	night := func(name string, placed, delivered int) error {
		fmt.Println(name)
		return nightly(ctx, fake.Client(), "sqlite:"+filepath.Join(folder, "state.db"), orders(placed, delivered))
	}

	if err := night("night 1: everything is new", 250, 0); err != nil {
		return err
	}
	goWrong(fake)
	if err := night("night 2: 40 orders were delivered, 250 placed; the CRM refuses one, and the network fails", 500, 40); err != nil {
		return err
	}
	fake.ClearFaults()
	select { // until the lost requests can no longer be under way
	case <-time.After(2 * settle):
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := night("night 3: the network is well again", 500, 40); err != nil {
		return err
	}
	doubled := len(fake.Duplicates(antcrmtest.Opportunities))
	fmt.Printf("the ERP has 500 orders, the CRM %d, %d of them doubled\n", fake.Count(antcrmtest.Opportunities), doubled)
	if doubled > 0 || fake.Count(antcrmtest.Opportunities) != 500 {
		return errors.New("the two are not the same")
	}
	return nil
}

// nightly is the whole job.
func nightly(ctx context.Context, client *antcrm.Client, dsn string, source iter.Seq2[antcrm.OpportunityCreateParams, error]) error {
	state, err := crmsync.Open(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = state.Close() }()
	syncer, err := crmsync.New(ctx, client, state, crmsync.WithSettle(settle))
	if err != nil {
		return err
	}
	did := map[string]int{}
	for change, err := range syncer.Orders.Push(ctx, source, crmsync.WithDeletes(20)) {
		if err != nil {
			return err
		}
		did[change.Action.String()+", "+change.Outcome.String()]++
	}
	for _, what := range []string{"create, done", "update, done", "unchanged, done", "create, rejected", "update, rejected", "create, unknown"} {
		if did[what] > 0 {
			fmt.Printf("  %4d %s\n", did[what], what)
		}
	}
	for _, err := range syncer.Pull(ctx, crmsync.WithKinds(crmsync.KindOrders)) {
		if err != nil {
			return err
		}
	}
	return nil
}

// orders stands for the ERP: it yields all orders, of which the first are delivered.
func orders(placed, delivered int) iter.Seq2[antcrm.OpportunityCreateParams, error] {
	return func(yield func(antcrm.OpportunityCreateParams, error) bool) {
		for i := range placed {
			order := antcrm.OpportunityCreateParams{
				ExternalID: fmt.Sprintf("SO-%06d", i+1), Name: fmt.Sprintf("Order SO-%06d", i+1), ReceiverName: fmt.Sprintf("Nguyễn Văn Mẫu %d", i+1),
				ReceiverPhone: fmt.Sprintf("0900%06d", i+1), Stage: "New", Value: antcrm.NewDecimal(int64(100_000 * (i%3 + 1))),
			}
			if i < delivered {
				order.Stage = "Delivered"
			}
			if !yield(order, nil) {
				return
			}
		}
	}
}

// goWrong makes the fake refuse one update, carry a package of new orders out
// and lose the answer, and never see another package.
func goWrong(fake *antcrmtest.Server) {
	fake.Inject(antcrmtest.Fault{Method: http.MethodPut, Match: nil, BodyContains: `"Delivered"`, Nth: 7, Status: http.StatusBadRequest,
		Body: `{"success": false, "message": "stage: there is no stage of this name"}`})
	fake.Inject(antcrmtest.Fault{Method: http.MethodPost, BodyContains: `"SO-000251"`, Do: antcrmtest.CloseAfter})
	fake.Inject(antcrmtest.Fault{Method: http.MethodPost, BodyContains: `"SO-000380"`, Status: http.StatusBadGateway})
}
