package main

import (
	"context"
	"slices"

	"github.com/antbuddy/antcrm-go"
)

type resolution = antcrm.Resolution[antcrm.ContactRef]

// resolver looks up what an earlier run has sent and has no answer for. The import asks it once the requests can no
// longer be under way.
func resolver(client *antcrm.Client) func(context.Context, antcrm.UnknownChunk[antcrm.ContactCreateParams]) ([]resolution, error) {
	return func(ctx context.Context, chunk antcrm.UnknownChunk[antcrm.ContactCreateParams]) ([]resolution, error) {
		found := make([]resolution, len(chunk.Records))
		for i, record := range chunk.Records {
			found[i] = lookUp(ctx, client, record)
		}
		return found, nil
	}
}

// lookUp searches by phone, a filter that the vendor documents, and compares what it finds. Whatever it cannot be sure of
// stays unknown: a row without a phone, an error, a record of somebody else.
func lookUp(ctx context.Context, client *antcrm.Client, record antcrm.ContactCreateParams) resolution {
	var unknown resolution
	if len(record.Phones) == 0 {
		return unknown
	}
	phone := record.Phones[0].Value
	for contact, err := range client.Contacts.All(ctx, antcrm.ContactListParams{Phone: phone}) {
		hasPhone := slices.ContainsFunc(contact.Phones, func(p antcrm.Phone) bool { return p.Value == phone })
		if err != nil || !hasPhone || contact.Name != record.Name {
			return unknown
		}
		return resolution{Outcome: antcrm.OutcomeDone, Ref: contact.Ref()}
	}
	return resolution{Outcome: antcrm.OutcomeNotSent} // nobody has the number: it is sent
}
