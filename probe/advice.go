package probe

import "github.com/antbuddy/antcrm-go/internal/questions"

// adviceFor says what to do about a difference. Most need nothing: the SDK returns the right result or a clear error.
func adviceFor(id, alternative string) string {
	if text, ok := advice()[id+"="+alternative]; ok {
		return text
	}
	if text, ok := advice()[id]; ok {
		return text
	}
	if q, ok := questions.Find(id); ok {
		if a, ok := q.Alternative(alternative); ok && !a.Invisible {
			return "Nothing to set: the SDK returns the right result or a clear error."
		}
	}
	return "Tell the maintainers, and check by hand what the consequence says."
}

func advice() map[string]string {
	return map[string]string{
		questions.ContactFilterExternalID:               "Look contacts up by phone or e-mail and compare what comes; do not use Get with an ExternalRef.",
		questions.ContactExternalIDShown:                "Look contacts up by phone or e-mail; keep the ids that Create returns.",
		questions.OrderExternalIDShown:                  "Keep the number that Create returns.",
		questions.TicketExternalIDShown:                 "Keep the TicketId that Create returns.",
		questions.PackagePartial:                        "Never use WithIsolation or --isolate on this server, and look a rejected package up before you send any of it again.",
		questions.PackagePartial + "=fewer-ids":         "Look the records of an unknown package up before you send them again.",
		questions.PackageOrder:                          "Send packages of one (WithChunkSize(1)) where ids matter.",
		questions.UpdateArray:                           "Do not send lists back that were read; an element cannot be removed.",
		questions.ClearText:                             "Do not rely on an empty text to clear a field.",
		questions.ClearList:                             "Do not rely on an empty list to clear a field.",
		questions.UpdateReprices:                        "Send Value with every update of an order.",
		questions.OrderWithoutSum:                       "Send Value with every order.",
		questions.ClearAmount:                           "Do not send 0 as an order's value.",
		questions.UpdateMissing:                         "Compare the id that Update returns with the one that you sent.",
		questions.DuplicateKey + "=ignored":             "Update a record that may be there; a create changes nothing.",
		questions.DeleteMissing:                         "A delete that is done does not prove that the record was there.",
		questions.TimeFormat + "=seconds":               "Read times from RawJSON, or through Decode into a type of your own.",
		questions.TimeFormat + "=local":                 "Read times from RawJSON, or through Decode into a type of your own.",
		questions.PageStart + "=zero":                   "Lists miss the first page: use Client.Do with page=0, and tell the maintainers.",
		questions.ReadAfter:                             "Wait before you look for a lost create.",
		questions.PhoneStored:                           "Compare phone numbers without their prefix, and look for both spellings.",
		questions.PhoneFilter:                           "Compare the numbers of what comes before you take a record.",
		questions.MessagePaging + "=sessions":           "Ask for short ranges of time with a large limit.",
		questions.MessagePaging + "=offset-in-sessions": "Ask for short ranges of time with a large limit.",
		questions.LimitMaximum + "=refused":             "Do not set Limit above 20.",
		questions.RatingFilterSource:                    "List all ratings and select by Source yourself.",
	}
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
