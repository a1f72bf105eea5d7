package antcrm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"
)

// DefaultBaseURL is the vendor's service.
const DefaultBaseURL = "https://apiring.antbuddy.com"

// Version is the version of this module, as sent in the User-Agent.
const Version = "0.1.0"

func defaultUserAgent() string { return "antcrm-go/" + Version + " (" + runtime.Version() + ")" }

// Client talks to AntCRM. Make one with NewClient and share it: it is safe for
// concurrent use, and its connections, limits and pauses are shared by
// everything done through it.
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

// NewClient returns a client for the API key. An empty or malformed key, a bad
// base URL or a bad option is a *ValidationError; nothing is sent yet.
func NewClient(apiKey string, opts ...Option) (*Client, error) {
	cfg := newConfig()
	if err := cfg.apply(opts); err != nil {
		return nil, err
	}
	if err := checkKey(apiKey); err != nil {
		return nil, err
	}
	base, err := parseBaseURL(cfg.baseURL, cfg.insecureHTTP)
	if err != nil {
		return nil, err
	}
	c := &core{
		cfg:  cfg,
		base: strings.TrimRight(base.String(), "/"),
		rest: newRestyClient(cfg, base, apiKey),
		key:  func() string { return apiKey },
	}
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

// NewClientFromEnv is NewClient with the key from ANTCRM_API_KEY and, if set,
// the base URL from ANTCRM_BASE_URL. An option wins over the environment.
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

// coreOf returns nil for a service that NewClient has not made, such as those
// of a zero Client, which are nil: its calls are errors then, not panics.
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

// CloseIdleConnections closes connections that are kept for later calls. Calls
// under way are not disturbed, and the client can still be used.
func (c *Client) CloseIdleConnections() {
	if made := c.made(); made != nil {
		made.rest.GetClient().CloseIdleConnections()
	}
}

// Account names the account that the client works for: a hash of the base URL and the key, from which neither can be
// read. State that belongs to one account (a journal, a fleet's ledger, a mirror) keeps it, and refuses a client of
// another. A key that is replaced makes another account of it. A client that NewClient has not made has none: "".
func (c *Client) Account() string {
	made := c.made()
	if made == nil {
		return ""
	}
	base := made.base
	if u, err := url.Parse(base); err == nil {
		base = originOf(u) + u.EscapedPath() // however the host was spelled
	}
	sum := sha256.Sum256([]byte("antcrm account\n" + base + "\n" + made.key()))
	return hex.EncodeToString(sum[:16])
}

// AttemptTimeout returns the limit of WithTimeout for one attempt; 0 means no limit. A request that was sent and not
// answered can still be under way for that long.
func (c *Client) AttemptTimeout() time.Duration {
	made := c.made()
	if made == nil {
		return 0
	}
	return made.cfg.timeout
}

// Format prints the base URL with every verb, and nothing else.
func (c *Client) Format(s fmt.State, _ rune) {
	base := ""
	if made := c.made(); made != nil {
		base = made.base
	}
	writeText(s, "antcrm.Client{"+base+"}")
}

// Do sends any request through the client's key, retries, limits and errors:
// the way to an endpoint that has no method yet. path begins with a slash and
// is relative to the base URL, percent-encoded by the caller where needed;
// parameters go in query. A body other than nil is encoded as JSON (a
// json.RawMessage or []byte is sent as it is); GET, HEAD and OPTIONS have none.
// The answer's JSON is decoded into out by the rules of encoding/json; with a
// nil out any body but HTML is a success.
//
// The retry policy follows the method: see WithRetryUnsafe for a POST that may
// be repeated. A 2xx whose success is falsy is ErrRejected.
func (c *Client) Do(ctx context.Context, method, path string, query url.Values, body, out any, opts ...CallOption) error {
	cfg, err := newCallConfig(opts)
	if err := firstError(err, checkMethod(method, body), checkPath(path), checkQuery(query), checkOut(out)); err != nil {
		return err
	}
	encoded, err := encodeAny(body)
	if err != nil {
		return err
	}
	req := &request{method: strings.ToUpper(method), path: path, query: query, body: encoded}
	return c.made().call(ctx, req, cfg, func(a *answer) error { return a.decodeAny(out) })
}

func checkOut(out any) error {
	if out == nil {
		return nil
	}
	if v := reflect.ValueOf(out); v.Kind() != reflect.Pointer || v.IsNil() {
		return invalid("out", "must be a non-nil pointer, or nil")
	}
	return nil
}

func checkMethod(method string, body any) error {
	if !isToken(method) {
		return invalid("method", "is not an HTTP method")
	}
	if body != nil && isRead(strings.ToUpper(method)) {
		return invalid("body", "a "+strings.ToUpper(method)+" has no body")
	}
	if strings.EqualFold(method, http.MethodConnect) || strings.EqualFold(method, http.MethodTrace) {
		return invalid("method", "is not supported")
	}
	return nil
}

// checkPath lets nothing through that could leave the base URL.
func checkPath(path string) error {
	const field = "path"
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
		return invalid(field, "must begin with one slash")
	}
	if strings.ContainsAny(path, "?#\\") {
		return invalid(field, "must not contain ?, # or a backslash: parameters go in query")
	}
	for i := range len(path) {
		if path[i] <= ' ' || path[i] == 0x7f {
			return invalid(field, "must not contain white space or control characters")
		}
	}
	decoded, err := url.PathUnescape(path)
	if err != nil || !utf8.ValidString(decoded) {
		return invalid(field, "is not a valid percent-encoded path")
	}
	for _, segment := range strings.FieldsFunc(decoded, func(r rune) bool { return r == '/' || r == '\\' }) {
		if segment == ".." || segment == "." {
			return invalid(field, "must not contain dot segments")
		}
	}
	return nil
}

func checkQuery(query url.Values) error {
	for name, values := range query {
		for _, value := range append([]string{name}, values...) {
			if !utf8.ValidString(value) {
				return invalid("query", "is not valid UTF-8")
			}
		}
	}
	return nil
}

// encodeAny encodes a body of the caller's own type.
func encodeAny(body any) ([]byte, error) {
	raw, isBytes := body.([]byte)
	if message, ok := body.(json.RawMessage); ok {
		raw, isBytes = message, true
	}
	if !isBytes {
		return encodeBody(body)
	}
	if !json.Valid(raw) {
		return nil, invalid("body", "is not valid JSON")
	}
	return bytes.Clone(raw), nil // a transport may read it after the call has returned
}

// decodeAny decodes an answer into a type of the caller's own.
func (a *answer) decodeAny(out any) error {
	if a.isHTML() {
		return a.problem("the body is HTML, not JSON")
	}
	if env, err := readEnvelope(a.text()); err == nil && env.rejected() {
		return a.apiError()
	}
	if out == nil || a.done || a.req.method == http.MethodDelete && a.status == http.StatusNoContent {
		return nil
	}
	body, err := a.json()
	if err != nil {
		return err
	}
	if err := decodeInto(body, out); err != nil {
		return a.decodeError(err)
	}
	return nil
}
