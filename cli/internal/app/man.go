package app

import (
	"os"

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
			// For pages that do not change from day to day the generator takes its date from SOURCE_DATE_EPOCH.
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Section: "1", Source: "antcrm " + root.Version, Manual: "AntCRM"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return &failure{code: exitFailure, text: "write to " + args[0], err: withoutPath(err)}
			}
			return nil
		},
	}
}
