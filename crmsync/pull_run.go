package crmsync

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/antbuddy/antcrm-go"
)

const (
	pullBatch  = 200
	lookUps    = 4 // at a time, of records that a sweep did not list
	timeFormat = "2006-01-02 15:04:05.000"
)

// pullRun is the pull of one kind.
type pullRun[T any] struct {
	mirror[T]
	state    *State
	scope    string
	cfg      pullConfig
	yield    func(PullProgress, error) bool
	progress PullProgress
	upsert   map[int]string // statement by number of rows

	watermark, sweepBegun int64
	sweeps, page          int
	latest                int64 // when the record that was changed last was changed, by the server's clock; 0 if no record says so
}

func pull[T any](ctx context.Context, state *State, m mirror[T], campaign antcrm.ID, cfg pullConfig, yield func(PullProgress, error) bool) error {
	r := &pullRun[T]{mirror: m, state: state, scope: string(campaign), cfg: cfg, yield: yield, upsert: map[int]string{}}
	r.progress = PullProgress{Kind: m.kind, Campaign: campaign}
	err := r.run(ctx)
	if err != nil && !errors.Is(err, errStopped) {
		return fmt.Errorf("crmsync: pull %s: %w", m.kind, err)
	}
	return err
}

func (r *pullRun[T]) run(ctx context.Context) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	var begun int64
	if err := r.state.db.QueryRowContext(ctx, r.state.sql("SELECT {now}")).Scan(&begun); err != nil {
		return stateError("read the state", err)
	}
	overlap := r.overlap
	if r.cfg.overlap >= 0 {
		overlap = r.cfg.overlap
	}
	if r.overlap > 0 && r.watermark > 0 {
		since := time.UnixMilli(r.watermark).Add(-overlap).UTC()
		if err := r.readAll(ctx, since, 1, false); err != nil {
			return err
		}
	}
	if r.overlap == 0 || r.cfg.full || r.sweeps < 2 || r.page > 0 {
		if err := r.sweep(ctx, begun); err != nil {
			return err
		}
	}
	r.watermark = r.nextWatermark(begun)
	if err := r.state.update(ctx, func(tx *sql.Tx) error { return r.save(ctx, tx) }); err != nil {
		return err
	}
	r.progress.Done = true
	return r.emit()
}

// nextWatermark is where the next pull reads on. The filters go by the server's clock, which may be behind this one.
func (r *pullRun[T]) nextWatermark(begun int64) int64 {
	switch {
	case r.progress.Read == 0 && r.watermark > 0:
		return r.watermark // nothing has changed since
	case r.latest > 0:
		return min(begun, r.latest)
	}
	return begun
}

// note remembers when a record was changed.
func (r *pullRun[T]) note(values []any) {
	for _, column := range []string{"updated_at", "created_at"} {
		if at := slices.Index(r.columns, column); at >= 0 {
			if changed, ok := values[at].(time.Time); ok && !changed.IsZero() {
				r.latest = max(r.latest, changed.UnixMilli())
			}
			return
		}
	}
}

func (r *pullRun[T]) emit() error {
	if !r.yield(r.progress, nil) {
		return errStopped
	}
	return nil
}

func (r *pullRun[T]) load(ctx context.Context) error {
	query := r.state.sql("SELECT watermark, sweeps, page, sweep_begun FROM crmsync_pulls WHERE kind = ? AND scope = ?")
	err := r.state.db.QueryRowContext(ctx, query, r.kind, r.scope).Scan(&r.watermark, &r.sweeps, &r.page, &r.sweepBegun)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return stateError("read the state", err)
}

func (r *pullRun[T]) save(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, r.state.sql(`INSERT INTO crmsync_pulls (kind, scope, watermark, sweeps, page, sweep_begun) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (kind, scope) DO UPDATE SET watermark = excluded.watermark, sweeps = excluded.sweeps, page = excluded.page, sweep_begun = excluded.sweep_begun`),
		r.kind, r.scope, r.watermark, r.sweeps, r.page, r.sweepBegun)
	return err
}

// sweep reads everything, from where an earlier sweep has ended early, and then
// looks for what is gone.
func (r *pullRun[T]) sweep(ctx context.Context, begun int64) error {
	if r.page == 0 {
		r.page, r.sweepBegun = 1, begun
		err := r.state.update(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, r.state.sql("DELETE FROM crmsync_seen WHERE kind = ? AND scope = ?"), r.kind, r.scope); err != nil {
				return err
			}
			return r.save(ctx, tx)
		})
		if err != nil {
			return err
		}
	}
	if err := r.readAll(ctx, time.Time{}, r.page, true); err != nil {
		return err
	}
	if err := r.findDeleted(ctx); err != nil {
		return err
	}
	r.sweeps, r.page = min(r.sweeps+1, 1000), 0
	err := r.state.exec(ctx, "DELETE FROM crmsync_seen WHERE kind = ? AND scope = ?", r.kind, r.scope)
	return err
}

// readAll mirrors what a list yields, from a page on.
func (r *pullRun[T]) readAll(ctx context.Context, since time.Time, page int, sweep bool) error {
	w := &mirrorBatch[T]{pullRun: r, sweep: sweep, page: page, places: map[string]int{}}
	if page == 1 {
		if some, err := w.readFirst(ctx, since); err != nil || !some {
			return err
		}
	}
	var (
		response antcrm.Response
		current  *byte
	)
	for record, err := range r.all(ctx, since, page, antcrm.WithResponse(&response)) {
		if err != nil {
			return errors.Join(w.flush(ctx), err)
		}
		if len(response.Body) > 0 && &response.Body[0] != current { // the next page
			if current != nil {
				w.page++
			}
			current = &response.Body[0]
		}
		if err := w.add(ctx, &record); err != nil {
			return err
		}
	}
	return w.flush(ctx)
}

// mirrorBatch is records on their way into the mirror.
type mirrorBatch[T any] struct {
	*pullRun[T]
	sweep  bool
	page   int
	rows   []mirrorRow
	places map[string]int    // in rows, by id
	first  map[string][]byte // text by id of what a list answers when no page is named
}

// readFirst reads the first page whatever its number is, and reports whether it has a record.
func (w *mirrorBatch[T]) readFirst(ctx context.Context, since time.Time) (some bool, err error) {
	page, err := w.pullRun.first(ctx, since)
	if err != nil {
		return false, err
	}
	first := make(map[string][]byte, len(page.Items))
	for i := range page.Items {
		if err := w.add(ctx, &page.Items[i]); err != nil {
			return false, err
		}
		id, raw, _ := w.read(&page.Items[i])
		first[id] = raw
	}
	w.first = first
	return len(first) > 0, nil
}

func (w *mirrorBatch[T]) add(ctx context.Context, record *T) error {
	id, raw, values := w.read(record)
	if isNoID(id) {
		return errors.Join(w.flush(ctx), errNoID)
	}
	if before, twice := w.first[id]; twice && bytes.Equal(before, raw) {
		return nil
	}
	w.progress.Read++
	w.note(values)
	if place, twice := w.places[id]; twice {
		w.rows[place] = mirrorRow{id, raw, values} // one INSERT must not have it twice
		return nil
	}
	w.places[id] = len(w.rows)
	if w.rows = append(w.rows, mirrorRow{id, raw, values}); len(w.rows) < pullBatch {
		return nil
	}
	return w.flush(ctx)
}

func (w *mirrorBatch[T]) flush(ctx context.Context) error {
	if len(w.rows) == 0 {
		return nil
	}
	err := w.write(ctx, w.rows, w.sweep, w.page)
	w.rows, w.places = w.rows[:0], map[string]int{}
	if err != nil {
		return err
	}
	return w.emit()
}

var errNoID = errors.New("a record of the list has no id: the mirror could not tell it from others")

// isNoID reports whether an id is empty, or a name of its kind without a value.
func isNoID(id string) bool {
	_, value, named := strings.Cut(id, ":")
	return id == "" || named && value == ""
}

// mirrorRow is a record on its way into the mirror.
type mirrorRow struct {
	id     string
	raw    []byte
	values []any
}

func (r *pullRun[T]) write(ctx context.Context, batch []mirrorRow, sweep bool, page int) error {
	const group = 50 // rows of one statement
	return r.state.update(ctx, func(tx *sql.Tx) error {
		for at := 0; at < len(batch); at += group {
			rows := batch[at:min(at+group, len(batch))]
			changed, err := r.put(ctx, tx, rows)
			if err != nil {
				return err
			}
			r.progress.Changed += changed
			if sweep {
				if err := r.markSeen(ctx, tx, rows); err != nil {
					return err
				}
			}
		}
		if !sweep {
			return nil
		}
		r.page = max(r.page, page)
		return r.save(ctx, tx)
	})
}

// put writes rows that are new or have changed, and says how many those were.
func (r *pullRun[T]) put(ctx context.Context, tx *sql.Tx, rows []mirrorRow) (changed int64, err error) {
	args := make([]any, 0, len(rows)*(len(r.columns)+2))
	for _, row := range rows {
		args = append(args, clean(row.id))
		for _, value := range row.values {
			args = append(args, r.state.column(value))
		}
		args = append(args, clean(string(row.raw)))
	}
	result, err := tx.ExecContext(ctx, r.statement(len(rows)), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (r *pullRun[T]) statement(n int) string {
	if known := r.upsert[n]; known != "" {
		return known
	}
	set := make([]string, 0, len(r.columns)+1)
	for _, column := range append([]string{"raw"}, r.columns...) {
		set = append(set, column+" = excluded."+column)
	}
	group := "(" + strings.Repeat("?, ", len(r.columns)+2) + r.state.timestamp() + ")"
	r.upsert[n] = r.state.sql("INSERT INTO " + r.table + " (id, " + strings.Join(r.columns, ", ") + ", raw, pulled_at) VALUES " + values(n, group) +
		" ON CONFLICT (id) DO UPDATE SET " + strings.Join(set, ", ") + ", pulled_at = excluded.pulled_at, deleted_at = NULL WHERE " +
		r.table + ".raw <> excluded.raw OR " + r.table + ".deleted_at IS NOT NULL")
	return r.upsert[n]
}

func (r *pullRun[T]) markSeen(ctx context.Context, tx *sql.Tx, rows []mirrorRow) error {
	args := make([]any, 0, 3*len(rows))
	for _, row := range rows {
		args = append(args, r.kind, r.scope, clean(row.id))
	}
	_, err := tx.ExecContext(ctx, r.state.sql("INSERT INTO crmsync_seen (kind, scope, id) VALUES "+values(len(rows), "(?, ?, ?)")+" ON CONFLICT DO NOTHING"), args...)
	return err
}

// missing is a mirrored record that a sweep did not list.
type missing struct {
	id, key string
	created time.Time
}

// findDeleted looks up what the sweep did not list, and marks what is gone.
func (r *pullRun[T]) findDeleted(ctx context.Context) error {
	after := ""
	for {
		page, err := r.missingAfter(ctx, after)
		if err != nil || len(page) == 0 {
			return err
		}
		after = page[len(page)-1].id
		if err := r.lookUp(ctx, page); err != nil {
			return err
		}
		if err := r.emit(); err != nil {
			return err
		}
	}
}

func (r *pullRun[T]) missingAfter(ctx context.Context, after string) (page []missing, err error) {
	created, scope := "created_at", ""
	if r.kind == KindProducts {
		created = "NULL"
	}
	args := []any{after, r.kind, r.scope}
	if r.scope != "" {
		scope = " AND m.campaign_id = ?"
		args = append(args, r.scope)
	}
	query := "SELECT m.id, COALESCE(m." + r.lookBy + ", ''), " + created + " FROM " + r.table + ` m WHERE m.deleted_at IS NULL AND m.id > ?
		AND NOT EXISTS (SELECT 1 FROM crmsync_seen s WHERE s.kind = ? AND s.scope = ? AND s.id = m.id)` + scope + " ORDER BY m.id LIMIT 200"
	rows, err := r.state.db.QueryContext(ctx, r.state.sql(query), args...)
	if err != nil {
		return nil, stateError("read the state", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var m missing
		var created sql.NullTime
		if err := rows.Scan(&m.id, &m.key, &created); err != nil {
			return nil, stateError("read the state", err)
		}
		m.created = created.Time
		page = append(page, m)
	}
	return page, stateError("read the state", rows.Err())
}

// lookUp asks for each record by its own key. Only the server's word that it is
// not there makes it deleted; one that has slid between pages is there.
func (r *pullRun[T]) lookUp(ctx context.Context, page []missing) error {
	var (
		wait  sync.WaitGroup
		slots = make(chan struct{}, lookUps)
		found = make([]*T, len(page))
		errs  = make([]error, len(page))
	)
	for i, m := range page {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			if errs[i] = errCannotLook; m.key != "" {
				found[i], errs[i] = r.find(ctx, m.key, m.created)
			}
		})
	}
	wait.Wait()
	return r.state.update(ctx, func(tx *sql.Tx) error {
		for i, m := range page {
			switch {
			case errs[i] == nil:
				if err := r.keep(ctx, tx, m.id, found[i]); err != nil {
					return err
				}
			case errors.Is(errs[i], antcrm.ErrNotFound):
				if err := r.markDeleted(ctx, tx, m.id); err != nil {
					return err
				}
			case errors.Is(errs[i], errCannotLook) || errors.Is(errs[i], antcrm.ErrFilterIgnored):
				// It is not known whether it is there: it stays.
			default:
				return errs[i]
			}
		}
		return nil
	})
}

// keep writes a record that was looked up. One that has another id now, such as a lead that became a customer, is no
// longer there under its old one.
func (r *pullRun[T]) keep(ctx context.Context, tx *sql.Tx, old string, record *T) error {
	id, raw, values := r.read(record)
	if isNoID(id) {
		return errNoID
	}
	if _, err := r.put(ctx, tx, []mirrorRow{{id, raw, values}}); err != nil || id == old {
		return err
	}
	return r.markDeleted(ctx, tx, old)
}

func (r *pullRun[T]) markDeleted(ctx context.Context, tx *sql.Tx, id string) error {
	_, err := tx.ExecContext(ctx, r.state.sql("UPDATE "+r.table+" SET deleted_at = "+r.state.timestamp()+" WHERE id = ?"), id)
	r.progress.Deleted++
	return err
}

// timestamp is the database's time of day, as the mirror's columns have it.
func (s *State) timestamp() string {
	if s.dialect.name == "postgres" {
		return "clock_timestamp()"
	}
	return "strftime('%Y-%m-%d %H:%M:%f', 'now')"
}

// column is a value as the database takes it.
func (s *State) column(value any) any {
	switch v := value.(type) {
	case string:
		if v == "" {
			return nil
		}
		return clean(v)
	case antcrm.Decimal:
		if v == "" || !v.Valid() {
			return nil
		}
		return string(v)
	case time.Time:
		switch {
		case v.IsZero():
			return nil
		case s.dialect.name == "postgres":
			return v.UTC()
		}
		return v.UTC().Format(timeFormat)
	}
	return value
}

// clean drops what Postgres cannot hold as text.
func clean(text string) string { return strings.ReplaceAll(text, "\x00", "") }
