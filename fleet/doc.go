// Package fleet imports contacts and orders into AntCRM with any number of
// processes on any number of machines, on NATS JetStream: for sources that
// outgrow one process (antcrm's Import) or must go on while machines come and
// go.
//
//	fl, err := fleet.Open(ctx, fleet.Config{})          // one machine: a server of its own, nothing to set up
//	report, err := fl.FeedContacts(ctx, fleet.Job{Name: "customers-2026-11"}, source)
//
//	limiter, err := fl.Limiter(ctx, 100)                // 100 requests a second, all workers together
//	client, err := antcrm.NewClient(key, antcrm.WithRateLimiter(limiter))
//	err = fl.Work(ctx, fleet.WorkerConfig{Client: client})
//
// The feeder cuts the source into chunks of at most 100 records of one contact
// type and publishes them to a stream. Workers take chunks from it, and write
// into a ledger what they are about to do before they do it. That ledger is
// the promise of the package: a chunk that was begun, and of which nothing
// more is known, is never sent again unless somebody has looked. It ends up
// as unknown, by name, or goes to a Resolver.
//
// Files: fleet.go, connect.go and streams.go (Config, Open), server.go (the
// embedded server), control.go (account, pause), chunk.go and feed.go (the
// feeder), ledger.go (what is known of each chunk), work.go, hold.go, deliver.go,
// gate.go, post.go, resolve.go, note.go and liveness.go (workers), limit.go and
// clock.go (the shared rate limit), tally.go (running totals), status.go,
// finish.go, results.go and purge.go (progress, results, purge), metrics.go.
package fleet
