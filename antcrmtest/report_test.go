package antcrmtest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/probe"
)

func reportFS(text string) fstest.MapFS {
	return fstest.MapFS{"report.json": &fstest.MapFile{Data: []byte(text)}}
}

// A report that names an alternative must do exactly what the alternative's option does: the transcripts of
// alternatives_test.go differ between any two of them.
func TestAReportPlaysWhatItsAlternativesPlay(t *testing.T) {
	t.Parallel()
	for i, q := range antcrmtest.OpenQuestions() {
		if i%6 != 0 {
			continue // package probe's tests run the rest
		}
		a := q.Alternatives[i%len(q.Alternatives)]
		report, err := json.Marshal(probe.Report{Findings: []probe.Finding{{ID: q.ID, Answer: probe.Differs, Alternative: a.Name}}})
		require.NoError(t, err)
		same := transcript(t, a.Option) == transcript(t, antcrmtest.WithReport(reportFS(string(report)), "report.json"))
		assert.True(t, same, "%s=%s", q.ID, a.Name)
	}
}

func TestTheLastAnswerCountsAndWhatIsNotToldStays(t *testing.T) {
	t.Parallel()
	const report = `{"format": 1, "sdk": "0.1", "findings": [
		{"id": "limit-default", "answer": "as decided"}, {"id": "bad-key", "answer": "cannot tell"}, {"id": "money-format", "answer": "differs"},
		{"id": "asked-by-a-later-version", "answer": "as decided"}]}`
	earlier := []antcrmtest.Option{antcrmtest.WithAnswer("limit-default", "ten"), antcrmtest.WithAnswer("bad-key", "forbidden")}
	w := start(t, append(earlier, antcrmtest.WithReport(reportFS(report), "report.json"))...)
	srv := w.srv
	assert.Equal(t, []string{"money-format", "asked-by-a-later-version"}, srv.NotPlayed())
	for i := range 30 {
		require.NoError(t, srv.Seed(antcrmtest.Contacts, map[string]any{"name": fmt.Sprint(i)}))
	}
	status, body, _, err := w.send(w.request("GET", "/contacts", ""))
	require.NoError(t, err)
	assert.Equal(t, 200, status)
	assert.Equal(t, 20, strings.Count(body, `"name"`), "as decided takes the earlier option back")
	req := w.request("GET", "/contacts", "")
	req.Header.Set("apikey", "wrong")
	status, _, _, err = w.send(req)
	require.NoError(t, err)
	assert.Equal(t, 403, status, "what the probe could not tell keeps its answer")
}

func TestAReportThatCannotBePlayedIsRefused(t *testing.T) {
	t.Parallel()
	const good = `{"id": "limit-default", "answer": "differs", "alternative": "ten"}`
	for text, problem := range map[string]string{
		``:                                "is empty",
		"\n":                              "is empty",
		`{"findings": [` + good:           "is no JSON text",
		`{"findings": [` + good + `]} {}`: "is no JSON text",
		`[]`:                              "is no report of the probe",
		`null`:                            "is no report of the probe: it has no findings",
		`{}`:                              "it has no findings",
		`{"findings": []}`:                "it has no findings",
		`{"findings": "none"}`:            "is no report of the probe",
		`{"findings": [7]}`:               "is no report of the probe",
		`{"format": "1", "findings": [` + good + `]}`:                                            "is no report of the probe",
		`{"format": 2, "findings": [` + good + `]}`:                                              "has format 2, and this version reads up to 1: update antcrm-go",
		`{"format": -1, "findings": [` + good + `]}`:                                             "has format -1",
		`{"findings": [` + good + `,` + good + `]}`:                                              "answers limit-default twice",
		`{"findings": [{"answer": "differs"}]}`:                                                  "a finding without an id",
		`{"findings": [{"id": "limit-default"}]}`:                                                `has the answer "" to limit-default`,
		`{"findings": [{"id": "limit-default", "answer": "perhaps"}]}`:                           `has the answer "perhaps" to limit-default`,
		`{"findings": [{"id": "new-question", "answer": "differs"}]}`:                            "answers new-question, which this version does not ask: update antcrm-go",
		`{"findings": [{"id": "limit-default", "answer": "differs", "alternative": "default"}]}`: `by "default", which this version does not know`,
		strings.Repeat(" ", 4<<20) + `{}`:                                                        "is larger than 4 MiB",
	} {
		_, err := antcrmtest.Start(antcrmtest.WithReport(reportFS(text), "report.json"))
		assert.ErrorContains(t, err, "report report.json: ")
		assert.ErrorContains(t, err, problem, "%.80s", text)
	}
	_, err := antcrmtest.Start(antcrmtest.WithReport(reportFS("{}"), "other.json"))
	assert.ErrorContains(t, err, "report other.json: file does not exist")
	_, err = antcrmtest.Start(antcrmtest.WithReport(nil, "report.json"))
	assert.ErrorContains(t, err, "the file system is nil")
	folder := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(folder, "report.json"), 0o700))
	_, err = antcrmtest.Start(antcrmtest.WithReport(os.DirFS(folder), "report.json"))
	assert.ErrorContains(t, err, "is a directory")
}

func FuzzReport(f *testing.F) {
	f.Add(`{"format": 1, "findings": [{"id": "limit-default", "answer": "differs", "alternative": "ten"}]}`)
	f.Add(`{"findings": [{"id": "a", "answer": "cannot tell"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		srv, err := antcrmtest.Start(antcrmtest.WithReport(reportFS(text), "report.json"))
		if err == nil {
			srv.Close()
		}
	})
}
