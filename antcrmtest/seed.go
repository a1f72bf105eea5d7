package antcrmtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Seed puts records of a kind into the store, as if the service had had them all along: nothing is checked but that
// each is a JSON object. A record is a Go value that is marshalled (an antcrm.Contact, an antcrm.ContactCreateParams, a
// map, …), a slice of such values, or JSON text as a json.RawMessage, []byte or string. Ids and times that it has are
// kept; those that it lacks are given, and counting goes on above. All records are taken or, with an error that tells
// which one is wrong, none.
func (s *Server) Seed(kind Kind, records ...any) error {
	if !slices.Contains(Kinds(), kind) {
		return fmt.Errorf("seed: there is no kind %q", printable(string(kind)))
	}
	var objects []object
	for i, r := range records {
		text, err := jsonText(r)
		if err != nil {
			return fmt.Errorf("seed: record %d of the %s: %w", i, kind, err)
		}
		found, err := seedObjects(text)
		if err != nil {
			return fmt.Errorf("seed: record %d of the %s: %w", i, kind, err)
		}
		objects = append(objects, found...)
	}
	s.plant(kind, objects)
	return nil
}

func jsonText(record any) ([]byte, error) {
	switch r := record.(type) {
	case json.RawMessage:
		return slices.Clone(r), nil
	case []byte:
		return slices.Clone(r), nil
	case string:
		return []byte(r), nil
	}
	return json.Marshal(record)
}

// seedObjects takes one object, an array of objects, or a list answer's envelope.
func seedObjects(text []byte) ([]object, error) {
	if err := checkJSON(text); err != nil {
		return nil, err
	}
	if o, ok := splitObject(text); ok {
		if o.get("success") == nil || o.get("data") == nil {
			return checkedObjects([]object{o})
		}
		data := o.get("data")
		if inner, ok := splitObject(data); ok {
			data = inner.get("sessions")
		}
		text = data
	}
	elements, ok := splitArray(text)
	if !ok {
		return nil, errors.New("is neither a JSON object nor an array of them")
	}
	objects := make([]object, len(elements))
	for i, e := range elements {
		o, ok := splitObject(e)
		if !ok {
			return nil, fmt.Errorf("element %d is no JSON object", i)
		}
		objects[i] = o
	}
	return checkedObjects(objects)
}

func checkedObjects(objects []object) ([]object, error) {
	for i, o := range objects {
		if len(o) > maxFields || slices.ContainsFunc(o, func(f field) bool { return tooDeep(f.value) }) {
			return nil, fmt.Errorf("element %d has too many fields or levels", i)
		}
	}
	return objects, nil
}

// plant keeps seeded records. What only the service gives is added, everything else stays as it came.
func (s *Server) plant(kind Kind, objects []object) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for _, o := range objects {
		if kind == Contacts && isEmpty(o.get("contactType")) {
			contactType := `"lead"`
			if o.text("customerId") != "" {
				contactType = `"customer"`
			}
			o.set("contactType", []byte(contactType))
		}
		deleted := kind == Tickets && string(o.get("isTicketDeleted")) == "true"
		r, _ := s.store.insert(kind, o)
		r.born = noTime
		if deleted {
			s.store.hide(kind, r)
		}
	}
}

// SeedFS puts the records of JSON files into the store. patterns are those of fs.Glob; without any, all *.json files of
// the top level. A file that is named for a kind or its path (contacts.json, contacts-vip.json, rating.json,
// history-point.json) holds records of it: one object, an array, or a list answer with data. Any other file must be an
// object whose names are kinds: {"contacts": […], "products": […]}.
func (s *Server) SeedFS(fsys fs.FS, patterns ...string) error {
	if len(patterns) == 0 {
		patterns = []string{"*.json"}
	}
	for _, pattern := range patterns {
		names, err := fs.Glob(fsys, pattern)
		if err != nil {
			return fmt.Errorf("seed: %w", err)
		}
		if len(names) == 0 {
			return fmt.Errorf("seed: no file fits %q", pattern)
		}
		for _, name := range names {
			text, err := fs.ReadFile(fsys, name)
			if err != nil {
				return fmt.Errorf("seed: %w", err)
			}
			if err := s.seedText(name, text); err != nil {
				return fmt.Errorf("file %s: %w", name, err)
			}
		}
	}
	return nil
}

// SeedFile is [Server.SeedFS] for one file, or for all *.json files of a folder.
func (s *Server) SeedFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	if info.IsDir() {
		return s.SeedFS(os.DirFS(path))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	if err := s.seedText(path, text); err != nil {
		return fmt.Errorf("file %s: %w", path, err)
	}
	return nil
}

func (s *Server) seedText(name string, text []byte) error {
	if kind, ok := kindOfFile(name); ok {
		return s.Seed(kind, text)
	}
	if err := checkJSON(text); err != nil {
		return err
	}
	groups, ok := splitObject(text)
	if !ok {
		return errors.New("is not named for a kind, and is no object of kinds")
	}
	for _, g := range groups {
		if err := s.Seed(Kind(g.name), g.value); err != nil {
			return err
		}
	}
	return nil
}

// kindOfFile reads the kind from a file's name: its words up to a dot or a dash, the longest match first.
func kindOfFile(name string) (Kind, bool) {
	stem, _, _ := strings.Cut(filepath.Base(name), ".")
	for stem != "" {
		switch stem {
		case "history-point":
			return History, true
		case "rating":
			return Ratings, true
		case "opportunity":
			return Opportunities, true
		}
		for _, kind := range Kinds() {
			if stem == string(kind) || stem+"s" == string(kind) {
				return kind, true
			}
		}
		cut := strings.LastIndexByte(stem, '-')
		if cut < 0 {
			break
		}
		stem = stem[:cut]
	}
	return "", false
}

func (s *Server) seedFromOptions() error {
	for _, seed := range s.cfg.seeds {
		if err := seed(s); err != nil {
			return err
		}
	}
	return nil
}
