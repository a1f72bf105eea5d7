package antcrmtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Effect is what a fault does to a request.
type Effect string

// The effects.
const (
	// Answer sends Status, Header, RetryAfter and Body instead of the endpoint's answer. It is what Do "" means when
	// there is a Status.
	Answer Effect = "answer"
	// Delay only waits for Latency; then the request continues, also to further faults. It is what Do "" means without
	// a Status. With a Latency longer than the client's time limit the server seems never to answer.
	Delay Effect = "delay"
	// CloseBefore cuts the connection before the body is read (unless BodyContains or Match need it): nothing is
	// written. net/http repeats a GET by itself if it was sent over a kept connection: the client then does not notice
	// a single such fault.
	CloseBefore Effect = "close-before"
	// CloseAfter carries the request out and cuts the connection instead of answering: the answer is lost, the write
	// happened.
	CloseAfter Effect = "close-after"
	// Truncate carries the request out and answers the first half of the JSON text, as a complete HTTP answer.
	Truncate Effect = "truncate"
	// Cut carries the request out and cuts the connection in the middle of the answer's body.
	Cut Effect = "cut"
	// HTML answers with a gateway's page and status 502, or the given Status, which may be 200.
	HTML Effect = "html"
	// Redirect answers 307 (or the Status given) to Location.
	Redirect Effect = "redirect"
	// Partial does not write the records of a package at the places in Fail. Their ids are missing in the answer or,
	// with Nulls, are null.
	Partial Effect = "partial"
	// StuckPage answers with page Page (the first if 0), whatever page is asked for.
	StuckPage Effect = "stuck-page"
	// SlowBody carries the request out and sends the answer in Pieces (16 if 0), waiting for Latency before each.
	SlowBody Effect = "slow-body"
	// GzipBomb answers with Size bytes of spaces (256 MiB if 0, at most 1 GiB), compressed to a thousandth of that.
	GzipBomb Effect = "gzip-bomb"
)

// Fault says which requests fail, and how. In a file durations are texts ("250ms").
type Fault struct {
	// Which requests: all fields that are set must match. A fault comes before the check of the key, as a gateway's
	// would.
	Method       string              `json:"method,omitempty"`       // "" for any
	Path         string              `json:"path,omitempty"`         // exact, or the beginning when it ends in *; "" for any
	BodyContains string              `json:"bodyContains,omitempty"` // the body holds this text
	Match        func(*Request) bool `json:"-"`                      // the caller's own condition, looked at last

	// How many of those.
	After       int     `json:"after,omitempty"`       // the first After are spared
	Nth         int     `json:"nth,omitempty"`         // only the nth, counted from 1 behind After; 0 for each
	Probability float64 `json:"probability,omitempty"` // 0 < p < 1: each with this probability; 0 for certain
	Seed        uint64  `json:"seed,omitempty"`        // of Probability: the same seed meets the same requests of a sequence
	Times       int     `json:"times,omitempty"`       // at most so often; 0 without end

	// What happens to them.
	Do         Effect            `json:"do,omitempty"`         // "" is Answer with a Status, otherwise Delay
	Status     int               `json:"status,omitempty"`     // of the answer, 200 to 599
	Header     map[string]string `json:"header,omitempty"`     // of the answer, beside or over its own
	Body       string            `json:"body,omitempty"`       // of Answer, HTML and Redirect, as it is
	RetryAfter time.Duration     `json:"retryAfter,omitempty"` // header Retry-After, in whole seconds, rounded up
	Latency    time.Duration     `json:"latency,omitempty"`    // wait before anything else happens, with every effect
	Commit     bool              `json:"commit,omitempty"`     // Answer, HTML, Redirect, GzipBomb: the request is carried out first
	Location   string            `json:"location,omitempty"`   // of Redirect
	Fail       []int             `json:"fail,omitempty"`       // of Partial: places in the package, counted from 0
	Nulls      bool              `json:"nulls,omitempty"`      // of Partial: null stands where an id is missing
	Page       int               `json:"page,omitempty"`       // of StuckPage
	Pieces     int               `json:"pieces,omitempty"`     // of SlowBody
	Size       int64             `json:"size,omitempty"`       // of GzipBomb
}

// maxBomb bounds what one answer packs: a server must be able to stop.
const maxBomb = 1 << 30

// Validate reports why the fault cannot be armed, or nil.
func (f Fault) Validate() error {
	switch {
	case f.After < 0 || f.Nth < 0 || f.Times < 0 || f.Page < 0 || f.Pieces < 0 || f.Size < 0:
		return errors.New("fault: a count is below 0")
	case slices.ContainsFunc(f.Fail, func(place int) bool { return place < 0 }):
		return errors.New("fault: a place that fails is below 0")
	case f.Size > maxBomb:
		return fmt.Errorf("fault: size %d is above %d", f.Size, maxBomb)
	case f.Latency < 0 || f.RetryAfter < 0:
		return errors.New("fault: a duration is below 0")
	case !(f.Probability >= 0 && f.Probability <= 1):
		return errors.New("fault: probability is not between 0 and 1")
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("fault: status %d is not between 200 and 599", f.Status)
	case f.Path != "" && f.Path[0] != '/' && f.Path != "*":
		return errors.New("fault: path does not begin with /")
	}
	for name, value := range f.Header {
		if name == "" || strings.ContainsAny(name, " \r\n:") || strings.ContainsAny(value, "\r\n") {
			return errors.New("fault: a header is malformed")
		}
	}
	return f.validateEffect()
}

func (f Fault) validateEffect() error {
	switch f.effect() {
	case Answer:
		if f.Status == 0 {
			return errors.New("fault: an answer needs a status")
		}
	case Redirect:
		if f.Location == "" || strings.ContainsAny(f.Location, "\r\n") {
			return errors.New("fault: a redirect needs a location")
		}
	case Partial:
		if len(f.Fail) == 0 {
			return errors.New("fault: a partial failure needs the places that fail")
		}
	case Delay:
		if f.Body != "" || len(f.Header) > 0 || f.RetryAfter > 0 || f.Commit {
			return errors.New("fault: an answer needs a status, and without one there is no answer to put a body or a header into")
		}
	case CloseBefore, CloseAfter, Truncate, Cut, HTML, StuckPage, SlowBody, GzipBomb:
	default:
		return fmt.Errorf("fault: effect %q is unknown", printable(string(f.Do)))
	}
	return nil
}

func (f Fault) effect() Effect {
	switch {
	case f.Do != "":
		return f.Do
	case f.Status != 0:
		return Answer
	}
	return Delay
}

// leavesOut reports whether the record at place i of a package is to fail.
func (f *Fault) leavesOut(i int) bool {
	return f != nil && f.Do == Partial && slices.Contains(f.Fail, i)
}

// gap is what stands among the ids for a record that was left out.
func (f *Fault) gap(ids []field, id field) []field {
	if f.Nulls {
		return append(ids, field{id.name, []byte("null")})
	}
	return ids
}

func (f *Fault) fits(method, path string) bool {
	if f.Method != "" && !strings.EqualFold(f.Method, method) {
		return false
	}
	if prefix, ok := strings.CutSuffix(f.Path, "*"); ok {
		return strings.HasPrefix(path, prefix)
	}
	return f.Path == "" || f.Path == path
}

// faultText is a fault as it stands in a file: durations are text.
type faultText struct {
	*plainFault
	RetryAfter durationText `json:"retryAfter,omitempty"`
	Latency    durationText `json:"latency,omitempty"`
}

type plainFault Fault

type durationText string

// MarshalJSON writes durations as text.
func (f Fault) MarshalJSON() ([]byte, error) {
	t := faultText{plainFault: (*plainFault)(&f)}
	if f.RetryAfter != 0 {
		t.RetryAfter = durationText(f.RetryAfter.String())
	}
	if f.Latency != 0 {
		t.Latency = durationText(f.Latency.String())
	}
	return json.Marshal(t)
}

// UnmarshalJSON reads durations as text and refuses fields that a fault does not have.
func (f *Fault) UnmarshalJSON(data []byte) error {
	t := faultText{plainFault: new(plainFault)}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&t); err != nil {
		return fmt.Errorf("fault: %w", err)
	}
	read := Fault(*t.plainFault)
	for _, d := range []struct {
		text durationText
		into *time.Duration
	}{{t.RetryAfter, &read.RetryAfter}, {t.Latency, &read.Latency}} {
		if d.text == "" {
			continue
		}
		parsed, err := time.ParseDuration(string(d.text))
		if err != nil {
			return errors.New(`fault: a duration must be text like "250ms"`)
		}
		*d.into = parsed
	}
	*f = read
	return nil
}

// Injected is a fault that was armed.
type Injected struct {
	fault  Fault
	err    error
	faults *faults

	mu   sync.Mutex
	rng  *rand.Rand
	seen int
	met  int
}

// Fault returns what was armed.
func (i *Injected) Fault() Fault { return i.fault }

// Err returns why the fault was not armed, or nil.
func (i *Injected) Err() error { return i.err }

// Met returns how many requests have met the fault.
func (i *Injected) Met() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.met
}

// Remove disarms the fault. It does not affect requests that have met it already.
func (i *Injected) Remove() {
	if i.faults != nil {
		i.faults.remove(i)
	}
}

// claim counts a matching request, and reports whether it meets the fault.
func (i *Injected) claim() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	f := &i.fault
	if f.Times > 0 && i.met >= f.Times {
		return false
	}
	i.seen++
	n := i.seen - f.After
	if n < 1 || f.Nth > 0 && n != f.Nth {
		return false
	}
	if f.Probability > 0 && f.Probability < 1 && i.rng.Float64() >= f.Probability {
		return false
	}
	i.met++
	return true
}

// faults holds what is armed, in the order of arming. The slice is replaced, never changed.
type faults struct {
	mu    sync.Mutex
	armed []*Injected
}

func (fs *faults) arm(f Fault) *Injected {
	f.Fail = slices.Clone(f.Fail)
	i := &Injected{fault: f, err: f.Validate()}
	if i.err != nil {
		return i
	}
	i.rng = rand.New(rand.NewPCG(f.Seed, 0x616e746372_6d)) //nolint:gosec // a repeatable sequence is the point
	i.faults = fs
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.armed = append(slices.Clip(slices.Clone(fs.armed)), i)
	return i
}

func (fs *faults) list() []*Injected {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.armed
}

func (fs *faults) remove(gone *Injected) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.armed = slices.DeleteFunc(slices.Clone(fs.armed), func(i *Injected) bool { return i == gone })
}

func (fs *faults) clear() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.armed = nil
}

// needBody reports whether some fault of this operation looks into the body.
func needBody(armed []*Injected, method, path string) bool {
	return slices.ContainsFunc(armed, func(i *Injected) bool {
		return (i.fault.BodyContains != "" || i.fault.Match != nil) && i.fault.fits(method, path)
	})
}

// pick returns the waits and the first other effect that the request meets; nil when it goes through.
func pick(armed []*Injected, req Request) (wait time.Duration, met *Fault) {
	for _, i := range armed {
		f := &i.fault
		if !f.fits(req.Method, req.Path) || f.BodyContains != "" && !bytes.Contains(req.Body, []byte(f.BodyContains)) {
			continue
		}
		if f.Match != nil && !f.Match(&req) || !i.claim() {
			continue
		}
		effect := f.effect()
		if effect != SlowBody {
			wait += f.Latency
		}
		if effect != Delay {
			resolved := *f
			resolved.Do = effect
			return wait, &resolved
		}
	}
	return wait, nil
}

// header is what an injected answer carries.
func (f *Fault) header(h http.Header) {
	for name, value := range f.Header {
		h.Set(name, value)
	}
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatFloat(math.Ceil(f.RetryAfter.Seconds()), 'f', 0, 64))
	}
}
