package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func (f *Fleet) connect(ctx context.Context) error {
	options := []nats.Option{
		nats.Name("antcrm-fleet " + f.cfg.Name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 500*time.Millisecond),
		// A server that hangs holds its connections open: it is left for another one after three pings.
		nats.PingInterval(3 * time.Second),
		nats.MaxPingsOutstanding(2),
		// Nothing is sent behind the back of a caller who was told that it failed.
		nats.ReconnectBufSize(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { f.cfg.Logger.Debug("nats", "error", err) }),
	}
	url, where := f.cfg.URL, "NATS at "+withoutCredentials(f.cfg.URL)
	if f.host != nil {
		url, where = f.host.url(), "the server of "+f.host.dir
		options = append(options, nats.SetCustomDialer(f.host), nats.TokenHandler(f.host.token))
	} else {
		if f.cfg.Credentials != "" {
			options = append(options, nats.UserCredentials(f.cfg.Credentials))
		}
		if f.cfg.TLS != nil {
			options = append(options, nats.Secure(f.cfg.TLS))
		}
	}
	err := f.untilDone(ctx, "connect to "+where, func(context.Context) (err error) {
		f.conn, err = nats.Connect(url, options...)
		return err
	})
	if err != nil {
		return err
	}
	if f.js, err = jetstream.New(f.conn, jetstream.WithDefaultTimeout(requestTimeout)); err != nil {
		return fmt.Errorf("fleet: connect to JetStream: %w", err)
	}
	return nil
}

// withoutCredentials leaves the hosts of addresses with commas between.
func withoutCredentials(addresses string) string {
	hosts := strings.Split(addresses, ",")
	for i, address := range hosts {
		hosts[i] = address[strings.LastIndex(address, "@")+1:]
	}
	return strings.Join(hosts, ",")
}

// openTimeout bounds what a caller waits for a server when the context has no
// deadline: a wrong address must not wait for ever, and a cluster that chooses a
// leader must not fail a question.
const openTimeout = 30 * time.Second

// patience is how long a server may be on its way up without a word about it.
const patience = time.Second

// untilDone repeats what fails while the server is not up, or a cluster has no
// leader, for half a minute at most.
func (f *Fleet) untilDone(ctx context.Context, what string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	return f.persist(ctx, what, do)
}

// persist repeats what fails until ctx ends: for feeders, which nobody starts
// again.
func (f *Fleet) persist(ctx context.Context, what string, do func(context.Context) error) error {
	began, warned := time.Now(), false
	for attempt := 0; ; attempt++ {
		err := do(ctx)
		if err == nil {
			return nil
		}
		if !warned && time.Since(began) > patience {
			warned = true
			f.cfg.Logger.Warn("fleet: "+what+"; trying again", "error", err)
		}
		if permanent(err) || sleep(ctx, min(retryWait(attempt), 500*time.Millisecond)) != nil {
			return fmt.Errorf("fleet: %s: %w", what, err)
		}
	}
}

// ask is untilDone for one short question at a time: a server that does not
// answer is asked again, and by then another one may be the leader.
func (f *Fleet) ask(ctx context.Context, what string, question func(context.Context) error) error {
	return f.untilDone(ctx, what, func(ctx context.Context) error { return brief(ctx, question) })
}

// brief bounds one question: a cluster without a leader leaves it unanswered.
func brief(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return do(ctx)
}

// duplicateInProcess is JetStream's code for a message whose id is being stored
// this very moment: another feeder of the same source was faster, or the first
// attempt is still on its way through a cluster without a quorum.
const duplicateInProcess = 10158

func inProcess(err error) bool {
	answered, ok := errors.AsType[*jetstream.APIError](err)
	return ok && answered.ErrorCode == duplicateInProcess
}

// accountFull is JetStream's code for an account of a cluster whose storage is
// used up. It comes with status 400, and ends when something is purged.
const accountFull = 10002

func storageUsedUp(err error) bool {
	answered, ok := errors.AsType[*jetstream.APIError](err)
	return ok && answered.ErrorCode == accountFull
}

// permanent is an answer that repeating the question cannot change.
func permanent(err error) bool {
	for _, final := range []error{nats.ErrAuthorization, nats.ErrMaxPayload, ErrConfig, ErrNoJob, ErrSourceChanged, ErrPurged, ErrOtherAccount, ErrWorkersRun, errForgotten} {
		if errors.Is(err, final) {
			return true
		}
	}
	if _, distrusted := errors.AsType[*tls.CertificateVerificationError](err); distrusted {
		return true
	}
	answered, ok := errors.AsType[*jetstream.APIError](err)
	return ok && answered.Code >= 400 && answered.Code < 500 && !inProcess(err) && !storageUsedUp(err)
}

// retryWait is the gap between attempts at the server: it is on this machine,
// or a cluster that is choosing a leader.
func retryWait(attempt int) time.Duration {
	return min(50*time.Millisecond<<min(attempt, 6), 2*time.Second)
}

// warnOnce logs the first failure of what is repeated until it succeeds: a full
// disk should not look like a slow one.
func (f *Fleet) warnOnce(attempt int, what string, err error) {
	if attempt == 0 {
		f.cfg.Logger.Warn("fleet: "+what+"; trying again", "error", err)
	}
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
