// Package creds finds the API key and the address to use it at, and keeps them in the system's keyring, or in a file that only its owner can read.
package creds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// The environment variables.
const (
	EnvKey     = "ANTCRM_API_KEY"
	EnvBaseURL = "ANTCRM_BASE_URL"
	EnvConfig  = "ANTCRM_CONFIG"
)

// maxFile bounds what is read as a key or a config file.
const maxFile = 64 << 10

// Error is a key that cannot be used, and what to do about it. It never holds the key.
type Error struct {
	Problem, Hint string
	Err           error
}

// Error is one line without the hint.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Problem + ": " + plain(e.Err)
	}
	return e.Problem
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// plain is a file error without the path, which the problem names already.
func plain(err error) string {
	if failure, ok := errors.AsType[*fs.PathError](err); ok {
		return failure.Err.Error()
	}
	return err.Error()
}

// Sources are where a key may come from, besides the environment.
type Sources struct {
	KeyFile string // the flag --key-file
	BaseURL string // the flag --base-url
	Getenv  func(string) string

	Keyring     Keyring       // of the system; nil: there is none, or it is not to be used
	KeyringWait time.Duration // how long it may take to answer; 0: three seconds
}

// Credentials are a key, where it came from, and the address to use it at.
type Credentials struct {
	Key, KeyFrom         string
	BaseURL, BaseURLFrom string
}

// stored is the config file. An entry of the keyring has the same form, and holds the key where the config file names the entry.
type stored struct {
	APIKey  string `json:"api_key,omitempty"`
	Keyring string `json:"keyring,omitempty"`
	BaseURL string `json:"base_url,omitempty"`
}

// Path is where the config file is: ANTCRM_CONFIG, or antcrm/config.json in the user's folder for settings.
func Path(getenv func(string) string) (string, error) {
	if path := getenv(EnvConfig); path != "" {
		return path, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", &Error{Problem: "find the folder for settings", Hint: "set " + EnvConfig + " to a file", Err: err}
	}
	return filepath.Join(dir, "antcrm", "config.json"), nil
}

// Find looks for a key: in the file of --key-file, then in ANTCRM_API_KEY, then where login has kept it: in the system's keyring, if the config file
// names an entry there, else in the config file itself. The address is that of --base-url, of ANTCRM_BASE_URL, of the config file, or the vendor's.
// A key that login has kept is only used at the address it was kept for: another address must bring its own. At a server on this machine that has none,
// the key that the fake server wants is used. The keyring is asked only if the key is needed.
//
// On an error the address is filled in all the same.
func (s Sources) Find(ctx context.Context) (Credentials, error) {
	var c Credentials
	file, fileErr := s.load(ctx)
	c.BaseURL, c.BaseURLFrom = antcrm.DefaultBaseURL, "the default"
	for _, from := range [][2]string{{s.BaseURL, "--base-url"}, {s.Getenv(EnvBaseURL), EnvBaseURL}, {file.BaseURL, "the config file"}} {
		if from[0] != "" {
			c.BaseURL, c.BaseURLFrom = from[0], from[1]
			break
		}
	}
	if s.KeyFile != "" {
		key, err := readKeyFile(ctx, s.KeyFile)
		c.Key, c.KeyFrom = key, "--key-file"
		return c, err
	}
	if key := s.Getenv(EnvKey); key != "" {
		c.Key, c.KeyFrom = key, EnvKey
		return c, nil
	}
	key, from, err := s.kept(ctx, file, c.BaseURL)
	if err != nil {
		return c, err
	}
	if key != "" {
		c.Key, c.KeyFrom = key, from
		return c, nil
	}
	if port, ok := loopbackPort(c.BaseURL); ok {
		c.Key, c.KeyFrom = "test-key-"+port, "the fake server's default"
		return c, nil
	}
	if fileErr != nil {
		return c, fileErr
	}
	problem := "no API key"
	if file.APIKey+file.Keyring != "" {
		problem = "no API key for this address (the key that login has kept belongs to another one)"
	}
	return c, &Error{Problem: problem, Hint: "set " + EnvKey + ", run: antcrm login, or pass --key-file FILE; to try without a key: antcrm --mock …", Err: nil}
}

// kept is the key that login has kept for an address; "" if there is none.
func (s Sources) kept(ctx context.Context, file stored, address string) (key, from string, err error) {
	if !sameOrigin(address, file.baseURL()) {
		return "", "", nil
	}
	if file.Keyring == "" {
		return file.APIKey, "the config file", nil
	}
	entry, err := s.fromKeyring(ctx, file.Keyring)
	if err != nil || !sameOrigin(address, entry.baseURL()) {
		return "", "", err
	}
	return entry.APIKey, "the system's keyring", nil
}

func (f stored) baseURL() string {
	if f.BaseURL == "" {
		return antcrm.DefaultBaseURL
	}
	return f.BaseURL
}

// load reads the config file. One that is not there is empty.
func (s Sources) load(ctx context.Context) (stored, error) {
	path, _ := Path(s.Getenv) // "" for an account without a home: there is no such file
	data, err := readPrivate(ctx, "the config file "+path, path, "make it a file that can be read, or set "+EnvKey, false)
	if errors.Is(err, fs.ErrNotExist) {
		return stored{}, nil
	}
	if err != nil {
		return stored{}, err
	}
	var f stored
	if len(data) == 0 {
		return stored{}, nil // /dev/null, say
	}
	// The decoder's text could hold a piece of the key.
	if json.Unmarshal(data, &f) != nil {
		return stored{}, &Error{Problem: "the config file " + path + " is not valid JSON", Hint: "run: antcrm login"}
	}
	return f, nil
}

// pipeWait is how long a pipe may take to bring the key: somebody may have to type a password first.
const pipeWait = time.Minute

// readPrivate reads a file with a key, which nobody but its owner may read. what names it in errors; hint is what to do if it cannot be read. What is no
// regular file may bring nothing for ever: that ends with the context, and with pipeWait.
func readPrivate(ctx context.Context, what, path, hint string, pipes bool) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Mode()&fs.ModeNamedPipe != 0 && !pipes {
		return nil, &Error{Problem: what + " is a pipe", Hint: hint}
	}
	if err != nil || info.Mode().IsRegular() {
		return readOwn(what, path, hint)
	}
	type answer struct {
		data []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		data, err := readOwn(what, path, hint)
		got <- answer{data, err}
	}()
	limit := time.NewTimer(pipeWait)
	defer limit.Stop()
	select {
	case a := <-got:
		return a.data, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-limit.C:
		return nil, &Error{Problem: what + " is a pipe that has brought nothing within " + pipeWait.String(), Hint: hint}
	}
}

// readOwn is readPrivate for what does not keep one waiting.
func readOwn(what, path, hint string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, &Error{Problem: "read " + what, Hint: hint, Err: err}
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err == nil && runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return nil, &Error{Problem: fmt.Sprintf("%s can be read by others (mode %04o)", what, info.Mode().Perm()), Hint: "run: chmod 600 " + path}
	}
	var data []byte
	if err == nil {
		data, err = io.ReadAll(io.LimitReader(file, maxFile))
	}
	if err != nil {
		return nil, &Error{Problem: "read " + what, Hint: hint, Err: err}
	}
	return data, nil
}

// keyShape is what keys look like, given by mistake in the place of a file.
var keyShape = regexp.MustCompile(`^[A-Za-z0-9_=+-]{16,}$`)

func readKeyFile(ctx context.Context, path string) (string, error) {
	const hint = "give --key-file a file that holds the key on its only line"
	if keyShape.MatchString(path) {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return "", &Error{Problem: "--key-file names no file, and may hold the key itself", Hint: hint + ", or set " + EnvKey}
		}
	}
	data, err := readPrivate(ctx, "the key file "+path, path, hint, true)
	if err != nil {
		return "", err
	}
	key := strings.TrimSpace(strings.TrimPrefix(string(data), "\ufeff"))
	if key == "" || strings.ContainsAny(key, "\r\n") {
		return "", &Error{Problem: "the key file " + path + " does not hold one line with a key", Hint: hint}
	}
	return key, nil
}

// Kept says where Save has put a key.
type Kept struct {
	Path      string // of the config file
	InKeyring bool   // else the config file holds the key
	Refusal   error  // why the keyring does not hold the key; nil if it does, or was not to be asked
}

// Save keeps a key, and the address that it is for. The system's keyring holds it where one answers, and the config file names the entry; else the config
// file holds it, mode 0600. The file is written as a whole or not at all.
func (s Sources) Save(ctx context.Context, key, baseURL string, inKeyring bool) (Kept, error) {
	path, err := Path(s.Getenv)
	if err != nil {
		return Kept{}, err
	}
	kept := Kept{Path: path}
	if path, _, err = realFile(path); err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err != nil {
		return Kept{}, unwritable(kept.Path, err)
	}
	if baseURL == antcrm.DefaultBaseURL {
		baseURL = ""
	}
	before, _ := s.load(ctx)
	file := stored{APIKey: key, BaseURL: baseURL}
	if inKeyring {
		name := entryName(path)
		if kept.Refusal = s.toKeyring(ctx, name, file); kept.Refusal == nil {
			kept.InKeyring, file = true, stored{Keyring: name, BaseURL: baseURL}
		}
	}
	if ctx.Err() != nil {
		return Kept{}, ctx.Err()
	}
	if err := file.write(path); err != nil {
		if kept.InKeyring {
			_ = s.forgetEntry(ctx, file.Keyring) // the error is that of the file
		}
		return Kept{}, unwritable(kept.Path, err)
	}
	if before.Keyring != "" && before.Keyring != file.Keyring {
		_ = s.forgetEntry(ctx, before.Keyring) // nothing names it any more
	}
	return kept, nil
}

func unwritable(path string, err error) error {
	return &Error{Problem: "write the config file " + path, Hint: "set " + EnvConfig + " to a file that can be written", Err: err}
}

// entryName is the name of a config file's entry in the keyring: each config file has its own.
func entryName(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		return absolute
	}
	return path
}

// write replaces the config file.
func (f stored) write(path string) error {
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	// CreateTemp's mode is 0600.
	temp, err := os.CreateTemp(filepath.Dir(path), ".config-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(append(data, '\n'))
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
	}
	return err
}

// Forgotten says what Forget has removed.
type Forgotten struct {
	Path          string // of the config file
	File, Keyring bool   // whether they were there
}

// Forget removes the key from the keyring, then the config file. If the config file names an entry that cannot be removed, the file stays, so that it can be
// tried again.
func (s Sources) Forget(ctx context.Context) (Forgotten, error) {
	path, err := Path(s.Getenv)
	if err != nil {
		return Forgotten{}, err
	}
	gone := Forgotten{Path: path}
	path, there, err := realFile(path)
	if err != nil {
		return gone, &Error{Problem: "remove the config file " + path, Hint: "remove it by hand", Err: err}
	}
	file, _ := s.load(ctx) // one that cannot be read is removed as well
	name := file.Keyring
	if name == "" {
		name = entryName(path)
	}
	switch err := s.forgetEntry(ctx, name); {
	case err == nil:
		gone.Keyring = true
	case ctx.Err() != nil:
		return gone, ctx.Err()
	case errors.Is(err, ErrNoEntry), file.Keyring == "": // there is nothing, or nothing that anybody knows of
	default:
		return gone, &Error{Problem: "remove the key from the system's keyring", Hint: "unlock it and run again: antcrm logout; or remove by hand the entry " + name + " of " + keyringService + ", and that file", Err: err}
	}
	if there {
		if err := os.Remove(path); err != nil {
			return gone, &Error{Problem: "remove the config file " + path, Hint: "remove it by hand", Err: err}
		}
		gone.File = true
	}
	return gone, nil
}

// realFile follows links, which are kept: what they lead to is replaced or removed. A device or a folder must never be.
func realFile(path string) (target string, there bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path, false, nil
	case err != nil:
		return path, false, err
	case !info.Mode().IsRegular():
		return path, false, errors.New("it is not a regular file")
	}
	if target, err = filepath.EvalSymlinks(path); err != nil {
		return path, false, err
	}
	return target, true, nil
}

func sameOrigin(a, b string) bool {
	ua, errA := url.Parse(a)
	ub, errB := url.Parse(b)
	return errA == nil && errB == nil && strings.EqualFold(ua.Scheme, ub.Scheme) && strings.EqualFold(ua.Hostname(), ub.Hostname()) && portOf(ua) == portOf(ub)
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case strings.EqualFold(u.Scheme, "https"):
		return "443"
	}
	return "80"
}

// loopbackPort is the port of an address on this machine.
func loopbackPort(base string) (string, bool) {
	u, err := url.Parse(base)
	if err != nil {
		return "", false
	}
	ip := net.ParseIP(u.Hostname())
	return portOf(u), u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
