// Package crmsync keeps AntCRM in step with another system: an ERP, a shop, a
// spreadsheet. It is the upsert, the exactly-once webhook and the mirror that
// the API itself does not have.
//
//	state, err := crmsync.Open(ctx, "sqlite:crm.db") // or postgres://…
//	…
//	defer state.Close()
//	syncer, err := crmsync.New(ctx, client, state)
//	…
//	for change, err := range syncer.Contacts.Push(ctx, customers) {
//		…
//	}
//
// Five ideas carry it:
//
//   - The source says what should be; the state says what was sent. Push
//     compares the two and sends the difference: new records in packages of
//     100, changed ones as updates of the fields that changed, unchanged ones
//     not at all.
//   - The state is a database: SQLite in a file, or Postgres for several
//     processes and machines. It keeps a digest of each field and the CRM's
//     reference, and no personal data but the caller's own key. It belongs to
//     one account and refuses another.
//   - Before a write its intent is durable, after the answer its outcome. A
//     crash at any moment leaves intents. The next run looks each of them up in
//     the CRM and accepts only certainty; what it cannot tell stays in
//     [State.Unknown] for a person, who says what became of it with
//     [State.Settle].
//   - Ensure is one record of a push, for a webhook: any number of processes
//     may call it for the same key at once, and the record is made once.
//   - Pull mirrors the CRM into tables of the same database.
//
// Back the state up. A push whose state is new or was lost ends with
// [ErrNotAdopted] before it creates what the CRM has already: Adopt takes that over.
package crmsync
