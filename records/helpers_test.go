package records_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func moment() time.Time { return time.Date(2024, 3, 13, 6, 24, 20, 673_000_000, time.UTC) }
