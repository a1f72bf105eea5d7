// Package lookup finds out what became of customers that an import has sent and has no answer for.
package lookup

import (
	"context"
	"slices"
	"strings"

	"github.com/antbuddy/antcrm-go"
)

type (
	customer   = antcrm.ContactCreateParams
	chunk      = antcrm.UnknownChunk[customer]
	resolution = antcrm.Resolution[antcrm.ContactRef]
)

// Contacts is a resolver for antcrm.WithUnknownResolver. The import asks it once the requests can no longer be under
// way.
func Contacts(client *antcrm.Client) func(context.Context, chunk) ([]resolution, error) {
	return func(ctx context.Context, sent chunk) ([]resolution, error) {
		found := make([]resolution, len(sent.Records))
		for i, record := range sent.Records {
			found[i] = lookUp(ctx, client, record)
		}
		return found, nil
	}
}

// lookUp searches by every phone number and e-mail address: filters that the vendor documents. Only if all searches
// find nobody, the customer is not there. Whatever else is not certain stays unknown.
func lookUp(ctx context.Context, client *antcrm.Client, record customer) resolution {
	var unknown, found resolution
	searches := searchesFor(record)
	for _, search := range searches {
		for contact, err := range client.Contacts.All(ctx, search) {
			if err != nil || !isSame(contact, record, search) {
				return unknown // somebody else: two customers may share a number, or the server may not know the filter
			}
			if ref := contact.Ref(); found.Outcome == antcrm.OutcomeDone && ref != found.Ref {
				return unknown // two contacts: a person has to look
			}
			found = resolution{Outcome: antcrm.OutcomeDone, Ref: contact.Ref()}
		}
	}
	if len(searches) > 0 && found.Outcome != antcrm.OutcomeDone {
		found.Outcome = antcrm.OutcomeNotSent // nobody has any of them: it is sent
	}
	return found
}

func searchesFor(record customer) (searches []antcrm.ContactListParams) {
	for _, phone := range record.Phones {
		for _, form := range formsOf(phone.Value) {
			searches = append(searches, antcrm.ContactListParams{Phone: form})
		}
	}
	for _, email := range record.Emails {
		if email.Value != "" {
			searches = append(searches, antcrm.ContactListParams{Email: email.Value})
		}
	}
	return searches
}

// formsOf is how a CRM may have stored a Vietnamese number. One that rewrites numbers finds them only as it stores
// them.
func formsOf(phone string) []string {
	for _, prefix := range []string{"+84", "84", "0"} {
		if national, ok := strings.CutPrefix(phone, prefix); ok && len(national) >= 8 {
			return slices.Compact(slices.Sorted(slices.Values([]string{phone, "0" + national, "+84" + national, "84" + national})))
		}
	}
	if phone == "" {
		return nil
	}
	return []string{phone}
}

// isSame compares what came with what was sent: the value searched for, the name, and your own key if the CRM shows it.
func isSame(contact antcrm.Contact, record customer, search antcrm.ContactListParams) bool {
	hasPhone := slices.ContainsFunc(contact.Phones, func(p antcrm.Phone) bool { return slices.Contains(formsOf(search.Phone), p.Value) })
	hasEmail := slices.ContainsFunc(contact.Emails, func(e antcrm.Email) bool { return e.Value == search.Email })
	return (search.Phone == "" || hasPhone) && (search.Email == "" || hasEmail) && contact.Name == record.Name &&
		(contact.ExternalID == "" || contact.ExternalID == record.ExternalID)
}
