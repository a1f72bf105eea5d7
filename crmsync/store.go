package crmsync

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// row is what the state knows of one key.
type row struct {
	key    string
	digest []byte // of the record as last confirmed, nil while it was never confirmed
	fields []byte
	ref    string
	origin origin
	intent *intent // nil: nothing is under way
}

// intent is a write that was begun and whose outcome is not recorded.
type intent struct {
	token  string
	owner  string // "" once the call has ended without an answer
	action Action
	detail string
	begun  time.Time
	age    time.Duration // since it may last have been under way
	want   []byte        // digest of what was sent
	fields []byte
}

// origin says who created a record: deletes of a push are for a push's own.
type origin int

const (
	byPush   origin = 1
	byEnsure origin = 2
	byAdopt  origin = 3 // by somebody else, and taken over
)

const rowColumns = `r.key, r.digest, r.fields, r.ref, r.origin, r.token, r.owner, r.action, r.detail, r.begun_at, r.want, r.want_fields,
	CASE WHEN r.token IS NOT NULL THEN
		{now} - {greatest}(COALESCE(r.touched_at, 0), COALESCE((SELECT o.alive_at FROM crmsync_owners o WHERE o.id = r.owner), 0)) END`

type scanner interface{ Scan(dest ...any) error }

func scanRow(s scanner) (*row, error) {
	var (
		r                         row
		ref, token, owner, detail sql.NullString
		action, begun, age        sql.NullInt64
		want, wantFields          []byte
	)
	err := s.Scan(&r.key, &r.digest, &r.fields, &ref, &r.origin, &token, &owner, &action, &detail, &begun, &want, &wantFields, &age)
	if err != nil {
		return nil, err
	}
	r.ref = ref.String
	if token.Valid {
		r.intent = &intent{
			token: token.String, owner: owner.String, action: Action(action.Int64), detail: detail.String, begun: time.UnixMilli(begun.Int64),
			age: time.Duration(age.Int64) * time.Millisecond, want: want, fields: wantFields,
		}
	}
	return &r, nil
}

// rows returns what is known of the keys, by key.
func (s *State) rows(ctx context.Context, kind Kind, keys []string) (map[string]*row, error) {
	list, err := json.Marshal(keys)
	if err != nil {
		return nil, stateError("read the state", err)
	}
	found := make(map[string]*row, len(keys))
	query := "SELECT " + rowColumns + " FROM crmsync_records r WHERE r.kind = ? AND r.key IN (" + s.dialect.keysOf + ")"
	err = s.query(ctx, query, []any{kind, string(list)}, func(r *row) bool {
		found[r.key] = r
		return true
	})
	return found, err
}

// sent is what is confirmed of a key, and all that an unchanged record needs.
type sent struct {
	digest []byte
	ref    string
}

// confirmed returns what is confirmed of the keys that have no intent.
func (s *State) confirmed(ctx context.Context, kind Kind, keys []string) (map[string]sent, error) {
	list, err := json.Marshal(keys)
	if err != nil {
		return nil, stateError("read the state", err)
	}
	result, err := s.db.QueryContext(ctx, s.sql("SELECT r.key, r.digest, r.ref FROM crmsync_records r WHERE r.kind = ? AND r.token IS NULL AND r.key IN ("+
		s.dialect.keysOf+")"), kind, string(list))
	if err != nil {
		return nil, stateError("read the state", err)
	}
	defer func() { _ = result.Close() }()
	found := make(map[string]sent, len(keys))
	for result.Next() {
		var key string
		var ref sql.NullString
		var digest []byte
		if err := result.Scan(&key, &digest, &ref); err != nil {
			return nil, stateError("read the state", err)
		}
		found[key] = sent{digest, ref.String}
	}
	return found, stateError("read the state", result.Err())
}

// query calls each with the rows of a SELECT of rowColumns until it returns false.
func (s *State) query(ctx context.Context, query string, args []any, each func(*row) bool) error {
	result, err := s.db.QueryContext(ctx, s.sql(query), args...)
	if err != nil {
		return stateError("read the state", err)
	}
	defer func() { _ = result.Close() }()
	for result.Next() {
		r, err := scanRow(result)
		if err != nil {
			return stateError("read the state", err)
		}
		if !each(r) {
			return nil
		}
	}
	return stateError("read the state", result.Err())
}

// row returns what is known of one key, nil if nothing is.
func (s *State) row(ctx context.Context, kind Kind, key string) (found *row, err error) {
	err = s.query(ctx, "SELECT "+rowColumns+" FROM crmsync_records r WHERE r.kind = ? AND r.key = ?", []any{kind, key}, func(r *row) bool {
		found = r
		return true
	})
	return found, err
}

// claim is an intent that is about to be made durable.
type claim struct {
	key    string
	old    []byte // digest of the confirmed record, nil for a creation
	detail string
	want   []byte
	fields []byte
}

// claim makes the intents of a package durable and returns its token. A key
// that somebody else has claimed or changed meanwhile is not among claimed.
func (s *State) claim(ctx context.Context, kind Kind, owner string, action Action, from origin, claims []claim) (token string, claimed map[string]bool, err error) {
	token = rand.Text()
	err = s.update(ctx, func(tx *sql.Tx) error {
		claimed = make(map[string]bool, len(claims))
		if action == Create {
			return s.claimNew(ctx, tx, kind, owner, token, from, claims, claimed)
		}
		return s.claimKnown(ctx, tx, kind, owner, token, action, claims, claimed)
	})
	return token, claimed, err
}

// claimNew inserts rows for creations. A row that is there is somebody else's.
func (s *State) claimNew(ctx context.Context, tx *sql.Tx, kind Kind, owner, token string, from origin, claims []claim, claimed map[string]bool) error {
	args := make([]any, 0, 10*len(claims))
	for _, c := range claims {
		args = append(args, kind, c.key, from, token, owner, Create, c.detail, c.want, c.fields)
	}
	statement := `INSERT INTO crmsync_records (kind, key, origin, token, owner, action, detail, want, want_fields, begun_at, touched_at) VALUES ` +
		values(len(claims), "(?, ?, ?, ?, ?, ?, ?, ?, ?, {now}, {now})") + ` ON CONFLICT (kind, key) DO NOTHING RETURNING key`
	return collect(tx.QueryContext(ctx, s.sql(statement), args...))(claimed)
}

// claimKnown marks rows that have no intent and are as they were read.
func (s *State) claimKnown(ctx context.Context, tx *sql.Tx, kind Kind, owner, token string, action Action, claims []claim, claimed map[string]bool) error {
	statement, err := tx.PrepareContext(ctx, s.sql(`UPDATE crmsync_records SET token = ?, owner = ?, action = ?, detail = ?, want = ?, want_fields = ?,
		begun_at = {now}, touched_at = {now} WHERE kind = ? AND key = ? AND token IS NULL AND digest = ?`))
	if err != nil {
		return err
	}
	defer func() { _ = statement.Close() }()
	for _, c := range claims {
		result, err := statement.ExecContext(ctx, token, owner, action, c.detail, c.want, c.fields, kind, c.key, c.old)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 1 {
			claimed[c.key] = err == nil
		}
	}
	return nil
}

func collect(rows *sql.Rows, err error) func(into map[string]bool) error {
	return func(into map[string]bool) error {
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var key string
			if err := rows.Scan(&key); err != nil {
				return err
			}
			into[key] = true
		}
		return rows.Err()
	}
}

// takeOver gives an intent whose owner is gone to this one, so that two do not
// look it up and send it again. It reports whether it was still there. The intent
// stays as old as it is: what makes it young is the sign of life of its new owner.
func (s *State) takeOver(ctx context.Context, kind Kind, key string, old *intent, owner string) (token string, taken bool, err error) {
	token = rand.Text()
	err = s.update(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, s.sql("UPDATE crmsync_records SET token = ?, owner = ? WHERE kind = ? AND key = ? AND token = ? AND COALESCE(owner, '') = ?"),
			token, owner, kind, key, old.token, old.owner)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		taken = n == 1
		return err
	}, owner)
	return token, taken && err == nil, err
}

// ending is what became of one record of a package.
type ending struct {
	key  string
	what endingKind
	ref  string
	// Of an update of which a part cannot be sent: what is confirmed instead of what was wanted.
	digest, fields []byte
	// The reference is new to the key: no other key may stand for it.
	fresh bool
}

// isShared reports whether the reference was another key's, so that nothing was confirmed.
func (e ending) isShared() bool { return e.fresh && e.what == lost }

type endingKind int

const (
	confirmed endingKind = iota // as wanted
	deleted
	refused  // nothing was done: as before the intent
	lost     // sent, no usable answer
	released // looked up in vain: as old as before
)

// finish records the outcomes of a package. It returns the keys whose intent was
// no longer this package's: somebody has settled it meanwhile.
func (s *State) finish(ctx context.Context, kind Kind, token string, endings []ending) (foreign []string, err error) {
	// The answer is there: an end of the caller's context must not lose it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	for try := 1; ; try++ {
		foreign, err = s.finishOnce(ctx, kind, token, endings)
		const tries = 6
		if err == nil && try > 1 && len(foreign) > 0 {
			return s.notWritten(ctx, kind, foreign, endings)
		}
		if err == nil || try == tries || s.dialect.name != "postgres" {
			return foreign, err
		}
		// The server may be starting again.
		if sleep(ctx, time.Duration(try)*200*time.Millisecond) != nil {
			return foreign, err
		}
	}
}

func (s *State) finishOnce(ctx context.Context, kind Kind, token string, endings []ending) (foreign []string, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		foreign = foreign[:0]
		if err := s.loseShared(ctx, tx, kind, endings); err != nil {
			return err
		}
		w := endingWriter{tx: tx, state: s, kind: kind, token: token, prepared: map[string]*sql.Stmt{}}
		defer w.close()
		for _, e := range endings {
			n, err := w.write(ctx, e)
			if err != nil {
				return err
			}
			if n == 0 {
				foreign = append(foreign, e.key)
			}
		}
		return nil
	})
	return foreign, err
}

// loseShared makes lost endings of those whose reference is another key's: a server that merges records, or a mistake of
// its own, would have one key's changes overwrite the other's record. Of keys that got one reference together, none is
// confirmed.
func (s *State) loseShared(ctx context.Context, tx *sql.Tx, kind Kind, endings []ending) error {
	owners := map[string]string{} // key by reference
	shared := map[string]bool{}
	for _, e := range endings {
		if e.fresh && e.what == confirmed && e.ref != "" {
			_, twice := owners[e.ref]
			owners[e.ref], shared[e.ref] = e.key, shared[e.ref] || twice
		}
	}
	if len(owners) == 0 || kind == KindProducts { // a product is written by its key
		return nil
	}
	refs, err := json.Marshal(slices.Collect(maps.Keys(owners)))
	if err != nil {
		return err
	}
	rows, err := tx.QueryContext(ctx, s.sql("SELECT key, ref FROM crmsync_records WHERE kind = ? AND ref IN ("+s.dialect.keysOf+")"), kind, string(refs))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var key, ref string
		if err := rows.Scan(&key, &ref); err != nil {
			return err
		}
		shared[ref] = shared[ref] || key != owners[ref]
	}
	for i := range endings {
		if e := &endings[i]; e.fresh && shared[e.ref] {
			e.what = lost
		}
	}
	return rows.Err()
}

// endingWriter writes the endings of one package in one transaction.
type endingWriter struct {
	tx       *sql.Tx
	state    *State
	kind     Kind
	token    string
	prepared map[string]*sql.Stmt
}

const (
	mine     = " WHERE kind = ? AND key = ? AND token = ?"
	noIntent = "token = NULL, owner = NULL, action = NULL, detail = NULL, begun_at = NULL, touched_at = NULL, want = NULL, want_fields = NULL"

	confirmSQL = "UPDATE crmsync_records SET ref = ?, digest = COALESCE(?, want), fields = COALESCE(?, want_fields), done_at = {now}, " + noIntent + mine
	deleteSQL  = "DELETE FROM crmsync_records" + mine
	forgetSQL  = deleteSQL + " AND digest IS NULL"
	restoreSQL = "UPDATE crmsync_records SET " + noIntent + mine
	releaseSQL = "UPDATE crmsync_records SET owner = NULL" + mine
	loseSQL    = "UPDATE crmsync_records SET owner = NULL, touched_at = {now}" + mine
)

// write returns how many rows it changed: 0 if the intent is not this package's.
func (w *endingWriter) write(ctx context.Context, e ending) (rows int64, err error) {
	switch e.what {
	case confirmed:
		return w.exec(ctx, confirmSQL, e.ref, nilIfEmpty(e.digest), nilIfEmpty(e.fields), w.kind, e.key, w.token)
	case deleted:
		return w.exec(ctx, deleteSQL, w.kind, e.key, w.token)
	case lost:
		return w.exec(ctx, loseSQL, w.kind, e.key, w.token)
	case released:
		return w.exec(ctx, releaseSQL, w.kind, e.key, w.token)
	}
	// A refused creation leaves nothing, another refused write what was there.
	if rows, err = w.exec(ctx, forgetSQL, w.kind, e.key, w.token); err != nil || rows > 0 {
		return rows, err
	}
	return w.exec(ctx, restoreSQL, w.kind, e.key, w.token)
}

func (w *endingWriter) exec(ctx context.Context, statement string, args ...any) (rows int64, err error) {
	prepared := w.prepared[statement]
	if prepared == nil {
		if prepared, err = w.tx.PrepareContext(ctx, w.state.sql(statement)); err != nil {
			return 0, err
		}
		w.prepared[statement] = prepared
	}
	result, err := prepared.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (w *endingWriter) close() {
	for _, statement := range w.prepared {
		_ = statement.Close()
	}
}

// notWritten keeps of the foreign keys those that an earlier try has not written
// after all: its answer may have been lost.
func (s *State) notWritten(ctx context.Context, kind Kind, foreign []string, endings []ending) ([]string, error) {
	rows, err := s.rows(ctx, kind, foreign)
	if err != nil {
		return foreign, err
	}
	var left []string
	for _, e := range endings {
		if !slices.Contains(foreign, e.key) {
			continue
		}
		r := rows[e.key]
		written := r == nil && e.what != confirmed || r != nil && r.intent == nil && (e.what == confirmed && r.ref == e.ref || e.what == refused)
		if !written {
			left = append(left, e.key)
		}
	}
	return left, nil
}

func nilIfEmpty(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// refOwner returns the key that has the reference, "" if none has.
func (s *State) refOwner(ctx context.Context, kind Kind, ref string) (key string, err error) {
	err = s.query(ctx, "SELECT "+rowColumns+" FROM crmsync_records r WHERE r.kind = ? AND r.ref = ?", []any{kind, ref}, func(r *row) bool {
		key = r.key
		return false
	})
	return key, err
}

// claim makes intents durable: see State.claim. It names a new owner from then on
// if the state cannot say whether they are.
func (c *core) claim(ctx context.Context, kind Kind, owner string, action Action, from origin, claims []claim) (token string, claimed map[string]bool, err error) {
	token, claimed, err = c.state.claim(ctx, kind, owner, action, from, claims)
	if err != nil {
		c.lease.renew()
	}
	return token, claimed, err
}

// finish records outcomes: see State.finish and core.claim.
func (c *core) finish(ctx context.Context, kind Kind, token string, endings []ending) (foreign []string, err error) {
	foreign, err = c.state.finish(ctx, kind, token, endings)
	if err != nil {
		c.lease.renew()
	}
	return foreign, err
}
