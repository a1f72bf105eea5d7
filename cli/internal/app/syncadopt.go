package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/antbuddy/antcrm-go/crmsync"
)

// takeOver records in the state what the CRM has.
func (j *syncJob[P, R]) takeOver(ctx context.Context, syncer *crmsync.Syncer) error {
	bar := j.app.importBar(j.noun, 0)
	var last crmsync.Adoption
	for progress, err := range j.adopt(syncer, ctx) {
		if err != nil {
			bar.end()
			return j.adoptError(err)
		}
		last = progress
		bar.update(int(last.Read), 0)
	}
	bar.end()
	text := fmt.Sprintf("%s in the CRM, %d taken over", plural(int(last.Read), j.noun), last.Adopted-last.Doubled)
	if last.Known > 0 {
		text += fmt.Sprintf(", %d known before", last.Known)
	}
	if last.Keyless > 0 {
		text += fmt.Sprintf(", %d without a %s", last.Keyless, j.key)
	}
	j.app.note("%s", text)
	if last.Doubled > 0 {
		j.app.note("several records of the CRM carry the same %s, and nothing is sent for these keys (%d): see: antcrm sync unknown --state %s",
			j.key, last.Doubled, quoted(withoutPassword(j.flags.state)))
	}
	return nil
}

func (j *syncJob[P, R]) adoptError(err error) error {
	if errors.Is(err, crmsync.ErrKeysNotListed) {
		return &failure{
			code: exitPartial, text: "the CRM's list shows no " + j.key + ", so that nothing can be taken over",
			next: "nothing was sent; if none of these rows is in the CRM, leave --adopt out: the sync looks for them before it creates the first",
		}
	}
	return stateFailure(err)
}

// notAdopted is a row that the CRM has and the state does not know.
func (j *syncJob[P, R]) notAdopted(there *crmsync.NotAdoptedError) error {
	f := &failure{
		code: exitPartial, text: fmt.Sprintf("row %d is in the CRM already, and the state does not know it", there.Index+1),
		next: "nothing was created twice; to see what a sync that takes over what is there would do, run: " + j.again("--adopt", "--plan") + "; leave --plan out if it is right",
	}
	if !there.Listed {
		f.next = "nothing was created twice; if an earlier sync has created it, only the state of that sync can go on; if it is there by chance, and nobody has synced these rows before, add --first"
	}
	return f
}

// again is the command with other flags: those of a plan are left out, and so is a password.
func (j *syncJob[P, R]) again(flags ...string) string {
	without := []string{"plan", "delete", "out", "apply", "max-deletes"}
	if !slices.Contains(flags, "--apply") {
		without = append(without, "adopt")
	}
	return j.typed.with(change{without: without, with: flags, shown: map[string]func(string) string{"state": withoutPassword}})
}

// withoutPassword is a DSN that may be shown.
func withoutPassword(dsn string) string {
	if strings.HasPrefix(dsn, "sqlite:") {
		return dsn
	}
	parsed, err := url.Parse(dsn)
	if err != nil {
		return "DSN" // what cannot be read may be a password
	}
	if query := parsed.Query(); query.Has("password") {
		query.Set("password", "xxxxx")
		parsed.RawQuery = query.Encode()
	}
	return parsed.Redacted()
}
