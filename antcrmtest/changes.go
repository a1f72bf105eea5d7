package antcrmtest

import (
	"slices"
	"sync"
)

// Action is what a request did to a record.
type Action string

// The actions.
const (
	Created Action = "created"
	Updated Action = "updated"
	Deleted Action = "deleted"
)

// Change is one thing that a request did to one record, whether or not the caller got the answer.
type Change struct {
	Request    int // the request's Number, counted from 1
	Operation  string
	Kind       Kind
	Action     Action
	Place      int    // of the record in its package, counted from 0
	Record     string // the record's object id, which never changes
	ID         string // what the service counted up: leadId, customerId, number or TicketId; a product's code
	ExternalID string // the caller's own key, "" for none
	Points     string // what the request added to a contact's points, with a sign; "" where it moved none
}

// maxChanges bounds the ledger; the oldest changes are forgotten first.
const maxChanges = 200_000

// ledger holds what was done, in order.
type ledger struct {
	mu      sync.Mutex
	changes []Change
}

// Changes returns what the requests did to the records, in order, so that a test can compare it with what a client was
// told. It does not include seeds. It has the last 200,000 changes since the start or the last [Server.Reset].
func (s *Server) Changes() []Change {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return slices.Clone(s.ledger.changes)
}

func (l *ledger) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes = nil
}

func (l *ledger) add(change Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.changes) >= maxChanges {
		l.changes = slices.Clone(l.changes[maxChanges/2:])
	}
	l.changes = append(l.changes, change)
}

// note writes a change into the ledger; o is the record as it is now.
func (c *call) note(change Change, o object) {
	c.wrote = true
	sp := c.srv.store.kinds[change.Kind].spec
	change.Request, change.Operation = c.request, c.end.method+" "+c.end.path
	change.Record, change.ID, change.ExternalID = o.text(sp.objectID()), o.text(sp.ids(o)), o.text(sp.external)
	if change.Kind == Products {
		change.ID = o.text("code")
	}
	c.srv.ledger.add(change)
}
