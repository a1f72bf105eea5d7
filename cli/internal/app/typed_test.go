package app

import (
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"

	"github.com/antbuddy/antcrm-go"
)

func TestACommandLineIsPrintedWithChanges(t *testing.T) {
	t.Parallel()
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.String("state", "", "")
	flags.String("out", "", "")
	flags.StringP("columns", "c", "", "")
	flags.BoolP("plan", "p", false, "")
	hidden := map[string]func(string) string{"state": withoutPassword}
	for name, test := range map[string]struct {
		args []string
		change
		want string
	}{
		"as it was":                       {[]string{"sync", "a b.csv", "--plan"}, change{}, `antcrm sync 'a b.csv' --plan`},
		"a flag less, with its value":     {[]string{"sync", "f.csv", "--out", "x", "--plan"}, change{without: []string{"out"}}, `antcrm sync f.csv --plan`},
		"a flag less, joined":             {[]string{"sync", "--out=x", "f.csv"}, change{without: []string{"out"}}, `antcrm sync f.csv`},
		"a short flag keeps its value":    {[]string{"sync", "-c", "name", "f.csv"}, change{file: "g.csv"}, `antcrm sync -c name g.csv`},
		"a flag's value is no file":       {[]string{"sync", "f.csv", "--out", "x"}, change{file: "g.csv"}, `antcrm sync g.csv --out x`},
		"flags stand before two dashes":   {[]string{"sync", "--", "-f.csv"}, change{with: []string{"--plan"}}, `antcrm sync --plan -- -f.csv`},
		"a file that looks like a flag":   {[]string{"sync", "f.csv"}, change{file: "-g.csv"}, `antcrm sync ./-g.csv`},
		"no password":                     {[]string{"sync", "f.csv", "--state", "postgres://me:secret@db/crm"}, change{shown: hidden}, `antcrm sync f.csv --state postgres://me:xxxxx@db/crm`},
		"no password, joined":             {[]string{"sync", "--state=postgres://me:secret@db/crm", "f.csv"}, change{shown: hidden}, `antcrm sync --state=postgres://me:xxxxx@db/crm f.csv`},
		"no password among its settings":  {[]string{"sync", "--state=postgres://db/crm?password=secret"}, change{shown: hidden}, `antcrm sync '--state=postgres://db/crm?password=xxxxx'`},
		"a flag without the value it has": {[]string{"sync", "f.csv", "--out"}, change{without: []string{"out"}}, `antcrm sync f.csv`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, typed{test.args, flags}.with(test.change))
		})
	}
}

func TestASyncIsPrintedWithoutItsPlanAndItsPassword(t *testing.T) {
	t.Parallel()
	cmd := &cobra.Command{}
	(&syncFlags{}).add(cmd)
	flags := cmd.Flags()
	job := &syncJob[antcrm.ProductCreateParams, antcrm.ID]{typed: typed{flags: flags, args: []string{
		"sync", "products", "f.csv", "--state", "postgres://me:secret@db/crm", "--plan", "--out", "x.plan", "--adopt", "--delete", "--max-deletes=3",
	}}}
	assert.Equal(t, "antcrm sync products f.csv --state postgres://me:xxxxx@db/crm --adopt --plan", job.again("--adopt", "--plan"))
	assert.Equal(t, "antcrm sync products f.csv --state postgres://me:xxxxx@db/crm --adopt --apply x.plan", job.again("--apply", "x.plan"))
}
