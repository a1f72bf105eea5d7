package crmsync

import (
	"context"
	"slices"
	"sync"
	"time"
)

// trust knows which lookups were seen to find a record that is there. "Nothing
// found" counts only for those: a filter that the server does not know, or that
// it compares in another form, finds nothing either.
type trust struct {
	mu     sync.Mutex
	proven map[string]time.Time
	known  map[string]knownRecord
}

// knownRecord is a record that is there, for certain, with its lookup.
type knownRecord struct {
	probe probe
	ref   string
}

const (
	trustFor  = 10 * time.Minute
	maxShapes = 256
	maxTried  = 3
)

func newTrust() *trust {
	return &trust{proven: map[string]time.Time{}, known: map[string]knownRecord{}}
}

func (p probe) id() string { return p.name + "\n" + shape(p.value) }

// learn remembers a record that was confirmed, to test its lookups on.
func (t *trust) learn(probes []probe, ref string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range probes {
		id := p.id()
		if _, have := t.known[id]; !have && len(t.known) < maxShapes {
			t.known[id] = knownRecord{p, ref}
		}
	}
}

// trusts tests a lookup on a record that is there: one that this run has
// created, or one that the CRM lists. A CRM that lists nothing needs no test,
// unless a record of it is known.
func (t *trust) trusts(ctx context.Context, p probe, sample func(context.Context) ([]candidate, error)) (bool, error) {
	id := p.id()
	t.mu.Lock()
	tested, known := t.proven[id], t.known[id]
	t.mu.Unlock()
	if !tested.IsZero() && time.Since(tested) < trustFor {
		return true, nil
	}
	if known.ref != "" {
		found, err := finds(ctx, known.probe, known.ref)
		if err != nil || found {
			return t.prove(id, found), err
		}
	}
	records, err := sample(ctx)
	if err != nil || len(records) == 0 {
		return err == nil && known.ref == "", err
	}
	tried := 0
	for _, record := range records {
		other, ok := p.of(record)
		if !ok || other.id() != id {
			continue
		}
		found, err := finds(ctx, other, record.ref)
		if err != nil || found {
			return t.prove(id, found), err
		}
		if tried++; tried == maxTried {
			break
		}
	}
	return false, nil
}

func (t *trust) prove(id string, found bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if found && len(t.proven) < maxShapes {
		t.proven[id] = time.Now()
	}
	return found
}

func finds(ctx context.Context, p probe, ref string) (bool, error) {
	found, err := p.list(ctx)
	return slices.ContainsFunc(found, func(c candidate) bool { return c.ref == ref }), err
}
