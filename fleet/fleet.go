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
	"sync/atomic"
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
	// ErrOtherAccount is a client whose base URL or key is not the one that the
	// fleet was bound to by its first worker: it would send the records of one
	// account to another. See Rebind for a key that was replaced.
	ErrOtherAccount = errors.New("the fleet belongs to another account (another base URL, or another key)")
)

// Config says where the fleet meets. The zero value is a fleet on one machine.
type Config struct {
	// Name keeps fleets on one server apart: one for each AntCRM account, since
	// a fleet's workers share one API key and one limit. Letters, digits, "-"
	// and "_"; "default" if empty.
	Name string

	// URL is a NATS cluster, or several addresses with commas between. Empty:
	// an embedded server with its files in StoreDir, shared by all processes of
	// this machine that name the same folder. A user and a password stand in the
	// address: nats://user:password@host:4222.
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

	// unsynced lets the embedded server write without syncing, for tests in which
	// no power is lost.
	unsynced bool
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
	progress jetstream.KeyValue // running totals of the jobs
	workers  jetstream.KeyValue
	limits   jetstream.KeyValue

	ledgerStream   jetstream.Stream // what the ledger is made of
	progressStream jetstream.Stream

	clock   *serverClock
	limiter atomic.Pointer[Limiter] // the one that this process has asked for last
}

// requestTimeout bounds one question to the server; each is repeated.
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
	f.clock = &serverClock{f: f}
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
		err = f.ask(ctx, "compare the configuration", func(ctx context.Context) error { return f.adopt(ctx, asked) })
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
