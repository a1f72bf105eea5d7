package app

import (
	"context"
	"errors"
	"iter"

	"github.com/antbuddy/antcrm-go"
)

func segments() group {
	type params = antcrm.ContactCreateParams
	return group{name: "segments", aliases: []string{"segment"}, short: "Segments of contacts", verbs: []verb{importing[params, struct{}]{
		use: "set SEGMENT FILE", noun: "contacts", verb: "put into the segment", toTarget: true, packages: true,
		required: []string{"name"}, template: contactTemplate(),
		short: "Put the contacts of a file into a segment", long: "Puts the contacts of FILE into the segment with the id SEGMENT.", file: "members", lists: contactListColumns,
		example: "  antcrm segments set 64d9f28b2b3ba308b322c710 members.csv\n  antcrm segments set 64d9f28b2b3ba308b322c710 members.csv --dry-run",
		run: func(c *antcrm.Client, segment string, _ *bulkFlags) importFunc[params, struct{}] {
			return func(ctx context.Context, source iter.Seq2[params, error], opts ...antcrm.BatchOption) iter.Seq2[antcrm.ImportResult[struct{}], error] {
				return setContacts(ctx, c, segment, source, opts)
			}
		},
		check: func(ctx context.Context, c *antcrm.Client, segment string, record params) error {
			return c.Segments.SetContacts(ctx, segment, []params{record})
		},
	}}}
}

// segmentWindow is how many contacts are put into a segment at a time: enough for several requests at once.
const segmentWindow = 10 * antcrm.MaxBatchSize

// setContacts is what the API lacks: an import into a segment, window by window, in the shape of the others.
func setContacts(ctx context.Context, c *antcrm.Client, segment string, source iter.Seq2[antcrm.ContactCreateParams, error], opts []antcrm.BatchOption,
) iter.Seq2[antcrm.ImportResult[struct{}], error] {
	return func(yield func(antcrm.ImportResult[struct{}], error) bool) {
		first := int64(0)
		list := make([]antcrm.ContactCreateParams, 0, segmentWindow)
		flush := func() bool {
			results := setWindow(ctx, c, segment, list, opts)
			for i := range results {
				results[i].Index += first
				if !yield(results[i], nil) {
					return false
				}
			}
			first += int64(len(list))
			list = list[:0]
			return true
		}
		for record, err := range source {
			if err != nil {
				if flush() {
					yield(antcrm.ImportResult[struct{}]{}, err)
				}
				return
			}
			if list = append(list, record); len(list) == segmentWindow && !flush() {
				return
			}
		}
		flush()
	}
}

// setWindow sends one window. Contacts that are invalid keep a batch from being sent: the others go without them.
func setWindow(ctx context.Context, c *antcrm.Client, segment string, list []antcrm.ContactCreateParams, opts []antcrm.BatchOption) []antcrm.ImportResult[struct{}] {
	results := make([]antcrm.ImportResult[struct{}], len(list))
	for i := range results {
		results[i] = antcrm.ImportResult[struct{}]{Index: int64(i), Outcome: antcrm.OutcomeDone}
	}
	if len(list) == 0 {
		return results
	}
	err := c.Segments.SetContacts(ctx, segment, list, opts...)
	invalid := validationErrors(err)
	if len(invalid) == 0 {
		apply(results, nil, err)
		return results
	}
	var good []antcrm.ContactCreateParams
	var places []int
	for i := range list {
		if problem := invalid[i]; problem != nil {
			results[i].Outcome, results[i].Err = antcrm.OutcomeNotSent, problem
			continue
		}
		good, places = append(good, list[i]), append(places, i)
	}
	if len(good) > 0 {
		apply(results, places, c.Segments.SetContacts(ctx, segment, good, opts...))
	}
	return results
}

// apply writes a batch's failures into the results; places are those of the records that were in it, nil for all.
func apply(results []antcrm.ImportResult[struct{}], places []int, err error) {
	at := func(i int) *antcrm.ImportResult[struct{}] {
		if places != nil {
			i = places[i]
		}
		return &results[i]
	}
	count := len(results)
	if places != nil {
		count = len(places)
	}
	batch := &antcrm.BatchError{}
	if err != nil && !errors.As(err, &batch) {
		batch.Failures = []antcrm.BatchFailure{{First: 0, Count: count, Outcome: antcrm.OutcomeNotSent, Err: err}}
	}
	for _, failure := range batch.Failures {
		for i := range failure.Count {
			result := at(failure.First + i)
			result.Outcome, result.Err = failure.Outcome, failure.Err
		}
	}
}

// validationErrors are the problems of a batch by the place of the record.
func validationErrors(err error) map[int]*antcrm.ValidationError {
	problems := map[int]*antcrm.ValidationError{}
	batch := &antcrm.BatchError{}
	if !errors.As(err, &batch) {
		return problems
	}
	for _, failure := range batch.Failures {
		if problem, ok := errors.AsType[*antcrm.ValidationError](failure.Err); ok {
			problems[failure.First] = problem
		}
	}
	return problems
}
