// Package retry decides whether a request is sent again and how long a client
// waits before. Nothing in it sends anything: it is arithmetic over the facts
// of an attempt, the caller's options and the clock.
package retry

import (
	"net/http"
	"time"
)

// Attempt is what one request came to, as far as its repetition is concerned.
type Attempt struct {
	Method    string
	Number    int           // from 1
	Status    int           // of a complete answer; 0 if none came
	After     time.Duration // the wait that the answer's Retry-After asks for
	Asked     bool          // the answer has a Retry-After that means something
	Sent      bool          // without an answer: the request may have reached the server
	Permanent bool          // without an answer: another attempt would fail in the same way
}

// Lost reports whether no complete answer came.
func (a Attempt) Lost() bool { return a.Status == 0 }

// Refused reports whether the server has said that it did nothing, and to come
// back later: 429, and 503 with a Retry-After.
func (a Attempt) Refused() bool {
	return a.Status == http.StatusTooManyRequests || a.Status == http.StatusServiceUnavailable && a.Asked
}

// Pauses reports whether the answer asks the whole client to wait.
func (a Attempt) Pauses() bool { return a.Refused() && a.Asked && a.After > 0 }

// Policy is what the caller's options say.
type Policy struct {
	MaxRetries int
	MaxWait    time.Duration // the longest Retry-After that a call waits for
	Unsafe     bool          // a POST may be repeated like a PUT
}

// Verdict is what follows from an attempt.
type Verdict struct {
	Repeat bool
	// AsAsked says that the server has named the wait; else it is a backoff.
	AsAsked bool
	// MaybeDone says that the attempt may have been carried out although no
	// good answer came.
	MaybeDone bool
}

// Decide is the whole retry policy, a function of its arguments alone. The
// caller, who knows the clock, checks the wait against its context.
//
//   - GET (and HEAD, OPTIONS) is repeated after a lost answer, on 408, 429, and
//     on every 5xx but 501, 505 and 511.
//   - PUT and DELETE the same: they are keyed, so that repeating them ends in
//     the same state.
//   - POST, and any other method, is repeated only if nothing was sent, on 429,
//     and on 503 with Retry-After, which say that nothing was done.
//   - What would fail in the same way again is not repeated.
func Decide(a Attempt, p Policy) Verdict {
	var v Verdict
	if !IsRead(a.Method) {
		v.MaybeDone = a.Lost() && a.Sent || a.Status >= 500 && !a.Refused() || isSwitch(a.Status)
	}
	safe := IsRead(a.Method) || isKeyed(a.Method) || p.Unsafe
	switch {
	case a.Lost():
		v.Repeat = !a.Permanent && (safe || !a.Sent)
	case a.Refused():
		v.Repeat = true
	default:
		v.Repeat = safe && isTransient(a.Status)
	}
	v.Repeat = v.Repeat && a.Number <= p.MaxRetries && a.After <= p.MaxWait
	// A wait of 0 names none: the backoff keeps a client from hammering.
	v.AsAsked = v.Repeat && a.Asked && a.After > 0
	return v
}

// isTransient reports whether another attempt may meet another answer: what
// the server cannot do at all (501, 505), or only a person at a login page
// can mend (511), stays as it is.
func isTransient(status int) bool {
	switch status {
	case http.StatusRequestTimeout:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusNetworkAuthenticationRequired:
		return false
	}
	return status >= 500 && status < 600
}

// isSwitch reports whether the server goes on in another protocol, in which the
// answer to the request would come (RFC 9110, 7.8).
func isSwitch(status int) bool { return status > 0 && status < 200 }

// IsRead reports whether the method changes nothing.
func IsRead(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// isKeyed reports whether repeating the method ends in the same state.
func isKeyed(method string) bool { return method == http.MethodPut || method == http.MethodDelete }
