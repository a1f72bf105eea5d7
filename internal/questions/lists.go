package questions

// listQuestions are about the shape and the paging of lists.
func listQuestions() []Question {
	return []Question{
		{ListShape, "What do contacts, orders, products, tickets and history answer?", "A bare array. One object, null and the envelope of the other lists are read as well.", []Alternative{
			seen("envelope", `{"success": true, "data": […]}: read like an array.`),
			seen("envelope-with-total", `{"success": true, "data": […], "total": n, "limit": n}: read like the lists that print it.`),
			seen("lone-object", "A list of one record is that record, as one page prints it: read as one record."),
		}},
		{ListSuccess, "How do the lists with an envelope spell success?", "true. On a list any value that is not falsy says nothing.", []Alternative{
			seen("one", "Nothing changes."),
			seen("ok", `Nothing changes: "ok" says nothing on a list.`),
			seen("null", "Nothing changes."),
			seen("absent", "Nothing changes."),
		}},
		{EmptyList, "What does a list answer whose first page has no records?", "An empty list.", []Alternative{
			seen("null", "Null: no records."),
			seen("empty-object", "{}: no records."),
			seen("not-found", "404: an APIError that is ErrNotFound. Get says the same as for an empty list; List and All report the error."),
			seen("refused", "200, success false: ErrRejected."),
		}},
		{PagePastEnd, "What comes behind the last page?", "A page without records.", []Alternative{
			seen("not-found", "404 with JSON and no data: the iteration ends."),
			seen("not-found-html", "404 with an HTML page: the iteration ends with an error after the last record."),
			seen("last-page", "The last page again: its records are yielded once, then ErrRepeatedPage."),
			seen("first-page", "The first page again: its records are yielded once, then ErrRepeatedPage."),
			seen("null", "Null: the iteration ends."),
			seen("refused", "200, success false: the iteration ends with ErrRejected after the last record."),
		}},
		{PageStart, "Which number has the first page?", "1.", []Alternative{
			unseen("zero", "Page 1 is the second page: All begins there and the records of the first page are missed."),
			seen("zero-and-one", "Pages 0 and 1 are the first page: nothing changes."),
		}},
		{PageParameter, "Is page honoured?", "Yes.", []Alternative{
			seen("ignored", "Every page is the first: its records are yielded once, then ErrRepeatedPage."),
		}},
		{LimitDefault, "How many records has a page when no limit is sent?", "20. Iteration never ends because a page is short.", []Alternative{
			seen("ten", "More requests are needed, nothing else changes."),
			seen("fifty", "Fewer requests are needed, nothing else changes."),
			seen("everything", "The first page holds all records: nothing else changes."),
		}},
		{LimitMaximum, "Which limit is honoured?", "Any limit on lists that are bare arrays; at most 100 on the lists with an envelope.", []Alternative{
			seen("twenty", "A larger limit is cut to 20: iteration goes on, since a short page is no end."),
			seen("hundred", "A larger limit is cut to 100: iteration goes on, since a short page is no end."),
			seen("ignored", "Pages have the server's own size whatever limit is sent: iteration goes on."),
			seen("refused", "A limit above 20 is answered 400: an error."),
		}},
		{ListTotal, "What does total count?", "All records that match. Iteration trusts it only on a page that is not full.", []Alternative{
			seen("page", "The records of the page: a full page is followed by the next request whatever total says."),
			seen("capped", "All, but at most 30: a full page is followed by the next request."),
			seen("estimated-low", "Fewer than there are: a full page is followed by the next request."),
			seen("estimated-high", "More than there are: the iteration ends at the first page without records."),
			seen("zero", "0: a full page is followed by the next request."),
			seen("text", "The number as text: read as a number."),
			seen("absent", "Nothing: the iteration ends at the first page without records."),
		}},
		{ListLimitEcho, "What does limit in the answer of a list say?", "The size of a full page as the server made it.", []Alternative{
			seen("asked", "The limit asked for, even where the server cut it: a page of the server's own size looks short."),
			seen("absent", "Nothing: the limit asked for counts, else 20."),
			seen("page", "The records of the page: every page looks full, and one more is asked for."),
		}},
		{ListOrder, "In which order are records listed?", "Unknown, nothing depends on it. The fake lists the oldest first.", []Alternative{
			seen("newest-first", "Records that are created during an iteration push others into the next page: none is yielded twice."),
			seen("updated-first", "Records that are changed during an iteration move to the front: none is yielded twice."),
		}},
		{ReadAfter, "Is a record listed as soon as its write was answered?", "Yes.", []Alternative{
			unseen("delayed", "A new record is listed after a while: who looks for a lost create too early does not find it, and creates it twice."),
		}},
	}
}

// filterQuestions are about what selects the records of a list.
func filterQuestions() []Question {
	return []Question{
		{ContactFilterExternalID, "Do contacts have a filter customerIdApiRing?", "It is sent, and what comes back is checked: a record with another key, or none, is ErrFilterIgnored.", []Alternative{
			seen("ignored", "All contacts come back: ErrFilterIgnored, never ErrNotFound and never another contact."),
			seen("refused", "400: an APIError."),
			unseen("matches-nothing", "No contact comes back: Get says ErrNotFound of a contact that is there, and who takes that for not there creates it twice."),
		}},
		{RatingFilterSource, "Do ratings have a filter source?", "It is sent, and what comes back is checked: a rating of another source is ErrFilterIgnored.", []Alternative{
			seen("ignored", "All ratings come back: ErrFilterIgnored."),
			seen("refused", "400: an APIError."),
			unseen("matches-nothing", "No rating comes back, as if there were none of that source."),
		}},
		{UnknownFilter, "What does a list do with a filter that it does not know?", "The fake refuses it with 400 and names it. The SDK's methods send no such filter but the two above.", []Alternative{
			seen("ignored", "Everything comes back. Only Client.Do can send such a filter."),
		}},
		{KeyFilter, "Does a key filter (leadId, customerId, number, code, TicketId) select that record alone?", "Yes. Get takes the record that carries the key and no other.", []Alternative{
			seen("ignored", "The first page of all records comes back: Get returns the record if it is among them, else ErrFilterIgnored."),
			seen("prefix", "Records whose key begins with it come back too: Get returns the one that carries the key."),
		}},
		{PhoneFilter, "Which records does a phone filter select?", "Those that carry exactly that number.", []Alternative{
			seen("part", "Records with a number that contains it come back too: compare before you take one."),
			seen("ignored", "All records come back: compare before you take one."),
		}},
		{DayFilterZone, "In which zone do the days of the contact filters begin?", "In the zone that the caller's time carries: the SDK sends its day. The fake uses UTC.", []Alternative{
			unseen("vietnam", "In UTC+7: contacts of the first and last hours of the range are missed, or come too many."),
		}},
		{DayFilterEnd, "Does the last day of a contact filter count?", "Yes, to its end.", []Alternative{
			unseen("exclusive", "No: contacts of the last day are missed. Ask for one day more."),
		}},
	}
}
