package app

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/cli/internal/output"
	"github.com/antbuddy/antcrm-go/cli/internal/schema"
)

// recorded is every record that the API lists.
type recorded interface{ RawJSON() json.RawMessage }

// allFunc is the All of a service.
type allFunc[T, P any] func(context.Context, P, ...antcrm.CallOption) iter.Seq2[T, error]

// listing describes a list of the API: all that list and export need to know of it.
type listing[T recorded, P any] struct {
	noun    string   // contacts
	verb    string   // list; history where the API calls it that
	short   string   // the rest of "List " and "Export "
	example string   // arguments of a typical call, such as --phone 0900000001
	columns []string // of tables
	exports []string // of CSV; nil: columns
	open    bool     // the vendor documents no fields
	flags   func(filters, *P)
	all     func(*antcrm.Client) allFunc[T, P]
}

// listDefault is how many records a list prints unless --limit says otherwise.
const listDefault = 20

func (l listing[T, P]) addFlags(cmd *cobra.Command) *P {
	params := new(P)
	cmd.Flags().SortFlags = false
	l.flags(filters{cmd.Flags()}, params)
	completeValues(cmd)
	offerColumns(cmd, schema.Of[T]())
	return params
}

// format is how the records are written.
func (l listing[T, P]) format(format string) output.Options {
	opts := output.Options{Default: l.columns, Schema: schema.Of[T](), Open: l.open}
	if format == output.CSV && l.exports != nil {
		opts.Default = l.exports
	}
	return opts
}

func (l listing[T, P]) help(verb, tail string) (long, example string) {
	long = fmt.Sprintf("%s %s.\n\n%s\n\n%s", verb, l.short, tail, fieldsHelp("Fields for --columns", schema.Of[T]().Names()))
	if l.open {
		long += "\nThe vendor documents no more of them: -o json shows what the service sends."
	}
	return long, "  antcrm " + l.noun + " "
}

// list is the command that prints records.
func (l listing[T, P]) list(a *app) *cobra.Command {
	long, prefix := l.help("List", "Prints the first 20 unless --limit says otherwise.")
	cmd := &cobra.Command{Use: l.verb, Short: "List " + l.short, Long: long, Args: arguments()}
	cmd.Example = prefix + l.verb + " " + l.example + "\n" +
		prefix + l.verb + " " + l.example + " --limit 0 -o csv --columns " + strings.Join(l.columns[:min(2, len(l.columns))], ",")
	limit := listDefault
	params := l.addFlags(cmd)
	filters{cmd.Flags()}.count(&limit, "limit", "print at most `N` records; 0: all")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, stop := interruptible(cmd)
		defer stop()
		return l.print(ctx, a, *params, limit, cmd.Flags().Changed("limit"))
	}
	return cmd
}

func (l listing[T, P]) print(ctx context.Context, a *app, params P, limit int, limited bool) error {
	w, err := a.printer(l.format(a.flags.output))
	if err != nil {
		return err
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	more := false
	for record, err := range l.all(client)(ctx, params) {
		if err != nil {
			// What came before the failure is printed, all the same.
			_ = w.Flush()
			return err
		}
		if err := w.Write(record.RawJSON()); err != nil {
			return err
		}
		if w.Count() == limit {
			more = !limited
			break
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	if more {
		a.note("the first %d; there may be more: --limit 0 prints all", limit)
	}
	return nil
}

// export is the command that writes all records to a file.
func (l listing[T, P]) export(a *app) *cobra.Command {
	long, prefix := l.help("Export", `Writes all records that match, page after page, in constant memory. With -f
they go to a temporary file beside FILE that takes its place once all are
there; FILE's ending (.csv, .jsonl, .json) chooses the format unless -o does.
Without -f they go to stdout, as JSON Lines.`)
	cmd := &cobra.Command{Use: "export", Short: "Export " + l.short, Long: long, Args: arguments()}
	cmd.Example = prefix + "export " + l.example + " -f " + l.noun + ".csv\n" + prefix + "export | head -3"
	params := l.addFlags(cmd)
	target := ""
	var bom, excel bool
	cmd.Flags().StringVarP(&target, "file", "f", "", "write to this `FILE` (- is stdout)")
	cmd.Flags().BoolVar(&bom, "bom", false, "begin CSV with a byte order mark, so that Excel reads Vietnamese")
	cmd.Flags().BoolVar(&excel, "excel", false, "write CSV for Excel: with a byte order mark, a sep= line, and an apostrophe before what Excel\n"+
		"would run as a formula. Such a file is for reading, not for importing it again")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, stop := interruptible(cmd)
		defer stop()
		return l.save(ctx, a, *params, target, bom, excel)
	}
	return cmd
}

func (l listing[T, P]) save(ctx context.Context, a *app, params P, target string, bom, excel bool) error {
	format, err := exportFormat(a.flags.output, target)
	if err != nil {
		return err
	}
	opts := l.format(format)
	if excel && format != output.CSV {
		return usage("give -o csv, or a FILE that ends in .csv", "--excel is for CSV")
	}
	opts.Format, opts.Columns, opts.BOM, opts.Excel = format, a.flags.columns, bom, excel
	client, err := a.client()
	if err != nil {
		return err
	}
	all := l.all(client)(ctx, params)
	if target == "" || target == "-" {
		_, err := copyRecords(a.stdout, all, a.forStdout(opts), nil)
		return err
	}
	file, err := awaitOutput(ctx, target)
	if err != nil {
		return err
	}
	defer file.discard()
	bar := a.countBar(l.noun)
	count, err := copyRecords(file, all, opts, bar.add)
	bar.end()
	if err != nil {
		return file.named(err)
	}
	if err := file.commit(); err != nil {
		return err
	}
	a.note("exported %s: %s", plural(count, l.noun), target)
	return nil
}

// columnsNote is where a command keeps its fields, for the completion of --columns.
const columnsNote = "columns"

func offerColumns(cmd *cobra.Command, s schema.Schema) {
	cmd.Annotations = map[string]string{columnsNote: strings.Join(s.Names(), ",")}
}

// completeColumns completes the last field of --columns.
func completeColumns(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	before := typed[:strings.LastIndexByte(typed, ',')+1]
	var names []string
	for name := range strings.SplitSeq(cmd.Annotations[columnsNote], ",") {
		if strings.HasPrefix(before+name, typed) {
			names = append(names, before+name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// helpWidth is how wide the lines of help texts are.
const helpWidth = 78

// fieldsHelp lists names in lines of a help text.
func fieldsHelp(title string, names []string) string {
	var b strings.Builder
	b.WriteString(title + ":")
	width := b.Len()
	for i, name := range names {
		if name += ","; i == len(names)-1 {
			name = strings.TrimSuffix(name, ",") + "."
		}
		if width += 1 + len(name); width > helpWidth {
			b.WriteString("\n" + name)
			width = len(name)
			continue
		}
		b.WriteString(" " + name)
	}
	return b.String()
}
