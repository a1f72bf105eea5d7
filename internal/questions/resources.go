package questions

// valueQuestions are about how records print their values.
func valueQuestions() []Question {
	return []Question{
		{IDType, "What are the ids of the CRM?", "Numbers or text, declared as strings. The text is kept exactly.", []Alternative{
			seen("text", "Digits as text: nothing changes."),
			seen("object-id", "24 hex digits: nothing changes."),
			seen("long", "Numbers of 19 digits: nothing changes, no digit is lost."),
		}},
		{TimeFormat, "How are times printed?", "As epoch milliseconds. Numeric text, RFC 3339 and YYYY-MM-DD are read as well.", []Alternative{
			seen("text", "Milliseconds as text: nothing changes."),
			seen("iso", "RFC 3339 in UTC: nothing changes."),
			seen("zone", "RFC 3339 with +07:00: nothing changes."),
			seen("day", "YYYY-MM-DD: read as midnight UTC, the time of day is lost."),
			seen("local", "2024-03-13 13:24:20, without a zone: the zero Timestamp, the text stays in RawJSON."),
			unseen("seconds", "Epoch seconds: read as milliseconds, a day in January 1970."),
		}},
		{MoneyFormat, "How is money printed?", "As a number, numeric text or \"\". The text is kept exactly; Valid says whether it is a number.", []Alternative{
			seen("text", "Numeric text: nothing changes."),
			seen("fraction", "4520000.00: the same amount, its text differs."),
			seen("grouped", `"4,520,000": not a number; Valid is false, the text stays.`),
		}},
		{CodeFormat, "How are type, gender and typeDiscount printed?", "As a number or text; both are read.", []Alternative{
			seen("text", "As text: nothing changes."),
		}},
		{TagsFormat, "How are tags printed?", "As an array.", []Alternative{
			seen("text", "A lone tag as text: read as one tag."),
			seen("comma-text", "All tags in one text, with commas: read as one tag, the text is in RawJSON."),
		}},
		{MissingValues, "How is a value printed that is not there?", `As "", [] or {}, times as "".`, []Alternative{
			seen("null", "As null: nothing changes."),
			seen("absent", "Its field is left out: nothing changes."),
			seen("empty-text", `As "", lists and objects too: nothing changes.`),
		}},
		{DateOfBirth, "Which format has dateOfBirth?", "Unknown: it is a text, passed on both ways.", []Alternative{
			seen("iso", "It comes back as 2000-03-15T00:00:00.000Z whatever was sent: compare dates, not texts."),
		}},
		{EmbeddedObject, "How is the contact of a ticket printed?", "As an object.", []Alternative{
			seen("id", "As its id alone: no object, the text is in RawJSON."),
			seen("null", "As null: no object."),
		}},
	}
}

// resourceQuestions are about one resource each.
func resourceQuestions() []Question {
	return []Question{
		{ContactExternalIDShown, "Do contacts print customerIdApiRing?", "Read if it comes. The fake prints it.", []Alternative{
			seen("hidden", "No: Get by the caller's key is ErrFilterIgnored. Look contacts up by phone or e-mail."),
		}},
		{OrderExternalIDShown, "Do orders print opportunityIdApiRing?", "Read if it comes. The fake prints it.", []Alternative{
			seen("hidden", "No: orders can be looked up by number, phone and customer only."),
		}},
		{TicketExternalIDShown, "Do tickets print ticketIdApiRing?", "Read if it comes. The fake prints it.", []Alternative{
			seen("hidden", "No: tickets can be looked up by TicketId and time only."),
		}},
		{TicketContactID, "Which id names the contact of a new ticket?", "The contact's object id, 24 hex digits. The fake refuses any other id.", []Alternative{
			seen("customer-id", "Its customerId: an object id is answered 400."),
			unseen("unchecked", "Anything is taken: a ticket with a wrong id belongs to nobody."),
		}},
		{TicketUpdateAnswer, "Under which name does a ticket's update answer its id?", "TicketId is read, else number, which the page prints.", []Alternative{
			seen("ticket-id", "Under TicketId: nothing changes."),
		}},
		{TicketDeletedMark, "When do tickets print isTicketDeleted?", "On deleted ones.", []Alternative{
			seen("always", "true or false on every ticket: nothing changes."),
			seen("never", "Never: among tickets that were listed with the deleted ones, those cannot be told apart."),
		}},
		{TicketDeletedListed, "Are deleted tickets listed without isTicketDeleted=true?", "No.", []Alternative{
			seen("listed", "Yes, with the mark: Get of a deleted ticket returns it. Look at the mark."),
			unseen("listed-unmarked", "Yes, without the mark: a deleted ticket looks like any other."),
			unseen("gone", "No, and with isTicketDeleted=true neither: a mirror does not learn which tickets were deleted."),
		}},
		{RedemptionList, "What does /history-point list without a type?", "Redemptions. Records that say type 1 are dropped.", []Alternative{
			seen("mixed", "Everything: accumulations are dropped."),
		}},
		{AccumulationList, "What does /history-point list with type=point?", "Accumulations. Records that say type 2 are dropped.", []Alternative{
			seen("mixed", "Everything: redemptions are dropped."),
		}},
		{AccumulateUnknown, "What do points for a person do whom the CRM does not know?", "404.", []Alternative{
			unseen("created", "A new contact gets them, and success is answered."),
			unseen("ignored", "Nothing is written, and success is answered."),
		}},
		{AccumulateRepeat, "What does a code do that was accumulated before?", "It counts again.", []Alternative{
			seen("refused", "400: an APIError. A repeated call doubles nothing."),
			seen("ignored", "Nothing is written, and success is answered: a repeated call doubles nothing."),
		}},
		{SetContactPhones, "Under which name does a segment take a contact's phones?", "The table says phone, every other page phones: both are sent.", []Alternative{
			seen("phone-only", "Under phone: nothing changes."),
			seen("phones-only", "Under phones: nothing changes."),
			seen("phone-refused", "phone is answered 400: an APIError."),
		}},
		{SetContactAnswer, "What does a segment answer?", "The text Ok. A JSON string and a write's answer are good as well.", []Alternative{
			seen("json-string", `"Ok": done.`),
			seen("write-answer", `{"success": 1}: done.`),
			seen("lower-case", "ok: done."),
			seen("no-content", "204: the outcome is unknown although all was written."),
			seen("object", `{"message": "Ok"}: the outcome is unknown although all was written.`),
		}},
		{SetContactMatch, "How does a segment recognise a contact that is there already?", "By customerIdApiRing, else by a phone, else by an e-mail.", []Alternative{
			unseen("always-new", "Not at all: every call makes the contacts anew."),
			unseen("key-only", "By customerIdApiRing alone: contacts without it are made anew."),
		}},
		{CampaignsPath, "Where are the campaigns?", "At /campaigns, as the example says; the heading prints /telecalls.", []Alternative{
			seen("absent", "Not there: 404."),
		}},
		{ZNSEmpty, "What does /znsmsg answer when there is nothing?", "404, as its page says.", []Alternative{
			seen("empty-list", "An empty list: nothing changes."),
			seen("html", "404 with an HTML page: an error."),
		}},
		{MessagePaging, "What do limit and offset of /messages count?", "Messages: a session may go on in the next answer.", []Alternative{
			unseen("sessions", "Sessions: an offset counted in messages skips whole sessions."),
			unseen("offset-in-sessions", "limit counts messages, offset sessions: an offset counted in messages skips whole sessions."),
			seen("offset-ignored", "The first answer comes again and again: ErrRepeatedPage."),
		}},
	}
}
