package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/trainer/ws"
)

// session is a server with one session.
type session struct {
	sessions *trainer.Sessions
	session  *trainer.Coordinator
	server   *ws.Server
	site     *http.Server
	address  string
}

// memory is a store that nobody will miss.
type memory struct {
	closuretest.Memory
	mu     sync.Mutex
	record []byte
}

func (m *memory) SaveSession(_ context.Context, _ string, record []byte, _ []closure.Descriptor) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.record = bytes.Clone(record)
	return nil
}

func (m *memory) LoadSession(context.Context, string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.record, nil
}

func (m *memory) Sessions(context.Context) ([]string, error) { return nil, nil }

func (m *memory) Discard(_ context.Context, d schema.Digest) error {
	m.Delete(d)
	return nil
}

// startBurden prepares a session whose vectors are a burden's, of so many microbatches a step or of timed steps.
func startBurden(ctx context.Context, b fixtures.Burden, microbatches int, request trainer.Request, listen func(net.Listener) net.Listener) (*session, error) {
	store := &memory{}
	dataset, manifest, err := noise(ctx, store)
	if err != nil {
		return nil, err
	}
	text := strings.Replace(specification, "%BATCH%", strconv.Itoa(microbatches), 1)
	subject, err := newSubject(ctx, store, text, dataset, manifest, engineOf(b, microbatches))
	if err != nil {
		return nil, err
	}
	return start(ctx, subject, request, listen)
}

// start prepares a paused session behind a listener.
func start(ctx context.Context, subject *subject, request trainer.Request, listen func(net.Listener) net.Listener) (*session, error) {
	environment := trainer.Environment{
		Store: subject.store, Team: runner.TeamOptions{Child: &runner.ChildOptions{}}, // as reprise serve has it
		Prepare: func(context.Context, trainer.Request) (*trainer.Job, error) {
			c, err := subject.document()
			return &trainer.Job{Document: c, Engine: subject.engine}, err
		},
		Data: func(ctx context.Context, _ *schema.Closure) (runner.Data, error) { return subject.data(ctx) },
		Log:  slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if !subject.foreign {
		environment.SnapshotEvery = time.Hour // so that everybody begins with the first state
	}
	sessions, err := trainer.Open(ctx, environment)
	if err != nil {
		return nil, err
	}
	request.Specification, request.Audit = subject.text, new(float64)
	coordinator, _, err := sessions.Create(ctx, request)
	if err != nil {
		return nil, err
	}
	// Step 0, which has begun, is given to whoever comes first; the next one begins when all are there.
	if err := coordinator.Do(ctx, trainer.Command{Command: trainer.CommandPause}); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &session{sessions: sessions, session: coordinator, server: ws.New(ws.Options{Burst: 1 << 20, Staging: 1 << 30, Waiting: 2 << 30}), address: l.Addr().String()}
	s.site = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.server.Serve(w, r, coordinator) })}
	go s.site.Serve(listen(l)) //nolint:errcheck // it ends with close
	return s, nil
}

// gatherBurden gathers participants of such a session, who take so long for a microbatch.
func gatherBurden(ctx context.Context, s *session, b fixtures.Burden, microbatches, n int, each time.Duration) (*crowd, error) {
	return gather(ctx, s, n, "-each", each.String(), "-values", strconv.Itoa(b.Values), "-bits", strconv.Itoa(b.Bits), "-microbatches", strconv.Itoa(microbatches))
}

func plain(l net.Listener) net.Listener { return l }

func (s *session) close() {
	s.server.Close()
	s.site.Close()
	s.sessions.Close()
}
