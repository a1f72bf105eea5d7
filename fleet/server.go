package fleet

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// host runs the embedded server while no other process of the machine does.
// Whoever holds the lock of the folder is the host; when it ends, however it
// ends, the next one to get the lock goes on with the same files. Clients find
// the host by a file in the folder, which is read at each connection attempt.
type host struct {
	dir    string
	key    string
	logger *slog.Logger
	sync   bool

	stop   context.CancelFunc
	ended  chan struct{}
	mu     sync.Mutex
	server *server.Server
	full   chan struct{} // the server met a full disk
}

// address is what clients need to know; the file is for the owner's eyes.
type address struct {
	Address string `json:"address"`
	Token   string `json:"token"`
	Key     string `json:"key"` // a digest of the store's key, to refuse a wrong one before it does harm
}

const (
	addressFile = "server.json"
	lockFile    = "server.lock"
	storeFolder = "store"
	takeOver    = 200 * time.Millisecond
	maxPayload  = 8 << 20
	// maxStore is more than any disk holds. Without it the server takes three
	// quarters of what is free when it starts for its limit, stands still there
	// with room on the disk, and does not go on when there is more.
	maxStore = 1 << 60
)

// startHost checks the folder and the key, and begins to compete for the lock.
func startHost(cfg Config) (*host, error) {
	dir, err := filepath.Abs(cfg.StoreDir)
	if err != nil {
		return nil, invalid("StoreDir: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("fleet: create the store's folder: %w", err)
	}
	h := &host{dir: dir, key: cfg.StoreKey, logger: cfg.Logger, sync: !cfg.unsynced, ended: make(chan struct{}), full: make(chan struct{}, 1)}
	if h.key == "" {
		if h.key, err = h.keyFile(dir + ".key"); err != nil {
			return nil, err
		}
	}
	// Whoever is not the host knows the key as little: it may become the host.
	if known, err := h.address(); err == nil && known.Key != "" && known.Key != h.digest() {
		return nil, invalid("the store in %s was encrypted with another key", h.dir)
	}
	// The first attempt is made here, so that its errors reach the caller.
	held, err := h.tryServe()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	go h.compete(ctx, held)
	return h, nil
}

// keyFile returns the key kept in a file. It makes one for a new store only: an
// old one was encrypted with another.
func (h *host) keyFile(path string) (string, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		missing := func() bool { _, err := os.Stat(path); return err != nil } // another process may have made both meanwhile
		if h.exists() && missing() {
			return "", invalid("the store in %s was encrypted with another key, and there is none in %s: set StoreKey (FLEET_STORE_KEY)", h.dir, path)
		}
		if err := makeKey(path); err != nil {
			return "", fmt.Errorf("fleet: write the store's key: %w", err)
		}
	}
	// Another process may have made it a moment ago and be about to write.
	for range 50 {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("fleet: read the store's key: %w", err)
		}
		if key, whole := strings.CutSuffix(string(text), "\n"); whole && key != "" {
			return key, nil
		}
		_ = sleep(context.Background(), 20*time.Millisecond)
	}
	return "", invalid("the file of the store's key is empty or cut short")
}

// exists reports whether the folder holds a store.
func (h *host) exists() bool {
	for _, name := range []string{addressFile, storeFolder} {
		if _, err := os.Stat(filepath.Join(h.dir, name)); err == nil {
			return true
		}
	}
	return false
}

// makeKey writes a new key, unless another process has.
func makeKey(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = file.WriteString(rand.Text() + rand.Text() + "\n")
	return errors.Join(err, file.Sync(), file.Close())
}

// compete waits for the lock unless it is held, and holds it until ctx ends.
func (h *host) compete(ctx context.Context, held *os.File) {
	defer close(h.ended)
	for held == nil {
		if sleep(ctx, takeOver) != nil {
			return
		}
		var err error
		if held, err = h.tryServe(); err != nil {
			h.logger.Error("fleet: take over the embedded server", "error", err)
		}
	}
	h.watch(ctx)
	h.shutdown()
	_ = held.Close() // gives the lock back
}

func (h *host) shutdown() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.server.Shutdown()
	h.server.WaitForShutdown()
}

const (
	// probeEvery is how often it is tried whether a full disk has room again.
	probeEvery = 2 * time.Second
	// probeSize is how much room there must be.
	probeSize = 8 << 20
)

// watch starts the server anew when its disk was full and has room again: a
// store that could not write once writes no more.
func (h *host) watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.full:
		}
		h.logger.Error("fleet: the disk is full: the server stands still, and goes on when there is room", "folder", h.dir, "bytes", probeSize)
		for h.probe() != nil {
			if sleep(ctx, probeEvery) != nil {
				return
			}
		}
		h.shutdown()
		for {
			err := h.serve()
			if err == nil {
				break
			}
			h.logger.Error("fleet: start the server again after the disk was full", "error", err)
			if sleep(ctx, probeEvery) != nil {
				return
			}
		}
		h.logger.Warn("fleet: the disk has room again: the server goes on", "folder", h.dir)
		select {
		case <-h.full: // of the server that was shut down
		default:
		}
	}
}

// probe writes and removes a file.
func (h *host) probe() error {
	file, err := os.CreateTemp(h.dir, "room-")
	if err != nil {
		return err
	}
	_, err = file.Write(make([]byte, probeSize))
	return errors.Join(err, file.Sync(), file.Close(), os.Remove(file.Name()))
}

// diskFull reports whether an error of the server is that of a full disk or
// quota, or of the server's own limit: that is found anew when it starts again.
func diskFull(text string) bool {
	text = strings.ToLower(text)
	for _, sign := range []string{
		"no space left", "quota exceeded", "not enough space on the disk", // of the system
		"file resource limits exceeded", "insufficient resources", "insufficient storage resources", "resource limits exceeded for account",
	} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return strings.Contains(text, "out of") && strings.Contains(text, "resources, will be disabled")
}

// tryServe starts the server if the lock is free. Without the lock and without
// an error, another process is the host.
func (h *host) tryServe() (*os.File, error) {
	held, err := tryLock(filepath.Join(h.dir, lockFile))
	if err != nil || held == nil {
		return nil, err
	}
	if err := h.serve(); err != nil {
		_ = held.Close()
		return nil, err
	}
	return held, nil
}

// digest names the store's key.
func (h *host) digest() string {
	sum := sha256.Sum256([]byte("antcrm fleet store key\n" + h.key))
	return hex.EncodeToString(sum[:])
}

func (h *host) serve() error {
	known, err := h.address()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("fleet: read the server's address: %w", err)
	}
	if known.Key != "" && known.Key != h.digest() {
		return invalid("the store in %s was encrypted with another key", h.dir)
	}
	known.Key = h.digest()
	if known.Token == "" {
		known.Token = rand.Text()
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "antcrm-fleet", Host: "127.0.0.1", Port: server.RANDOM_PORT, Authorization: known.Token,
		JetStream: true, JetStreamMaxStore: maxStore, StoreDir: filepath.Join(h.dir, storeFolder), JetStreamKey: h.key, JetStreamCipher: server.AES,
		// "Begun" must be on the disk before the request leaves.
		SyncAlways: h.sync,
		MaxPayload: maxPayload, NoSigs: true, DisableJetStreamBanner: true,
	})
	if err != nil {
		return fmt.Errorf("fleet: configure the embedded server: %w", err)
	}
	s.SetLogger(serverLog{h}, false, false)
	s.Start()
	if !s.ReadyForConnections(openTimeout) || !s.JetStreamEnabled() {
		s.Shutdown()
		return fmt.Errorf("fleet: the embedded server does not start in %s", h.dir)
	}
	known.Address = s.Addr().String()
	if err := h.publish(known); err != nil {
		s.Shutdown()
		return err
	}
	h.mu.Lock()
	h.server = s
	h.mu.Unlock()
	return nil
}

// publish replaces the address file at once: its old text or the new one
// survives a loss of power.
func (h *host) publish(a address) error {
	text, err := json.Marshal(a)
	if err == nil {
		err = replaceFile(filepath.Join(h.dir, addressFile), text)
	}
	if err != nil {
		return fmt.Errorf("fleet: write the server's address: %w", err)
	}
	return nil
}

func replaceFile(path string, text []byte) error {
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// address reads the address file. A broken one is not made anew: it would no
// longer tell a wrong key.
func (h *host) address() (a address, err error) {
	path := filepath.Join(h.dir, addressFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return a, fmt.Errorf("%s is broken: remove it, if the store's key is the one it was created with: %w", path, err)
	}
	return a, nil
}

// url is a placeholder: Dial knows better.
func (h *host) url() string { return "nats://127.0.0.1:1" }

func (h *host) token() string {
	a, _ := h.address()
	return a.Token
}

// Dial connects to whoever is the host at this moment.
func (h *host) Dial(network, _ string) (net.Conn, error) {
	a, err := h.address()
	if err != nil {
		return nil, fmt.Errorf("fleet: no server in %s yet: %w", h.dir, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	return new(net.Dialer).DialContext(ctx, network, a.Address)
}

func (h *host) close() {
	h.stop()
	<-h.ended
}

// serverLog is the embedded server's log: what goes wrong, and no more.
type serverLog struct{ host *host }

func (l serverLog) Noticef(string, ...any) {}
func (l serverLog) Debugf(string, ...any)  {}
func (l serverLog) Tracef(string, ...any)  {}
func (l serverLog) Warnf(format string, v ...any) {
	l.host.logger.Warn("nats: " + l.look(format, v...))
}
func (l serverLog) Errorf(format string, v ...any) {
	l.host.logger.Error("nats: " + l.look(format, v...))
}
func (l serverLog) Fatalf(format string, v ...any) {
	l.host.logger.Error("nats: " + l.look(format, v...))
}

// look wakes the host when the server meets a full disk.
func (l serverLog) look(format string, v ...any) string {
	text := fmt.Sprintf(format, v...)
	if diskFull(text) {
		select {
		case l.host.full <- struct{}{}:
		default:
		}
	}
	return text
}
