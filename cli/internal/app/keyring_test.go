package app_test

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/cli/internal/app"
	"github.com/antbuddy/antcrm-go/cli/internal/creds"
)

// testKeyring is the environment variable that gives the program a keyring of the tests: a file of JSON, or hang, locked or forgetful.
const testKeyring = "ANTCRM_TEST_KEYRING"

// mainProgram is the command; a script may choose its keyring.
func mainProgram() int {
	if name := os.Getenv(testKeyring); name != "" {
		return app.MainWithKeyring(fileKeyring(name), 300*time.Millisecond)
	}
	return app.Main()
}

// fileKeyring keeps secrets in a file.
type fileKeyring string

func (k fileKeyring) load() (map[string]string, error) {
	switch k {
	case "hang":
		select {}
	case "locked":
		return nil, errors.New("the collection is locked")
	case "broken":
		panic("an answer of another kind")
	}
	secrets := map[string]string{}
	if text, err := os.ReadFile(string(k)); err == nil {
		return secrets, json.Unmarshal(text, &secrets)
	}
	return secrets, nil
}

func (k fileKeyring) save(secrets map[string]string) error {
	text, err := json.Marshal(secrets)
	if err != nil {
		return err
	}
	return os.WriteFile(string(k), text, 0o600)
}

func (k fileKeyring) Get(name string) (string, error) {
	if k == "forgetful" {
		return "", creds.ErrNoEntry
	}
	secrets, err := k.load()
	if err != nil {
		return "", err
	}
	if secret, ok := secrets[name]; ok {
		return secret, nil
	}
	return "", creds.ErrNoEntry
}

func (k fileKeyring) Set(name, secret string) error {
	if k == "forgetful" {
		return nil
	}
	secrets, err := k.load()
	if err != nil {
		return err
	}
	secrets[name] = secret
	return k.save(secrets)
}

func (k fileKeyring) Delete(name string) error {
	secrets, err := k.load()
	if err != nil {
		return err
	}
	if _, ok := secrets[name]; !ok {
		return creds.ErrNoEntry
	}
	delete(secrets, name)
	return k.save(secrets)
}

// A session bus that takes connections and never says a word, and one that is not there: the key goes to the file, soon, and that is said.
func TestLogin_WithASessionBusThatIsNoneKeepsTheKeyInTheFile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the keyring is reached by a session bus on Linux")
	}
	mute := filepath.Join(t.TempDir(), "bus")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", mute)
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	for address, why := range map[string]string{"unix:path=" + mute: "it did not answer within 3s", "unix:path=" + mute + "-none": "no such file"} {
		srv := antcrmtest.NewServer(t)
		folder := t.TempDir()
		cmd := exec.CommandContext(t.Context(), "antcrm", "login")
		cmd.Stdin = strings.NewReader(srv.APIKey + "\n")
		cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+folder, "HOME="+folder, "ANTCRM_BASE_URL="+srv.URL, "DBUS_SESSION_BUS_ADDRESS="+address,
			creds.EnvKeyring+"=on", testKeyring+"=", "GORACE=atexit_sleep_ms=0")
		said, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", said)
		assert.Contains(t, string(said), "not in the system's keyring: ")
		assert.Contains(t, string(said), why)
		text, err := os.ReadFile(filepath.Join(folder, "antcrm", "config.json"))
		require.NoError(t, err)
		assert.Contains(t, string(text), srv.APIKey)
	}
}
