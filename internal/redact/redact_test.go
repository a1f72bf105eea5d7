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
