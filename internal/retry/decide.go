// Package retry decides whether a request is sent again, and how long a client waits before that. It sends nothing: it
// computes from the facts of an attempt, the caller's options and the clock.
package retry

import (
	"net/http"
	"time"
)

// Facts is what matters for retries about the result of one request.
type Facts struct {
	Method    string
	Number    int           // from 1
	Status    int           // of a complete answer; 0 if none came
	After     time.Duration // the wait of the answer's Retry-After
	Asked     bool          // the answer has a usable Retry-After
	Sent      bool          // without an answer: the request may have reached the server
	Permanent bool          // without an answer: another attempt would fail in the same way
}

// Lost reports whether no complete answer came.
func (f Facts) Lost() bool { return f.Status == 0 }

// Refused reports whether the server has done nothing and asks for a retry later: 429, and 503 with a Retry-After.
func (f Facts) Refused() bool {
	return f.Status == http.StatusTooManyRequests || f.Status == http.StatusServiceUnavailable && f.Asked
}

// Pauses reports whether the answer asks the whole client to wait.
func (f Facts) Pauses() bool { return f.Refused() && f.Asked && f.After > 0 }

// shortestNamed is the shortest Retry-After that stands in for the backoff and the budget. A shorter one, 0 above all,
// would let a thousand calls send four thousand requests at once: it is only added as the least wait of the backoff. HTTP
// has no fractions of a second.
const shortestNamed = time.Second

// Policy has the caller's options.
type Policy struct {
	MaxRetries int
	MaxWait    time.Duration // the longest Retry-After that a call waits for
	Unsafe     bool          // a POST may be repeated like a PUT
}

// Verdict is the decision after an attempt.
type Verdict struct {
	Repeat bool
	// AsAsked says that the wait is the one that the server has named. Else it is a backoff, and not shorter than what
	// the server has named.
	AsAsked bool
	// MaybeDone says that the attempt may have been carried out although no good answer came.
	MaybeDone bool
}

// Decide is the whole retry policy, a function of its arguments alone. The caller, who knows the clock, checks the wait
// against its context.
//
//   - GET (and HEAD, OPTIONS) is repeated after a lost answer, on 408, 429, and on every 5xx but 501, 505 and 511.
//   - PUT and DELETE the same: they are keyed, so that repeating them ends in the same state.
//   - POST, and any other method, is repeated only if nothing was sent, on 429, and on 503 with Retry-After, which say
//     that nothing was done.
//   - What would fail in the same way again is not repeated.
func Decide(f Facts, p Policy) Verdict {
	var v Verdict
	if !IsRead(f.Method) {
		v.MaybeDone = f.Lost() && f.Sent || f.Status >= 500 && !f.Refused() || isSwitch(f.Status)
	}
	safe := IsRead(f.Method) || isKeyed(f.Method) || p.Unsafe
	switch {
	case f.Lost():
		v.Repeat = !f.Permanent && (safe || !f.Sent)
	case f.Refused():
		v.Repeat = true
	default:
		v.Repeat = safe && isTransient(f.Status)
	}
	v.Repeat = v.Repeat && f.Number <= p.MaxRetries && f.After <= p.MaxWait
	v.AsAsked = v.Repeat && f.Asked && f.After >= shortestNamed
	return v
}

// isTransient reports whether another attempt may get another answer. It cannot if the server is unable to do it at all
// (501, 505) or a person has to log in to the network (511).
func isTransient(status int) bool {
	switch status {
	case http.StatusRequestTimeout:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusNetworkAuthenticationRequired:
		return false
	}
	return status >= 500 && status < 600
}

// isSwitch reports whether the server continues in another protocol, in which the answer would come (RFC 9110, 7.8).
func isSwitch(status int) bool { return status > 0 && status < 200 }

// IsRead reports whether the method changes nothing.
func IsRead(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// isKeyed reports whether repeating the method ends in the same state.
func isKeyed(method string) bool { return method == http.MethodPut || method == http.MethodDelete }
