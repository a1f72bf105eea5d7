package antcrm_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// The table in docs/errors-and-retries.md says what the client does: each of
// its rows is played.
func TestTheTableOfRetriesIsTrue(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/errors-and-retries.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "## What is repeated")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")

	asked := map[string]string{"Retry-After": "0"}
	endings := map[string][]reply{
		"no connection: nothing was sent":    {{err: refusedDial()}},
		"a lost or cut answer, a time-out":   {{err: errReset}},
		"429":                                {{status: 429}, {status: 429, header: asked}},
		"503 with Retry-After":               {{status: 503, header: asked}},
		"408":                                {{status: 408}},
		"503 without Retry-After":            {{status: 503}, {status: 503, header: map[string]string{"Retry-After": "1740830400"}}},
		"501, 505, 511":                      {{status: 501}, {status: 505}, {status: 511}},
		"any other 5xx":                      {{status: 500}, {status: 502}, {status: 504}, {status: 507}, {status: 520}, {status: 524}, {status: 599}},
		"101, an answer in another protocol": {{status: 101}},
		"any other status, 3xx included":     {{status: 302}, {status: 304}, {status: 400}, {status: 401}, {status: 404}, {status: 409}, {status: 425}},
		"2xx that makes no sense (HTML, cut JSON, no id)": {ok("<html></html>"), ok(`{"success":1`)},
	}
	played := map[string]bool{}
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 || strings.HasPrefix(cells[1], " ---") || strings.HasPrefix(cells[1], " GET") {
			continue
		}
		ending := strings.TrimSpace(cells[0])
		played[ending] = true
		for _, r := range endings[ending] {
			for i, methods := range []string{"GET HEAD OPTIONS", "PUT DELETE", "POST PATCH"} {
				for method := range strings.FieldsSeq(methods) {
					server := served(t, func(int, seen) reply { return r })
					err := server.client(quick(), antcrm.WithMaxRetries(1)).Do(t.Context(), method, "/x", nil, nil, nil)
					require.Error(t, err, "%s: %s", method, ending)
					want := strings.TrimSpace(cells[i+1])
					repeated := len(server.all()) == 2
					assert.Equal(t, want == "yes", repeated, "%s: %s", method, ending)
					if !repeated {
						unknown := errorsIsUnknown(err)
						assert.Equal(t, want == "no: unknown", unknown, "%s: %s", method, ending)
					}
				}
			}
		}
	}
	for ending := range endings {
		assert.True(t, played[ending], "the table has no row %q", ending)
	}
	assert.True(t, played["a certificate that does not verify, a proxy that refuses, an address that is none"],
		"see TestWhatFailsTheSameWayAgainIsNotRepeated")
	assert.Len(t, played, len(endings)+1, "a row that nobody plays")
}

// doc.go has a map of the files: it names each of them, and none that is not there.
func TestDocsMapNamesEveryFile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	_, files, found := strings.Cut(string(text), "The files of this package")
	require.True(t, found)
	files, internal, found := strings.Cut(files, "- internal:")
	require.True(t, found)

	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	sources = slices.DeleteFunc(sources, func(name string) bool { return strings.HasSuffix(name, "_test.go") || name == "doc.go" })
	packages, err := filepath.Glob("internal/*")
	require.NoError(t, err)
	packages = slices.DeleteFunc(packages, func(name string) bool { return strings.HasSuffix(name, "test") }) // of tests only
	assert.ElementsMatch(t, sources, regexp.MustCompile(`\w+\.go`).FindAllString(files, -1))
	internal, _, _ = strings.Cut(internal, "- probe")
	for _, name := range packages {
		assert.Contains(t, internal, filepath.Base(name)+" (")
	}
	assert.Len(t, regexp.MustCompile(`\w+ \(`).FindAllString(internal, -1), len(packages))
}

func errorsIsUnknown(err error) bool { return outcome(err) == antcrm.OutcomeUnknown }

// What the document says to set on a transport of the caller's.
func ExampleWithHTTPClient_pings() {
	key := "key"
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second}
	client, err := antcrm.NewClient(key, antcrm.WithHTTPClient(&http.Client{Transport: transport}))
	fmt.Println(client, err)
	// Output: antcrm.Client{https://apiring.antbuddy.com} <nil>
}
