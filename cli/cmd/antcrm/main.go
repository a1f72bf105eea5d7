// Command antcrm is the AntCRM from a terminal: it looks up, changes, exports and imports records. See docs/cli.md, or antcrm --help.
package main

import (
	"os"

	"github.com/antbuddy/antcrm-go/cli/internal/app"
)

func main() { os.Exit(app.Main()) }
