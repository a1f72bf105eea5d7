package antcrm_test

import (
	_ "github.com/jarcoal/httpmock"
	_ "go.uber.org/goleak"
)
