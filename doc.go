// Package antcrm is a client for AntCRM, AntBuddy's CRM. It speaks the vendor's HTTP API, "ApiRing": customers and
// leads, orders, products, tickets, loyalty points, segments, call-centre records, ratings and messages.
//
//	client, err := antcrm.NewClient(os.Getenv("ANTCRM_API_KEY"))
//	…
//	ref, err := client.Contacts.Create(ctx, antcrm.ContactCreateParams{
//		Name: "Nguyễn Văn Mẫu", ExternalID: "ERP-000475", ContactType: antcrm.ContactTypeCustomer,
//	})
//	…
//	for order, err := range client.Opportunities.All(ctx, antcrm.OpportunityListParams{CustomerID: ref.CustomerID}) {
//		…
//	}
//
// Five ideas carry the package:
//
//   - Make one [Client] and share it. Its services (Contacts, Opportunities, …) have one method for each thing that the
//     API can do. [Client.Do] reaches endpoints that have no method yet. Nothing is global, and the key goes to the
//     origin of the base URL only.
//   - A write has three outcomes: done, rejected, or unknown. It is unknown if it was sent and its answer was lost: the
//     error matches [ErrOutcomeUnknown], and the client does not repeat a create whose outcome is unknown. Batches and
//     imports report an [Outcome] for each record, and a [Journal] keeps it over a crash.
//   - Retries follow the method. The client repeats a GET, PUT or DELETE after a lost answer. It repeats a POST only if
//     the server cannot have carried it out. If the server asks for a wait, the whole client waits.
//   - Lists are iterators. All fetches page after page, one ahead of the consumer. A short page does not end it; only
//     the end of the server's records does. If records are inserted while you iterate, none is yielded twice (unless a
//     whole page or more is inserted between two requests). If records are deleted, some may be missed: collect first,
//     then delete.
//   - The wire is lenient, and the types are exact. What the vendor sends as a number in one place and as a string in
//     another decodes into one Go type ([ID], [Decimal], [Timestamp]) that keeps every digit. Undocumented fields stay
//     reachable ([Record.RawJSON], [Record.Decode]). In updates nil leaves a field alone; a pointer to the zero value
//     or an empty slice clears it.
//
// Use errors.Is and the sentinels ([ErrNotFound], [ErrValidation], …) to find out what kind of error it is, and
// errors.AsType to get the details: [APIError], [TransportError], [DecodeError], [ValidationError], [BatchError].
//
// The vendor's reference is silent in places. docs/wire.md lists what the SDK decided there, and what happens where a
// decision is wrong. docs/errors-and-retries.md covers errors and retries, docs/bulk-import.md covers imports.
//
// Package antcrmtest has a fake of the service for tests. Package records reads CSV and JSON Lines files for imports.
//
// The files of this package, from the caller to the wire and back:
//
//   - client.go, do.go, options.go, call_options.go: the client, its options, and any request.
//   - contacts.go, opportunities.go, products.go, tickets.go, loyalty.go, segments.go, telesales.go, ratings.go,
//     messages.go: one resource each, with its records, parameters and methods.
//   - scalars.go, values.go, record.go: ID, Decimal, Timestamp, the value objects, and what every record can do.
//   - errors.go: the errors and their sentinels.
//   - pagination.go, iterate.go: the list endpoint and the iteration over its pages.
//   - outcome.go, batch.go, import.go, replay.go, journal.go: bulk writes. A batch is an import of a slice.
//   - call.go, admit.go, observe.go: one call, the waits before its attempts, and the reports of them.
//   - answer.go, answer_list.go, answer_write.go, envelope.go, reader.go, decode.go, decode_into.go: reading an answer.
//   - write.go, query.go, validate.go: what the resources share.
//   - internal: retry (decisions and waits), wire (the key, connections, bodies), bind (JSON to records), redact (keeps
//     the key out of texts), journalfile (the file of a journal), questions (what the vendor leaves open).
//   - probe: asks a server which of the SDK's decisions hold.
package antcrm
