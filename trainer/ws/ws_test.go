package ws_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/trainer/wire"
	"github.com/reprise-ml/reprise/trainer/ws"
)

// patience is how long anything may take that does happen.
const patience = 30 * time.Second

// host is a session that records what it hears.
type host struct {
	limit  int64
	joined chan *member
	// join may refuse.
	join func(*wire.Hello) error
	// vector is called with every result; without it nothing happens.
	vector func(*wire.Result, []byte) error
	// forget says that vectors are not to be recorded.
	forget bool
}

// member is one participant of a host.
type member struct {
	host     *host
	hello    *wire.Hello
	link     trainer.Link
	messages chan wire.Message
	vectors  chan vector
	left     chan error
}

type vector struct {
	result *wire.Result
	packed []byte
}

func newHost() *host { return &host{limit: 8 << 20, joined: make(chan *member, 10_000)} }

func (h *host) Limits() trainer.Limits { return trainer.Limits{Packed: h.limit} }

func (h *host) Join(_ context.Context, hello *wire.Hello, link trainer.Link) (trainer.Receiver, error) {
	if h.join != nil {
		if err := h.join(hello); err != nil {
			return nil, err
		}
	}
	m := &member{h, hello, link, make(chan wire.Message, 100), make(chan vector, 100), make(chan error, 1)}
	link.Send(welcome())
	h.joined <- m
	return m, nil
}

func (m *member) Message(message wire.Message) error {
	m.messages <- message
	return nil
}

func (m *member) Vector(r *wire.Result, packed []byte) error {
	if m.host.vector != nil {
		if err := m.host.vector(r, packed); err != nil {
			return err
		}
	}
	if m.host.forget {
		return nil
	}
	m.vectors <- vector{r, bytes.Clone(packed)}
	return nil
}

// update sends an update alone.
func (m *member) update(u *trainer.Update) bool {
	defer m.link.Flush()
	return m.link.SendUpdate(u)
}

func (m *member) Left(err error) { m.left <- err }

func welcome() *wire.Welcome {
	d := schema.DigestOf(nil)
	return &wire.Welcome{
		Session: "s", Participant: "p", Resume: "r", Mode: "fixed", Engine: wire.Blob{Digest: d, Size: 1}, Specification: d,
		Steps: 10, Microbatches: 8, Datasets: []schema.ClosureDataset{}, Snapshot: wire.Snapshot{Step: -1},
	}
}

func hello() *wire.Hello {
	return &wire.Hello{Protocol: wire.Version, Role: wire.RoleWork, Family: "wazero", Workers: 1}
}

// served is a server on a loopback socket.
type served struct {
	*ws.Server
	url string
}

// serve starts one. At the end of the test nothing may be left of it: no connection, no memory in use, no goroutine.
func serve(t testing.TB, h trainer.Host, o ws.Options, adjust ...func(*ws.Server)) served {
	t.Helper()
	s := ws.New(o)
	for _, f := range adjust {
		f(s)
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Serve(w, r, h) }))
	t.Cleanup(func() {
		s.Close()
		site.Close()
		eventually(t, "everything is given back", func() bool {
			connections, updates, idle := s.Held()
			return connections == 0 && updates == 0 && idle
		})
		eventually(t, "the goroutines of the package end", func() bool {
			stacks := make([]byte, 1<<20)
			return !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("trainer/ws.(*"))
		})
	})
	return served{s, strings.Replace(site.URL, "http", "ws", 1)}
}

func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("never: %s\n%s", what, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func wait[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("not reached")
	}
}

// dial opens a connection, which is closed at the end of the test.
func dial(t testing.TB, url string, o ws.ClientOptions) trainer.Connection {
	t.Helper()
	d, err := ws.Dialer(url, o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// join opens a connection and lets it in.
func join(t testing.TB, h *host, url string, o ws.ClientOptions) (trainer.Connection, *member) {
	t.Helper()
	c := dial(t, url, o)
	send(t, c, hello(), nil)
	m := wait(t, "a participant", h.joined)
	receive[*wire.Welcome](t, c)
	return c, m
}

func send(t testing.TB, c trainer.Connection, m wire.Message, packed []byte) {
	t.Helper()
	if err := c.Send(t.Context(), m, packed); err != nil {
		t.Fatalf("sending %s: %v", m.Kind(), err)
	}
}

func receive[M wire.Message](t testing.TB, c trainer.Connection) (M, []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m, packed, err := c.Receive(ctx)
	if err != nil {
		t.Fatalf("receiving: %v", err)
	}
	got, ok := m.(M)
	if !ok {
		t.Fatalf("received %s", m.Kind())
	}
	return got, packed
}

// receiveError reads until the connection ends.
func receiveError(t testing.TB, c trainer.Connection) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		if _, _, err := c.Receive(ctx); err != nil {
			if ctx.Err() != nil {
				t.Fatal("the connection does not end")
			}
			return err
		}
	}
}

func random(n int) []byte {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	r.Read(b)
	return b
}

func result(lease int64, packed []byte) *wire.Result {
	return &wire.Result{Lease: lease, Digest: schema.DigestOf(packed), Bytes: int64(len(packed)), Seconds: 1}
}

func newUpdate(step int64, packed []byte) *trainer.Update {
	return &trainer.Update{Update: wire.Update{Step: step, Digest: schema.DigestOf(packed), Bytes: int64(len(packed))}, Packed: packed}
}

func train(lease int64) *wire.Lease {
	return &wire.Lease{Lease: lease, Work: wire.LeaseTrain, Step: 1, First: 0, End: 4}
}

// raw is a peer that says what it likes.
type raw struct {
	testing.TB
	*websocket.Conn
}

func dialRaw(t testing.TB, url string) raw {
	t.Helper()
	d := websocket.Dialer{Subprotocols: []string{wire.Subprotocol}}
	c, answer, err := d.Dial(url, nil)
	if err != nil {
		t.Fatal(err, answer)
	}
	t.Cleanup(func() { c.Close() })
	return raw{t, c}
}

// joinRaw lets it in.
func joinRaw(t testing.TB, h *host, url string) (raw, *member) {
	t.Helper()
	c := dialRaw(t, url)
	c.say(hello())
	return c, wait(t, "a participant", h.joined)
}

func (c raw) say(m wire.Message) {
	c.Helper()
	text, err := wire.Encode(m)
	if err != nil {
		c.Fatal(err)
	}
	c.text(string(text))
}

func (c raw) text(text string) {
	c.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		c.Fatal(err)
	}
}

func (c raw) piece(h wire.Header, data []byte) {
	c.Helper()
	if err := c.WriteMessage(websocket.BinaryMessage, append(h.Append(nil), data...)); err != nil {
		c.Fatal(err)
	}
}

// refusal reads until the connection is closed, and returns the refusal that came before.
func (c raw) refusal() *wire.Refuse {
	c.Helper()
	var refusal *wire.Refuse
	c.SetReadDeadline(time.Now().Add(patience))
	for {
		kind, text, err := c.ReadMessage()
		if err != nil {
			if closed, ok := errors.AsType[*websocket.CloseError](err); !ok || closed.Code == websocket.CloseAbnormalClosure {
				c.Fatalf("the connection ends with %v", err)
			}
			return refusal
		}
		if kind == websocket.TextMessage {
			if m, err := wire.Decode(text); err != nil {
				c.Fatal(err)
			} else if r, ok := m.(*wire.Refuse); ok {
				refusal = r
			}
		}
	}
}

// together runs functions at the same time and waits for them.
func together(n int, f func(k int)) {
	var all sync.WaitGroup
	for k := range n {
		all.Go(func() { f(k) })
	}
	all.Wait()
}

// leasing is a host that hands out lease 1 at once.
type leasing struct{ *host }

func (l leasing) Join(ctx context.Context, hello *wire.Hello, link trainer.Link) (trainer.Receiver, error) {
	r, err := l.host.Join(ctx, hello, link)
	link.Send(train(1))
	return r, err
}
