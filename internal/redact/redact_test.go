package redact

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTransportTexts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                               "",
		"connection refused":             "connection refused",
		"is it up? no":                   "is it up? no",
		"really?":                        "really?",
		"GET /x?phone=09&y=1 failed":     "GET /x… failed",
		`Get "https://h/x?phone=09": no`: `Get "https://h/x…": no`,
		"a?b c?d":                        "a… c…",
		"?phone=09":                      "…",
		":// mai@example.com":            ":// mai@example.com",

		"http://mai:secret@proxy:3128/x":          "http://…@proxy:3128/x",
		"http://mai:se@cret@proxy socks5://u@h":   "http://…@proxy socks5://…@h",
		"https://h.example/mail@example":          "https://h.example/mail@example",
		"mai@example.com":                         "mai@example.com",
		"://@":                                    "://…@",
		"https://h.example":                       "https://h.example",
		`"http://mai:secret@proxy" and :// alone`: `"http://…@proxy" and :// alone`,

		`malformed HTTP response "Nguyen \"09\""`:                           `malformed HTTP response "…"`,
		`malformed HTTP version "x`:                                         `malformed HTTP version "…"`,
		`net/http: bad Content-Length "Nguyen"`:                             `net/http: bad Content-Length "…"`,
		`unsupported transfer encoding: "Nguyen" then "Mai"`:                `unsupported transfer encoding: "…" then "…"`,
		`http2: server sent GOAWAY; debug="Nguyen"`:                         `http2: server sent GOAWAY; debug="…"`,
		`invalid proxy address "mai:p@h:1:1": parse "mai": bad port ":1:1"`: `invalid proxy address "…": parse "…": bad port "…"`,
		`parse "http://mai:se/cret@proxy": invalid port ":se" after host`:   `parse "…": invalid port "…" after host`,
		`lookup "h": no such host`:                                          `lookup "h": no such host`,
	} {
		assert.Equal(t, want, Transport(text), text)
	}
}

func TestKeyIsCutOutOfTexts(t *testing.T) {
	t.Parallel()
	const key = "sk-1+2/3"
	for text, want := range map[string]string{
		"":                      "",
		"none":                  "none",
		"a " + key + " b":       "a [redacted] b",
		key + key:               "[redacted][redacted]",
		"sk-1%2B2%2f3":          "[redacted]",
		`sk-1\u002b2\/3`:        "[redacted]",
		"sk-1&#43;2&#x2F;3":     "[redacted]",
		"sk-1+2/":               "sk-1+2/",
		"ssk-1+2/3":             "s[redacted]",
		"sk-1&plus;2/3 and sk-": "[redacted] and sk-",
	} {
		assert.Equal(t, want, Key(text, key, false), text)
	}
	for text, want := range map[string]string{
		"page sk-1+2": "page ", "page s": "page ", "page sk-1%2": "page ", "page": "page", "page " + key: "page [redacted]", "page sk-x": "page sk-x",
	} {
		assert.Equal(t, want, Key(text, key, true), text)
	}
}

// A character of the key may stand escaped, as the first one, the last one, or the last of the text.
func TestKeyIsCutOutHoweverItIsEscaped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, text, want string }{
		{"sk-1+", "sk-1%2B", "[redacted]"},
		{"sk-1+", "a sk-1%2B.", "a [redacted]."},
		{"sk-1+", "sk-1%2", "sk-1%2"},
		{"sk-1+", "sk-1%zz", "sk-1%zz"},
		{"sk-1+", `sk-1\x2b`, "[redacted]"},
		{"sk-1+", `sk-1\u002B`, "[redacted]"},
		{"sk-1+", `sk-1\u002`, `sk-1\u002`},
		{"sk-1+", "sk-1&#43;", "[redacted]"},
		{"sk-1+", "sk-1&#x0000002b;", "[redacted]"},         // twelve characters, the most that are looked at
		{"sk-1+", "sk-1&#x00000002b;", "sk-1&#x00000002b;"}, // longer than anybody writes it
		{"sk-1+", "sk-1&eacute;", "sk-1&eacute;"},
		{"sk-1", "%73k-1", "[redacted]"},
		{"sk-1", `\u0073k-1`, "[redacted]"},
		{"sk-1", "&#115;k-1", "[redacted]"},
		{"sk 1", "sk+1 and sk%201", "[redacted] and [redacted]"},
		{"sk+1", "sk 1", "sk 1"},
		{`s\\k`, `s\\k.`, "[redacted]."},
		{`s\\k`, `s\\\\k.`, "[redacted]."},
		{`s\k`, `s\\k.`, "[redacted]."},
		{`s\\`, `s\\\\.`, "[redacted]."}, // the longest reading, so that no backslash of it is left
		{"ab", "aab ab", "a[redacted] [redacted]"},
	} {
		assert.Equal(t, c.want, Key(c.text, c.key, false), "%q in %q", c.key, c.text)
	}
}

// Of a text that was cut, an end that may be the beginning of the key goes, and no more.
func TestTheBeginningOfTheKeyIsCutOffTheEndOfATextThatWasCut(t *testing.T) {
	t.Parallel()
	const key = "sk-1+2"
	for text, want := range map[string]string{
		"a s": "a ", "a sk-1+": "a ", "a sk-1%": "a ", "a sk-1%2": "a ", "a sk-1%2B": "a ",
		`a sk-1\`: "a ", `a sk-1\u`: "a ", `a sk-1\u002`: "a ", `a sk-1\u002b`: "a ", `a sk-1\x2`: "a ",
		"a sk-1&": "a ", "a sk-1&#43": "a ", "a sk-1&#43;": "a ",
		"a sk-1&#x00000043": "a ", "a sk-1&#x000000043": "a sk-1&#x000000043", // eleven characters, and twelve
		"a s and sk-1": "a s and ", "sk-1+2 sk": "[redacted] ", "a %": "a ", "a %7": "a ", "a %72": "a %72", "a %2": "a ", "a &#115": "a ",
		"a sk-2": "a sk-2",
	} {
		assert.Equal(t, want, Key(text, key, true), text)
	}
}

// Of several complaints in a text, the first one counts.
func TestWhateverIsQuotedAfterAComplaintIsCutOut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`GOAWAY "Nguyen", malformed "Mai"`:    `GOAWAY "…", malformed "…"`,
		`malformed "Nguyen", GOAWAY "Mai"`:    `malformed "…", GOAWAY "…"`,
		`"h": invalid header "Nguyen" and "M`: `"h": invalid header "…" and "…"`,
	} {
		assert.Equal(t, want, Transport(text), text)
	}
}

// A url.Error is hidden even if its text has nothing to hide: who unwraps it would print the URL.
func TestAURLErrorIsHiddenWhateverItSays(t *testing.T) {
	t.Parallel()
	cause := &net.OpError{Op: "dial", Err: io.ErrUnexpectedEOF}
	shown := Error(fmt.Errorf("token: %w", &url.Error{Op: "Get", URL: "https://h", Err: cause}), func(text string) string { return text })
	_, isURL := errors.AsType[*url.Error](shown)
	assert.False(t, isURL)
	found, ok := errors.AsType[*net.OpError](shown)
	require.True(t, ok)
	assert.Same(t, cause, found)
	require.ErrorIs(t, shown, io.ErrUnexpectedEOF)
	_, ok = errors.AsType[*ownError](shown)
	assert.False(t, ok)
}

type ownError struct{ url string }

func (e *ownError) Error() string { return "cannot reach " + e.url }

func TestErrorsShowNothingPrivateAndStayWhatTheyAre(t *testing.T) {
	t.Parallel()
	const private = "0911222333"
	clean := func(text string) string { return strings.ReplaceAll(Transport(text), private, "…") }
	plain := errors.New("connection reset")
	assert.Same(t, plain, Error(plain, clean), "nothing to hide: the error itself")
	op := &net.OpError{Op: "dial", Err: plain}
	assert.Same(t, op, Error(op, clean))

	own := &ownError{url: "https://h/x?phone=" + private}
	bad := &url.Error{Op: "Get", URL: "https://h/x?phone=" + private, Err: op}
	for name, err := range map[string]error{
		"own": own, "wrapped": fmt.Errorf("token: %w", own), "url": bad, "wrapped url": fmt.Errorf("token: %w", bad),
		"joined": errors.Join(io.ErrUnexpectedEOF, bad, own), "deep": fmt.Errorf("a: %w", fmt.Errorf("b: %w; %w", bad, own)),
	} {
		shown := Error(err, clean)
		for _, text := range []string{shown.Error(), fmt.Sprintf("%v %+v %s %q %#v %d", shown, shown, shown, shown, shown, shown)} {
			assert.NotContains(t, text, private, name)
		}
		require.ErrorIs(t, shown, err, name)
		_, isURL := errors.AsType[*url.Error](shown)
		assert.False(t, isURL, name)
		if found, ok := errors.AsType[net.Error](shown); ok {
			assert.Equal(t, net.Error(op), found, "the cause of a url.Error, not itself: %s", name)
		}
		if errors.Is(err, op) {
			require.ErrorIs(t, shown, op, name)
			found, ok := errors.AsType[*net.OpError](shown)
			require.True(t, ok, name)
			assert.Same(t, op, found)
		}
		if errors.Is(err, own) {
			found, ok := errors.AsType[*ownError](shown)
			require.True(t, ok, name)
			assert.Same(t, own, found)
		}
		require.NotErrorIs(t, shown, io.ErrClosedPipe)
	}
	empty := &url.Error{Op: "Get", URL: "https://h/x?phone=" + private}
	assert.NotContains(t, Error(errors.Join(empty, errors.New("x")), clean).Error(), private)
}
