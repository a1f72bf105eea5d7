package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// scenario is what the server shall be, written into the path before the
// endpoint: /<delay in ms>/<pages>/<records a page>/contacts.
type scenario struct {
	delay       time.Duration
	pages, size int
}

func (s scenario) prefix() string {
	return fmt.Sprintf("/%d/%d/%d", s.delay.Milliseconds(), s.pages, s.size)
}

// traffic is what the server has seen since it was asked last.
type traffic struct {
	Connections int // opened
	Requests    int
	TooEarly    int // requests for a later page that came before page 1 was answered
}

// server answers the SDK and its peers. It runs in a process of its own, so
// that its work is in nobody's profile and its memory in nobody's footprint.
type server struct {
	pages sync.Map // scenario and page: body

	mu           sync.Mutex
	seen         traffic
	pageOneGiven bool
}

// serve is the main function of the server's process. It prints the address
// for requests and the one for questions about them, and ends when its
// standard input does: with its parent.
func serve() error {
	s := new(server)
	api, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	questions, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if err := json.NewEncoder(os.Stdout).Encode([]string{api.Addr().String(), questions.Addr().String()}); err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() {
		ended <- (&http.Server{Handler: s, ReadHeaderTimeout: time.Minute, ConnState: s.connState}).Serve(api)
	}()
	go func() {
		ended <- (&http.Server{Handler: http.HandlerFunc(s.report), ReadHeaderTimeout: time.Minute}).Serve(questions)
	}()
	return <-ended
}

func (s *server) connState(_ net.Conn, state http.ConnState) {
	if state == http.StateNew {
		s.mu.Lock()
		s.seen.Connections++
		s.mu.Unlock()
	}
}

// report answers with the traffic and begins to count anew.
func (s *server) report(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	seen := s.seen
	s.seen, s.pageOneGiven = traffic{}, false
	s.mu.Unlock()
	_ = json.NewEncoder(w).Encode(seen)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	var delay, pages, size int
	parts := strings.SplitN(r.URL.Path, "/", 5)
	if len(parts) == 5 {
		delay, _ = strconv.Atoi(parts[1])
		pages, _ = strconv.Atoi(parts[2])
		size, _ = strconv.Atoi(parts[3])
	}
	sc := scenario{delay: time.Duration(delay) * time.Millisecond, pages: pages, size: size}
	var body []byte
	page := 1
	switch {
	case r.Method == http.MethodPost:
		body = packageAnswer(r)
	default:
		if asked, err := strconv.Atoi(r.URL.Query().Get("page")); err == nil {
			page = asked
		}
		body = s.page(sc, page)
	}
	s.arrived(page)
	sleepUntil(r.Context(), began.Add(sc.delay))
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if page == 1 {
		s.mu.Lock()
		s.pageOneGiven = true
		s.mu.Unlock()
	}
	_, _ = w.Write(body)
}

func (s *server) arrived(page int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen.Requests++
	if page > 1 && !s.pageOneGiven {
		s.seen.TooEarly++
	}
}

func sleepUntil(ctx context.Context, end time.Time) {
	left := time.Until(end)
	if left <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(left):
	}
}

func (s *server) page(sc scenario, page int) []byte {
	type key struct{ size, page int }
	if page > sc.pages {
		return []byte("[]")
	}
	if body, ok := s.pages.Load(key{sc.size, page}); ok {
		return body.([]byte)
	}
	body := pageBody((page-1)*sc.size, sc.size)
	s.pages.Store(key{sc.size, page}, body)
	return body
}

// packageAnswer gives each record of a package an id. It counts the records
// without decoding them: the server's work is not what is measured.
func packageAnswer(r *http.Request) []byte {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return []byte(`{"success":0}`)
	}
	count := bytes.Count(body, []byte(`"customerIdApiRing":`))
	answer := make([]byte, 0, 32+8*count)
	answer = append(answer, `{"success":1,"leadId":[`...)
	for i := range count {
		if i > 0 {
			answer = append(answer, ',')
		}
		answer = strconv.AppendInt(answer, int64(100000+i), 10)
	}
	return append(answer, `]}`...)
}

// remote is the server's process as its parent sees it.
type remote struct {
	api, questions string
	client         http.Client
	stop           func()
}

func startServer() (*remote, error) {
	child, stdout, stop, err := spawn(roleServer)
	if err != nil {
		return nil, err
	}
	var addresses []string
	if err := json.NewDecoder(stdout).Decode(&addresses); err != nil || len(addresses) != 2 {
		stop()
		return nil, errors.Join(errors.New("the server process did not start"), err, child.Wait())
	}
	return &remote{api: "http://" + addresses[0], questions: "http://" + addresses[1], stop: func() {
		stop()
		_ = child.Wait()
	}}, nil
}

// url is the base URL of a scenario.
func (r *remote) url(s scenario) string { return r.api + s.prefix() }

// seen returns the traffic since it was last called.
func (r *remote) seen() (t traffic, err error) {
	res, err := r.client.Get(r.questions)
	if err != nil {
		return t, err
	}
	defer func() { _ = res.Body.Close() }()
	err = json.NewDecoder(res.Body).Decode(&t)
	return t, err
}
