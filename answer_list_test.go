package antcrm_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// listed asks for a page of contacts, an A-list, and of ratings, a B-list: both
// read both shapes.
func listed(t *testing.T, answer string) (contacts *antcrm.Page[antcrm.Contact], ratings *antcrm.Page[antcrm.Rating], errs []error) {
	t.Helper()
	client := scripted(t, ok(answer), ok(answer)).client()
	contacts, err := client.Contacts.List(t.Context(), antcrm.ContactListParams{})
	ratings, other := client.Ratings.List(t.Context(), antcrm.RatingListParams{})
	return contacts, ratings, []error{err, other}
}

func TestListsReadEveryShapeOfAnAnswer(t *testing.T) {
	t.Parallel()
	const a, b = `{"_id":"a"}`, `{"_id":"b"}`
	for _, tt := range []struct {
		name, answer string
		ids          []antcrm.ID
		total, limit int // -1: no total
	}{
		{"bare array", `[` + a + `,` + b + `]`, []antcrm.ID{"a", "b"}, -1, 0},
		{"empty array", `[]`, nil, -1, 0},
		{"null", `null`, nil, -1, 0},
		{"empty object", `{ }`, nil, -1, 0},
		{"one bare object", ` ` + a + "\n", []antcrm.ID{"a"}, -1, 0},
		{"envelope", `{"success":true,"data":[` + a + `],"total":7,"limit":3}`, []antcrm.ID{"a"}, 7, 3},
		{"envelope, data last, extra members", `{"total":"7","limit":"3","x":{"data":[]},"success":1,"data":[` + a + `]}`, []antcrm.ID{"a"}, 7, 3},
		{"envelope without success", `{"data":[` + a + `]}`, []antcrm.ID{"a"}, -1, 0},
		{"envelope with success null", `{"success":null,"data":[` + a + `]}`, []antcrm.ID{"a"}, -1, 0},
		{"envelope with null data", `{"success":true,"data":null,"total":0,"message":"none"}`, nil, 0, 0},
		{"envelope with a message", `{"data":[` + a + `],"message":"ok"}`, []antcrm.ID{"a"}, -1, 0},
		{"success 2", `{"success":2,"data":[` + a + `]}`, []antcrm.ID{"a"}, -1, 0},
		{"success of another kind", `{"success":[],"data":null}`, nil, -1, 0},
		{"success null of one bare object", `{"success":null,"_id":"a"}`, []antcrm.ID{"a"}, -1, 0},
		{"one bare object with data of its own", `{"_id":"a","data":{"x":1}}`, []antcrm.ID{"a"}, -1, 0},
		{"counts that are none", `{"success":"true","data":[` + a + `],"total":-1,"limit":null}`, []antcrm.ID{"a"}, -1, 0},
		{"counts of another kind", `{"success":"1","data":[` + a + `],"total":{"n":1},"limit":"many"}`, []antcrm.ID{"a"}, -1, 0},
		{"nulls among the records", `[null,` + a + `,null,` + b + `]`, []antcrm.ID{"a", "b"}, -1, 0},
		{"repeated names", `[{"_id":"x","_id":"a"}]`, []antcrm.ID{"a"}, -1, 0},
		{"unknown fields of any kind", `[{"_id":"a","x":[{"y":null}],"z":1e400,"name":"n"}]`, []antcrm.ID{"a"}, -1, 0},
		{"one object that carries a message of its own", `{"_id":"a","message":"hello"}`, []antcrm.ID{"a"}, -1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			contacts, ratings, errs := listed(t, tt.answer)
			require.Equal(t, []error{nil, nil}, errs)
			var contactIDs, ratingIDs []antcrm.ID
			for _, c := range contacts.Items {
				contactIDs = append(contactIDs, c.ID)
			}
			for _, r := range ratings.Items {
				ratingIDs = append(ratingIDs, r.ID)
			}
			assert.Equal(t, tt.ids, contactIDs)
			assert.Equal(t, tt.ids, ratingIDs)
			assert.Equal(t, tt.total >= 0, ratings.HasTotal)
			assert.Equal(t, max(tt.total, 0), ratings.Total)
			assert.Equal(t, tt.limit, ratings.Limit)
		})
	}
}

func TestListsRefuseWhatIsNoList(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]error{
		`{"success":false}`:                                 antcrm.ErrRejected,
		`{"success":0,"data":[{"_id":"a"}]}`:                antcrm.ErrRejected,
		`{"success":"false","data":[],"message":"no"}`:      antcrm.ErrRejected,
		`{"data":[{"_id":{}}],"success":"0"}`:               antcrm.ErrRejected,
		`{"success":"","data":[]}`:                          antcrm.ErrRejected,
		`{"success":2,"message":"no"}`:                      antcrm.ErrRejected,
		`{"success":null,"errors":{"phone":"bad"}}`:         antcrm.ErrRejected,
		`{"success":true,"message":"no data"}`:              nil,
		`{"success":2}`:                                     nil,
		`{"success":"ok","_id":"a"}`:                        nil,
		`{"success":null}`:                                  nil,
		`{"data":{"_id":"a"}}`:                              nil,
		`[""]`:                                              nil,
		`{"success":false,"data":[{"_id":{}}]}`:             antcrm.ErrRejected,
		`{"message":"APPID_MISSING"}`:                       antcrm.ErrRejected,
		`{"msg":"no","statusCode":7}`:                       antcrm.ErrRejected,
		`{"error":{"message":"no"}}`:                        antcrm.ErrRejected,
		`{"errors":[]}`:                                     antcrm.ErrRejected,
		`{"success":true}`:                                  nil,
		`{"success":1,"total":3}`:                           nil,
		`{"success":true,"data":{"_id":"a"}}`:               nil,
		`{"success":true,"data":"none"}`:                    nil,
		`"Ok"`:                                              nil,
		`Ok`:                                                nil,
		`true`:                                              nil,
		`[{"_id":"a"},`:                                     nil,
		`[{"_id":"a"}]]`:                                    nil,
		`[1,2]`:                                             nil,
		`[[]]`:                                              nil,
		`[{"_id":"a"} {"_id":"b"}]`:                         nil,
		`{"data":[{"_id":"a"}]`:                             nil,
		"\x00":                                              nil,
		`<?xml version="1.0"?><success>true</success>`:      nil,
		strings.Repeat("[", 20_000):                         nil,
		`[` + strings.Repeat(`{"x":`, 20_000) + `}]`:        nil,
		`{"success":true,"data":[{"createdAt":1]}`:          nil,
		`{"success":true,"data":[{"_id":true}]}`:            nil,
		`{"success":true,"data":[{"_id":["a","b"]}]}`:       nil,
		`{"success":true,"data":[{"_id":"a` + "\n" + `"}]}`: nil,
	} {
		_, _, errs := listed(t, answer)
		for _, err := range errs {
			require.Error(t, err, "%.80s", answer)
			onOneLine(t, err)
			if want != nil {
				require.ErrorIs(t, err, want, answer)
				continue
			}
			requireError[*antcrm.DecodeError](t, err)
		}
	}
}
