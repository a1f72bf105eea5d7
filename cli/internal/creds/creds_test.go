package creds_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/cli/internal/creds"
)

func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

// saved makes a config file and returns the environment that names it.
func saved(t *testing.T, key, baseURL string) map[string]string {
	t.Helper()
	env := map[string]string{creds.EnvConfig: filepath.Join(t.TempDir(), "antcrm", "config.json")}
	_, err := creds.Sources{Getenv: environment(env)}.Save(t.Context(), key, baseURL, true)
	require.NoError(t, err)
	return env
}

func TestFind_LooksInOrder(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key.txt")
	require.NoError(t, os.WriteFile(file, []byte("\ufeff from-file \r\n"), 0o600))
	env := saved(t, "from-config", "https://crm.example.com")

	c, err := creds.Sources{Getenv: environment(env)}.Find(t.Context())
	require.NoError(t, err)
	assert.Equal(t, creds.Credentials{Key: "from-config", KeyFrom: "the config file", BaseURL: "https://crm.example.com", BaseURLFrom: "the config file"}, c)

	env[creds.EnvKey] = "from-env"
	env[creds.EnvBaseURL] = "https://other.example.com"
	c, err = creds.Sources{Getenv: environment(env)}.Find(t.Context())
	require.NoError(t, err)
	assert.Equal(t, creds.Credentials{Key: "from-env", KeyFrom: creds.EnvKey, BaseURL: "https://other.example.com", BaseURLFrom: creds.EnvBaseURL}, c)

	c, err = creds.Sources{KeyFile: file, BaseURL: "https://third.example.com", Getenv: environment(env)}.Find(t.Context())
	require.NoError(t, err)
	assert.Equal(t, creds.Credentials{Key: "from-file", KeyFrom: "--key-file", BaseURL: "https://third.example.com", BaseURLFrom: "--base-url"}, c)
}

func TestFind_SendsTheConfigsKeyToItsOwnAddressOnly(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kept, used string
		same       bool
	}{
		{antcrm.DefaultBaseURL, "", true},
		{antcrm.DefaultBaseURL, "HTTPS://APIring.antbuddy.com:443/", true},
		{"https://crm.example.com:8443", "https://crm.example.com:8443/prefix", true},
		{antcrm.DefaultBaseURL, "http://apiring.antbuddy.com", false},
		{antcrm.DefaultBaseURL, "https://apiring.antbuddy.com:8443", false},
		{antcrm.DefaultBaseURL, "https://apiring.antbuddy.com.example.com", false},
		{antcrm.DefaultBaseURL, "https://apiring.antbuddy.com@example.com", false},
		{"https://crm.example.com", antcrm.DefaultBaseURL, false},
	} {
		env := saved(t, "secret", test.kept)
		c, err := creds.Sources{BaseURL: test.used, Getenv: environment(env)}.Find(t.Context())
		if test.same {
			require.NoError(t, err, test)
			assert.Equal(t, "secret", c.Key, test)
			continue
		}
		failed := &creds.Error{}
		require.ErrorAs(t, err, &failed, test)
		assert.Empty(t, c.Key, test)
		assert.NotContains(t, err.Error()+failed.Hint, "secret", test)
	}
}

func TestFind_GivesTheFakesKeyToThisMachineOnly(t *testing.T) {
	t.Parallel()
	env := map[string]string{creds.EnvConfig: filepath.Join(t.TempDir(), "none.json")}
	for address, key := range map[string]string{
		"http://127.0.0.1:8080":     "test-key-8080",
		"http://localhost:8080":     "test-key-8080",
		"http://[::1]:8080":         "test-key-8080",
		"http://127.0.0.1.test":     "",
		"http://localhost.test":     "",
		"http://192.168.0.1:8080":   "",
		"https://127.0.0.1@crm.com": "",
	} {
		c, _ := creds.Sources{BaseURL: address, Getenv: environment(env)}.Find(t.Context())
		assert.Equal(t, key, c.Key, address)
	}
}

func TestSave_ReplacesTheFileAndKeepsItPrivate(t *testing.T) {
	t.Parallel()
	env := saved(t, "old", antcrm.DefaultBaseURL)
	kept, err := creds.Sources{Getenv: environment(env)}.Save(t.Context(), "new", antcrm.DefaultBaseURL, false)
	require.NoError(t, err)
	path := kept.Path
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, left, 1, "no temporary file stays")
	c, err := creds.Sources{Getenv: environment(env)}.Find(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "new", c.Key)
}

func TestConfigFile_ThatIsNoneIsNeverReplacedOrRemoved(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	env := map[string]string{creds.EnvConfig: folder}
	failed := &creds.Error{}
	sources := creds.Sources{Getenv: environment(env)}
	_, err := sources.Save(t.Context(), "secret", antcrm.DefaultBaseURL, false)
	require.ErrorAs(t, err, &failed)
	assert.NotContains(t, err.Error(), "secret")
	gone, err := sources.Forget(t.Context())
	require.ErrorAs(t, err, &failed)
	assert.False(t, gone.File)
	assert.DirExists(t, folder)
}

func TestConfigFile_ThatIsALinkStaysOne(t *testing.T) {
	t.Parallel()
	env := saved(t, "old", antcrm.DefaultBaseURL)
	target := env[creds.EnvConfig]
	link := filepath.Join(t.TempDir(), "link.json")
	require.NoError(t, os.Symlink(target, link))
	env[creds.EnvConfig] = link
	sources := creds.Sources{Getenv: environment(env)}
	_, err := sources.Save(t.Context(), "new", antcrm.DefaultBaseURL, false)
	require.NoError(t, err)
	text, err := os.ReadFile(target)
	require.NoError(t, err)
	assert.Contains(t, string(text), "new")
	info, err := os.Lstat(link)
	require.NoError(t, err)
	assert.Equal(t, os.ModeSymlink, info.Mode().Type())
	gone, err := sources.Forget(t.Context())
	require.NoError(t, err)
	assert.True(t, gone.File)
	assert.NoFileExists(t, target, "the key is gone, not only the link")
}

func TestConfigFile_ThatIsEmptyHasNoKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := creds.Sources{Getenv: environment(map[string]string{creds.EnvConfig: path})}.Find(t.Context())
	assert.EqualError(t, err, "no API key")
}
