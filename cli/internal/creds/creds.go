// Package creds finds the API key and the address to use it at, and keeps them in a file that only its owner can read.
package creds

import (
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
}

// Credentials are a key, where it came from, and the address to use it at.
type Credentials struct {
	Key, KeyFrom         string
	BaseURL, BaseURLFrom string
}

// stored is the config file.
type stored struct {
	APIKey  string `json:"api_key"`
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

// Find looks for a key: in the file of --key-file, then in ANTCRM_API_KEY, then in the config file. The address is that of --base-url, of
// ANTCRM_BASE_URL, of the config file, or the vendor's. A key from the config file is only used at the address it was stored for: another
// address must bring its own. At a server on this machine that has none, the key that the fake server wants is used.
//
// On an error the address is filled in all the same.
func (s Sources) Find() (Credentials, error) {
	var c Credentials
	file, fileErr := s.load()
	c.BaseURL, c.BaseURLFrom = antcrm.DefaultBaseURL, "the default"
	for _, from := range [][2]string{{s.BaseURL, "--base-url"}, {s.Getenv(EnvBaseURL), EnvBaseURL}, {file.BaseURL, "the config file"}} {
		if from[0] != "" {
			c.BaseURL, c.BaseURLFrom = from[0], from[1]
			break
		}
	}
	if s.KeyFile != "" {
		key, err := readKeyFile(s.KeyFile)
		c.Key, c.KeyFrom = key, "--key-file"
		return c, err
	}
	if key := s.Getenv(EnvKey); key != "" {
		c.Key, c.KeyFrom = key, EnvKey
		return c, nil
	}
	if file.APIKey != "" && sameOrigin(c.BaseURL, file.baseURL()) {
		c.Key, c.KeyFrom = file.APIKey, "the config file"
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
	if file.APIKey != "" {
		problem = "no API key for this address (the config file's key belongs to another one)"
	}
	return c, &Error{Problem: problem, Hint: "set " + EnvKey + ", run: antcrm login, or pass --key-file FILE; to try without a key: antcrm --mock …", Err: nil}
}

func (f stored) baseURL() string {
	if f.BaseURL == "" {
		return antcrm.DefaultBaseURL
	}
	return f.BaseURL
}

// load reads the config file. One that is not there is empty.
func (s Sources) load() (stored, error) {
	path, _ := Path(s.Getenv) // "" for an account without a home: there is no such file
	data, err := readPrivate("the config file "+path, path, "make it a file that can be read, or set "+EnvKey, false)
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

// readPrivate reads a file with a key, which nobody but its owner may read. what names it in errors; hint is what to do if it cannot be read.
func readPrivate(what, path, hint string, pipes bool) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && info.Mode()&fs.ModeNamedPipe != 0 && !pipes {
		return nil, &Error{Problem: what + " is a pipe", Hint: hint} // it might never bring anything
	}
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

func readKeyFile(path string) (string, error) {
	const hint = "give --key-file a file that holds the key on its only line"
	if keyShape.MatchString(path) {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return "", &Error{Problem: "--key-file names no file, and may hold the key itself", Hint: hint + ", or set " + EnvKey}
		}
	}
	data, err := readPrivate("the key file "+path, path, hint, true)
	if err != nil {
		return "", err
	}
	key := strings.TrimSpace(strings.TrimPrefix(string(data), "\ufeff"))
	if key == "" || strings.ContainsAny(key, "\r\n") {
		return "", &Error{Problem: "the key file " + path + " does not hold one line with a key", Hint: hint}
	}
	return key, nil
}

// Save writes the config file, mode 0600, as a whole or not at all, and returns its path.
func Save(getenv func(string) string, key, baseURL string) (string, error) {
	path, err := Path(getenv)
	if err != nil {
		return "", err
	}
	fail := func(err error) (string, error) {
		return "", &Error{Problem: "write the config file " + path, Hint: "set " + EnvConfig + " to a file that can be written", Err: err}
	}
	path, _, err = realFile(path)
	if err != nil {
		return fail(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fail(err)
	}
	if baseURL == antcrm.DefaultBaseURL {
		baseURL = ""
	}
	data, err := json.MarshalIndent(stored{APIKey: key, BaseURL: baseURL}, "", "  ")
	if err != nil {
		return fail(err)
	}
	// CreateTemp's mode is 0600.
	temp, err := os.CreateTemp(filepath.Dir(path), ".config-*")
	if err != nil {
		return fail(err)
	}
	_, err = temp.Write(append(data, '\n'))
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
		return fail(err)
	}
	return path, nil
}

// Forget removes the config file; removed is false if there was none.
func Forget(getenv func(string) string) (path string, removed bool, err error) {
	if path, err = Path(getenv); err != nil {
		return "", false, err
	}
	path, there, err := realFile(path)
	if err == nil && there {
		err = os.Remove(path)
	}
	if err != nil {
		return path, false, &Error{Problem: "remove the config file " + path, Hint: "remove it by hand", Err: err}
	}
	return path, there, nil
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
