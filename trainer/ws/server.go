package ws

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// Options of a Server. Zero values stand for the defaults.
type Options struct {
	// Origins may connect beside pages of the same origin and programs, which have none: "https://example.org", or "*" for all.
	Origins []string
	// Connections is how many there may be at a time; by default 16,384.
	Connections int
	// Joins is how many an address may begin per second, and Burst how many at once; by default 16 and 256.
	Joins float64
	Burst int
	// Staging is the memory for vectors on their way in, in bytes; by default 256 MiB. A vector that is larger has it alone.
	Staging int64
	// Behind is how much of updates may wait for one reader, in bytes, and four in any case; by default 256 MiB. Who joins is sent all that
	// came after a snapshot at once, so it must not be less than a session keeps of them.
	Behind int64
	// Waiting is how much of updates may wait for slow readers, in bytes; by default 512 MiB. An update counts once.
	Waiting int64
	// Address is the peer's, where a proxy stands in between; by default that of the connection.
	Address func(*http.Request) string
}

// Server is the coordinator's end of all connections of all sessions. It is safe for concurrent use.
type Server struct {
	origins   []string
	upgrader  websocket.Upgrader
	admission admission
	staging   *staging
	updates   broadcasts
	behind    int64
	timing    timing
	texts     sync.Pool // of *[]byte, room for a text message and one byte more

	ctx    context.Context
	cancel context.CancelCauseFunc

	mu          sync.Mutex
	connections map[*connection]struct{}
	closed      bool
	running     sync.WaitGroup
}

// New makes a Server.
func New(o Options) *Server {
	pick := func(v, otherwise int64) int64 {
		if v == 0 {
			return otherwise
		}
		return v
	}
	s := &Server{
		origins: o.Origins,
		upgrader: websocket.Upgrader{
			Subprotocols:    []string{wire.Subprotocol},
			CheckOrigin:     func(*http.Request) bool { return true }, // Serve has
			ReadBufferSize:  1 << 10,                                  // larger reads go around it
			WriteBufferSize: 4 << 10,
			WriteBufferPool: &sync.Pool{},
		},
		admission: admission{
			connections: int(pick(int64(o.Connections), 16384)),
			joins:       rate.Limit(o.Joins),
			burst:       int(pick(int64(o.Burst), 256)),
			address:     o.Address,
			addresses:   map[string]*rate.Limiter{},
		},
		staging:     newStaging(pick(o.Staging, 256<<20)),
		updates:     broadcasts{budget: pick(o.Waiting, 512<<20)},
		behind:      pick(o.Behind, 256<<20),
		timing:      standard,
		connections: map[*connection]struct{}{},
	}
	if s.admission.joins == 0 {
		s.admission.joins = 16
	}
	s.texts.New = func() any { b := make([]byte, wire.MaxText+1); return &b }
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s
}

var errShutdown = errors.New("the server shuts down")

// Close ends all connections, and waits until every Receiver has been told.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.cancel(errShutdown)
	for c := range s.connections {
		c.fail(errShutdown)
	}
	s.mu.Unlock()
	s.running.Wait()
}

// Serve upgrades a request and runs the connection, as one of the host's participants, until it ends.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, host trainer.Host) {
	began := time.Now()
	switch {
	case !websocket.IsWebSocketUpgrade(r):
		http.Error(w, "this is the address of a session's WebSocket", http.StatusUpgradeRequired)
		return
	case !s.welcomes(r):
		http.Error(w, "pages of "+r.Header.Get("Origin")+" may not join sessions of this server", http.StatusForbidden)
		return
	case !slices.Contains(websocket.Subprotocols(r), wire.Subprotocol):
		http.Error(w, "a participant must offer the subprotocol "+wire.Subprotocol, http.StatusBadRequest)
		return
	}
	refusal, ok := s.admission.enter(r, began)
	if !ok {
		w.Header().Set("Retry-After", "60")
		http.Error(w, "the server has too many connections", http.StatusServiceUnavailable)
		return
	}
	defer s.admission.leave()
	below := &corker{ResponseWriter: w}
	socket, err := s.upgrader.Upgrade(below, r, nil)
	if err != nil {
		return // it has answered
	}
	below.socket.open = false
	c := newConnection(s, socket, below.socket)
	if !s.register(c) {
		socket.Close()
		return
	}
	defer s.unregister(c)
	c.run(host, refusal, began.Add(s.timing.hello))
}

func (s *Server) register(c *connection) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.connections[c] = struct{}{}
	s.running.Add(1)
	return true
}

func (s *Server) unregister(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, c)
	s.running.Done()
}

// welcomes applies the policy for pages of other origins. Programs send no origin.
func (s *Server) welcomes(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || slices.Contains(s.origins, "*") {
		return true
	}
	u, err := url.Parse(origin)
	if err == nil && strings.EqualFold(u.Host, r.Host) {
		return true
	}
	return slices.ContainsFunc(s.origins, func(o string) bool { return strings.EqualFold(o, origin) })
}

// letGo ends the connections of readers that are so slow that they keep updates alive which are older than the oldest that may stay.
func (s *Server) letGo(oldest int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.connections {
		if c.holdsBefore(oldest) {
			c.fail(errSlow)
		}
	}
}
