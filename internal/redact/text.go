// Package redact takes out of texts and errors what must not be shown: the API key, query values, the password of a
// proxy, and the pieces of an answer that net/http quotes.
package redact

import (
	"strconv"
	"strings"
)

// Transport takes out of the text of a transport's error whatever may be private, but for the key.
func Transport(text string) string { return quotes(queries(userinfo(text))) }

// userinfo cuts the user and password out of every URL in a text, such as that of a proxy.
func userinfo(text string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "://")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("://")
		end := strings.IndexAny(rest, " \t\r\n\"'`<>/?#")
		if end < 0 {
			end = len(rest)
		}
		if at := strings.LastIndexByte(rest[:end], '@'); at >= 0 {
			b.WriteString("…")
			rest = rest[at:]
		}
		text = rest
	}
}

// quotes cuts out what net/http quotes of an answer that it cannot read as HTTP, which may be the rest of the answer
// before, a customer's record, and what net/url quotes of an address that it cannot read, which may hold a password.
func quotes(text string) string {
	begin := -1
	for _, complaint := range []string{"malformed ", "Content-Length", "transfer encoding", "GOAWAY", "invalid header", "invalid proxy address", `parse "`} {
		if at := strings.Index(text, complaint); at >= 0 && (begin < 0 || at < begin) {
			begin = at
		}
	}
	if begin < 0 {
		return text
	}
	var b strings.Builder
	b.WriteString(text[:begin])
	for rest := text[begin:]; ; {
		before, _, found := strings.Cut(rest, `"`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(`"…"`)
		quoted, err := strconv.QuotedPrefix(rest[len(before):])
		if err != nil {
			return b.String() // where it ends cannot be told
		}
		rest = rest[len(before)+len(quoted):]
	}
}

// queries cuts the query off every URL in a text.
func queries(text string) string {
	var b strings.Builder
	for {
		begin := strings.IndexByte(text, '?')
		if begin < 0 {
			return b.String() + text
		}
		b.WriteString(text[:begin])
		text = text[begin+1:]
		end := strings.IndexAny(text, " \t\r\n\"'`<>")
		if end < 0 {
			end = len(text)
		}
		if end > 0 {
			b.WriteString("…")
		} else {
			b.WriteByte('?') // of a sentence
		}
		text = text[end:]
	}
}
