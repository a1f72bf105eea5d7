package probe

import (
	"context"
	"errors"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/internal/questions"
)

// Document is a report as a file: what "antcrm doctor --contract --json FILE" writes, and what antcrmtest.WithReport
// and "antcrm mock --like FILE" read. It holds no value of any record and no key; a host only where the caller sets it.
type Document struct {
	Format  int       `json:"format"`            // of the file; 1 today
	SDK     string    `json:"sdk"`               // the version of this SDK
	Date    time.Time `json:"date"`              // when the run ended, in UTC
	Host    string    `json:"host,omitempty"`    // of the server; empty unless the caller sets it
	Stopped string    `json:"stopped,omitempty"` // why the run ended early; empty where it was carried out to the end
	*Report
}

// NewDocument wraps a report that was finished at that time. err is what Run returned with it: its kind becomes
// Stopped, in words of this package, since an error's text may name the host.
func NewDocument(report *Report, at time.Time, err error) Document {
	if report == nil {
		report = new(Report)
	}
	return Document{
		Format: questions.ReportFormat, SDK: antcrm.Version, Date: at.UTC().Truncate(time.Second), Stopped: stoppedBy(err), Report: report,
	}
}

// stoppedBy says in a few words why a run ended early.
func stoppedBy(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.Canceled):
		return "The run was stopped before its end."
	case errors.Is(err, context.DeadlineExceeded):
		return "The time for the run was over before its end."
	case errors.Is(err, antcrm.ErrUnauthorized), errors.Is(err, antcrm.ErrForbidden):
		return "The server refuses the key."
	}
	return "The server did not answer as it should."
}
