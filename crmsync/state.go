package crmsync

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

//go:embed migrations
var migrations embed.FS

// State is what was sent to one account: a database. It is safe for concurrent
// use, and several processes may open the same one.
type State struct {
	db      *sql.DB
	writer  *sql.DB // of SQLite a connection of its own, of Postgres db
	dialect dialect

	// SQLite has one writer at a time. Waiting in this channel is fair, waiting in
	// the database is not.
	writing chan struct{}

	mu     sync.Mutex
	pulses map[*pulse]struct{} // of this process: each write is their sign of life too
}

func newState(db, writer *sql.DB, d dialect) *State {
	return &State{db: db, writer: writer, dialect: d, writing: make(chan struct{}, 1), pulses: map[*pulse]struct{}{}}
}

// dialect is what differs between the two databases.
type dialect struct {
	name     string // "sqlite" or "postgres"
	now      string // milliseconds since the epoch, by the database's clock
	forWrite string // makes a SELECT lock the rows that it reads
	greatest string // the larger of two values
	keysOf   string // the texts of a JSON array, as rows
}

var (
	sqliteDialect = dialect{
		name: "sqlite", now: "CAST(unixepoch('subsec') * 1000 AS INTEGER)", greatest: "max", keysOf: "SELECT value FROM json_each(?)",
	}
	// One clock for all machines: theirs may differ.
	postgresDialect = dialect{
		name: "postgres", now: "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)", greatest: "greatest", forWrite: " FOR UPDATE",
		keysOf: "SELECT jsonb_array_elements_text(CAST(? AS jsonb))",
	}
)

// Open opens the state that dsn names and brings its tables up to date:
//
//   - "sqlite:FILE" is a file, made if it is missing (mode 0600), for the
//     processes of one machine. Keep it on a local disk: SQLite's locks do not
//     hold on network file systems.
//   - "postgres://…" is a database for any number of processes and machines.
//
// A file that is no state, or a damaged one, is ErrDamaged. Errors never carry
// the password of dsn.
func Open(ctx context.Context, dsn string) (*State, error) {
	if ctx == nil {
		return nil, invalid("ctx", "is nil")
	}
	var (
		s   *State
		err error
	)
	switch path, isFile := strings.CutPrefix(dsn, "sqlite:"); {
	case isFile:
		s, err = openFile(ctx, path)
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		s, err = openPostgres(dsn)
	default:
		return nil, invalid("dsn", `must begin with "sqlite:" or "postgres://"`)
	}
	if err != nil {
		return nil, err
	}
	if err := s.migrate(ctx); err != nil {
		_ = s.Close()
		return nil, stateError("open the state", err)
	}
	return s, nil
}

// Close closes the database. Calls under way fail.
func (s *State) Close() error {
	if s == nil || s.db == nil {
		return nil
	}
	err := s.db.Close()
	if s.writer != s.db {
		err = errors.Join(err, s.writer.Close())
	}
	return err
}

func openFile(ctx context.Context, path string) (*State, error) {
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return nil, invalid("dsn", "needs a file: sqlite:FILE")
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("crmsync: open the state: %w", err)
	}
	// Made here, since SQLite would make it readable by all.
	file, err := os.OpenFile(absolute, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("crmsync: open the state: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("crmsync: open the state: %w", err)
	}
	db, err := openSQLite(absolute, 15*time.Second)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4)
	// The writer does not wait inside SQLite, see begin.
	writer, err := openSQLite(absolute, 0)
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	writer.SetMaxOpenConns(1)
	s := newState(db, writer, sqliteDialect)
	if err := s.checkFile(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// openSQLite opens connections that wait for others for so long.
func openSQLite(path string, busy time.Duration) (*sql.DB, error) {
	// FULL: an intent must be on the disk before its request leaves. Writers
	// begin as such, since two readers that both want to write fail at once.
	settings := url.Values{"_txlock": {"immediate"}, "_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds()), "journal_mode(WAL)", "synchronous(FULL)", "cell_size_check(1)",
	}}
	name := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: settings.Encode()}
	db, err := sql.Open("sqlite", name.String())
	return db, stateError("open the state", err)
}

// checkFile reads the file's structure once: a page that lost its contents would
// otherwise be found when a push has begun.
func (s *State) checkFile(ctx context.Context) error {
	var verdict string
	if err := s.db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return stateError("open the state", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, strings.Join(strings.Fields(verdict), " "))
	}
	return nil
}

func openPostgres(dsn string) (*State, error) {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return nil, stateError("open the state", err)
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(4)
	db.SetConnMaxIdleTime(time.Minute)
	return newState(db, db, postgresDialect), nil
}

// migrate brings the tables up to date. Many processes may open a state at once.
func (s *State) migrate(ctx context.Context) error {
	unlock, err := s.lockMigrations(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	const tries = 8
	for try := 1; ; try++ {
		err := s.migrateOnce(ctx)
		// Two processes that make the same SQLite file meet in its first migration.
		if err == nil || try == tries || s.dialect.name != "sqlite" || damaged(err) {
			return err
		}
		if err := sleep(ctx, time.Duration(try)*25*time.Millisecond+rand.N(25*time.Millisecond)); err != nil {
			return err
		}
	}
}

func (s *State) migrateOnce(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations/"+s.dialect.name)
	if err != nil {
		return err
	}
	kind := goose.DialectSQLite3
	if s.dialect.name == "postgres" {
		kind = goose.DialectPostgres
	}
	store, err := database.NewStore(kind, "crmsync_migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider("", s.db, files, goose.WithStore(store), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	if pending, err := provider.HasPending(ctx); err == nil && !pending {
		return nil
	}
	_, err = provider.Up(ctx)
	return err
}

// lockMigrations lets one process at a time change the tables of a Postgres.
func (s *State) lockMigrations(ctx context.Context) (unlock func(), err error) {
	if s.dialect.name != "postgres" {
		return func() {}, nil
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	const lock int64 = 0x616e7463726d // "antcrm"
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", lock); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", lock)
		_ = conn.Close()
	}, nil
}

// sql turns the question marks of a statement into what the database takes, and
// {now} into its clock.
func (s *State) sql(statement string) string {
	statement = strings.NewReplacer("{now}", s.dialect.now, "{lock}", s.dialect.forWrite, "{greatest}", s.dialect.greatest).Replace(statement)
	if s.dialect.name != "postgres" {
		return statement
	}
	var b strings.Builder
	n := 0
	for _, r := range statement {
		if r != '?' {
			b.WriteRune(r)
			continue
		}
		n++
		fmt.Fprintf(&b, "$%d", n)
	}
	return b.String()
}

// update runs change in one transaction that is durable when it returns. It is a
// sign of life of the owners, too.
func (s *State) update(ctx context.Context, change func(tx *sql.Tx) error, owners ...string) (err error) {
	if s.dialect.name == "sqlite" {
		select {
		case s.writing <- struct{}{}:
			defer func() { <-s.writing }()
		case <-ctx.Done():
			return stateError("write the state", context.Cause(ctx))
		}
	}
	tx, err := s.begin(ctx)
	if err != nil {
		return stateError("write the state", withCause(ctx, err))
	}
	err = change(tx)
	var signs []sign
	if err == nil {
		signs, err = s.signDue(ctx, tx, owners)
	}
	if err != nil {
		_ = tx.Rollback()
		return stateError("write the state", withCause(ctx, err))
	}
	if err := tx.Commit(); err != nil {
		return stateError("write the state", withCause(ctx, err))
	}
	for _, done := range signs {
		if done.pulse != nil {
			done.pulse.signedAt(done.at)
		}
	}
	return nil
}

const (
	maxBusy  = 30 * time.Second // how long another process may write
	busyPoll = 3 * time.Millisecond
)

// begin begins a transaction that writes. SQLite lets those who have waited longest
// ask most rarely, so that one of many busy processes may wait forever: here all
// ask equally often.
func (s *State) begin(ctx context.Context) (*sql.Tx, error) {
	begun := time.Now()
	for {
		tx, err := s.writer.BeginTx(ctx, nil)
		if err == nil || !busy(err) || time.Since(begun) > maxBusy {
			return tx, err
		}
		if err := sleep(ctx, busyPoll/2+rand.N(busyPoll)); err != nil {
			return nil, err
		}
	}
}

// withCause is the cause of a context's end, where that is why a statement failed.
func withCause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// exec runs one statement that is durable when it returns.
func (s *State) exec(ctx context.Context, statement string, args ...any) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, s.sql(statement), args...)
		return err
	})
}

// meta returns a setting of the state, "" if there is none.
func (s *State) meta(ctx context.Context, name string) (value string, err error) {
	err = s.db.QueryRowContext(ctx, s.sql("SELECT value FROM crmsync_meta WHERE name = ?"), name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, stateError("read the state", err)
}

// values are n groups of question marks for an INSERT or a VALUES.
func values(n int, group string) string {
	return strings.TrimSuffix(strings.Repeat(group+",", n), ",")
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
