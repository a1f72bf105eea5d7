package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/fleet"
)

// soak says that a test may take minutes.
func soak() bool { return os.Getenv("ANTCRM_SOAK") != "" }

// resolvingWorker is a worker whose resolver looks records up by their key. Its
// arguments are the address of the server and the shared rate.
func resolvingWorker() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	f, err := fleet.Open(ctx, fleet.Config{URL: os.Args[1], Replicas: 1, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	defer f.Close()
	rate, err := strconv.ParseFloat(os.Args[2], 64)
	if err != nil {
		return err
	}
	options := []antcrm.Option{antcrm.WithTimeout(2 * time.Second)}
	if rate > 0 {
		limiter, err := f.Limiter(ctx, rate)
		if err != nil {
			return err
		}
		options = append(options, antcrm.WithRateLimiter(limiter))
	}
	client, err := antcrm.NewClientFromEnv(options...)
	if err != nil {
		return err
	}
	asking, err := antcrm.NewClientFromEnv()
	if err != nil {
		return err
	}
	return f.Work(ctx, fleet.WorkerConfig{Client: client, Concurrency: 2, AckWait: time.Second, Settle: 4 * time.Second, Resolver: lookUp(asking)})
}

// lookUp resolves what is unknown: what the CRM has was done, and nothing else.
func lookUp(client *antcrm.Client) fleet.Resolver {
	return func(ctx context.Context, unknown fleet.UnknownChunk) ([]fleet.Resolution, error) {
		resolutions := make([]fleet.Resolution, len(unknown.Records))
		for i, record := range unknown.Records {
			found, err := client.Contacts.Get(ctx, antcrm.ExternalRef(record.Key))
			switch {
			case errors.Is(err, antcrm.ErrNotFound):
				resolutions[i].Outcome = antcrm.OutcomeNotSent
			case err != nil:
				return nil, err
			default:
				resolutions[i] = fleet.Resolution{Outcome: antcrm.OutcomeDone, Ref: found.LeadID}
				if found.Ref().CustomerID != "" {
					resolutions[i].Ref = found.Ref().CustomerID
				}
			}
		}
		return resolutions, nil
	}
}
