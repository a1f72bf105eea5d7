package creds_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zalando/go-keyring"

	"github.com/antbuddy/antcrm-go/cli/internal/creds"
)

// The library's own stand-in for the system: what is kept is found again, and only under its name.
func TestSystemKeyring(t *testing.T) {
	keyring.MockInit()
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
	k := creds.SystemKeyring(environment(nil))
	require.NotNil(t, k)
	_, err := k.Get("/a")
	require.ErrorIs(t, err, creds.ErrNoEntry)
	require.NoError(t, k.Set("/a", "one"))
	require.NoError(t, k.Set("/b", "two"))
	require.NoError(t, k.Set("/a", "three"))
	secret, err := k.Get("/a")
	require.NoError(t, err)
	assert.Equal(t, "three", secret)
	require.NoError(t, k.Delete("/a"))
	require.ErrorIs(t, k.Delete("/a"), creds.ErrNoEntry)
	secret, err = k.Get("/b")
	require.NoError(t, err)
	assert.Equal(t, "two", secret)

	keyring.MockInitWithError(keyring.ErrSetDataTooBig)
	require.EqualError(t, k.Set("/a", "long"), "the key is too long for it")
	assert.Nil(t, creds.SystemKeyring(environment(map[string]string{creds.EnvKeyring: "off"})))
}

// memory is a keyring that can be told to fail.
type memory struct {
	secrets map[string]string
	err     error
	hang    chan struct{}
}

func (m *memory) wait() error {
	if m.hang != nil {
		<-m.hang
	}
	return m.err
}

func (m *memory) Get(name string) (string, error) {
	if err := m.wait(); err != nil {
		return "", err
	}
	if secret, ok := m.secrets[name]; ok {
		return secret, nil
	}
	return "", creds.ErrNoEntry
}

func (m *memory) Set(name, secret string) error {
	if err := m.wait(); err != nil {
		return err
	}
	m.secrets[name] = secret
	return nil
}

func (m *memory) Delete(name string) error {
	if err := m.wait(); err != nil {
		return err
	}
	if _, ok := m.secrets[name]; !ok {
		return creds.ErrNoEntry
	}
	delete(m.secrets, name)
	return nil
}

func TestKeyring_HoldsTheKeyAndItsAddress(t *testing.T) {
	t.Parallel()
	k := &memory{secrets: map[string]string{}}
	path := filepath.Join(t.TempDir(), "antcrm", "config.json")
	s := creds.Sources{Getenv: environment(map[string]string{creds.EnvConfig: path}), Keyring: k}
	kept, err := s.Save(t.Context(), "secret", "https://crm.example.com", true)
	require.NoError(t, err)
	assert.True(t, kept.InKeyring)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "secret")

	c, err := s.Find(t.Context())
	require.NoError(t, err)
	assert.Equal(t, creds.Credentials{Key: "secret", KeyFrom: "the system's keyring", BaseURL: "https://crm.example.com", BaseURLFrom: "the config file"}, c)

	// Who can write the config file cannot have the key sent elsewhere.
	require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "crm.example.com", "evil.example.com")), 0o600))
	c, err = s.Find(t.Context())
	require.Error(t, err)
	assert.Empty(t, c.Key)
}

func TestKeyring_IsNotAskedForAnotherAddressNorBesideAKey(t *testing.T) {
	t.Parallel()
	k := &memory{secrets: map[string]string{}}
	env := map[string]string{creds.EnvConfig: filepath.Join(t.TempDir(), "config.json")}
	s := creds.Sources{Getenv: environment(env), Keyring: k}
	_, err := s.Save(t.Context(), "secret", "https://crm.example.com", true)
	require.NoError(t, err)
	k.err = errors.New("it was asked")

	elsewhere := s
	elsewhere.BaseURL = "https://other.example.com"
	_, err = elsewhere.Find(t.Context())
	require.ErrorContains(t, err, "belongs to another one")
	env[creds.EnvKey] = "from-env"
	c, err := s.Find(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "from-env", c.Key)
	delete(env, creds.EnvKey)
	_, err = s.Find(t.Context())
	require.ErrorContains(t, err, "it was asked")
}

func TestKeyring_ThatHangsIsWaitedForThreeSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &memory{secrets: map[string]string{}, hang: make(chan struct{})}
		defer close(k.hang)
		path := filepath.Join(t.TempDir(), "config.json")
		s := creds.Sources{Getenv: environment(map[string]string{creds.EnvConfig: path}), Keyring: k}
		kept, err := s.Save(t.Context(), "secret", "https://crm.example.com", true)
		require.NoError(t, err)
		assert.False(t, kept.InKeyring)
		require.EqualError(t, kept.Refusal, "it did not answer within 3s")
		c, err := s.Find(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "secret", c.Key, "the file has it")
	})
}

func TestKeyring_AndFileAreForgottenTogether(t *testing.T) {
	t.Parallel()
	k := &memory{secrets: map[string]string{"/another": "stays"}}
	path := filepath.Join(t.TempDir(), "config.json")
	s := creds.Sources{Getenv: environment(map[string]string{creds.EnvConfig: path}), Keyring: k}
	_, err := s.Save(t.Context(), "secret", "https://crm.example.com", true)
	require.NoError(t, err)

	k.err = errors.New("locked")
	_, err = s.Forget(t.Context())
	require.ErrorContains(t, err, "locked")
	assert.FileExists(t, path, "it names the entry that is still there")

	k.err = nil
	gone, err := s.Forget(t.Context())
	require.NoError(t, err)
	assert.Equal(t, creds.Forgotten{Path: path, File: true, Keyring: true}, gone)
	assert.Equal(t, map[string]string{"/another": "stays"}, k.secrets)
	assert.NoFileExists(t, path)
}
