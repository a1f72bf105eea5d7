package questions

// answerQuestions are about every answer: its status, its success, its refusals.
func answerQuestions() []Question {
	return []Question{
		{SuccessStatus, "Which status does a good answer have?", "200, as the pages print for everything; every other 2xx is taken for good too.", []Alternative{
			seen("created", "POST is answered 201. Nothing changes: every 2xx is good."),
			seen("accepted", "Writes are answered 202. Nothing changes: every 2xx is good."),
		}},
		{SuccessSpelling, "How does a write's answer spell success?",
			`The number 1. Truthy are 1, true, "1", "true"; any other value that is not falsy says nothing by itself.`, []Alternative{
				seen("true", "Nothing changes: true is truthy."),
				seen("one-text", `Nothing changes: "1" is truthy.`),
				seen("true-text", `Nothing changes: "true" is truthy.`),
				seen("ok", `"ok": done where the answer holds the id it promises; a write that promises none (a delete, points) has an unknown outcome.`),
				seen("two", "2: done where the answer holds the id it promises; a write that promises none has an unknown outcome."),
				seen("status", "200: done where the answer holds the id it promises; a write that promises none has an unknown outcome."),
				seen("null", "Null says nothing: done by the id alone; a write that promises none has an unknown outcome."),
				seen("absent", "Absence says nothing: done by the id alone; a write that promises none has an unknown outcome."),
			}},
		{RefusalShape, "How is a request answered that the server refuses?", "With a 4xx status and a JSON body. A 2xx whose success is falsy is a refusal as well.", []Alternative{
			seen("success-zero", "200 and success 0: ErrRejected."),
			seen("success-false", "200 and success false: ErrRejected."),
			seen("success-false-text", `200 and success "false": ErrRejected.`),
			seen("success-empty-text", `200 and success "": ErrRejected.`),
			seen("html", "200 and an HTML page: never a good answer. A write's outcome is unknown although nothing was written."),
			seen("text", "200 and plain text: never a good answer. A write's outcome is unknown although nothing was written."),
			seen("empty", "200 and no body: never a good answer. A write's outcome is unknown although nothing was written."),
			seen("server-error", "500: it is repeated where that is safe, and a write's outcome is then unknown although nothing was written."),
		}},
		{ErrorBody, "What does the body of an error look like?",
			`{"success": false, "message": "…", "code": "…"}, as a sister product answers. The message is also read from error, errors and msg.`, []Alternative{
				seen("error-text", `{"error": "…"}: the message is found.`),
				seen("error-object", `{"error": {"message": "…", "code": "…"}}: message and code are found.`),
				seen("errors-list", `{"errors": [{"message": "…"}]}: the message is found.`),
				seen("msg", `{"msg": "…", "errorCode": 7}: message and code are found.`),
				seen("html", "An HTML page: the error carries the page, cut short. A DELETE's 404 is then never taken for done."),
				seen("text", "Plain text: the error carries the text."),
				seen("empty", "No body: the error carries the status alone."),
			}},
		{BadKey, "How is a wrong key answered?", "401 with a JSON body: ErrUnauthorized.", []Alternative{
			seen("forbidden", "403: ErrForbidden instead of ErrUnauthorized."),
			seen("success-false", "200 and success false: ErrRejected instead of ErrUnauthorized."),
		}},
		{RateLimit, "How does the server say that requests come too fast?", "429, or 503 with Retry-After. Both mean that nothing was done, and are repeated after the wait.", []Alternative{
			seen("every-fifth-429", "Every fifth request is answered 429 without Retry-After: it is repeated with backoff."),
			seen("every-fifth-503", "Every fifth request is answered 503 with Retry-After: it is repeated, POST too."),
			seen("every-fifth-503-bare", "Every fifth request is answered 503 without Retry-After: GET, PUT and DELETE are repeated; a POST's outcome is unknown."),
			seen("every-fifth-success-false", "Every fifth request is answered 200 and success false: ErrRejected, not repeated."),
		}},
		{BusyAfterWrite, "Can a POST that is answered 429, or 503 with Retry-After, have been carried out?", "No: it is repeated.", []Alternative{
			unseen("service-unavailable", "A gateway answers 503 with Retry-After after the work was done: the POST is repeated and its record is there twice. WithoutRetry prevents it."),
			unseen("too-many-requests", "A gateway answers 429 after the work was done: the POST is repeated and its record is there twice. WithoutRetry prevents it."),
		}},
		{Redirects, "Does the server redirect?", "No. None is followed: a 3xx is an error.", []Alternative{
			seen("trailing-slash", "Every request is answered 308 to its path with a slash: an APIError with the status; nothing is sent twice."),
		}},
		{UpdateAnswer, "What does a PUT answer?", "As the POST: success and the record's id. 204 stands for the key that was sent.", []Alternative{
			seen("no-content", "204: the result is the key that was sent."),
			seen("without-id", "Success without the id: a DecodeError with an unknown outcome although the record was changed."),
			seen("record", "The whole record: done by the id that is in it."),
		}},
		{DeleteAnswer, "What does a DELETE answer?", `{"success": 1}, as printed. 204 is good as well.`, []Alternative{
			seen("no-content", "204: done."),
			seen("empty", "200 without a body: never a good answer, the outcome is unknown although the record is gone."),
			seen("text", "200 and the text Ok: never a good answer to a delete, the outcome is unknown although the record is gone."),
			seen("with-id", `{"success": 1, "leadId": 9457}: done.`),
		}},
		{WriteAnswerID, "Where does the answer to a create hold the id?", "Beside success, under leadId, customerId, number, code or TicketId.", []Alternative{
			seen("absent", "Only success: a DecodeError with an unknown outcome although the record was made."),
			seen("under-id", `Under "id": a DecodeError with an unknown outcome although the record was made.`),
			seen("in-data", `In an object under "data": a DecodeError with an unknown outcome although the record was made.`),
			seen("null", "Null in its place: a DecodeError with an unknown outcome although the record was made."),
			seen("with-empty-sibling", `A contact's answer prints leadId and customerId, one of them "": the other one is taken.`),
		}},
	}
}
