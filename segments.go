package antcrm

import (
	"context"
	"net/http"
)

// SegmentsService puts contacts into segments.
type SegmentsService struct{ core *core }

// segmentContact is a contact in the body of SetContacts. The vendor's table calls the array phone that every other
// page calls phones: both are sent (our decision). Only the name is required.
type segmentContact struct {
	ContactCreateParams
	Phone []Phone `json:"phone,omitzero"`
}

func (c segmentContact) validate() error { return required("name", c.Name) }

type segmentBody struct {
	Contacts  []*segmentContact `json:"contacts"`
	SegmentID string            `json:"segmentId"`
}

// SetContacts puts contacts into a segment, up to 100 a request (POST /segments/set-contact). Of a contact only Name is
// required here; its phones are sent as phone and as phones (our decision). The API answers without ids, so there is no
// result but the error: if a contact was not confirmed, it is a *BatchError whose Failures name it.
func (s *SegmentsService) SetContacts(ctx context.Context, segmentID string, contacts []ContactCreateParams, opts ...BatchOption) error {
	// An option checks it, so that the whole batch fails.
	checked := func(*batchConfig) error {
		return firstError(required("segmentId", segmentID), checkText("segmentId", segmentID))
	}
	members := make([]segmentContact, len(contacts))
	for i := range contacts {
		members[i] = segmentContact{ContactCreateParams: contacts[i], Phone: contacts[i].Phones}
	}
	set := bulk[segmentContact, struct{}]{
		core: coreOf(s), op: "set segment contacts", method: http.MethodPost, path: "/segments/set-contact",
		body: func(chunk []*segmentContact) any { return segmentBody{Contacts: chunk, SegmentID: segmentID} },
		refs: func(a *answer, _ []segmentContact) ([]struct{}, error) { return nil, a.decodeOk() },
	}
	_, err := set.runBatch(ctx, members, append([]BatchOption{checked}, opts...))
	return err
}
