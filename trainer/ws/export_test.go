package ws

import (
	"net"
	"time"
)

// Impatient makes the server lose its patience soon, so that tests need not wait.
func (s *Server) Impatient(ping, silence, slack time.Duration) {
	s.timing.hello, s.timing.ping, s.timing.silence, s.timing.text, s.timing.slack = silence, ping, silence, silence, slack
}

// Impatient does the same for a participant's end.
func Impatient(o ClientOptions, ping, silence time.Duration) ClientOptions {
	t := standard
	t.ping, t.silence = ping, silence
	o.timing = &t
	return o
}

// Rate sets the least bytes per second of a transfer.
func (s *Server) Rate(rate int64) { s.timing.rate = rate }

// Held is how much is in use: connections, bytes of staging, and bytes of updates that wait.
func (s *Server) Held() (connections int, updates int64, idle bool) {
	s.admission.mu.Lock()
	connections = s.admission.open
	s.admission.mu.Unlock()
	s.updates.mu.Lock()
	updates = s.updates.bytes
	s.updates.mu.Unlock()
	if idle = s.staging.budget.TryAcquire(s.staging.total); idle {
		s.staging.budget.Release(s.staging.total)
	}
	return connections, updates, idle
}

// Corked is a socket that waits, for tests.
type Corked struct{ *corked }

// NewCorked makes one.
func NewCorked(below net.Conn) Corked { return Corked{&corked{Conn: below}} }

// Waiting is how much waits, in bytes.
func (c Corked) Waiting() int64 { return c.waiting() }

// Flush writes it.
func (c Corked) Flush() error { return c.flush() }
