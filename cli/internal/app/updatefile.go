package app

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/records"
)

const updateFileHelp = `Changes the %[1]s of FILE, recognized by the caller's own key (%[2]s), one
request each: every cell that is filled sets its field, and an empty cell leaves
the field alone. FILE may be an edited export: the CRM's own keys and what the
CRM sets itself are ignored. The same file may be sent again without harm.`

// contactUpdates changes contacts by a file.
func contactUpdates() importing[antcrm.ContactCreateParams, antcrm.ContactRef] {
	type params = antcrm.ContactCreateParams
	update := func(ctx context.Context, c *antcrm.Client, p params) (antcrm.ContactRef, error) {
		if p.ExternalID == "" {
			return antcrm.ContactRef{}, &antcrm.ValidationError{Index: -1, Field: "customerIdApiRing", Problem: "is required"}
		}
		change, err := changesOf[antcrm.ContactUpdateParams](p)
		if err != nil {
			return antcrm.ContactRef{}, err
		}
		return c.Contacts.Update(ctx, antcrm.ExternalRef(p.ExternalID), change)
	}
	im := updateFile(update)
	im.noun, im.file, im.lists, im.required = "contacts", "changes", contactListColumns, []string{"customerIdApiRing"}
	im.template = contactTemplate()
	im.short = "Change contacts by a file"
	im.long = fmt.Sprintf(updateFileHelp, "contacts", "customerIdApiRing") + `
The API cannot change type and contactType: these columns are ignored too. Whether
the service replaces a list (phones, emails, addresses, tags, cusFields) or adds to
it is not documented: try it with one contact first.`
	im.example = "  antcrm contacts export -f all.csv\n  antcrm contacts update-file all.csv --dry-run\n  antcrm contacts update-file stages.csv --map 'Mã KH=customerIdApiRing'"
	return im
}

// productUpdates changes products by a file.
func productUpdates() importing[antcrm.ProductCreateParams, antcrm.ID] {
	type params = antcrm.ProductCreateParams
	im := updateFile(func(ctx context.Context, c *antcrm.Client, p params) (antcrm.ID, error) {
		if p.ExternalID == "" {
			return "", &antcrm.ValidationError{Index: -1, Field: "productIdApiRing", Problem: "is required"}
		}
		change, err := changesOf[antcrm.ProductUpdateParams](p)
		if err != nil {
			return "", err
		}
		return c.Products.Update(ctx, p.ExternalID, change)
	})
	im.noun, im.file, im.required, im.template = "products", "changes", []string{"productIdApiRing"}, []string{"productIdApiRing", "name", "code", "value", "canEdit"}
	im.short, im.long = "Change products by a file", fmt.Sprintf(updateFileHelp, "products", "productIdApiRing")
	im.example = "  antcrm products update-file prices.xlsx --dry-run"
	return im
}

func updateFile[P records.Params, R any](update func(context.Context, *antcrm.Client, P) (R, error)) importing[P, R] {
	return importing[P, R]{
		use: "update-file FILE", verb: "updated", updates: true,
		run: func(c *antcrm.Client, _ string, b *bulkFlags) importFunc[P, R] {
			return oneByOne(func(ctx context.Context, p P) (R, error) { return update(ctx, c, p) }, b.concurrency, b.stopOnError)
		},
		check: func(ctx context.Context, c *antcrm.Client, _ string, record P) error {
			_, err := update(ctx, c, record)
			return err
		},
	}
}

// changesOf are the fields of a record that are set, as changes. Fields that no update takes are left out.
func changesOf[U, P any](record P) (change U, err error) {
	text, err := json.Marshal(record)
	if err == nil {
		err = json.Unmarshal(text, &change)
	}
	return change, err
}
