package probe

import (
	"maps"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// NothingToSet is the Advice of a difference that a caller need not care about.
const NothingToSet = "Nothing to set: the SDK returns the right result or a clear error."

// adviceFor says what to do about a difference. Most need nothing: the SDK returns the right result or a clear error.
func adviceFor(id, alternative string) string {
	switch text, ok := advice()[id+"="+alternative]; {
	case ok:
		return text
	case id == questions.LimitDefault:
		return NothingToSet // of any size
	case alternative == "":
		return "Tell the maintainers, and check by hand what the consequence says."
	}
	if text, ok := advice()[id]; ok {
		return text
	}
	if q, ok := questions.Find(id); ok {
		if a, ok := q.Alternative(alternative); ok && !a.Invisible {
			return NothingToSet
		}
	}
	return "Tell the maintainers, and check by hand what the consequence says."
}

// advice is keyed by question, or by question=alternative. Whoever follows it to the letter must neither lose nor
// double a record.
func advice() map[string]string {
	all := map[string]string{}
	for _, part := range []map[string]string{answerAdvice(), listAdvice(), writeAdvice(), valueAdvice()} {
		maps.Copy(all, part)
	}
	return all
}

// answers keys a text by some alternatives of a question.
func answers(all map[string]string, text, id string, alternatives ...string) {
	for _, name := range alternatives {
		all[id+"="+name] = text
	}
}

func answerAdvice() map[string]string {
	all := map[string]string{
		questions.Redirects:                  "Nothing is carried out: ask the vendor for the address that answers by itself, and set it with WithBaseURL or --base-url.",
		questions.BusyAfterWrite:             "Pass WithoutRetry to creates, points and gifts (--retries 0), and look a busy one up before you send it again.",
		questions.ErrorBody + "=html":        "Look whether the record is gone where a delete ends with an error.",
		questions.UpdateAnswer:               NothingToSet,
		questions.WriteAnswerID:              "Do not import. Every create ends with ErrOutcomeUnknown although it was carried out: look the record up by phone or e-mail, and never repeat it.",
		questions.RateLimit:                  "Set WithRateLimit (--rate) to what the server allows.",
		questions.PackageMixed:               NothingToSet,
		questions.PackageAnswer:              "Use Create for each record instead of CreateBatch and Import: every package ends with ErrOutcomeUnknown although it was carried out.",
		questions.PackageAnswer + "=lone-id": NothingToSet,
	}
	answers(all, NothingToSet, questions.WriteAnswerID, "with-empty-sibling")
	answers(all, "Look whether it was carried out: deletes, points and gifts end with ErrOutcomeUnknown. Do not repeat points and gifts unseen.",
		questions.SuccessSpelling, "ok", "two", "status", "null", "absent")
	answers(all, "Look a refused create up before you send it again: it ends with ErrOutcomeUnknown.", questions.RefusalShape, "html", "text", "empty", "server-error")
	answers(all, "Read the record to see whether it was changed: every update ends with ErrOutcomeUnknown.", questions.UpdateAnswer, "without-id")
	answers(all, "Look whether the record is gone: every delete ends with ErrOutcomeUnknown.", questions.DeleteAnswer, "empty", "text")
	return all
}

func listAdvice() map[string]string {
	all := map[string]string{
		questions.EmptyList + "=not-found":        "Expect ErrNotFound from List and All where there is no record.",
		questions.EmptyList + "=refused":          "Expect ErrRejected from List, All and Get where there is no record.",
		questions.PageStart + "=zero":             "Do not rely on List and All: they miss the first page. Use Client.Do with page=0, and tell the maintainers.",
		questions.PageParameter:                   "Narrow lists by filters and set Limit: only the first page can be had.",
		questions.LimitMaximum + "=refused":       "Do not set Limit above 20 (--page-size 20).",
		questions.ReadAfter:                       "Wait before you look for a lost create: it may be listed later.",
		questions.ContactFilterExternalID:         "Look contacts up by phone or e-mail and compare what comes; do not use Get with an ExternalRef.",
		questions.RatingFilterSource:              "List all ratings and select by Source yourself.",
		questions.KeyFilter + "=ignored":          "Look records up by phone or e-mail: Get finds only what is on the first page, and says ErrFilterIgnored of the others.",
		questions.PhoneFilter:                     "Compare the numbers of what comes before you take a record.",
		questions.DayFilterZone:                   "Ask for a day more at both ends, and compare the times of what comes.",
		questions.DayFilterEnd:                    "Ask for a day more at the end, and compare the times of what comes.",
		questions.CampaignsPath:                   "Do without Campaigns, and tell the maintainers where this account has them.",
		questions.ZNSEmpty + "=html":              "Expect an error from ZNSMessages where there is no message.",
		questions.MessagePaging:                   "Ask for short ranges of time with a large Limit, so that one answer holds all.",
		questions.ContactExternalIDShown:          "Look contacts up by phone or e-mail; keep the ids that Create returns.",
		questions.OrderExternalIDShown:            "Keep the number that Create returns.",
		questions.TicketExternalIDShown:           "Keep the TicketId that Create returns.",
		questions.TicketDeletedMark + "=never":    "Do not list deleted tickets together with the others: they cannot be told apart.",
		questions.TicketDeletedListed + "=listed": "Look at isTicketDeleted before you take a ticket for an open one.",
		questions.TicketDeletedListed:             "Keep a list of your own of what was deleted.",
	}
	answers(all, "Expect an error at the end of All, after the last record.", questions.PagePastEnd, "not-found-html", "refused")
	answers(all, "Expect ErrRepeatedPage at the end of All, after the last record.", questions.PagePastEnd, "last-page", "first-page")
	return all
}

func writeAdvice() map[string]string {
	all := map[string]string{
		questions.PackagePartial:                 "Look the records of an unknown package up before you send any of it again.",
		questions.PackageOrder:                   "Send packages of one (WithChunkSize(1)) where ids matter.",
		questions.UpdateArray:                    "Do not send back lists that were read; an element cannot be removed.",
		questions.ClearText:                      "Do not rely on an empty text to clear a field.",
		questions.ClearList:                      "Do not rely on an empty list to clear a field.",
		questions.ClearAmount:                    "Do not send 0 as an order's Value.",
		questions.UpdateReprices:                 "Send Value with every update of an order.",
		questions.OrderWithoutSum:                "Send Value with every order.",
		questions.UpdateMissing:                  "Read the record before you update it, and compare the id that Update returns with the one that you sent.",
		questions.UpdateMissing + "=refused":     NothingToSet,
		questions.DuplicateKey + "=ignored":      "Update a record that may be there: a create that meets its key changes nothing and is answered with success.",
		questions.DeleteMissing:                  "Do not take a delete that is done for a proof that the record was there.",
		questions.IDsSent:                        "Name contacts by ExternalRef; orders and tickets can be changed by Client.Do with the id as a number.",
		questions.MoneySent + "=text-only":       "Create and change orders by Client.Do, with the value as text, and tell the maintainers.",
		questions.MoneySent + "=numbers-only":    "Create and change products by Client.Do, with the value as a number, and tell the maintainers.",
		questions.TagsSent:                       "Leave Tags out, or send them by Client.Do as one text; tell the maintainers.",
		questions.EnumeratedValues + "=replaced": "Check type and gender before you send them: another value is replaced, and success is answered.",
		questions.ExtraFields + "=dropped":       "Read a record back after you sent a field that no page lists.",
		questions.SystemNames + "=dropped":       "Read a record back after you set a stage or an address: a name that the CRM does not know is dropped.",
		questions.PhoneStored:                    "Compare phone numbers without their prefix, and look for both spellings before you create.",
		questions.TicketContactID:                "Name a ticket's contact by its customerId, and read the ticket back.",
		questions.AccumulateUnknown:              "Look the customer up before you accumulate.",
		questions.SetContactMatch:                "Do not put contacts into a segment that are in the CRM already.",
		questions.SetContactMatch + "=key-only":  "Give every contact of a segment its ExternalID.",
	}
	answers(all, "Never use WithIsolation or --isolate on this server, and look the records of a rejected package up before you send any of it again.",
		questions.PackagePartial, "written-then-refused", "all-written-then-refused", "written-then-success-false")
	answers(all, "Look at the segment before you repeat SetContacts: it ends with ErrOutcomeUnknown although it was carried out.", questions.SetContactAnswer, "no-content", "object")
	answers(all, NothingToSet, questions.DeleteMissing, "refused")
	return all
}

func valueAdvice() map[string]string {
	all := map[string]string{
		questions.TimeFormat + "=day":        "Do not rely on the time of day.",
		questions.MoneyFormat + "=grouped":   "Check Decimal.Valid before you count with an amount.",
		questions.TagsFormat + "=comma-text": "Split a tag that holds commas.",
		questions.EmbeddedObject + "=id":     "Read the contact of a ticket from RawJSON.",
		questions.DateOfBirth:                "Compare dates of birth as dates, not as texts.",
	}
	answers(all, "Read times from RawJSON, or through Decode into a type of your own.", questions.TimeFormat, "seconds", "local")
	return all
}

// neverAsked says why a question has no experiment.
func neverAsked() map[string]string {
	const (
		busy    = "Only a server that is busy can show it; the probe does not load one."
		lasting = "The experiment would leave something behind that cannot be deleted."
		time    = "The experiment would need a record whose time is known to the hour, next to midnight."
	)
	return map[string]string{
		questions.RateLimit:         busy,
		questions.BusyAfterWrite:    busy + " Use WithoutRetry for creates that must not be there twice.",
		questions.DayFilterZone:     time + " Ask for a day more at both ends.",
		questions.DayFilterEnd:      time + " Ask for a day more at both ends.",
		questions.AccumulateUnknown: lasting,
		questions.AccumulateRepeat:  lasting,
		questions.SetContactPhones:  lasting,
		questions.SetContactAnswer:  lasting,
		questions.SetContactMatch:   lasting,
		questions.ListOrder:         "Nothing in the SDK depends on it.",
		questions.TicketContactID:   "The experiment would hang a ticket on a customer's contact.",
	}
}

// needsWrites lists the questions that only an experiment that writes can answer.
func needsWrites() map[string]bool {
	all := map[string]bool{}
	for _, id := range []string{
		questions.SuccessStatus, questions.SuccessSpelling, questions.RefusalShape, questions.UpdateAnswer, questions.DeleteAnswer, questions.WriteAnswerID,
		questions.ReadAfter, questions.DuplicateKey, questions.UpdateMissing, questions.UpdateArray, questions.UpdateEmpty, questions.ClearText, questions.ClearList,
		questions.ClearAmount, questions.UpdateReprices, questions.OrderWithoutSum, questions.DeleteKey, questions.DeleteMissing, questions.IDsSent,
		questions.MoneySent, questions.TagsSent, questions.EnumeratedValues, questions.ExtraFields, questions.SystemNames, questions.PhoneStored,
		questions.PackagePartial, questions.PackageOrder, questions.PackageAnswer, questions.PackageMixed, questions.DateOfBirth,
		questions.TicketExternalIDShown, questions.TicketUpdateAnswer, questions.TicketDeletedListed, questions.OrderExternalIDShown,
	} {
		all[id] = true
	}
	return all
}
