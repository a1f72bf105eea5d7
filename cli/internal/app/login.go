package app

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/cli/internal/creds"
)

func (a *app) loginCommand() *cobra.Command {
	unchecked, noKeyring := false, false
	cmd := &cobra.Command{
		Use: "login", Short: "Keep the API key in the system's keyring, or in a file that only you can read", Args: arguments(),
		Long: `Asks for the API key without showing it, or reads it from stdin, tries it at
the server, and keeps it: in the system's keyring (macOS Keychain, Windows
Credential Manager, Secret Service) if one answers within three seconds, else in
a file of mode 0600. It says which. With --no-keyring or ANTCRM_KEYRING=off the
keyring is not asked.

The file is antcrm/config.json in your folder for settings, or the one that
ANTCRM_CONFIG names. Where the keyring has the key, the file names the entry.
With --base-url or ANTCRM_BASE_URL the address is kept with the key, which is
never sent elsewhere.`,
		Example: "  antcrm login\n  pass show antcrm | antcrm login",
	}
	cmd.Flags().BoolVar(&unchecked, "no-check", false, "do not try the key at the server")
	cmd.Flags().BoolVar(&noKeyring, "no-keyring", false, "keep the key in the file, not in the system's keyring")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if a.flags.mock {
			return usage("leave it out", "--mock needs no login")
		}
		if a.flags.keyFile != "" {
			return usage("pipe it: antcrm login <FILE", "login does not take --key-file")
		}
		ctx, stop := interruptible(cmd)
		defer stop()
		return a.login(ctx, !unchecked, !noKeyring && a.getenv(creds.EnvKeyring) != "off")
	}
	return cmd
}

func (a *app) login(ctx context.Context, check, inKeyring bool) error {
	key, err := a.readKey(ctx)
	if err != nil {
		return err
	}
	c := creds.Credentials{Key: key, KeyFrom: "as given", BaseURL: antcrm.DefaultBaseURL, BaseURLFrom: "the default"}
	for _, from := range [][2]string{{a.flags.baseURL, "--base-url"}, {a.getenv(creds.EnvBaseURL), creds.EnvBaseURL}} {
		if from[0] != "" {
			c.BaseURL, c.BaseURLFrom = from[0], from[1]
			break
		}
	}
	client, err := a.newClient(c)
	if err != nil {
		return err
	}
	if check {
		if _, err := client.Contacts.List(ctx, antcrm.ContactListParams{Limit: 1}); err != nil {
			code, _ := classify(err)
			return &failure{code: code, text: "the key was not kept", err: err, next: "try again, or keep it unchecked with --no-check"}
		}
	}
	kept, err := a.sources().Save(ctx, key, c.BaseURL, inKeyring)
	switch {
	case err != nil:
		return err
	case kept.InKeyring:
		a.note("the key is kept in the system's keyring; %s names the entry", kept.Path)
	case kept.Refusal != nil:
		a.note("the key is kept in %s, which only you can read; not in the system's keyring: %s", kept.Path, plainError(kept.Refusal))
	default:
		a.note("the key is kept in %s, which only you can read", kept.Path)
	}
	return nil
}

// readKey asks for a key without echo, or reads the first line of stdin.
func (a *app) readKey(ctx context.Context) (string, error) {
	missing := &creds.Error{Problem: "no key was given", Hint: "type or paste it, or pipe it to: antcrm login"}
	if !isTerminal(a.stdin) {
		line, err := await(ctx, func() (string, error) { return bufio.NewReader(io.LimitReader(a.stdin, 64<<10)).ReadString('\n') })
		if line = strings.TrimSpace(line); line == "" {
			return "", missing
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return "", &creds.Error{Problem: "read the key from stdin", Hint: missing.Hint, Err: err}
		}
		return line, nil
	}
	if err := write(a.stderr, "API key (not shown): "); err != nil {
		return "", err
	}
	key, err := a.readPassword(ctx)
	_ = write(a.stderr, "\n")
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if text := strings.TrimSpace(string(key)); err == nil && text != "" {
		return text, nil
	}
	return "", missing
}

// readPassword gives the terminal its echo back at Ctrl-C too.
func (a *app) readPassword(ctx context.Context) ([]byte, error) {
	fd := int(a.stdin.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	key, err := await(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	if ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), term.Restore(fd, state))
	}
	return key, err
}

func (a *app) logoutCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "logout", Short: "Forget the key that login has kept", Args: arguments(),
		Long:    "Removes the key that login has kept from the system's keyring, and the file that\nlogin wrote.",
		Example: "  antcrm logout",
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, stop := interruptible(cmd)
		defer stop()
		gone, err := a.sources().Forget(ctx)
		if gone.Keyring {
			a.note("removed the key from the system's keyring")
		}
		switch {
		case err != nil:
			return err
		case gone.File:
			a.note("removed %s", gone.Path)
		case !gone.Keyring:
			a.note("there is no %s", gone.Path)
		}
		return nil
	}
	return cmd
}

// confirm asks a question that only yes answers.
func (a *app) confirm(ctx context.Context, question string) bool {
	if write(a.stderr, question+" [y/N] ") != nil {
		return false
	}
	line, err := await(ctx, func() (string, error) { return bufio.NewReader(a.stdin).ReadString('\n') })
	if err != nil {
		_ = write(a.stderr, "\n")
	}
	line = strings.ToLower(strings.TrimSpace(line))
	return line == "y" || line == "yes"
}
