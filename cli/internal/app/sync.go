package app

import (
	"context"
	"iter"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/crmsync"
	"github.com/antbuddy/antcrm-go/records"
)

// syncing describes what the sync command can keep in step.
type syncing[P records.Params, R any] struct {
	noun    string // contacts
	key     string // the field that records are recognized by
	example string
	push    func(*crmsync.Syncer, context.Context, iter.Seq2[P, error], ...crmsync.PushOption) iter.Seq2[crmsync.Change[R], error]
	adopt   func(*crmsync.Syncer, context.Context) iter.Seq2[crmsync.Adoption, error]
}

// syncFlags are the flags of the commands that push.
type syncFlags struct {
	readingFlags
	concurrency int
	isolate     bool
	dryRun      bool
	state       string
	plan        bool
	out, apply  string
	deletes     bool
	maxDeletes  int
	adopt       bool
	first       bool
}

const stateHelp = `the database that remembers what was sent: sqlite:FILE or postgres://… (` + "`DSN`" + `)`

func (a *app) syncCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "sync", Short: "Keep contacts, orders and products as a file says",
		Long: `Makes the CRM what a file says: creates what is new, changes what has changed
since the last sync and leaves the rest alone. A database (--state) remembers
what was sent; run it as often as you like, and after any crash.

What was sent and not answered is looked up by the next run. What that cannot
tell is listed by "antcrm sync unknown"; say with "antcrm sync settle" what
became of it.`,
	}
	asGroup(cmd)
	cmd.AddCommand(
		syncing[antcrm.ContactCreateParams, antcrm.ContactRef]{
			noun: "contacts", key: "customerIdApiRing", example: "customers.csv",
			push: func(s *crmsync.Syncer, ctx context.Context, source iter.Seq2[antcrm.ContactCreateParams, error], opts ...crmsync.PushOption) iter.Seq2[crmsync.Change[antcrm.ContactRef], error] {
				return s.Contacts.Push(ctx, source, opts...)
			},
			adopt: func(s *crmsync.Syncer, ctx context.Context) iter.Seq2[crmsync.Adoption, error] {
				return s.Contacts.Adopt(ctx)
			},
		}.command(a),
		syncing[antcrm.OpportunityCreateParams, antcrm.ID]{
			noun: "orders", key: "opportunityIdApiRing", example: "orders.jsonl",
			push: func(s *crmsync.Syncer, ctx context.Context, source iter.Seq2[antcrm.OpportunityCreateParams, error], opts ...crmsync.PushOption) iter.Seq2[crmsync.Change[antcrm.ID], error] {
				return s.Orders.Push(ctx, source, opts...)
			},
			adopt: func(s *crmsync.Syncer, ctx context.Context) iter.Seq2[crmsync.Adoption, error] {
				return s.Orders.Adopt(ctx)
			},
		}.command(a),
		syncing[antcrm.ProductCreateParams, antcrm.ID]{
			noun: "products", key: "productIdApiRing", example: "products.csv",
			push: func(s *crmsync.Syncer, ctx context.Context, source iter.Seq2[antcrm.ProductCreateParams, error], opts ...crmsync.PushOption) iter.Seq2[crmsync.Change[antcrm.ID], error] {
				return s.Products.Push(ctx, source, opts...)
			},
			adopt: func(s *crmsync.Syncer, ctx context.Context) iter.Seq2[crmsync.Adoption, error] {
				return s.Products.Adopt(ctx)
			},
		}.command(a),
		a.unknownCommand(), a.settleCommand(),
	)
	return cmd
}

func (sy syncing[P, R]) command(a *app) *cobra.Command {
	flags := &syncFlags{}
	cmd := &cobra.Command{
		Use: sy.noun + " FILE", Short: "Make the CRM's " + sy.noun + " what a file says", Args: arguments("FILE"),
		Long: "Makes the CRM's " + sy.noun + " what FILE says, recognized by " + sy.key + `. FILE is read
like that of an import. A row that cannot be read ends the command before
anything is sent.

A row is compared with what the last sync sent: what people have changed in the
CRM since stays. A field that FILE has no column for stays, too. An empty cell
clears its field; what the API cannot clear or change is named, and the rest of
the row is sent. (JSON Lines that come by a pipe speak of all fields.)

--plan says what would be done and sends nothing. With --out the plan is kept in
a file, and --apply carries out that plan and no other: if the file or the state
has changed since, nothing is sent.

--adopt takes over what the CRM has already: it reads the CRM's whole list and
records in the state which record carries which key, before the sync. Use it once,
with a new state, or with one that was lost. FILE may then be an export: the CRM's
own keys and what the CRM sets itself are left out, and a row that is as the CRM has
it sends nothing. Without --adopt a first sync ends before it creates a record that
the CRM has.

With --delete what an earlier sync created and FILE no longer has is deleted,
unless that is more than --max-deletes: then none is.

The file must be complete: a row that is missing is a record to delete.`,
		Example: "  antcrm sync " + sy.noun + " " + sy.example + " --state sqlite:crm.db --plan\n  antcrm sync " + sy.noun + " " + sy.example +
			" --state sqlite:crm.db --delete --max-deletes 20\n  antcrm sync " + sy.noun + " export.csv --state sqlite:crm.db --adopt --plan",
		RunE: func(cmd *cobra.Command, args []string) error {
			job := &syncJob[P, R]{syncing: sy, app: a, flags: flags, path: args[0], typed: typed{a.args, cmd.Flags()}}
			return job.do(cmd.Context())
		},
	}
	flags.add(cmd)
	offerFields(cmd, records.Columns[P]())
	return cmd
}

func (s *syncFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	s.readingFlags.add(cmd)
	f.BoolVar(&s.dryRun, "dry-run", false, "the same as --plan for an import")
	for _, name := range []string{"allow-duplicates", "dry-run"} {
		_ = f.MarkHidden(name) // of an import
	}
	f.IntVar(&s.concurrency, "concurrency", 4, "`N` requests at a time")
	f.BoolVar(&s.isolate, "isolate", false, "split a refused request in halves until only the bad rows fail. If the service saves part of a\n"+
		"request that it refuses, that part is created twice; antcrm doctor --contract --write finds out")
	f.StringVar(&s.state, "state", "", stateHelp)
	f.BoolVar(&s.plan, "plan", false, "say what would be done, and send nothing")
	f.StringVar(&s.out, "out", "", "with --plan: keep the plan in this `FILE`")
	f.StringVar(&s.apply, "apply", "", "carry out the plan in this `FILE`, if it still holds")
	f.BoolVar(&s.adopt, "adopt", false, "first take over what the CRM has already; FILE may be an export")
	f.BoolVar(&s.first, "first", false, "nobody has put the rows of FILE into the CRM before: do not look for them there first. What is there\n"+
		"after all is created a second time")
	f.BoolVar(&s.deletes, "delete", false, "delete what an earlier sync created and FILE no longer has")
	f.IntVar(&s.maxDeletes, "max-deletes", 0, "with --delete: if it is more than `N` records, delete none")
}

func (s *syncFlags) check(a *app, changed func(string) bool) error {
	switch {
	case s.state == "" && !a.flags.mock:
		return usage("such as --state sqlite:crm.db", "--state is missing")
	case s.state != "" && a.flags.mock:
		return usage("leave one of them out", "--mock forgets everything when the command ends, and a state would not")
	case s.out != "" && !s.plan:
		return usage("give --plan too", "--out keeps a plan")
	case s.plan && s.apply != "":
		return usage("leave one of them out", "--plan makes a plan and --apply carries one out")
	case s.adopt && s.first:
		return usage("leave one of them out", "--adopt takes over what is in the CRM, and --first says that nothing of it is")
	case s.apply != "" && s.deletes:
		return usage("leave --delete out", "the plan says what is deleted")
	case s.deletes && !changed("max-deletes"):
		return usage("such as --max-deletes 20", "--delete needs --max-deletes")
	case s.maxDeletes < 0:
		return usage("", "--max-deletes must not be negative")
	case !s.deletes && changed("max-deletes"):
		return usage("give --delete too", "--max-deletes is for --delete")
	case s.dryRun:
		return usage("use --plan", "--dry-run is for imports")
	case s.concurrency < 1:
		return usage("", "--concurrency must be at least 1")
	}
	return nil
}

// openState opens the database of --state; with --mock one that is gone afterwards.
func (a *app) openState(ctx context.Context, dsn string) (state *crmsync.State, end func(), err error) {
	folder := ""
	if dsn == "" {
		if folder, err = os.MkdirTemp("", "antcrm-mock-"); err != nil {
			return nil, nil, err
		}
		dsn = "sqlite:" + filepath.Join(folder, "state.db")
	}
	if state, err = crmsync.Open(ctx, dsn); err != nil {
		return nil, nil, stateFailure(err)
	}
	return state, func() {
		_ = state.Close()
		if folder != "" {
			_ = os.RemoveAll(folder)
		}
	}, nil
}

// openSyncer opens the state and a syncer for the account.
func (a *app) openSyncer(ctx context.Context, dsn string) (s *crmsync.Syncer, end func(), err error) {
	client, err := a.client()
	if err != nil {
		return nil, nil, err
	}
	state, end, err := a.openState(ctx, dsn)
	if err != nil {
		return nil, nil, err
	}
	if s, err = crmsync.New(ctx, client, state); err != nil {
		end()
		return nil, nil, stateFailure(err)
	}
	return s, end, nil
}
