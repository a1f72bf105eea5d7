package crmsync

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// spool keeps the keys of a source on the disk while a push runs, so that a
// source of any length is read in constant memory. It is a throw-away SQLite
// file in the temporary folder, on the state's machine or not.
type spool struct {
	folder string
	db     *sql.DB
	conn   *sql.Conn
	place  *sql.Stmt
	insert *sql.Stmt
}

func newSpool(ctx context.Context) (*spool, error) {
	folder, err := os.MkdirTemp("", "crmsync-")
	if err != nil {
		return nil, fmt.Errorf("crmsync: make a temporary folder: %w", err)
	}
	s := &spool{folder: folder}
	if err := s.open(ctx); err != nil {
		s.close()
		return nil, fmt.Errorf("crmsync: write a temporary file: %w", err)
	}
	return s, nil
}

func (s *spool) open(ctx context.Context) (err error) {
	// Nothing here outlives a crash.
	const settings = "?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=locking_mode(EXCLUSIVE)&_pragma=cache_size(-10000)"
	if s.db, err = sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(s.folder, "keys"))+settings); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(1)
	if s.conn, err = s.db.Conn(ctx); err != nil {
		return err
	}
	for _, table := range []string{
		"CREATE TABLE seen (key TEXT PRIMARY KEY, place INTEGER NOT NULL) WITHOUT ROWID",
		"CREATE TABLE gone (key TEXT PRIMARY KEY) WITHOUT ROWID",
		"CREATE TABLE carried (key TEXT PRIMARY KEY) WITHOUT ROWID",
	} {
		if _, err := s.conn.ExecContext(ctx, table); err != nil {
			return err
		}
	}
	if _, err := s.conn.ExecContext(ctx, "BEGIN"); err != nil { // never committed: nobody else reads it
		return err
	}
	if s.place, err = s.conn.PrepareContext(ctx, "SELECT place FROM seen WHERE key = ?"); err != nil {
		return err
	}
	s.insert, err = s.conn.PrepareContext(ctx, "INSERT OR IGNORE INTO seen SELECT e.value ->> 0, e.value ->> 1 FROM json_each(?) e")
	return err
}

func (s *spool) close() {
	for _, statement := range []*sql.Stmt{s.place, s.insert} {
		if statement != nil {
			_ = statement.Close()
		}
	}
	if s.conn != nil {
		_ = s.conn.Close()
	}
	if s.db != nil {
		_ = s.db.Close()
	}
	_ = os.RemoveAll(s.folder)
}

// keyAt is a key and its place in the source.
type keyAt struct {
	key   string
	place int64
}

// pairs is [[key, place], …].
func pairs(keys []keyAt) ([]byte, error) {
	list := append(make([]byte, 0, 32*len(keys)), '[')
	for i, k := range keys {
		text, err := json.Marshal(k.key)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			list = append(list, ',')
		}
		list = append(append(append(list, '['), text...), ',')
		list = append(strconv.AppendInt(list, k.place, 10), ']')
	}
	return append(list, ']'), nil
}

// add remembers keys. It returns the places where those that were there before stand first.
func (s *spool) add(ctx context.Context, keys []keyAt) (first map[int64]int64, err error) {
	list, err := pairs(keys)
	if err != nil {
		return nil, err
	}
	result, err := s.insert.ExecContext(ctx, string(list))
	if err != nil {
		return nil, fmt.Errorf("crmsync: write a temporary file: %w", err)
	}
	added, err := result.RowsAffected()
	if err != nil || int(added) == len(keys) {
		return nil, err
	}
	first = map[int64]int64{}
	for _, k := range keys {
		var place int64
		if err := s.place.QueryRowContext(ctx, k.key).Scan(&place); err != nil {
			return nil, fmt.Errorf("crmsync: read a temporary file: %w", err)
		}
		if place != k.place {
			first[k.place] = place
		}
	}
	return first, nil
}

// without returns those of the keys that the source does not have, and keeps
// them as gone.
func (s *spool) without(ctx context.Context, keys []string) (gone int, err error) {
	list, err := json.Marshal(keys)
	if err != nil {
		return 0, err
	}
	result, err := s.conn.ExecContext(ctx, "INSERT OR IGNORE INTO gone SELECT e.value FROM json_each(?) e WHERE NOT EXISTS (SELECT 1 FROM seen WHERE key = e.value)", string(list))
	if err != nil {
		return 0, fmt.Errorf("crmsync: write a temporary file: %w", err)
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// carry remembers keys of the CRM's records.
func (s *spool) carry(ctx context.Context, keys []string) error {
	list, err := json.Marshal(keys)
	if err != nil {
		return err
	}
	if _, err := s.conn.ExecContext(ctx, "INSERT OR IGNORE INTO carried SELECT value FROM json_each(?)", string(list)); err != nil {
		return fmt.Errorf("crmsync: write a temporary file: %w", err)
	}
	return nil
}

// carried returns those of the keys that the CRM's records carry.
func (s *spool) carried(ctx context.Context, keys []string) ([]string, error) {
	list, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	return s.texts(ctx, "SELECT key FROM carried WHERE key IN (SELECT value FROM json_each(?))", string(list))
}

// goneAfter returns up to limit keys that are gone, after one.
func (s *spool) goneAfter(ctx context.Context, after string, limit int) ([]string, error) {
	return s.texts(ctx, "SELECT key FROM gone WHERE key > ? ORDER BY key LIMIT ?", after, limit)
}

func (s *spool) texts(ctx context.Context, query string, args ...any) (texts []string, err error) {
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("crmsync: read a temporary file: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, rows.Err()
}
