package app

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/cli/internal/output"
	"github.com/antbuddy/antcrm-go/cli/internal/schema"
	"github.com/antbuddy/antcrm-go/crmsync"
)

// openIntent is an intent as it is printed.
type openIntent struct {
	Kind   string `json:"kind"`
	Key    string `json:"key"`
	Action string `json:"action"`
	Ref    string `json:"ref,omitempty"`
	Begun  string `json:"begun"`
	Active bool   `json:"active"`
}

func (a *app) unknownCommand() *cobra.Command {
	state := ""
	cmd := &cobra.Command{
		Use: "unknown", Short: "List what was sent and not answered", Args: arguments(),
		Long: `Lists what was sent and not answered, and could not be looked up since. Nothing
of it is sent again until it is known. Run the sync once more first: it looks up
what it can. Look the rest up in the CRM, and say with "antcrm sync settle" what
became of it. What is active belongs to a process that is still at work. "adopt"
is a key that several records of the CRM carry: settle says which one it is.`,
		Example: "  antcrm sync unknown --state sqlite:crm.db",
	}
	cmd.Flags().StringVar(&state, "state", "", stateHelp)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if state == "" {
			return usage("such as --state sqlite:crm.db", "--state is missing")
		}
		opened, end, err := a.openState(cmd.Context(), state)
		if err != nil {
			return err
		}
		defer end()
		w, err := a.printer(output.Options{Schema: schema.Of[openIntent](), Default: []string{"kind", "key", "action", "ref", "begun", "active"}})
		if err != nil {
			return err
		}
		for in, err := range opened.Unknown(cmd.Context()) {
			if err != nil {
				return errors.Join(stateFailure(err), w.Close())
			}
			raw, err := json.Marshal(openIntent{in.Kind.String(), in.Key, in.Action.String(), in.Ref, in.Begun.UTC().Format(time.RFC3339), in.Active})
			if err == nil {
				err = w.Write(raw)
			}
			if err != nil {
				return err
			}
		}
		return w.Close()
	}
	return cmd
}

func (a *app) settleCommand() *cobra.Command {
	var state, ref string
	cmd := &cobra.Command{
		Use: "settle KIND KEY done|not-done", Short: "Say what became of a request that was not answered", Args: arguments("KIND", "KEY", "done|not-done"),
		Long: `Says what became of one request that "antcrm sync unknown" lists. Look the record
up in the CRM first.

"done" says that it was carried out; for a record that was created give its
number in the CRM with --ref. "not-done" says that it was not: the next sync
sends it again, and if it was carried out after all, the CRM has it twice.`,
		Example: "  antcrm sync settle contacts ERP-475 done --ref lead:9457 --state sqlite:crm.db\n  antcrm sync settle orders SO-12 not-done --state sqlite:crm.db",
	}
	cmd.Flags().StringVar(&state, "state", "", stateHelp)
	cmd.Flags().StringVar(&ref, "ref", "", "the record's number in the CRM (`REF`); of a contact lead:ID or customer:ID")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if state == "" {
			return usage("such as --state sqlite:crm.db", "--state is missing")
		}
		kind, err := crmsync.ParseKind(args[0])
		if err != nil {
			return usage("use contacts, orders, products, tickets, points or redemptions", "unknown kind %q", args[0])
		}
		outcome, ok := map[string]antcrm.Outcome{"done": antcrm.OutcomeDone, "not-done": antcrm.OutcomeNotSent}[args[2]]
		if !ok {
			return usage("use done or not-done", "unknown outcome %q", args[2])
		}
		opened, end, err := a.openState(cmd.Context(), state)
		if err != nil {
			return err
		}
		defer end()
		err = opened.Settle(cmd.Context(), crmsync.Intent{Kind: kind, Key: args[1]}, outcome, ref)
		switch {
		case errors.Is(err, antcrm.ErrConflict):
			return &failure{code: exitNotFound, text: "nothing is unknown of this key", next: "see: antcrm sync unknown"}
		case errors.Is(err, antcrm.ErrValidation):
			return usage("give the record's number in the CRM with --ref", "%s", plainError(err))
		case err != nil:
			return stateFailure(err)
		}
		a.note("settled")
		return nil
	}
	return cmd
}
