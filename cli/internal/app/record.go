package app

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/cli/internal/output"
	"github.com/antbuddy/antcrm-go/cli/internal/schema"
)

// The methods of a service, by what they do.
type (
	getFunc[T, K any]       = func(context.Context, K, ...antcrm.CallOption) (*T, error)
	createFunc[P, R any]    = func(context.Context, P, ...antcrm.CallOption) (R, error)
	updateFunc[K, P, R any] = func(context.Context, K, P, ...antcrm.CallOption) (R, error)
	deleteFunc[K any]       = func(context.Context, K, ...antcrm.CallOption) error
	actFunc[P any]          = func(context.Context, P, ...antcrm.CallOption) error
)

// verb is a command of a resource.
type verb interface{ command(a *app) *cobra.Command }

// key says how one record is named on the command line.
type key[K any] struct {
	use     string // of the use line: NUMBER
	help    string // where the key comes from
	example string
	begin   []string // what it may begin with, for completion
	parse   func(string) (K, error)
}

// complete offers what a key may begin with, and no files.
func (k key[K]) complete(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 || strings.Contains(typed, ":") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return k.begin, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// getting describes how one record is looked up.
type getting[T recorded, K any] struct {
	noun, one string
	key       key[K]
	get       func(*antcrm.Client) getFunc[T, K]
}

func (g getting[T, K]) command(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "get " + g.key.use, Short: "Show one " + g.one, Args: arguments(g.key.use), ValidArgsFunction: g.key.complete,
		Long:    fmt.Sprintf("Shows one %s. %s\n\nOn a terminal all its fields are printed, elsewhere its JSON as received.", g.one, g.key.help),
		Example: fmt.Sprintf("  antcrm %s get %s\n  antcrm %[1]s get %[2]s -o json", g.noun, g.key.example),
	}
	offerColumns(cmd, schema.Of[T]())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, stop := interruptible(cmd)
		defer stop()
		name, client, err := start(a, g.key, args[0])
		if err != nil {
			return err
		}
		record, err := g.get(client)(ctx, name)
		if err != nil {
			return err
		}
		return a.printOne((*record).RawJSON(), output.Options{Schema: schema.Of[T](), Default: schema.Of[T]().Names()})
	}
	return cmd
}

// start reads the key of the command line and makes the client.
func start[K any](a *app, k key[K], arg string) (name K, client *antcrm.Client, err error) {
	if name, err = k.parse(arg); err != nil {
		return name, nil, err
	}
	client, err = a.client()
	return name, client, err
}

// creating describes how one record is made. R is what the service answers.
type creating[P, R any] struct {
	noun, one string
	example   string // flags of a typical call
	short     []shortcut
	create    func(*antcrm.Client) createFunc[P, R]
	result    func(R) map[string]string
}

func (c creating[P, R]) command(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "create", Short: "Create one " + c.one, Args: arguments(),
		Long:    fmt.Sprintf("Creates one %s and prints the key it got.\n\n%s\n\n%s", c.one, bodyHelp, fieldsHelp("Fields", schema.Of[P]().Names())),
		Example: fmt.Sprintf("  antcrm %s create %s\n  antcrm %[1]s create --data @%[3]s.json", c.noun, c.example, c.one),
	}
	b := &body{}
	b.addFlags(cmd, c.short)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, stop := interruptible(cmd)
		defer stop()
		params, err := readBody[P](ctx, a, b)
		if err != nil {
			return err
		}
		client, err := a.client()
		if err != nil {
			return err
		}
		ref, err := c.create(client)(ctx, params)
		if err != nil {
			return err
		}
		return a.printKey(c.result(ref))
	}
	return cmd
}

// updating describes how one record is changed.
type updating[K, P, R any] struct {
	noun, one string
	key       key[K]
	example   string
	short     []shortcut
	update    func(*antcrm.Client) updateFunc[K, P, R]
	result    func(R) map[string]string
}

func (u updating[K, P, R]) command(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "update " + u.key.use, Short: "Change one " + u.one, Args: arguments(u.key.use), ValidArgsFunction: u.key.complete,
		Long: fmt.Sprintf(`Changes one %s: the fields given, no others. %s

%s
An empty text or list clears a field: --set stage= or --set tags:=[].

%s`, u.one, u.key.help, bodyHelp, fieldsHelp("Fields", schema.Of[P]().Names())),
		Example: fmt.Sprintf("  antcrm %s update %s %s", u.noun, u.key.example, u.example),
	}
	b := &body{}
	b.addFlags(cmd, u.short)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, stop := interruptible(cmd)
		defer stop()
		params, err := readBody[P](ctx, a, b)
		if err != nil {
			return err
		}
		name, client, err := start(a, u.key, args[0])
		if err != nil {
			return err
		}
		ref, err := u.update(client)(ctx, name, params)
		if err != nil {
			return err
		}
		return a.printKey(u.result(ref))
	}
	return cmd
}

// deleting describes how one record is deleted.
type deleting[K any] struct {
	noun, one string
	key       key[K]
	note      string
	remove    func(*antcrm.Client) deleteFunc[K]
}

func (d deleting[K]) command(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete " + d.key.use, Short: "Delete one " + d.one, Args: arguments(d.key.use), ValidArgsFunction: d.key.complete,
		Long:    fmt.Sprintf("Deletes one %s. %s\n%s\nAsks first if a person sits at the terminal, unless --yes is given.", d.one, d.key.help, d.note),
		Example: fmt.Sprintf("  antcrm %s delete %s\n  antcrm %[1]s delete %[2]s --yes", d.noun, d.key.example),
	}
	yes := false
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, stop := interruptible(cmd)
		defer stop()
		name, client, err := start(a, d.key, args[0])
		if err != nil {
			return err
		}
		if !yes && isTerminal(a.stdin) && !a.confirm(ctx, "delete "+d.one+" "+args[0]+"?") {
			return &failure{code: exitFailure, text: "nothing was deleted"}
		}
		if err := d.remove(client)(ctx, name); err != nil {
			return err
		}
		a.note("deleted %s %s", d.one, args[0])
		return nil
	}
	return cmd
}

// acting describes a write that answers with nothing but success.
type acting[P any] struct {
	use, short string
	long       string
	done       string
	example    string
	flags      []shortcut
	act        func(*antcrm.Client) actFunc[P]
}

func (c acting[P]) command(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: c.use, Short: c.short, Args: arguments(), Long: c.long + "\n\n" + bodyHelp, Example: c.example}
	b := &body{}
	b.addFlags(cmd, c.flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, stop := interruptible(cmd)
		defer stop()
		params, err := readBody[P](ctx, a, b)
		if err != nil {
			return err
		}
		client, err := a.client()
		if err != nil {
			return err
		}
		if err := c.act(client)(ctx, params); err != nil {
			return err
		}
		a.note("%s", c.done)
		return nil
	}
	return cmd
}

// printKey prints what a write answered.
func (a *app) printKey(key map[string]string) error {
	raw, err := json.Marshal(key)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	var names []string
	for name := range key {
		names = append(names, name)
	}
	return a.printOne(raw, output.Options{Default: names, Schema: schema.Of[struct{}](), Open: true})
}

// idResult names the id of an answer as the wire does.
func idResult(name string) func(antcrm.ID) map[string]string {
	return func(id antcrm.ID) map[string]string { return map[string]string{name: string(id)} }
}
