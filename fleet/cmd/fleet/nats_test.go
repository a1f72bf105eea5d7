package main

import (
	"fmt"
	"iter"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// natsServer is a NATS server alone in this process, which syncs nothing to the disk.
func natsServer(t *testing.T) (address string) {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: filepath.Join(t.TempDir(), "js"), NoSigs: true, NoLog: true,
	})
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	require.True(t, s.ReadyForConnections(10*time.Second))
	return s.ClientURL()
}

// natsProgram is a NATS server in a process of its own, as nats-server is; its
// argument is the configuration file.
func natsProgram() error {
	options, err := server.ProcessConfigFile(os.Args[1])
	if err != nil {
		return err
	}
	options.NoSigs = true
	s, err := server.NewServer(options)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		return fmt.Errorf("the server of %s does not start", os.Args[1])
	}
	fmt.Fprintln(os.Stderr, "ready")
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, os.Interrupt)
	<-ended
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

// invented are the customers of the sheet that customers writes.
func invented(n int) iter.Seq2[antcrm.ContactCreateParams, error] {
	return func(yield func(antcrm.ContactCreateParams, error) bool) {
		for i := range n {
			p := antcrm.ContactCreateParams{Name: fmt.Sprintf("Nguyễn Văn Mẫu %d", i), ExternalID: externalID(i), ContactType: contactType(i)}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// contactType makes every third record a lead.
func contactType(i int) string {
	if i%3 == 0 {
		return antcrm.ContactTypeLead
	}
	return antcrm.ContactTypeCustomer
}
