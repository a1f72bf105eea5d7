package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/cli/internal/output"
)

// doctorPatience is how long one of the doctor's requests may take.
const doctorPatience = 10 * time.Second

func (a *app) doctorCommand() *cobra.Command {
	c := &contract{}
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check the address, the way to the server and the key; with --contract what the server does", Args: arguments(),
		Long: `Checks one after the other where the key comes from, whether the server can be
reached, and whether it takes the key, and says what to do about the first
thing that is wrong. It reads one contact and changes nothing.

The vendor's pages leave some questions open, and the SDK has decided each of
them. With --contract it asks the server: what is as decided, what differs and
what to do then, and what cannot be told and why. It reads only. With --write it
also creates records named "antcrm-go probe ...", changes and deletes them; it
says so and asks first. At most 80 requests are sent, 2 a second unless --rate
says otherwise. Ctrl-C deletes what was created; a second one lists the rest.

--json writes the report to a file. It has no value of a record, no key, and no
host unless --with-host is given: it can be sent to the maintainers, and given to
"antcrm mock --like". Read docs/going-live.md before a first import.

With --contract the exit code is 8 if the server differs in something that you
have to care about, and 5 if a record of the probe could not be deleted.`,
		Example: `  antcrm doctor
  ANTCRM_BASE_URL=http://127.0.0.1:8080 antcrm doctor
  antcrm doctor --contract
  antcrm doctor --contract --write --json report.json
  antcrm --mock doctor --contract --write --yes`,
	}
	c.flags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := c.check(); err != nil {
			return err
		}
		ctx, stop := interruptible(cmd)
		defer stop()
		out := a.stdout
		if c.json == "-" {
			out = a.stderr
		}
		if err := a.examine(ctx, out, c.ask); err != nil || !c.ask {
			return err
		}
		return a.askContract(ctx, c, out)
	}
	return cmd
}

// examine checks the way to the server. With a contract to ask, a server that answers in its own way is no obstacle.
func (a *app) examine(ctx context.Context, out *os.File, contract bool) error {
	c, keyErr := a.credentials(ctx)
	if keyErr != nil && (a.flags.mock || ctx.Err() != nil) {
		return keyErr
	}
	if err := a.finding(out, keyErr == nil, "key", "found: "+c.KeyFrom, keyErr); err != nil {
		return err
	}
	// The key is checked first: what the SDK says of the address needs one.
	a.server = strings.TrimRight(c.BaseURL, "/")
	key := c
	if keyErr != nil {
		key.Key = "none"
	}
	client, err := a.newClient(key, antcrm.WithMaxRetries(0), antcrm.WithTimeout(doctorPatience))
	if err != nil {
		return errors.Join(a.finding(out, false, "address", "", err), err)
	}
	took, err := reach(ctx, c.BaseURL)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := a.finding(out, err == nil, "server", fmt.Sprintf("%s (%s) can be reached, %d ms", c.BaseURL, c.BaseURLFrom, took.Milliseconds()), err); err != nil {
		return err
	}
	if err != nil {
		return &failure{code: exitOutage, text: "the server cannot be reached", next: reachHint(err)}
	}
	if keyErr != nil {
		return keyErr
	}
	_, err = client.Contacts.List(ctx, antcrm.ContactListParams{Limit: 1})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if contract && answersInItsOwnWay(err) {
		return a.finding(out, true, "access", "the server answers in its own way: "+plainError(err), nil)
	}
	if err := a.finding(out, err == nil, "access", "the server takes the key", err); err != nil {
		return err
	}
	return accessError(err)
}

// answersInItsOwnWay says that a list was answered by the service itself, and not as decided: a redirect, a refusal under
// 200, a 404 that is JSON. The contract says what to do about it.
func answersInItsOwnWay(err error) bool {
	failure, ok := errors.AsType[*antcrm.APIError](err)
	if !ok {
		return false
	}
	return failure.StatusCode < 400 || failure.StatusCode == http.StatusNotFound && json.Valid(failure.Body)
}

// finding prints one line of the report.
func (a *app) finding(out *os.File, good bool, what, text string, err error) error {
	mark, color := "ok    ", "\x1b[32m"
	if !good {
		mark, color, text = "wrong ", "\x1b[31m", plainError(err)
	}
	if isTerminal(out) && a.color() {
		mark = color + mark + "\x1b[0m"
	}
	return write(out, fmt.Sprintf("%s%-8s%s\n", mark, what, output.Clean(text)))
}

// reach asks the server for anything at all, without the key. Every answer is good.
func reach(ctx context.Context, base string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base, http.NoBody)
	if err != nil {
		return 0, errors.New("the address is not valid")
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	began := time.Now()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	return time.Since(began), resp.Body.Close()
}

// reachHint says what to do about a server that cannot be reached.
func reachHint(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return "the name " + dns.Name + " is not known: check the address, the network and the DNS server"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		if expired, ok := errors.AsType[x509.CertificateInvalidError](err); ok && expired.Reason == x509.Expired {
			return "its certificate is out of date, or this machine's clock is wrong"
		}
		return "its certificate is not trusted: a proxy may stand in between, or the address is wrong"
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer within " + doctorPatience.String() + ": check the network, a firewall, HTTPS_PROXY"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "it speaks plain http: use http:// in the address"
	}
	return "check the address, the network, a firewall, HTTPS_PROXY"
}

// accessError is what the report ends with.
func accessError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, antcrm.ErrUnauthorized):
		return &failure{code: exitKey, text: "the server refuses the key", next: "copy it again from the CRM's settings, then: antcrm login"}
	case errors.Is(err, antcrm.ErrForbidden):
		return &failure{code: exitKey, text: "the server takes the key but forbids reading contacts", next: "ask for a key that may do this"}
	case codeOf(err) == exitOutage:
		return &failure{code: exitOutage, text: "the server is there but does not answer as it should", next: "try again later"}
	}
	if _, ok := errors.AsType[*antcrm.DecodeError](err); ok || errors.Is(err, antcrm.ErrNotFound) {
		return &failure{code: exitFailure, text: "the server does not answer as AntCRM does", next: "check the address, its path too; a proxy or a log-in page may stand in between"}
	}
	return err
}
