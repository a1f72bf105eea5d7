package matrixtest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// world is one fake server, a client of it, and what the client was told that is not so.
type world struct {
	t      *testing.T
	srv    *antcrmtest.Server
	crm    *antcrm.Client
	wire   *direct
	silent []string
	looked int // changes of the ledger that were looked at
}

// repeated reports whether a DELETE was answered in a way that has it sent again.
func (w *world) repeated() bool {
	return slices.ContainsFunc(w.srv.Requests(), func(r antcrmtest.Request) bool {
		return r.Method == http.MethodDelete && (r.Fault != "" || r.Status >= 500)
	})
}

// quiet waits until no request is under way: what a caller waits for before it looks what became of a lost one.
func (w *world) quiet() { w.wire.running.Wait() }

// start makes a world whose server answers as opts say.
func start(t *testing.T, opts ...antcrmtest.Option) *world {
	t.Helper()
	srv, err := antcrmtest.Start(opts...)
	require.NoError(t, err)
	t.Cleanup(srv.Close)
	wire := &direct{srv: srv}
	crm := srv.Client(antcrm.WithHTTPClient(&http.Client{Transport: wire}), antcrm.WithRetryBackoff(time.Microsecond, time.Millisecond))
	return &world{t: t, srv: srv, crm: crm, wire: wire}
}

// silently notes that the caller was told something that is not so.
func (w *world) silently(format string, args ...any) {
	w.silent = append(w.silent, fmt.Sprintf(format, args...))
}

// seed puts records there that no request has made.
func (w *world) seed(kind antcrmtest.Kind, records ...any) {
	w.t.Helper()
	require.NoError(w.t, w.srv.Seed(kind, records...))
}

// told is what the caller may conclude of a write.
type told int

const (
	unknown told = iota // it may have been carried out
	done                // it was carried out, once
	refused             // nothing was done
)

// conclude reads an error as a careful caller does.
func conclude(err error) told {
	switch {
	case err == nil:
		return done
	case errors.Is(err, antcrm.ErrOutcomeUnknown):
		return unknown
	}
	return refused
}

// changes returns what requests did to the records of a kind that carry the caller's own key.
func (w *world) changes(kind antcrmtest.Kind, action antcrmtest.Action, key string) []antcrmtest.Change {
	var found []antcrmtest.Change
	for _, c := range w.srv.Changes() {
		if c.Kind == kind && c.Action == action && c.ExternalID == key {
			found = append(found, c)
		}
	}
	return found
}

// created holds what the caller was told of a create against the ledger. id is the id it was told.
func (w *world) created(what string, kind antcrmtest.Kind, key, id string, outcome told) {
	made := w.changes(kind, antcrmtest.Created, key)
	switch {
	case len(made) > 1:
		w.silently("%s: told %v, made %d times", what, outcome, len(made))
	case outcome == refused && len(made) > 0:
		w.silently("%s: told that nothing was done, and it was made", what)
	case outcome == done && len(made) == 0:
		w.silently("%s: told done, and it was not made", what)
	case outcome == done && made[0].ID != id:
		w.silently("%s: told the id of another record", what)
	}
}

// stored returns the record with that value, as the server keeps it.
func (w *world) stored(kind antcrmtest.Kind, field, value string) map[string]any {
	raw, ok := w.srv.Record(kind, field, value)
	if !ok {
		return nil
	}
	var record map[string]any
	require.NoError(w.t, json.Unmarshal(raw, &record))
	return record
}

// holds wants a value of a stored record to be the one that the caller was told is there.
func (w *world) holds(what string, record map[string]any, field string, want any) {
	w.t.Helper()
	text, err := json.Marshal(want)
	require.NoError(w.t, err)
	got, err := json.Marshal(record[field])
	require.NoError(w.t, err)
	if string(text) != string(got) {
		w.silently("%s: told done, and %s is %s instead of %s", what, field, got, text)
	}
}

// others wants no record but this one to have been changed.
func (w *world) others(what string, kind antcrmtest.Kind, id string) {
	for _, c := range w.srv.Changes() {
		if c.Kind == kind && c.Action != antcrmtest.Created && c.ID != id {
			w.silently("%s: another record was %s", what, c.Action)
		}
	}
}

// idOf is the id of a contact's reference, as the ledger has it.
func idOf(ref antcrm.ContactRef) string { return string(ref.LeadID + ref.CustomerID) }
