package fleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func TestAClusterThatWantsTLSIsReachedWithItsCA(t *testing.T) {
	t.Parallel()
	certified := httptest.NewTLSServer(nil) // only for its certificate
	defer certified.Close()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: filepath.Join(t.TempDir(), "js"), NoSigs: true, NoLog: true,
		TLS: true, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: certified.TLS.Certificates},
	})
	require.NoError(t, err)
	s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	require.True(t, s.ReadyForConnections(10*time.Second))

	roots := x509.NewCertPool()
	roots.AddCert(certified.Certificate())
	cfg := Config{URL: s.ClientURL(), Replicas: 1, TLS: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}}
	f, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	defer f.Close()
	feedContacts(t, f, "job", contacts(10, false))

	cfg.TLS = nil
	_, err = Open(t.Context(), cfg)
	require.ErrorContains(t, err, "certificate")
}

func TestAServerAloneIsToldFromAClusterAtOnce(t *testing.T) {
	t.Parallel()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: filepath.Join(t.TempDir(), "js"), NoSigs: true, NoLog: true,
	})
	require.NoError(t, err)
	s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	require.True(t, s.ReadyForConnections(10*time.Second))
	_, err = Open(t.Context(), Config{URL: s.ClientURL()})
	require.ErrorIs(t, err, ErrConfig)
	require.ErrorContains(t, err, "Replicas 1")
}

func TestAnAddressThatDoesNotAnswerIsNamedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err := Open(ctx, Config{URL: "nats://fleet:secret@127.0.0.1:1,127.0.0.1:2", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.ErrorContains(t, err, "127.0.0.1:1,127.0.0.1:2")
	assert.NotContains(t, err.Error()+log.String(), "secret")
	assert.Contains(t, log.String(), "127.0.0.1:1,127.0.0.1:2", "it says so before it gives up")
}

func TestAServerWhoseStorageIsUsedUpHoldsTheFeederUntilThereIsMore(t *testing.T) {
	t.Parallel()
	options := server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: filepath.Join(t.TempDir(), "js"), NoSigs: true, NoLog: true,
		JetStreamMaxStore: 1 << 20,
	}
	serve := func() *server.Server {
		own := options
		s, err := server.NewServer(&own)
		require.NoError(t, err)
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		require.True(t, s.ReadyForConnections(10*time.Second))
		return s
	}
	small := serve()
	options.Port = small.Addr().(*net.TCPAddr).Port
	var log safeText
	f, err := Open(t.Context(), Config{URL: small.ClientURL(), Replicas: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	t.Cleanup(f.Close)
	srv := antcrmtest.NewServer(t)
	list := contacts(1000, false)
	for i := range list {
		list[i].BackgroundInfo = strings.Repeat("x", 2000)
	}
	fed := make(chan error, 1)
	go func() {
		_, err := f.FeedContacts(t.Context(), Job{Name: "job"}, source(list, nil))
		fed <- err
	}()
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "queue a chunk; trying again") }, 30*time.Second, 20*time.Millisecond)
	assert.Contains(t, log.String(), "resource", "it says what is missing")
	select {
	case err := <-fed:
		require.NoError(t, err, "it waits")
		require.Fail(t, "the storage was not used up")
	default:
	}
	small.Shutdown()
	small.WaitForShutdown()
	options.JetStreamMaxStore = 64 << 20
	serve()
	require.NoError(t, <-fed)
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Equal(t, 1000, srv.Count(antcrmtest.Contacts))
	assert.Empty(t, srv.Duplicates(antcrmtest.Contacts))
}
