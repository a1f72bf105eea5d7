// Package antcrm is a client for AntCRM, the CRM of AntBuddy, by its HTTP API
// "ApiRing": customers and leads, orders, products, tickets, loyalty points,
// segments, call-centre records, ratings and messages.
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
//   - One [Client], made once and shared. Its services (Contacts,
//     Opportunities, …) have one method for each thing the API can do;
//     [Client.Do] reaches what has no method yet. Nothing is global, and the key
//     goes to one origin only.
//   - Outcomes have three states. A write that was sent is done, rejected, or
//     unknown: its answer was lost. The third is [ErrOutcomeUnknown], never
//     dressed up as one of the others; an unknown create is never repeated. Batches
//     and imports say the same of each record ([Outcome]), and a [Journal] keeps it
//     over a crash.
//   - Retries follow the method. A GET, PUT or DELETE is repeated after a lost
//     answer, a POST only if it cannot have been carried out. The waits the
//     server asks for hold for the whole client.
//   - Lists are iterators: All fetches page after page, one ahead of the
//     consumer, and ends only when the server has no more, never because a page
//     is short. Records that slid into the next page, because somebody inserted
//     fewer than a page, are given once. Records move the other way when some are
//     deleted meanwhile: collect first, delete then.
//   - The wire is lenient, the types are not. What the vendor sends as a number
//     here and a string there decodes into one Go type ([ID], [Decimal],
//     [Timestamp]) without losing a digit; fields it does not document stay
//     reachable ([Record.RawJSON], [Record.Decode]). In updates nil leaves a
//     field alone, and a pointer to nothing or an empty slice clears it.
//
// Errors are told apart with errors.Is and the sentinels ([ErrNotFound],
// [ErrValidation], …); errors.AsType reaches the details: [APIError],
// [TransportError], [DecodeError], [ValidationError], [BatchError].
//
// The vendor's reference is silent in places. What the SDK decided there is in
// docs/wire.md, marked as a decision; retries and errors are in
// docs/errors-and-retries.md, imports in docs/bulk-import.md.
//
// Package antcrmtest has a stateful fake of the service for tests; package
// records reads CSV and JSON Lines files for imports.
//
// Where things are, from the caller to the wire and back:
//
//   - client.go, do.go, options.go, call_options.go: what to configure, and any request.
//   - contacts.go, opportunities.go, products.go, tickets.go, loyalty.go, segments.go, telesales.go, ratings.go,
//     messages.go: a resource each, with its records, parameters and methods.
//   - scalars.go, values.go, record.go: ID, Decimal, Timestamp, the value objects, and what every record can do.
//   - errors.go: the errors and their sentinels.
//   - pagination.go, iterate.go: the list endpoint and the iteration over its pages.
//   - outcome.go, batch.go, import.go, replay.go, journal.go: bulk writes. A batch is an import of a slice.
//   - call.go, admit.go, observe.go: one call, the waits before its attempts, and what is reported of them.
//   - answer.go, answer_list.go, answer_write.go, envelope.go, reader.go, decode_into.go: what an answer says.
//   - write.go, query.go, validate.go: what the resources share.
//   - internal: retry (decisions and waits), wire (the key, connections, bodies), bind (JSON to records), redact (the
//     key out of texts), journalfile (the file of a journal), questions (what the vendor leaves open).
//   - probe: which of the SDK's guesses a server confirms.
package antcrm
