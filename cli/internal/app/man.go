package app

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes man pages; it is for whoever packages the program.
func manCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write man pages to a folder", Hidden: true, Args: arguments("DIR"), Example: "  antcrm man /usr/local/share/man/man1",
		RunE: func(_ *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // man pages are for everybody
				return &failure{code: exitFailure, text: "write to " + args[0], err: withoutPath(err)}
			}
			// The same source gives the same pages: no date, no trace of the generator.
			root.DisableAutoGenTag = true
			date := time.Unix(0, 0).UTC()
			header := &doc.GenManHeader{Section: "1", Source: "antcrm " + root.Version, Manual: "AntCRM", Date: &date}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return &failure{code: exitFailure, text: "write to " + args[0], err: withoutPath(err)}
			}
			return nil
		},
	}
}
