package creds

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/zalando/go-keyring"
)

// EnvKeyring is the environment variable that switches the system's keyring off, with the value off.
const EnvKeyring = "ANTCRM_KEYRING"

// keyringService is what the keyring files the entries of this command under.
const keyringService = "antcrm"

// keyringWait is how long a keyring may take to answer. A session bus can hang.
const keyringWait = 3 * time.Second

// ErrNoEntry is a keyring that answers, and has no entry of that name.
var ErrNoEntry = errors.New("it has no such entry")

// Keyring keeps secrets by name. Its methods may hang, or wait for a person who unlocks it.
type Keyring interface {
	// Get returns a secret, or ErrNoEntry.
	Get(name string) (string, error)
	// Set keeps a secret, in the place of an older one.
	Set(name, secret string) error
	// Delete removes a secret; ErrNoEntry if there is none.
	Delete(name string) error
}

// SystemKeyring is the keyring of this machine and user: the Keychain of macOS, the Credential Manager of Windows, a Secret Service elsewhere. It is nil where
// there can be none, or where ANTCRM_KEYRING=off.
func SystemKeyring(getenv func(string) string) Keyring {
	if getenv(EnvKeyring) == "off" || !hasSessionBus() {
		return nil
	}
	return systemKeyring{}
}

// hasSessionBus reports whether there is a bus on which a Secret Service can be asked. Without one, the library would start a bus by dbus-launch, which stays.
func hasSessionBus() bool {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		return true
	}
	if address := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); address != "" {
		return address != "autolaunch:"
	}
	for _, name := range []string{"bus", "dbus-session"} { // where the library looks
		if _, err := os.Stat("/run/user/" + strconv.Itoa(os.Getuid()) + "/" + name); err == nil {
			return true
		}
	}
	return false
}

type systemKeyring struct{}

func (systemKeyring) Get(name string) (string, error) {
	secret, err := keyring.Get(keyringService, name)
	return secret, keyringError(err)
}

func (systemKeyring) Set(name, secret string) error {
	return keyringError(keyring.Set(keyringService, name, secret))
}

func (systemKeyring) Delete(name string) error {
	return keyringError(keyring.Delete(keyringService, name))
}

func keyringError(err error) error {
	switch {
	case errors.Is(err, keyring.ErrNotFound):
		return ErrNoEntry
	case errors.Is(err, keyring.ErrSetDataTooBig):
		return errors.New("the key is too long for it")
	}
	return err
}

var errNoKeyring = errors.New("none can be reached from here")

// ask asks the keyring, for a short time only: what hangs goes on unheard until the process ends.
func (s Sources) ask(ctx context.Context, do func(Keyring) (string, error)) (string, error) {
	if s.Keyring == nil {
		return "", errNoKeyring
	}
	wait := cmp.Or(s.KeyringWait, keyringWait)
	ctx, cancel := context.WithTimeoutCause(ctx, wait, fmt.Errorf("it did not answer within %s", wait))
	defer cancel()
	type answer struct {
		secret string
		err    error
	}
	got := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if recover() != nil { // the library trusts what comes over the bus
				a = answer{err: errors.New("it answers in a way that is not understood")}
			}
			got <- a
		}()
		a.secret, a.err = do(s.Keyring)
	}()
	select {
	case a := <-got:
		return a.secret, a.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// toKeyring keeps a key with its address, and reads it back: not every keyring that takes a secret has it afterwards.
func (s Sources) toKeyring(ctx context.Context, name string, entry stored) error {
	secret, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	back, err := s.ask(ctx, func(k Keyring) (string, error) {
		if err := k.Set(name, string(secret)); err != nil {
			return "", err
		}
		return k.Get(name)
	})
	if err == nil && back != string(secret) {
		_ = s.forgetEntry(ctx, name)
		err = errors.New("it did not keep the key")
	}
	return err
}

// fromKeyring reads what toKeyring has kept. The address is the one in the keyring: whoever changes the config file must not have the key sent elsewhere.
func (s Sources) fromKeyring(ctx context.Context, name string) (stored, error) {
	secret, err := s.ask(ctx, func(k Keyring) (string, error) { return k.Get(name) })
	hint := "unlock it and try again, or keep the key in the config file with: antcrm login --no-keyring"
	if errors.Is(err, errNoKeyring) || errors.Is(err, ErrNoEntry) {
		hint = "run: antcrm login, or set " + EnvKey
	}
	var entry stored
	switch {
	case ctx.Err() != nil:
		return stored{}, ctx.Err()
	case err != nil:
		return stored{}, &Error{Problem: "read the key from the system's keyring", Hint: hint, Err: err}
	case json.Unmarshal([]byte(secret), &entry) != nil || entry.APIKey == "": // its text could hold a piece of the key
		return stored{}, &Error{Problem: "the entry of the system's keyring holds no key", Hint: "run: antcrm login"}
	}
	return entry, nil
}

// forgetEntry removes a key from the keyring.
func (s Sources) forgetEntry(ctx context.Context, name string) error {
	_, err := s.ask(ctx, func(k Keyring) (string, error) { return "", k.Delete(name) })
	return err
}
