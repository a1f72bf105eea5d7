//go:build unix

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/fleet"
)

// papers are what members of a cluster show to each other: a CA of its own,
// certificates of the servers and of their clients.
type papers struct {
	dir string
	ca  *x509.Certificate
	key *ecdsa.PrivateKey
}

func newPapers(t *testing.T) *papers {
	t.Helper()
	p := &papers{dir: t.TempDir()}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p.key = key
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	text, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	p.ca, err = x509.ParseCertificate(text)
	require.NoError(t, err)
	p.write(t, "ca.pem", "CERTIFICATE", text)
	p.issue(t, "server", 2)
	p.issue(t, "client", 3)
	return p
}

func (p *papers) path(name string) string { return filepath.Join(p.dir, name) }

func (p *papers) write(t *testing.T, name, kind string, text []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(p.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: text}), 0o600))
}

// issue writes a certificate and its key.
func (p *papers) issue(t *testing.T, name string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	text, err := x509.CreateCertificate(rand.Reader, template, p.ca, &key.PublicKey, p.key)
	require.NoError(t, err)
	p.write(t, name+".pem", "CERTIFICATE", text)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	p.write(t, name+"-key.pem", "PRIVATE KEY", private)
}

// flags let a command of fleet in.
func (p *papers) flags() []string {
	return []string{"-ca", p.path("ca.pem"), "-cert", p.path("client.pem"), "-key", p.path("client-key.pem")}
}

// tls is the same for this process.
func (p *papers) tls(t *testing.T) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(p.path("client.pem"), p.path("client-key.pem"))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(p.ca)
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{pair}}
}

// operator writes a user's credentials file and returns the servers' settings.
func (p *papers) operator(t *testing.T) (settings string) {
	t.Helper()
	pair := func(create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
		keys, err := create()
		require.NoError(t, err)
		public, err := keys.PublicKey()
		require.NoError(t, err)
		return keys, public
	}
	operator, operatorID := pair(nkeys.CreateOperator)
	_, systemID := pair(nkeys.CreateAccount)
	account, accountID := pair(nkeys.CreateAccount)
	user, userID := pair(nkeys.CreateUser)

	about := jwt.NewOperatorClaims(operatorID)
	about.SystemAccount = systemID
	operatorJWT, err := about.Encode(operator)
	require.NoError(t, err)
	systemJWT, err := jwt.NewAccountClaims(systemID).Encode(operator)
	require.NoError(t, err)
	claims := jwt.NewAccountClaims(accountID)
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit}
	accountJWT, err := claims.Encode(operator)
	require.NoError(t, err)
	userJWT, err := jwt.NewUserClaims(userID).Encode(account)
	require.NoError(t, err)
	seed, err := user.Seed()
	require.NoError(t, err)
	credentials, err := jwt.FormatUserConfig(userJWT, seed)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(p.path("user.creds"), credentials, 0o600))
	return fmt.Sprintf("operator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: { %s: %s, %s: %s }\n",
		operatorJWT, systemID, systemID, systemJWT, accountID, accountJWT)
}

// node is a server in a process of its own.
type node struct {
	*program
	config  string
	address string
}

// cluster starts servers with routes to each other; a single one is no cluster.
func cluster(t *testing.T, size int, p *papers, settings string) []*node {
	t.Helper()
	ports := make([]int, 2*size)
	var held []net.Listener
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		held = append(held, listener)
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	for _, listener := range held {
		require.NoError(t, listener.Close())
	}
	routes := make([]string, size)
	for i := range routes {
		routes[i] = fmt.Sprintf("nats://127.0.0.1:%d", ports[size+i])
	}
	nodes := make([]*node, size)
	for i := range nodes {
		dir := t.TempDir()
		secure := fmt.Sprintf(`{ cert_file: %q, key_file: %q, ca_file: %q, verify: true }`, p.path("server.pem"), p.path("server-key.pem"), p.path("ca.pem"))
		text := fmt.Sprintf("server_name: n%d\nlisten: \"127.0.0.1:%d\"\nlogfile: %q\njetstream { store_dir: %q }\ntls %s\n%s",
			i, ports[i], filepath.Join(dir, "log"), filepath.Join(dir, "js"), secure, settings)
		if size > 1 {
			text += fmt.Sprintf("cluster { name: test, listen: \"127.0.0.1:%d\", routes: [%s], tls %s }\n", ports[size+i], strings.Join(routes, ", "), secure)
		}
		n := &node{config: filepath.Join(dir, "nats.conf"), address: fmt.Sprintf("tls://127.0.0.1:%d", ports[i])}
		require.NoError(t, os.WriteFile(n.config, []byte(text), 0o600))
		nodes[i] = n
		n.start(t)
	}
	for _, n := range nodes {
		n.ready(t)
	}
	return nodes
}

func (n *node) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command(os.Args[0], n.config)
	n.program = launch(t, cmd, "nats", asProgram+"=nats")
}

func (n *node) ready(t *testing.T) {
	t.Helper()
	select {
	case line := <-n.lines:
		require.Equal(t, "ready", line)
	case <-time.After(40 * time.Second):
		require.Fail(t, "a server does not start", n.config)
	}
}

// restart ends the server in good order and starts it again.
func (n *node) restart(t *testing.T) {
	t.Helper()
	require.NoError(t, n.Process.Signal(syscall.SIGTERM))
	n.done(t, 40*time.Second)
	n.start(t)
	n.ready(t)
}

// pipedFeeder is a feeder whose file comes in pieces.
func pipedFeeder(t *testing.T, srv *antcrmtest.Server, args []string) (*program, *os.File) {
	t.Helper()
	input, more, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = more.Close() })
	feeder := startWith(t, srv, func(cmd *exec.Cmd) { cmd.Stdin = input }, args...)
	require.NoError(t, input.Close())
	return feeder, more
}

// TestAClusterThatStumblesLosesAndDoublesNothing is three servers with TLS, client
// certificates and credentials, two feeders of one file at once, and two workers.
// A quorum is lost while they feed, the servers are restarted one after the other,
// and one hangs until the job is finished. ANTCRM_SOAK makes it longer.
func TestAClusterThatStumblesLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	n, noQuorum, hung := 3_000, 4*time.Second, 4*time.Second
	if soak() {
		n, noQuorum, hung = 40_000, 15*time.Second, 20*time.Second
	}
	srv := antcrmtest.NewServer(t, antcrmtest.WithLatency(50*time.Millisecond), antcrmtest.WithRequestLog(2*n, 0))
	p := newPapers(t)
	nodes := cluster(t, 3, p, p.operator(t))
	var addresses []string
	for _, node := range nodes {
		addresses = append(addresses, node.address)
	}
	all := strings.Join(addresses, ",")
	open := func(url string) *fleet.Fleet {
		f, err := fleet.Open(t.Context(), fleet.Config{
			URL: url, Credentials: p.path("user.creds"), TLS: p.tls(t), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		})
		require.NoError(t, err)
		t.Cleanup(f.Close)
		return f
	}
	f := open(all)
	common := append([]string{"-nats", all, "-creds", p.path("user.creds")}, p.flags()...)
	with := func(name string, more ...string) []string { return append(append([]string{name}, common...), more...) }

	sheet, err := os.ReadFile(customers(t, n))
	require.NoError(t, err)
	half := bytes.LastIndexByte(sheet[:len(sheet)/2], '\n') + 1
	var feeders []*program
	var files []*os.File
	for range 2 {
		feeder, file := pipedFeeder(t, srv, with("feed", "-job", job, "-chunk", "10", "-format", "csv", "-"))
		feeders, files = append(feeders, feeder), append(files, file)
	}
	write := func(text []byte, last bool) {
		for _, file := range files {
			go func() {
				_, _ = file.Write(text)
				if last {
					_ = file.Close()
				}
			}()
		}
	}
	write(sheet[:half], false)
	workers := []*program{}
	for range 2 {
		workers = append(workers, start(t, srv, with("work", "-ack-wait", "2s", "-rate", "40")...))
	}
	arrived := func() int { return srv.Count(antcrmtest.Contacts) }
	goesOn := func(what string) {
		from := arrived()
		eventually(t, 90*time.Second, what, func() bool { return arrived() >= min(from+200, n) })
	}
	began := time.Now()
	said := func(what string) {
		t.Logf("%5.1f s: %s, %d records arrived", time.Since(began).Seconds(), what, arrived())
	}
	goesOn("the first records")

	nodes[0].kill()
	nodes[1].kill()
	said("two of three were killed")
	write(sheet[half:], true)
	time.Sleep(noQuorum)
	for _, node := range nodes[:2] {
		node.start(t)
	}
	for _, node := range nodes[:2] {
		node.ready(t)
	}
	goesOn("records after the quorum was lost")
	said("the quorum is back")
	for _, node := range nodes {
		node.restart(t)
		goesOn("records after a restart")
		said("a server was restarted")
	}
	for _, feeder := range feeders {
		feeder.done(t, 3*time.Minute)
	}
	require.NoError(t, nodes[2].Process.Signal(syscall.SIGSTOP))
	time.Sleep(hung)
	said("one hangs")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	require.NoError(t, f.Wait(ctx, job))
	require.NoError(t, nodes[2].Process.Signal(syscall.SIGCONT))
	said("finished")

	// Each server is asked alone, and the one that has just come back first.
	var totals fleet.Totals
	for _, address := range []string{addresses[2], addresses[0], addresses[1]} {
		through := open(address)
		totals = outcomes(t, through, srv, n)
		status, err := through.JobStatus(t.Context(), job)
		require.NoError(t, err)
		assert.Equal(t, totals, status.Totals)
		assert.NotNil(t, status.Finished)
	}
	assert.Equal(t, int64(n), totals.Done+totals.Unknown)
	assert.LessOrEqual(t, totals.Unknown, int64(80), "what two workers had in their hands when they could not report any longer")
	for _, worker := range workers {
		require.NoError(t, worker.Process.Signal(syscall.SIGTERM))
		worker.done(t, 40*time.Second)
	}
	t.Logf("\n| three servers: no quorum for %v, restarts, one hung | fed | done | rejected | unknown | not sent | lost | doubled | most in one second |\n"+
		"| two feeders of one file, two workers, rate 40 | %d | %d | %d | %d | %d | %d | %d | %d |", noQuorum,
		n, totals.Done, totals.Rejected, totals.Unknown, totals.NotSent, n-int(totals.All()), len(srv.Duplicates(antcrmtest.Contacts)), busiest(srv))
}

func TestAUserWithAPasswordAndAClientCertificateIsLetIn(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	p := newPapers(t)
	alone := cluster(t, 1, p, "authorization { users: [ { user: fleet, password: s3cret } ] }\n")[0]
	as := func(user string, more ...string) []string {
		url := strings.Replace(alone.address, "tls://", "tls://"+user+"@", 1)
		return append([]string{"feed", "-nats", url, "-replicas", "1", "-job", job, customers(t, 10)}, more...)
	}
	start(t, srv, as("fleet:s3cret", p.flags()...)...).done(t, 40*time.Second)

	_, err := call(t, "", as("fleet:wr0ng", p.flags()...)...)
	require.ErrorContains(t, err, "Authorization Violation")
	assert.NotContains(t, err.Error(), "wr0ng")
	short, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var log bytes.Buffer
	err = run(short, as("fleet:s3cret", "-ca", p.path("ca.pem")), strings.NewReader(""), &log, &log)
	require.Error(t, err, "without a client certificate")
	assert.NotContains(t, err.Error()+log.String(), "s3cret")
}
