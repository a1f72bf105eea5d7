package app

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/crmsync"
)

// pullFlags are those of the pull command.
type pullFlags struct {
	state     string
	kinds     []string
	campaigns []string
	full      bool
	overlap   time.Duration
}

func (a *app) pullCommand() *cobra.Command {
	p := &pullFlags{}
	cmd := &cobra.Command{
		Use: "pull", Short: "Mirror the CRM into a database", Args: arguments(),
		Long: `Mirrors the CRM into tables of the state's database: crm_contacts, crm_orders,
crm_products, crm_tickets, crm_points, crm_redemptions, and with --campaign-id
crm_telesales and crm_telecalls. Each has typed columns, the record as received
in "raw", and "deleted_at" for what is gone. Views: crm_orders_by_stage,
crm_customers_without_order, crm_open_tickets.

After the first two runs contacts and tickets are read from the last pull on;
--full reads everything and finds deletions too. A pull that ends early goes on
where it was.`,
		Example: "  antcrm pull --state sqlite:crm.db\n  antcrm pull --state postgres://crm@db/crm --kinds contacts,orders --full",
	}
	f := cmd.Flags()
	f.StringVar(&p.state, "state", "", "the database to mirror into: sqlite:FILE or postgres://… (`DSN`)")
	f.StringSliceVar(&p.kinds, "kinds", nil, "only these `KINDS`: contacts, orders, products, tickets, points, redemptions, telesales, telecalls")
	f.StringSliceVar(&p.campaigns, "campaign-id", nil, "also the telesales and telecalls of this campaign (`ID`; may be repeated)")
	f.BoolVar(&p.full, "full", false, "read everything, to find what was deleted")
	f.DurationVar(&p.overlap, "overlap", 0, "read so much before the last pull again (default: 48h for contacts, 1h otherwise)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return p.run(cmd, a) }
	return cmd
}

func (p *pullFlags) options(changed func(string) bool) (opts []crmsync.PullOption, err error) {
	for _, name := range p.kinds {
		kind, err := crmsync.ParseKind(name)
		if err != nil {
			return nil, usage("see: antcrm pull --help", "unknown kind %q for --kinds", name)
		}
		opts = append(opts, crmsync.WithKinds(kind))
	}
	for _, id := range p.campaigns {
		opts = append(opts, crmsync.WithCampaigns(antcrm.ID(id)))
	}
	if p.full {
		opts = append(opts, crmsync.WithFullSweep())
	}
	if changed("overlap") {
		opts = append(opts, crmsync.WithOverlap(p.overlap))
	}
	return opts, nil
}

func (p *pullFlags) run(cmd *cobra.Command, a *app) error {
	if p.state == "" && !a.flags.mock {
		return usage("such as --state sqlite:crm.db", "--state is missing")
	}
	opts, err := p.options(cmd.Flags().Changed)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	syncer, end, err := a.openSyncer(ctx, p.state)
	if err != nil {
		return err
	}
	defer end()
	bar := a.importBar("records", 0)
	read := map[string]int64{}
	total := func() (n int) {
		for _, one := range read {
			n += int(one)
		}
		return n
	}
	for progress, err := range syncer.Pull(ctx, opts...) {
		if err != nil {
			bar.end()
			return stateFailure(err)
		}
		name := progress.Kind.String()
		if progress.Campaign != "" {
			name += " of " + string(progress.Campaign)
		}
		read[name] = progress.Read
		bar.update(total(), 0)
		if progress.Done && !a.flags.quiet {
			text := name + ": " + fmt.Sprint(progress.Read, " read") + ", " + fmt.Sprint(progress.Changed, " new or changed")
			if progress.Deleted > 0 {
				text += ", " + fmt.Sprint(progress.Deleted, " gone")
			}
			bar.say(text)
		}
	}
	bar.end()
	return nil
}
