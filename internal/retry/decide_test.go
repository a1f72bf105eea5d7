package retry

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// standard is the default policy.
var standard = Policy{MaxRetries: 3, MaxWait: 2 * time.Minute}

func TestDecideFollowsThePolicyTable(t *testing.T) {
	t.Parallel()
	const (
		stop        = "stop"
		repeat      = "repeat"
		wait        = "wait as asked"
		stopUnknown = "stop, unknown"
		again       = "repeat, unknown so far"
		waitUnknown = "wait as asked, unknown so far"

		all, reads, keyed, others = "GET HEAD OPTIONS PUT DELETE POST PATCH", "GET HEAD OPTIONS", "PUT DELETE", "POST PATCH"
	)
	asked := func(status int, wait time.Duration) Facts { return Facts{Status: status, Asked: true, After: wait} }
	type row struct {
		methods string
		ended   Facts
		want    string
	}
	rows := []row{
		// No answer.
		{all, Facts{}, repeat},
		{all, Facts{Permanent: true}, stop},
		{reads, Facts{Sent: true}, repeat},
		{keyed, Facts{Sent: true}, again},
		{others, Facts{Sent: true}, stopUnknown},
		{reads, Facts{Sent: true, Permanent: true}, stop},
		{keyed + " " + others, Facts{Sent: true, Permanent: true}, stopUnknown},
		// The server says to slow down: nothing was done.
		{all, Facts{Status: 429}, repeat},
		{all, asked(429, time.Second), wait},
		{all, asked(429, 0), repeat},
		{all, asked(429, time.Second-1), repeat},
		{all, asked(429, 2*time.Minute), wait},
		{all, asked(429, 2*time.Minute+1), stop},
		{all, asked(503, time.Second), wait},
		{all, asked(503, 0), repeat},
		{all, asked(503, time.Millisecond), repeat},
		{all, asked(503, time.Hour), stop},
		// It did not get the whole request in time.
		{reads + " " + keyed, Facts{Status: 408}, repeat},
		{reads + " " + keyed, asked(408, time.Second), wait},
		{others, Facts{Status: 408}, stop},
	}
	// The server is in trouble: a write may have been carried out.
	for status := 500; status < 600; status++ {
		if slices.Contains([]int{501, 505, 511}, status) {
			continue
		}
		rows = append(rows,
			row{reads, Facts{Status: status}, repeat},
			row{keyed, Facts{Status: status}, again},
			row{others, Facts{Status: status}, stopUnknown})
		if status != 503 {
			rows = append(rows,
				row{reads, asked(status, time.Second), wait},
				row{keyed, asked(status, time.Second), waitUnknown},
				row{keyed, asked(status, 0), again},
				row{keyed, asked(status, time.Hour), stopUnknown},
				row{others, asked(status, time.Second), stopUnknown})
		}
	}
	// What a server cannot do at all is not worth a repetition, but as unclear.
	for _, status := range []int{501, 505, 511, 600, 999} {
		rows = append(rows,
			row{reads, Facts{Status: status}, stop},
			row{keyed, Facts{Status: status}, stopUnknown},
			row{others, Facts{Status: status}, stopUnknown})
	}
	// The answer would come in another protocol.
	for _, status := range []int{101, 199} {
		rows = append(rows, row{reads, Facts{Status: status}, stop}, row{keyed + " " + others, Facts{Status: status}, stopUnknown})
	}
	// All else is final.
	for status := 200; status < 500; status++ {
		if status != 408 && status != 429 {
			rows = append(rows, row{all, Facts{Status: status}, stop}, row{all, asked(status, time.Second), stop})
		}
	}

	verdicts := map[string]Verdict{
		stop:        {},
		repeat:      {Repeat: true},
		wait:        {Repeat: true, AsAsked: true},
		stopUnknown: {MaybeDone: true},
		again:       {Repeat: true, MaybeDone: true},
		waitUnknown: {Repeat: true, AsAsked: true, MaybeDone: true},
	}
	for _, row := range rows {
		want, known := verdicts[row.want]
		require.True(t, known, row.want)
		for method := range strings.FieldsSeq(row.methods) {
			ended := row.ended
			ended.Method = method
			for ended.Number = 1; ended.Number <= 3; ended.Number++ {
				assert.Equal(t, want, Decide(ended, standard), "%+v", ended)
			}
			last := Verdict{MaybeDone: want.MaybeDone}
			assert.Equal(t, last, Decide(ended, standard), "the fourth: the retries are used up: %+v", ended)
			ended.Number = 1
			assert.Equal(t, last, Decide(ended, Policy{MaxWait: time.Minute}), "without retries: %+v", ended)
		}
	}
}

func TestDecideNeverRepeatsAPostThatMayHaveBeenCarriedOut(t *testing.T) {
	t.Parallel()
	for _, ended := range everyAttempt(http.MethodPost) {
		got := Decide(ended, standard)
		assert.False(t, got.Repeat && got.MaybeDone, "%+v", ended)
		mayHaveBeenDone := ended.Lost() && ended.Sent || ended.Status == 101 || ended.Status >= 500 && (ended.Status != 503 || !ended.Asked)
		assert.Equal(t, mayHaveBeenDone, got.MaybeDone, "%+v", ended)
	}
}

func TestDecideTreatsAnUnsafePostLikeAPut(t *testing.T) {
	t.Parallel()
	unsafe := standard
	unsafe.Unsafe = true
	for _, ended := range everyAttempt(http.MethodPost) {
		put := ended
		put.Method = http.MethodPut
		assert.Equal(t, Decide(put, standard), Decide(ended, unsafe), "%+v", ended)
		assert.Equal(t, Decide(put, standard), Decide(put, unsafe), "%+v", put)
	}
}

func TestDecideNeverCallsAReadUnknown(t *testing.T) {
	t.Parallel()
	for _, ended := range everyAttempt(http.MethodGet) {
		assert.False(t, Decide(ended, standard).MaybeDone, "%+v", ended)
	}
}

func TestOnlyRefusalsWithAWaitPauseTheClient(t *testing.T) {
	t.Parallel()
	for _, ended := range everyAttempt(http.MethodGet) {
		want := (ended.Status == 429 || ended.Status == 503) && ended.Asked && ended.After > 0
		assert.Equal(t, want, ended.Pauses(), "%+v", ended)
	}
}

func everyAttempt(method string) (all []Facts) {
	for number := 1; number <= 4; number++ {
		for _, permanent := range []bool{false, true} {
			all = append(all, Facts{Method: method, Number: number, Permanent: permanent}, Facts{Method: method, Sent: true, Number: number, Permanent: permanent})
		}
		for status := 101; status < 600; status++ {
			if status == 102 {
				status = 200
			}
			for _, wait := range []time.Duration{-1, 0, time.Second, time.Hour} {
				all = append(all, Facts{Method: method, Status: status, Asked: wait >= 0, After: max(wait, 0), Number: number})
			}
		}
	}
	return all
}
