// Package probe asks a server which of this SDK's decisions hold.
//
// The vendor's pages leave some questions open. docs/wire.md lists them, with what the SDK decided and what happens
// where the decision is wrong. [Run] answers them for one account:
//
//	report, err := probe.Run(ctx, client)
//	for _, finding := range report.Findings {
//		if finding.Answer == probe.Differs {
//			fmt.Println(finding.ID, finding.Observed, finding.Advice)
//		}
//	}
//
// Without options Run only reads. [WithWrites] adds experiments that create records named "antcrm-go probe …" and
// delete them again. A report holds no value of any record and no key: it can be sent to somebody else.
package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/internal/questions"
)

// Answer is what an experiment found out.
type Answer int

// The answers. The zero value promises nothing.
const (
	// CannotTell says that the experiment could not decide; Finding.Observed says why.
	CannotTell Answer = iota
	// AsDecided says that the server does what the SDK assumes.
	AsDecided
	// Differs says that the server does something else; Finding.Consequence says what this means.
	Differs
)

// String returns cannot tell, as decided or differs.
func (a Answer) String() string {
	switch a {
	case CannotTell:
		return "cannot tell"
	case AsDecided:
		return "as decided"
	case Differs:
		return "differs"
	}
	return fmt.Sprintf("answer %d", int(a))
}

// MarshalText writes the answer as String returns it.
func (a Answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (a *Answer) UnmarshalText(text []byte) error {
	for _, known := range []Answer{CannotTell, AsDecided, Differs} {
		if known.String() == string(text) {
			*a = known
			return nil
		}
	}
	return errors.New("probe: not an answer")
}

// Report is what Run found out. Findings has one entry for each open question, in the order of docs/wire.md.
type Report struct {
	Findings []Finding      `json:"findings"`
	Fields   []UnknownField `json:"fields,omitempty"` // fields that records carry and no page documents
	// Leftovers are the keys of records that the probe created and could not delete. Delete them by hand.
	Leftovers []string `json:"leftovers,omitempty"`
}

// Finding is the answer to one open question. Its ID is the one of docs/wire.md and of antcrmtest.OpenQuestions.
type Finding struct {
	ID          string `json:"id"`
	Question    string `json:"question"`
	Answer      Answer `json:"answer"`
	Observed    string `json:"observed"`              // what the server did, or why nothing can be said
	Consequence string `json:"consequence,omitempty"` // what the difference means for a caller of the SDK
	Advice      string `json:"advice,omitempty"`      // what to do about it
	// Alternative names the answer that the server has, as antcrmtest.OpenQuestions lists it; "" where it is not among
	// those or the answer is not Differs.
	Alternative string `json:"alternative,omitempty"`
}

// UnknownField is an undocumented field of the server's records: its name and its JSON kind, never a value.
type UnknownField struct {
	Resource string `json:"resource"`
	Name     string `json:"name"`
	JSONKind string `json:"kind"`
	Seen     int    `json:"seen"` // on how many records
}

// Option changes a run.
type Option func(*config) error

type config struct {
	writes   bool
	progress func(Finding)
	requests func(sent int)
	badKey   *antcrm.Client
	limiter  *rate.Limiter
	cleanup  context.Context // of WithCleanupContext
}

// WithWrites adds the experiments that write. They create records named "antcrm-go probe …" with keys that begin with
// "antcrm-go-probe-", and delete them at the end, also after an error and after the context has ended. The account's
// automations may act on the records while they are there. What cannot be deleted is in Report.Leftovers.
func WithWrites() Option { return func(c *config) error { c.writes = true; return nil } }

// WithProgress calls report once for each question, from the goroutine that called Run: for a difference right after
// the experiment that found it, for all others at the end, when no experiment can change the answer any more. See also
// WithRequestCount.
func WithProgress(report func(Finding)) Option {
	return func(c *config) error {
		if report == nil {
			return &antcrm.ValidationError{Index: -1, Field: "WithProgress", Problem: "is nil"}
		}
		c.progress = report
		return nil
	}
}

// WithRequestCount calls report after each request, from the goroutine that called Run: a running count for a person. A
// run sends MaxRequests at most.
func WithRequestCount(report func(sent int)) Option {
	return func(c *config) error {
		if report == nil {
			return &antcrm.ValidationError{Index: -1, Field: "WithRequestCount", Problem: "is nil"}
		}
		c.requests = report
		return nil
	}
}

// WithRate sets how many requests a second the probe sends. Default: 2.
func WithRate(perSecond float64) Option {
	return func(c *config) error {
		if !(perSecond > 0 && perSecond <= 1e6) {
			return &antcrm.ValidationError{Index: -1, Field: "WithRate", Problem: "must be above 0"}
		}
		c.limiter = rate.NewLimiter(rate.Limit(perSecond), 1)
		return nil
	}
}

// WithWrongKeyClient sets a client of the same server with a wrong key. The probe sends one request with it to see how
// the server refuses the key. Without this option the question stays open.
func WithWrongKeyClient(client *antcrm.Client) Option {
	return func(c *config) error {
		if client == nil {
			return &antcrm.ValidationError{Index: -1, Field: "WithWrongKeyClient", Problem: "is nil"}
		}
		c.badKey = client
		return nil
	}
}

// WithCleanupContext sets a context for the deletes at the end, which go on after the context of Run has ended. Where
// this one ends as well, Run returns at once, and Report.Leftovers names what is still there: a person who presses
// Ctrl-C twice waits for nothing. Without this option the deletes end after a minute.
func WithCleanupContext(ctx context.Context) Option {
	return func(c *config) error {
		if ctx == nil {
			return &antcrm.ValidationError{Index: -1, Field: "WithCleanupContext", Problem: "is nil"}
		}
		c.cleanup = ctx
		return nil
	}
}

// MaxRequests is how many requests a run sends at most, whatever the server answers.
const MaxRequests = 80

// cleanupTime bounds the deletes at the end of a run whose context has ended.
const cleanupTime = time.Minute

// Run asks the server behind the client. It reads only, unless WithWrites is given, and sends at most 80 requests. It
// repeats reads, and a create only after a look has shown that it was not carried out. An experiment that fails is a
// Finding that cannot tell; after six requests in a row without an answer no more experiments are made, and the findings
// say so. The error is that of a bad option, of a server that refuses the key at the beginning, or of the context; the
// report is then what was found out so far, and never nil.
func Run(ctx context.Context, client *antcrm.Client, opts ...Option) (*Report, error) {
	report := new(Report)
	if ctx == nil || client == nil {
		return report, &antcrm.ValidationError{Index: -1, Field: "client", Problem: "the context or the client is nil"}
	}
	cfg := config{limiter: rate.NewLimiter(2, 1)}
	for _, opt := range opts {
		if opt == nil {
			return report, &antcrm.ValidationError{Index: -1, Field: "opts", Problem: "holds a nil option"}
		}
		if err := opt(&cfg); err != nil {
			return report, err
		}
	}
	p := newProber(client, cfg)
	err := p.observe(ctx)
	if cfg.writes && err == nil {
		report.Leftovers = p.experimentAndCleanUp(ctx)
	}
	if err == nil {
		err = p.keyRefused
	}
	p.stopped = ctx.Err() != nil
	for _, q := range questions.All() {
		report.Findings = append(report.Findings, p.finding(q))
	}
	p.report(true)
	report.Fields = p.fields.list()
	if err == nil {
		err = ctx.Err()
	}
	return report, err
}
