package antcrm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"

	"github.com/antbuddy/antcrm-go/internal/bind"
	"github.com/antbuddy/antcrm-go/internal/wire"
)

// DefaultBaseURL is the address of the vendor's service (the vendor's page).
const DefaultBaseURL = "https://apiring.antbuddy.com"

// Version is the version of this module, as sent in the User-Agent.
const Version = "0.1.0"

func defaultUserAgent() string { return "antcrm-go/" + Version + " (" + runtime.Version() + ")" }

// Client talks to AntCRM. Make one with NewClient and share it: it is safe for concurrent use, and all its calls share
// its connections, its limits, and the pauses that the server asks for.
type Client struct {
	Contacts      *ContactsService      // leads, customers, accounts: /contacts
	Opportunities *OpportunitiesService // orders: /opportunities
	Products      *ProductsService      // /products
	Tickets       *TicketsService       // /tickets
	Points        *PointsService        // loyalty points: /history-point, /accumulate
	Redeem        *RedeemService        // gifts for points: /history-point, /redeem
	Segments      *SegmentsService      // /segments/set-contact
	Telesales     *TelesalesService     // /telesales
	Telecalls     *TelecallsService     // /telecalls
	Campaigns     *CampaignsService     // /campaigns
	Ratings       *RatingsService       // /rating
	ZNSMessages   *ZNSMessagesService   // Zalo notifications: /znsmsg
	Messages      *MessagesService      // omnichannel messages by session: /messages

	core *core
}

// NewClient returns a client that uses the API key. It sends nothing. An empty or malformed key, a bad base URL or a
// bad option is a *ValidationError.
func NewClient(apiKey string, opts ...Option) (*Client, error) {
	cfg := newConfig()
	if err := applyOptions(cfg, "option", opts); err != nil {
		return nil, err
	}
	if err := checkKey(apiKey); err != nil {
		return nil, err
	}
	base, err := parseBaseURL(cfg.baseURL, cfg.insecureHTTP)
	if err != nil {
		return nil, err
	}
	key := func() string { return apiKey } // a closure, so that no %+v can print it
	c := &core{
		cfg: cfg, base: strings.TrimRight(base.String(), "/"), key: key,
		plans: bind.NewPlans(textOf),
	}
	c.rest, c.pool = newRestyClient(cfg, base, key)
	if cfg.maxConcurrency > 0 {
		c.slots = make(chan struct{}, cfg.maxConcurrency)
	}
	return &Client{
		Contacts:      &ContactsService{c},
		Opportunities: &OpportunitiesService{c},
		Products:      &ProductsService{c},
		Tickets:       &TicketsService{c},
		Points:        &PointsService{c},
		Redeem:        &RedeemService{c},
		Segments:      &SegmentsService{c},
		Telesales:     &TelesalesService{c},
		Telecalls:     &TelecallsService{c},
		Campaigns:     &CampaignsService{c},
		Ratings:       &RatingsService{c},
		ZNSMessages:   &ZNSMessagesService{c},
		Messages:      &MessagesService{c},
		core:          c,
	}, nil
}

// NewClientFromEnv is NewClient with the key from ANTCRM_API_KEY and, if it is set, the base URL from ANTCRM_BASE_URL.
// An option takes precedence over the environment.
func NewClientFromEnv(opts ...Option) (*Client, error) {
	if base := os.Getenv("ANTCRM_BASE_URL"); base != "" {
		opts = append([]Option{WithBaseURL(base)}, opts...)
	}
	key := os.Getenv("ANTCRM_API_KEY")
	if strings.TrimSpace(key) == "" {
		return nil, invalid("apiKey", "the environment variable ANTCRM_API_KEY is not set")
	}
	return NewClient(key, opts...)
}

// service is what every service is.
type service struct{ core *core }

// coreOf returns nil for a service that NewClient has not made (those of a zero Client are nil), so that its calls
// return an error instead of panicking.
func coreOf[S ~struct{ core *core }](s *S) *core {
	if s == nil {
		return nil
	}
	return service(*s).core
}

func (c *Client) made() *core {
	if c == nil {
		return nil
	}
	return c.core
}

// CloseIdleConnections closes the connections that are kept for later calls. It does not disturb calls under way, and
// the client can still be used.
func (c *Client) CloseIdleConnections() {
	if made := c.made(); made != nil {
		made.rest.GetClient().CloseIdleConnections()
	}
}

// Account identifies the account that the client works for: a hash of the base URL and the key, from which neither can
// be read. State that belongs to one account (a journal, a fleet's ledger, a mirror) stores it, and refuses a client of
// another account. A new key makes another account. Account returns "" for a client that NewClient has not made.
func (c *Client) Account() string {
	if made := c.made(); made != nil {
		return made.account()
	}
	return ""
}

func (c *core) account() string {
	base := c.base
	if u, err := url.Parse(base); err == nil {
		base = wire.Origin(u) + u.EscapedPath() // the same for every spelling of the host
	}
	sum := sha256.Sum256([]byte("antcrm account\n" + base + "\n" + c.key()))
	return hex.EncodeToString(sum[:16])
}

// AttemptTimeout returns the limit of one attempt (WithTimeout); 0 means no limit. A request that was sent and not
// answered can still be under way for that long.
func (c *Client) AttemptTimeout() time.Duration {
	made := c.made()
	if made == nil {
		return 0
	}
	return made.cfg.timeout
}

// Format prints the base URL and nothing else, with every verb.
func (c *Client) Format(s fmt.State, _ rune) {
	base := ""
	if made := c.made(); made != nil {
		base = made.base
	}
	writeText(s, "antcrm.Client{"+base+"}")
}

// newRestyClient puts resty on top of a copy of the caller's http.Client (or of our own). It switches off what is wrong
// for an SDK: resty's retries, logs, redirects and body parsing.
//
// pool is nil if the caller's client has a transport: that one is not changed.
func newRestyClient(cfg *config, base *url.URL, key func() string) (rc *resty.Client, pool *wire.Pool) {
	hc := &http.Client{}
	if cfg.httpClient != nil {
		shallow := *cfg.httpClient
		hc = &shallow
	}
	next := hc.Transport
	if next == nil {
		limit := cfg.timeout
		if hc.Timeout > 0 && (limit == 0 || hc.Timeout < limit) {
			limit = hc.Timeout
		}
		pool = wire.NewPool(cfg.maxConcurrency, limit)
		next = pool
	}
	hc.Transport = wire.NewKeyTransport(next, base, key)
	// A redirect would send the body to another address, and turn a POST into a GET: a 3xx is an error instead.
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	rc = resty.NewWithClient(hc)
	rc.SetLogger(silentLogger{})
	rc.SetDisableWarn(true)
	return rc, pool
}

// silentLogger discards resty's own log, which prints URLs to stderr.
type silentLogger struct{}

func (silentLogger) Errorf(string, ...any) {}
func (silentLogger) Warnf(string, ...any)  {}
func (silentLogger) Debugf(string, ...any) {}
