package questions

// writeQuestions are about creates, updates and deletes of one record.
func writeQuestions() []Question {
	return []Question{
		{DuplicateKey, "What does a create do whose own key (customerIdApiRing, …) is there already?", "It makes a second record. Nothing in the SDK relies on the key being unique.", []Alternative{
			seen("conflict", "409: ErrConflict. A package is refused whole."),
			seen("refused", "200, success 0: ErrRejected. A package is refused whole."),
			seen("updated", "The record with that key is changed, and its id answered: a repeated create doubles nothing."),
			unseen("ignored", "Nothing is written, and the id of the record with that key is answered: the caller is told that its values were stored."),
		}},
		{UpdateMissing, "What does a PUT do whose key no record has?", "404: ErrNotFound.", []Alternative{
			seen("success-without-id", "Success without an id: a DecodeError with an unknown outcome."),
			unseen("success-with-key", "Success and the key that was sent: the caller is told that a record was changed, and there is none."),
			seen("created", "A new record is made, and its id answered: the result is another id than the key that was sent. Compare them."),
			seen("refused", "200, success 0: ErrRejected."),
		}},
		{UpdateArray, "Does an array in a PUT replace the old one?", "Yes. An absent array is left alone.", []Alternative{
			unseen("merged", "New elements are added, old ones stay: nothing can be removed from a list."),
			unseen("appended", "All elements are added: a list that was read, changed and sent back is there twice."),
		}},
		{UpdateEmpty, "May a PUT hold the key alone?", "Yes, it changes nothing.", []Alternative{
			seen("refused", "400: an APIError."),
		}},
		{ClearText, `Does "" in a PUT clear a text?`, "Yes.", []Alternative{
			unseen("ignored", "The old text stays, and success is answered."),
			seen("refused", "400: an APIError."),
		}},
		{ClearList, "Does [] in a PUT clear a list?", "Yes.", []Alternative{
			unseen("ignored", "The old elements stay, and success is answered."),
			seen("refused", "400: an APIError."),
		}},
		{ClearAmount, "Is an order's value 0 a price?", "Yes: it is sent, and means that the order costs nothing.", []Alternative{
			unseen("reprices", "0 counts as absent: the system prices the order, and success is answered."),
		}},
		{UpdateReprices, "Does a PUT without value price the order anew?", "The page says that the system computes a value that is not sent, of PUT too. The fake leaves the old value alone.", []Alternative{
			unseen("always", "Every PUT without value changes the amount. Send the value with every update."),
			unseen("with-items", "A PUT with line items and without value changes the amount. Send the value with the line items."),
		}},
		{OrderWithoutSum, "What does an order cost that is created without value?", "The system computes it from its own prices, as the page says.", []Alternative{
			unseen("zero", "Nothing: the order is there with the value 0. Send the value."),
			seen("refused", "400: an APIError."),
		}},
		{DeleteKey, "Where does a DELETE read its key?", "Query or body is not said: the key is sent in both.", []Alternative{
			seen("query-only", "In the query: nothing changes."),
			seen("body-only", "In the body: nothing changes."),
			seen("body-refused", "A DELETE with a body is answered 400: an APIError."),
		}},
		{DeleteMissing, "What does a DELETE answer whose key no record has?", "404: ErrNotFound, or done if an earlier attempt of the same call may have been carried out.", []Alternative{
			unseen("success", "Success: the caller of a wrong key is told that a record was deleted."),
			unseen("no-content", "204: the caller of a wrong key is told that a record was deleted."),
			seen("refused", "200, success 0: ErrRejected. After a lost answer the outcome is unknown."),
			seen("html", "404 with an HTML page: ErrNotFound, and after a lost answer the outcome is unknown."),
		}},
		{IDsSent, "Does the server take ids as text?", "Yes: ids are sent as strings, their digits untouched.", []Alternative{
			seen("numbers-only", "A PUT or DELETE with an id as text is answered 400: an APIError."),
		}},
		{MoneySent, "How does the server want money?", "An order's as numbers, a product's value as a string: as the pages declare them.", []Alternative{
			seen("text-only", "An order's money as a number is answered 400: an APIError."),
			seen("numbers-only", "A product's value as text is answered 400: an APIError."),
		}},
		{TagsSent, "Are tags sent as an array?", "Yes, as the example shows; the table declares a string.", []Alternative{
			seen("text-only", "An array is answered 400: an APIError."),
			unseen("text-or-nothing", "An array is not understood, and the tags are dropped."),
		}},
		{EnumeratedValues, "Are values beyond the documented ones taken (contactType, type, gender, priority)?", "The SDK passes any on. The fake refuses contactType, type and gender that the pages do not list.", []Alternative{
			seen("accepted", "They are kept."),
			unseen("replaced", "The default is kept instead, and success is answered."),
		}},
		{ExtraFields, "Does a body take fields that the pages show in records only (_id of a phone, …)?", "Yes, and they are kept.", []Alternative{
			seen("refused", "400: an APIError that names the field."),
			unseen("dropped", "They are dropped, and success is answered."),
		}},
		{SystemNames, "What becomes of a city, a stage or a line item that the system does not know?", "It is kept. The page says: spell it as the system does.", []Alternative{
			seen("refused", "400: an APIError."),
			unseen("dropped", "It is dropped, and success is answered."),
		}},
		{PhoneStored, "Is a phone number kept as it was sent?", "Yes.", []Alternative{
			seen("international", "0900… is kept as +84900…, and found by both: compare numbers without their prefix before you say that a contact is another one."),
			unseen("international-only", "0900… is kept as +84900…, and found by that alone: who looks for 0900… does not find it, and creates it twice."),
		}},
	}
}

// packageQuestions are about the endpoints that take up to 100 records.
func packageQuestions() []Question {
	return []Question{
		{PackagePartial, "What does a package do in which one record is bad?", "It is refused, and nothing of it is written. That is a guess: WithIsolation relies on it.", []Alternative{
			unseen("written-then-refused", "The records before the bad one are written, and the package is answered 400: rejected records are there, and isolation doubles them."),
			unseen("all-written-then-refused", "All good records are written, and the package is answered 400: rejected records are there, and isolation doubles them."),
			unseen("written-then-success-false", "The records before the bad one are written, and 200, success false is answered: rejected records are there, and isolation doubles them."),
			seen("fewer-ids", "The good records are written, and their ids answered: fewer than records, so the outcome of the whole package is unknown."),
			seen("stops-with-fewer-ids", "The records before the bad one are written, and their ids answered: the outcome of the whole package is unknown."),
			seen("null-ids", "The good records are written, null stands in the bad one's place: the outcome of the whole package is unknown."),
			seen("empty-ids", `The good records are written, "" stands in the bad one's place: the outcome of the whole package is unknown.`),
			seen("zero-ids", "The good records are written, 0 stands in the bad one's place: the outcome of the whole package is unknown."),
			seen("error-objects", "The good records are written, an object with the error stands in the bad one's place: the outcome of the whole package is unknown."),
		}},
		{PackageOrder, "In which order does a package answer its ids?", "In the order of the records that were sent.", []Alternative{
			unseen("reversed", "Every record is told the id of another one. Send chunks of one record where ids matter."),
			unseen("shuffled", "Records are told ids of others. Send chunks of one record where ids matter."),
		}},
		{PackageAnswer, "What does a package answer?", "success and an array of ids under the key of the single write.", []Alternative{
			seen("lone-id", "A package of one answers the id without an array: taken."),
			seen("without-ids", "Only success: the outcome of the whole package is unknown although all was written."),
			seen("objects", `[{"leadId": 9457}, …] instead of ids: the outcome of the whole package is unknown although all was written.`),
			seen("bare-array", "The ids as a bare array: the outcome of the whole package is unknown although all was written."),
		}},
		{PackageMixed, "What does a package of leads and customers answer?", "Ids under leadId and under customerId. The SDK never sends both in one package.", []Alternative{
			seen("refused", "400. Nothing changes: the SDK never sends both in one package."),
			seen("one-key", "All ids under the first record's key. Nothing changes: the SDK never sends both in one package."),
		}},
	}
}
