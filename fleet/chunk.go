package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/antbuddy/antcrm-go"
)

// Kind is what a job imports.
type Kind string

// The kinds.
const (
	Contacts      Kind = "contacts"      // antcrm.ContactCreateParams, POST /contacts/package
	Opportunities Kind = "opportunities" // antcrm.OpportunityCreateParams, POST /opportunities/package
)

// chunk is a message of the chunks stream: records that travel in one request.
// The same source gives the same chunks, byte for byte.
type chunk struct {
	Job      string            `json:"job"`
	Position int64             `json:"position"` // of the chunk in the job, from 0
	Kind     Kind              `json:"kind"`
	Group    string            `json:"group,omitempty"`   // the contact type that the chunk's records share
	First    int64             `json:"first"`             // place of the first record in the source, from 0
	Indexes  []int64           `json:"indexes,omitempty"` // places of all records, unless they follow each other
	Keys     []string          `json:"keys"`              // the caller's own keys
	Records  []json.RawMessage `json:"records"`
}

// index is the place of record i in the source.
func (c *chunk) index(i int) int64 { return indexOf(c.First, c.Indexes, i) }

func indexOf(first int64, indexes []int64, i int) int64 {
	if indexes != nil {
		return indexes[i]
	}
	return first + int64(i)
}

// name is the chunk's key in the ledger and the end of its subjects.
func (c *chunk) name() string { return chunkName(c.Job, c.Position) }

func chunkName(job string, position int64) string {
	return job + "." + strconv.FormatInt(position, 10)
}

// encode is the JSON of what travels through the streams and stands in the
// ledger. It is no page for a browser: "<" stays one byte, or records full of it
// would outgrow a message.
func encode(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}

// digest names a chunk's content.
func digest(payload []byte) string {
	sum := sha256.Sum256(payload)
	return hex.EncodeToString(sum[:16])
}

// openChunk is a chunk that has room.
type openChunk struct {
	chunk
	bytes int
}

// splitter cuts a sequence of records into chunks, each of one group. Which
// record goes where depends on the records before it and on nothing else.
type splitter struct {
	job      Job
	kind     Kind
	maxBytes int
	open     []*openChunk // one a group, in the order of their first records
	next     int64        // position of the chunk that is closed next
}

// mostOpen bounds what a source with a group for every record can hold open.
const mostOpen = 16

// overhead is more than a chunk's fields beside its records take, a record.
const overhead = 64

// add takes a record. A chunk that it completes is returned.
func (s *splitter) add(index int64, group, key string, record json.RawMessage) (*chunk, error) {
	size := len(record) + len(key)*2 + overhead
	if size > s.maxBytes {
		return nil, fmt.Errorf("fleet: record %d: %d bytes of JSON, a chunk takes %d", index, len(record), s.maxBytes)
	}
	var full *chunk
	at := s.find(group)
	if at >= 0 && s.open[at].bytes+size > s.maxBytes {
		full = s.close(at)
		at = -1
	}
	if at < 0 {
		if len(s.open) == mostOpen { // then full is nil: a chunk that it closed made room
			full = s.close(0)
		}
		at = len(s.open)
		s.open = append(s.open, &openChunk{chunk: chunk{Job: s.job.Name, Kind: s.kind, Group: group, First: index}})
	}
	o := s.open[at]
	o.Indexes = append(o.Indexes, index)
	o.Keys = append(o.Keys, key)
	o.Records = append(o.Records, record)
	o.bytes += size
	// A record that has just begun a chunk does not fill it, so that no record
	// closes two chunks: chunks of one record are never left open.
	if full == nil && len(o.Records) == s.job.ChunkSize {
		full = s.close(at)
	}
	return full, nil
}

func (s *splitter) find(group string) int {
	for i, o := range s.open {
		if o.Group == group {
			return i
		}
	}
	return -1
}

func (s *splitter) close(at int) *chunk {
	c := &s.open[at].chunk
	s.open = append(s.open[:at], s.open[at+1:]...)
	c.Position = s.next
	s.next++
	if c.Indexes[len(c.Indexes)-1] == c.First+int64(len(c.Indexes)-1) {
		c.Indexes = nil
	}
	return c
}

// last returns the chunks that are still open, one a call.
func (s *splitter) last() *chunk {
	if len(s.open) == 0 {
		return nil
	}
	return s.close(0)
}

// encodeRecord refuses what would not arrive as it is, such as a text that is
// not UTF-8, instead of replacing it. Its errors hold no value.
func encodeRecord(index int64, record any) (json.RawMessage, error) {
	encoded, err := jsonv2.Marshal(record, jsontext.AllowDuplicateNames(true), jsonv2.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("fleet: record %d cannot be encoded as JSON: is a text not valid UTF-8?", index)
	}
	return encoded, nil
}

// contactGroup is the contact type that the CRM will give the contact: records
// of two types must not share a request.
func contactGroup(p *antcrm.ContactCreateParams) string {
	if p.ContactType == "" {
		return antcrm.ContactTypeLead
	}
	return p.ContactType
}
