package antcrmtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// maxReport is how large a report may be. A real one has about 40 KiB.
const maxReport = 4 << 20

// WithReport makes the server answer as the server does that a report is about: the file that "antcrm doctor --contract
// --json FILE" writes, or a probe.Report as JSON. A question that the probe could not tell keeps the answer that it
// has; one that is as decided gets the default again. A report holds no records: seed some beside it, or the lists are
// empty.
//
// A file that is no report, one of a newer format, and one with an answer that this version does not know, are errors:
// a fake that silently played something else would prove nothing. Answers that were not foreseen by the report's own
// version cannot be played either, nor questions that this version does not ask; [Server.NotPlayed] lists them.
func WithReport(fsys fs.FS, name string) Option {
	return func(c *config) error {
		if fsys == nil {
			return errors.New("report: the file system is nil")
		}
		text, err := readReport(fsys, name)
		if err == nil {
			err = c.playReport(text)
		}
		if err != nil {
			return fmt.Errorf("report %s: %w", printable(name), err)
		}
		return nil
	}
}

func readReport(fsys fs.FS, name string) ([]byte, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxReport+1))
	switch {
	case err != nil:
		return nil, withoutPath(err)
	case len(text) > maxReport:
		return nil, fmt.Errorf("is larger than %d MiB", maxReport>>20)
	}
	return text, nil
}

// withoutPath is a file error in the system's words: the option names the file already.
func withoutPath(err error) error {
	if f, ok := errors.AsType[*fs.PathError](err); ok {
		return f.Err
	}
	return err
}

// reportFinding is what the fake needs of a probe.Finding.
type reportFinding struct {
	ID          string `json:"id"`
	Answer      string `json:"answer"`
	Alternative string `json:"alternative"`
}

// playReport takes the answers of a report over.
func (c *config) playReport(text []byte) error {
	var report struct {
		Format   int             `json:"format"`
		Findings []reportFinding `json:"findings"`
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return errors.New("is empty")
	}
	if err := checkJSON(text); err != nil {
		return fmt.Errorf("is no JSON text: %w", err)
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return errors.New("is no report of the probe")
	}
	switch {
	case report.Format < 0 || report.Format > questions.ReportFormat:
		return fmt.Errorf("has format %d, and this version reads up to %d: update antcrm-go", report.Format, questions.ReportFormat)
	case len(report.Findings) == 0:
		return errors.New("is no report of the probe: it has no findings")
	}
	seen := map[string]bool{}
	for _, f := range report.Findings {
		if seen[f.ID] {
			return fmt.Errorf("answers %s twice", printable(f.ID))
		}
		seen[f.ID] = true
		if err := c.playFinding(f); err != nil {
			return err
		}
	}
	return nil
}

// playFinding takes one answer over.
func (c *config) playFinding(f reportFinding) error {
	q, known := questions.Find(f.ID)
	switch {
	case f.ID == "":
		return errors.New("has a finding without an id")
	case !known && (f.Answer == "cannot tell" || f.Answer == "as decided"):
		c.notPlayed = append(c.notPlayed, printable(f.ID)) // of another version, or a typing error
		return nil
	case f.Answer == "cannot tell":
		return nil
	case f.Answer == "as decided":
		delete(c.answers, f.ID)
		return nil
	case f.Answer != "differs":
		return fmt.Errorf("has the answer %q to %s, and this version knows differs, as decided and cannot tell", printable(f.Answer), printable(f.ID))
	case !known:
		return fmt.Errorf("answers %s, which this version does not ask: update antcrm-go", printable(f.ID))
	case f.Alternative == "":
		delete(c.answers, f.ID)
		c.notPlayed = append(c.notPlayed, f.ID)
		return nil
	}
	if _, ok := q.Alternative(f.Alternative); !ok {
		return fmt.Errorf("answers %s by %q, which this version does not know: update antcrm-go", f.ID, printable(f.Alternative))
	}
	c.answers[f.ID] = f.Alternative
	return nil
}

// NotPlayed lists the questions to which the report of [WithReport] has an answer that was not foreseen, and those that
// this version does not ask: there the fake does what it does by default, and the real server may do something else. The
// slice is the caller's.
func (s *Server) NotPlayed() []string { return slices.Clone(s.cfg.notPlayed) }
