// Package records turns files into sources for imports, and writes the rows that were not imported into files that can
// be corrected and fed again.
//
//	var rejected *records.Report
//	source := records.CSV[antcrm.ContactCreateParams](file, records.WithRows(),
//		records.WithBadRows(func(bad *records.RowError) {
//			_ = rejected.Add(bad.Row, antcrm.OutcomeNotSent, bad) // Flush tells
//		}))
//	rejected = source.NewReport(out)
//	for result, err := range client.Contacts.Import(ctx, source.All(), antcrm.WithJournal(journal)) {
//		if err != nil {
//			return errors.Join(err, rejected.Flush())
//		}
//		row, _ := source.Row(result.Index) // taken, so that it is not kept any longer
//		if result.Outcome == antcrm.OutcomeRejected || result.Outcome == antcrm.OutcomeNotSent {
//			if err := rejected.Add(row, result.Outcome, result.Err); err != nil {
//				return err
//			}
//		}
//	}
//	return rejected.Flush()
//
// Do not import a row again whose outcome is unknown: it may be in the CRM.
//
// [CSV] knows columns by the API's names and by those of the Go fields, in any case, with or without spaces, hyphens
// and underscores; [Columns] lists them, [WithColumns] maps any others. A column "cf:Color" is the custom field Color.
// [JSONLines] reads the API's bodies, one a line. Both are read one row at a time, name line and column of what they
// refuse, and end at the first bad row unless [WithBadRows] takes it.
package records
