package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	// ErrConfig is a configuration, an option or a name that makes no sense.
	ErrConfig = errors.New("fleet: invalid configuration")
	// ErrSourceChanged is a source that no longer gives the records that were
	// fed under the same job name.
	ErrSourceChanged = errors.New("fleet: the source has changed since the job was fed (feed it as it was, and what is new as a job of its own)")
	// ErrNoJob is a job that nobody has fed.
	ErrNoJob = errors.New("fleet: no such job")
)

// Config says where the fleet meets. The zero value is a fleet on one machine.
type Config struct {
	// Name keeps fleets on one server apart: one for each AntCRM account, since
	// a fleet's workers share one API key and one limit. Letters, digits, "-"
	// and "_"; "default" if empty.
	Name string

	// URL is a NATS cluster, or several addresses with commas between. Empty:
	// an embedded server with its files in StoreDir, shared by all processes of
	// this machine that name the same folder.
	URL         string
	Credentials string      // path of a NATS credentials file
	TLS         *tls.Config // for a cluster that wants client certificates or has a CA of its own
	Replicas    int         // of streams and buckets that are created: 3 if 0; 1 for a server that is no cluster, as the embedded one

	// StoreDir is the folder of the embedded server. If empty, antcrm-fleet in
	// the user's configuration folder.
	StoreDir string
	// StoreKey encrypts the embedded server's files (AES-GCM). If empty, a key
	// is made once and kept in the file <StoreDir>.key, mode 0600: enough
	// against a copied folder or backup, not against somebody who reads both.
	StoreKey string

	// The next three are settled by whoever opens the fleet first. Later, 0 takes
	// over what is there, and anything else is refused.

	// PayloadAge is how long records may wait in the streams: 7 days if 0. It
	// must be longer than the longest import; what is older is dropped, and
	// named in the results as not sent.
	PayloadAge time.Duration
	// LedgerAge is how long outcomes are kept: 30 days if 0, and not less than
	// PayloadAge, since it is the ledger that stops a chunk from being sent twice.
	LedgerAge time.Duration

	// DeadAfter is the silence after which a worker counts as dead: 20 s if 0.
	// It is the same for all members of a fleet. A worker that cannot report
	// for three quarters of it stops sending by itself.
	DeadAfter time.Duration

	// Logger gets what goes wrong, without records. None by default.
	Logger *slog.Logger
}

var goodName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrConfig}, args...)...)
}

// withDefaults checks the configuration and fills in what was left out.
func (c Config) withDefaults() (Config, error) {
	setDefault(&c.Name, "default")
	setDefault(&c.PayloadAge, 7*24*time.Hour)
	setDefault(&c.LedgerAge, max(30*24*time.Hour, c.PayloadAge))
	setDefault(&c.DeadAfter, 20*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case !goodName.MatchString(c.Name):
		return c, invalid("the fleet's name takes letters, digits, - and _, 64 at most")
	case c.PayloadAge < 0 || c.LedgerAge < c.PayloadAge:
		return c, invalid("LedgerAge must not be shorter than PayloadAge")
	case c.DeadAfter < time.Second:
		return c, invalid("DeadAfter must be at least a second")
	case c.Replicas < 0 || c.Replicas > 5:
		return c, invalid("Replicas must be between 1 and 5")
	}
	if c.URL != "" {
		setDefault(&c.Replicas, 3)
		return c, nil
	}
	c.Replicas = 1
	if c.StoreDir == "" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return c, invalid("no StoreDir, and no folder of the user's to put it in: %w", err)
		}
		c.StoreDir = filepath.Join(dir, "antcrm-fleet")
	}
	return c, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Fleet is a connection to the place where feeders and workers meet. It is
// safe for concurrent use. Close it.
type Fleet struct {
	cfg  Config
	host *host // nil in a cluster
	conn *nats.Conn
	js   jetstream.JetStream

	chunks   jetstream.Stream
	rejected jetstream.Stream
	unknown  jetstream.Stream
	ledger   jetstream.KeyValue
	jobs     jetstream.KeyValue
	workers  jetstream.KeyValue
	limits   jetstream.KeyValue
}

// requestTimeout bounds one question to the server; those that matter are
// repeated.
const requestTimeout = 3 * time.Second

// Open joins the fleet: it connects, starts the embedded server if that is
// wanted and no other process has, and creates the streams and buckets that
// are missing. ctx bounds the opening only.
func Open(ctx context.Context, asked Config) (*Fleet, error) {
	cfg, err := asked.withDefaults()
	if err != nil {
		return nil, err
	}
	f := &Fleet{cfg: cfg}
	if cfg.URL == "" {
		if f.host, err = startHost(cfg); err != nil {
			return nil, err
		}
	}
	err = f.connect(ctx)
	if err == nil {
		err = f.untilDone(ctx, "create streams and buckets", f.createAll)
	}
	if err == nil {
		err = f.untilDone(ctx, "compare the configuration", func(ctx context.Context) error { return f.adopt(ctx, asked) })
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Close leaves the fleet. If this process runs the embedded server, another
// process that has the fleet open takes it over, with the same files.
func (f *Fleet) Close() {
	if f.conn != nil {
		f.conn.Close()
	}
	if f.host != nil {
		f.host.close()
	}
}

func (f *Fleet) connect(ctx context.Context) error {
	options := []nats.Option{
		nats.Name("antcrm-fleet " + f.cfg.Name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 500*time.Millisecond),
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

// openTimeout bounds Open when its context has no deadline: a wrong address
// must not wait for ever.
const openTimeout = 30 * time.Second

// patience is how long a server may be on its way up without a word about it.
const patience = time.Second

// untilDone repeats what fails while the server is not up yet.
func (f *Fleet) untilDone(ctx context.Context, what string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	began, told := time.Now(), false
	for {
		err := do(ctx)
		if err == nil {
			return nil
		}
		if !told && time.Since(began) > patience {
			told = true
			f.cfg.Logger.Warn("fleet: "+what+"; trying again", "error", err)
		}
		if permanent(err) || sleep(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("fleet: %s: %w", what, err)
		}
	}
}

// brief bounds one question: a cluster without a leader leaves it unanswered.
func brief(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return do(ctx)
}

// permanent is an answer that repeating the question cannot change.
func permanent(err error) bool {
	if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, ErrConfig) {
		return true
	}
	if _, distrusted := errors.AsType[*tls.CertificateVerificationError](err); distrusted {
		return true
	}
	answered, ok := errors.AsType[*jetstream.APIError](err)
	return ok && answered.Code >= 400 && answered.Code < 500
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

// subject is where messages of a kind go: chunks, rejected, unknown.
func (f *Fleet) subject(kind string) string { return "antcrm.fleet." + f.cfg.Name + "." + kind }

// bucket is the name of a stream or bucket.
func (f *Fleet) bucket(kind string) string { return "antcrm_fleet_" + f.cfg.Name + "_" + kind }

// dedupWindow is how long the server remembers message ids. It only saves the
// feeder a question: what keeps a chunk from being queued twice is that each
// has a subject of its own, which must be empty.
const dedupWindow = 10 * time.Minute

// createAll creates the streams and buckets that are missing. Those that are
// there stay as they are: a shorter retention would drop what is queued.
func (f *Fleet) createAll(ctx context.Context) error {
	for kind, stream := range map[string]*jetstream.Stream{"chunks": &f.chunks, "rejected": &f.rejected, "unknown": &f.unknown} {
		err := brief(ctx, func(ctx context.Context) (err error) {
			*stream, err = f.stream(ctx, kind)
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, b := range []struct {
		kind   string
		age    time.Duration
		bucket *jetstream.KeyValue
	}{{"ledger", f.cfg.LedgerAge, &f.ledger}, {"jobs", 0, &f.jobs}, {"workers", beatsKept * f.cfg.DeadAfter, &f.workers}, {"limits", 0, &f.limits}} {
		err := brief(ctx, func(ctx context.Context) (err error) {
			*b.bucket, err = f.keyValue(ctx, b.kind, b.age)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// beatsKept is for how many times DeadAfter a worker's last report is kept.
const beatsKept = 4

func (f *Fleet) stream(ctx context.Context, kind string) (jetstream.Stream, error) {
	stream, err := f.js.Stream(ctx, f.bucket(kind))
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return stream, err
	}
	stream, err = f.js.CreateStream(ctx, jetstream.StreamConfig{
		Name:     f.bucket(kind),
		Subjects: []string{f.subject(kind) + ".>"},
		// Not WorkQueue: such a stream forgets the ids of acknowledged
		// messages when the server restarts.
		Retention:  jetstream.LimitsPolicy,
		Storage:    jetstream.FileStorage,
		MaxAge:     f.cfg.PayloadAge,
		Duplicates: min(dedupWindow, f.cfg.PayloadAge),
		Replicas:   f.cfg.Replicas,
	})
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another process was faster
		return f.js.Stream(ctx, f.bucket(kind))
	}
	return stream, alone(err)
}

func (f *Fleet) keyValue(ctx context.Context, kind string, age time.Duration) (jetstream.KeyValue, error) {
	bucket, err := f.js.KeyValue(ctx, f.bucket(kind))
	if !errors.Is(err, jetstream.ErrBucketNotFound) {
		return bucket, err
	}
	bucket, err = f.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: f.bucket(kind), TTL: age, History: 1, Storage: jetstream.FileStorage, Replicas: f.cfg.Replicas,
	})
	if errors.Is(err, jetstream.ErrBucketExists) {
		return f.js.KeyValue(ctx, f.bucket(kind))
	}
	return bucket, alone(err)
}

// replicasNotSupported is JetStream's code for a server that is no cluster.
const replicasNotSupported = 10074

// alone explains the error of a server that is no cluster.
func alone(err error) error {
	if answered, ok := errors.AsType[*jetstream.APIError](err); ok && answered.ErrorCode == replicasNotSupported {
		return invalid("the NATS server is no cluster, and can keep one copy only (Replicas 1, or -replicas 1): %w", err)
	}
	return err
}

// adopt takes over what the fleet was created with, and refuses what was asked
// for and differs.
func (f *Fleet) adopt(ctx context.Context, asked Config) error {
	ledger, err := f.ledger.Status(ctx)
	if err != nil {
		return fmt.Errorf("fleet: ask how long outcomes are kept: %w", err)
	}
	workers, err := f.workers.Status(ctx)
	if err != nil {
		return fmt.Errorf("fleet: ask when workers count as dead: %w", err)
	}
	for _, s := range []struct {
		name         string
		asked, there time.Duration
		ours         *time.Duration
	}{
		{"PayloadAge", asked.PayloadAge, f.chunks.CachedInfo().Config.MaxAge, &f.cfg.PayloadAge},
		{"LedgerAge", asked.LedgerAge, ledger.TTL(), &f.cfg.LedgerAge},
		{"DeadAfter", asked.DeadAfter, workers.TTL() / beatsKept, &f.cfg.DeadAfter},
	} {
		if s.asked != 0 && s.asked != s.there {
			return invalid("the fleet %s was created with %s %s, not %s: leave it out, or take another name for a fleet", f.cfg.Name, s.name, s.there, s.asked)
		}
		*s.ours = s.there
	}
	return nil
}
