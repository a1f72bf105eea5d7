package app_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// The picture of docs/going-live.md is a real run. ANTCRM_WRITE_DOCS=1 renews it.
func TestThePictureOfTheContractIsARun(t *testing.T) {
	t.Parallel()
	const name = "../../../docs/going-live.md"
	var opts []antcrmtest.Option
	for question, alternative := range map[string]string{
		"contact-filter-external-id": "ignored", "package-partial": "written-then-refused", "update-reprices": "with-items",
		"success-status": "created", "time-format": "iso", "limit-maximum": "hundred",
	} {
		opts = append(opts, antcrmtest.WithAnswer(question, alternative))
	}
	srv := antcrmtest.NewServer(t, opts...)
	for i := range 130 {
		require.NoError(t, srv.Seed(antcrmtest.Contacts, map[string]any{
			"name": fmt.Sprintf("Khách %d", i), "customerIdApiRing": fmt.Sprintf("ERP-%d", i), "phones": []any{map[string]any{"value": fmt.Sprintf("0900000%03d", i)}},
			"tags": []string{"vip"}, "addresses": []any{}, "emails": []any{}, "im": []any{}, "bgInfo": "", "industry": "", "dateOfBirth": "", "gender": 1, "zaloId": "z",
		}))
	}
	for i := range 45 {
		require.NoError(t, srv.Seed(antcrmtest.Campaigns, map[string]any{"name": fmt.Sprint(i)}))
	}
	require.NoError(t, srv.Seed(antcrmtest.Opportunities, map[string]any{"name": "Đơn 1", "value": 4520000, "number": 3600}))
	folder := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "antcrm", "doctor", "--contract", "--write", "--yes", "--rate", "10000")
	cmd.Env = append(os.Environ(), "HOME="+folder, "XDG_CONFIG_HOME="+folder, "ANTCRM_API_KEY="+srv.APIKey, "ANTCRM_BASE_URL="+srv.URL, "GORACE=atexit_sleep_ms=0")
	out, err := cmd.Output()
	assert.Equal(t, 8, cmd.ProcessState.ExitCode(), "%v", err)
	_, table, found := strings.Cut(string(out), "\n\n")
	require.True(t, found)
	picture := "\n```text\n" + table + "```\n"

	text, err := os.ReadFile(name)
	require.NoError(t, err)
	mark := regexp.MustCompile(`(?s)(<!-- picture: [^>]*-->)(.*)(<!-- end of picture -->)`)
	shown := mark.FindSubmatch(text)
	require.NotNil(t, shown, "the document has the marks of the picture")
	if os.Getenv("ANTCRM_WRITE_DOCS") != "" {
		renewed := strings.Replace(string(text), string(shown[0]), string(shown[1])+picture+string(shown[3]), 1)
		require.NoError(t, os.WriteFile(name, []byte(renewed), 0o600))
		return
	}
	assert.Equal(t, string(shown[2]), picture, "renew it: ANTCRM_WRITE_DOCS=1 go test -run Picture ./internal/app")
}
