package ws_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/trainer/wire"
	"github.com/reprise-ml/reprise/trainer/ws"
)

func TestConversation(t *testing.T) {
	h := newHost()
	s := serve(t, h, ws.Options{})
	c, m := join(t, h, s.url, ws.ClientOptions{})
	send(t, c, &wire.Ready{Step: -1}, nil)
	if got := wait(t, "ready", m.messages).(*wire.Ready); got.Step != -1 {
		t.Errorf("ready for %d", got.Step)
	}
	// Sizes around those of pieces.
	for k, size := range []int{1, wire.PieceSize - 1, wire.PieceSize, wire.PieceSize + 1, 3*wire.PieceSize + 5} {
		lease, packed := int64(k)+1<<33, random(size)
		m.link.Send(train(lease))
		if got, _ := receive[*wire.Lease](t, c); got.Lease != lease {
			t.Fatalf("lease %d", got.Lease)
		}
		r := result(lease, packed)
		send(t, c, r, packed)
		got := wait(t, "a vector", m.vectors)
		if *got.result != *r || !bytes.Equal(got.packed, packed) {
			t.Fatalf("the vector of %d bytes differs", size)
		}
		u := newUpdate(int64(k), packed)
		if !m.update(u) {
			t.Fatal("no room")
		}
		m.link.Send(&wire.Checkpoint{Step: int64(k)})
		update, received := receive[*wire.Update](t, c)
		if *update != u.Update || !bytes.Equal(received, packed) {
			t.Fatalf("the update of %d bytes differs", size)
		}
		receive[*wire.Checkpoint](t, c)
	}
	m.link.Send(&wire.Lease{Lease: 1, Work: wire.LeaseEvaluate, Step: 1, First: 0, End: 10, Role: "test"})
	receive[*wire.Lease](t, c)
	send(t, c, &wire.Result{Lease: 1, Correct: 7}, nil)
	if got := wait(t, "a count", m.messages).(*wire.Result); got.Correct != 7 {
		t.Errorf("%d correct", got.Correct)
	}
	send(t, c, &wire.Bye{}, nil)
	if _, ok := wait(t, "bye", m.messages).(*wire.Bye); !ok {
		t.Error("no bye")
	}
	if err := wait(t, "the end", m.left); err != nil {
		t.Errorf("left with %v", err)
	}
	if err := receiveError(t, c); !strings.Contains(err.Error(), "closed the connection") {
		t.Errorf("the participant hears %v", err)
	}
}

func TestVectorMustGoWithItsResult(t *testing.T) {
	h := newHost()
	s := serve(t, h, ws.Options{})
	c, _ := join(t, h, s.url, ws.ClientOptions{})
	for _, err := range []error{
		c.Send(t.Context(), result(1, []byte("abc")), []byte("ab")),
		c.Send(t.Context(), result(1, []byte("abc")), nil),
		c.Send(t.Context(), &wire.Rest{}, []byte("ab")),
	} {
		if err == nil || !strings.Contains(err.Error(), "says otherwise") {
			t.Errorf("got %v", err)
		}
	}
}

// TestMessagesInsideOfVectors sends what may come between pieces: it is handled afterwards, in order.
func TestMessagesInsideOfVectors(t *testing.T) {
	h := newHost()
	s := serve(t, h, ws.Options{})
	c, m := joinRaw(t, h, s.url)
	m.link.Send(train(5))
	m.link.Send(&wire.Lease{Lease: 6, Work: wire.LeaseEvaluate, Step: 1, First: 0, End: 10, Role: "test"})
	h.vector = func(*wire.Result, []byte) error {
		if len(m.messages) > 0 {
			return errors.New("a message overtook the vector")
		}
		return nil
	}
	packed := random(1000)
	c.say(result(5, packed))
	c.piece(wire.Header{Vector: wire.VectorResult, ID: 5}, packed[:400])
	c.say(&wire.Rest{Resting: true})
	c.say(&wire.Result{Lease: 6, Correct: 3})
	c.WriteControl(9, []byte("ping"), time.Now().Add(patience))
	c.piece(wire.Header{Vector: wire.VectorResult, ID: 5, Offset: 400}, packed[400:])
	if got := wait(t, "the vector", m.vectors); !bytes.Equal(got.packed, packed) {
		t.Error("the vector differs")
	}
	if _, ok := wait(t, "a message", m.messages).(*wire.Rest); !ok {
		t.Error("rest was not the first")
	}
	if r, ok := wait(t, "a message", m.messages).(*wire.Result); !ok || r.Correct != 3 {
		t.Error("the result was not the second")
	}
}

func TestHostCloses(t *testing.T) {
	h := newHost()
	s := serve(t, h, ws.Options{})
	c, m := join(t, h, s.url, ws.ClientOptions{})
	m.link.Send(&wire.End{Message: "done"})
	m.link.Close(&wire.Refuse{Code: wire.CodeEnded, Message: "the session is over"})
	m.link.Send(&wire.Checkpoint{}) // does nothing any more
	if end, _ := receive[*wire.End](t, c); end.Message != "done" {
		t.Errorf("%v", end)
	}
	refusal, ok := errors.AsType[*wire.Refuse](receiveError(t, c))
	if !ok || refusal.Code != wire.CodeEnded {
		t.Errorf("refused with %v", refusal)
	}
	if left, ok := errors.AsType[*wire.Refuse](wait(t, "the end", m.left)); !ok || left.Code != wire.CodeEnded {
		t.Errorf("left with %v", left)
	}

	c, m = join(t, h, s.url, ws.ClientOptions{})
	m.link.Close(nil)
	if err := receiveError(t, c); !strings.Contains(err.Error(), "closed the connection") {
		t.Errorf("closed with %v", err)
	}
	if err := wait(t, "the end", m.left); err == nil {
		t.Error("left without a reason")
	}
}

func TestHostRefuses(t *testing.T) {
	h := newHost()
	h.join = func(*wire.Hello) error { return &wire.Refuse{Code: wire.CodeFull, Message: "eight are enough"} }
	s := serve(t, h, ws.Options{})
	c := dial(t, s.url, ws.ClientOptions{})
	send(t, c, hello(), nil)
	if r, ok := errors.AsType[*wire.Refuse](receiveError(t, c)); !ok || r.Message != "eight are enough" {
		t.Errorf("refused with %v", r)
	}
}

// TestReceiverFails ends the connection of a participant whose vector the session does not take.
func TestReceiverFails(t *testing.T) {
	for _, c := range []struct {
		err  error
		code string
	}{
		{&wire.Refuse{Code: wire.CodeCheat, Message: "another result"}, wire.CodeCheat},
		{errors.New("the disk is full"), ""},
	} {
		h := newHost()
		h.vector = func(*wire.Result, []byte) error { return c.err }
		s := serve(t, h, ws.Options{})
		peer, m := join(t, h, s.url, ws.ClientOptions{})
		m.link.Send(train(1))
		send(t, peer, result(1, []byte("abc")), []byte("abc"))
		err := receiveError(t, peer)
		if r, refused := errors.AsType[*wire.Refuse](err); refused != (c.code != "") || refused && r.Code != c.code {
			t.Errorf("%v gives %v", c.err, err)
		}
		if left := wait(t, "the end", m.left); !errors.Is(left, c.err) {
			t.Errorf("left with %v", left)
		}
		if c.code == "" && strings.Contains(err.Error(), "disk") {
			t.Errorf("the peer hears what is none of its business: %v", err)
		}
	}
}

func TestDropUpdates(t *testing.T) {
	h := newHost()
	s := serve(t, h, ws.Options{Behind: 8 << 20})
	c, m := joinRaw(t, h, s.url)
	packed := random(2 << 20)
	// The peer does not read: what it has been sent fills its socket's buffers, the rest waits.
	step := int64(0)
	for ; m.update(newUpdate(step, packed)); step++ {
		time.Sleep(time.Millisecond)
	}
	m.link.DropUpdates()
	m.link.Send(&wire.Goto{Snapshot: wire.Snapshot{Step: -1}})
	m.link.Close(nil)
	var updates, bytes int64
	snapshot := false
	c.SetReadDeadline(time.Now().Add(patience))
	for {
		kind, data, err := c.ReadMessage()
		if err != nil {
			break
		}
		if kind == 2 {
			bytes += int64(len(data)) - wire.HeaderSize
			continue
		}
		message, err := wire.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		switch message.(type) {
		case *wire.Update:
			updates++
		case *wire.Goto:
			snapshot = true
		}
	}
	if !snapshot || updates == 0 || updates >= step || bytes != updates*int64(len(packed)) {
		t.Errorf("of %d updates %d came, with %d bytes, then the snapshot: %v", step, updates, bytes, snapshot)
	}
}

// TestCatchingUp sends a joiner many updates at once, before it reads any.
func TestCatchingUp(t *testing.T) {
	const many = 1000
	h := newHost()
	s := serve(t, h, ws.Options{})
	c, m := join(t, h, s.url, ws.ClientOptions{})
	packed := random(100_000)
	for step := range int64(many) {
		if !m.update(newUpdate(step, packed)) {
			t.Fatalf("no room for update %d", step)
		}
	}
	for step := range int64(many) {
		if u, got := receive[*wire.Update](t, c); u.Step != step || !bytes.Equal(got, packed) {
			t.Fatalf("update %d differs", step)
		}
	}
}

func TestReceiveCanBeCancelled(t *testing.T) {
	h := newHost()
	s := serve(t, h, ws.Options{})
	c, m := join(t, h, s.url, ws.ClientOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.Receive(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if err := c.Send(ctx, &wire.Rest{}, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	m.link.Send(&wire.Checkpoint{Step: 3})
	if got, _ := receive[*wire.Checkpoint](t, c); got.Step != 3 {
		t.Error("the connection does not live on")
	}
}

// TestSendCanBeCancelled stops in the middle of a vector that nobody takes.
func TestSendCanBeCancelled(t *testing.T) {
	h := newHost()
	h.limit = 64 << 20
	h.vector = func(*wire.Result, []byte) error { time.Sleep(50 * time.Millisecond); return nil }
	s := serve(t, h, ws.Options{Staging: 1})
	other, m := joinRaw(t, h, s.url)
	m.link.Send(train(1))
	other.say(result(1, []byte("abc"))) // holds all of the staging
	c, m2 := join(t, h, s.url, ws.ClientOptions{})
	m2.link.Send(train(2))
	packed := random(64 << 20)
	r := result(2, packed)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if err := c.Send(ctx, r, packed); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if err := receiveError(t, c); !errors.Is(err, context.Canceled) {
		t.Errorf("afterwards %v", err)
	}
	other.piece(wire.Header{Vector: wire.VectorResult, ID: 1}, []byte("abc"))
	wait(t, "the other's vector", m.vectors)
}

// TestStaging has vectors wait for each other that do not fit in together.
func TestStaging(t *testing.T) {
	const peers, rounds = 8, 4
	h := newHost()
	s := serve(t, h, ws.Options{Staging: 3 << 20})
	packed := random(2 << 20)
	var connections [peers]trainer.Connection
	var members [peers]*member
	for k := range peers {
		connections[k], members[k] = join(t, h, s.url, ws.ClientOptions{})
	}
	together(peers, func(k int) {
		for lease := range int64(rounds) {
			members[k].link.Send(train(lease))
			if err := connections[k].Send(t.Context(), result(lease, packed), packed); err != nil {
				t.Error(err)
			}
		}
	})
	for k := range peers {
		for lease := range int64(rounds) {
			if got := wait(t, "a vector", members[k].vectors); got.result.Lease != lease || !bytes.Equal(got.packed, packed) {
				t.Errorf("peer %d: vector %d differs", k, lease)
			}
		}
	}
}

// TestLongTransfers shows that who is busy sending, or computing, is not taken for gone.
func TestLongTransfers(t *testing.T) {
	h := newHost()
	// Long enough for a busy machine to let everybody say something in it; the first vector alone is waited for.
	const silence = 3 * time.Second
	var once sync.Once
	h.vector = func(*wire.Result, []byte) error { once.Do(func() { time.Sleep(silence + silence/4) }); return nil }
	s := serve(t, h, ws.Options{}, func(s *ws.Server) { s.Impatient(silence/30, silence, time.Minute) })
	c, m := join(t, h, s.url, ws.Impatient(ws.ClientOptions{}, silence/30, silence))
	packed := random(4 << 20)
	for k := range int64(3) {
		m.link.Send(train(k))
		if !m.update(newUpdate(k, packed)) {
			t.Fatal("no room")
		}
	}
	// Nobody receives for a long while, and the server is slow to take what is sent.
	for k := range int64(3) {
		send(t, c, result(k, packed), packed)
	}
	for range 3 {
		wait(t, "a vector", m.vectors)
	}
	for k := range int64(3) {
		receive[*wire.Lease](t, c)
		if u, got := receive[*wire.Update](t, c); u.Step != k || !bytes.Equal(got, packed) {
			t.Errorf("update %d differs", k)
		}
	}
}

func TestServerClose(t *testing.T) {
	h := newHost()
	s := serve(t, h, ws.Options{})
	c, m := join(t, h, s.url, ws.ClientOptions{})
	s.Close()
	if err := wait(t, "the end", m.left); err == nil || !strings.Contains(err.Error(), "shuts down") {
		t.Errorf("left with %v", err)
	}
	receiveError(t, c)
	d, err := ws.Dialer(s.url, ws.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := d(t.Context()); err == nil {
		receiveError(t, c)
		c.Close()
	}
}

func TestTLS(t *testing.T) {
	h := newHost()
	s := ws.New(ws.Options{})
	site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Serve(w, r, h) }))
	defer site.Close()
	defer s.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(site.Certificate())
	c, m := join(t, h, site.URL, ws.ClientOptions{TLS: &tls.Config{RootCAs: trusted}})
	m.link.Send(&wire.Checkpoint{Step: 3})
	receive[*wire.Checkpoint](t, c)

	d, err := ws.Dialer(site.URL, ws.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v", err)
	}
}

func TestDialErrors(t *testing.T) {
	h := newHost()
	s := serve(t, h, ws.Options{})
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/none":
			http.NotFound(w, r)
		case "/other":
			u := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
			if c, err := u.Upgrade(w, r, nil); err == nil {
				c.Close()
			}
		default:
			http.Error(w, "out of order", http.StatusBadGateway)
		}
	}))
	defer site.Close()
	for _, c := range []struct{ url, origin, want string }{
		{"ftp://example.org", "", "must begin with https:// or http://"},
		{"http://\x00", "", "is no address of a session"},
		{"http://127.0.0.1:1/", "", "refused"},
		{site.URL + "/none", "", "there is no such session"},
		{site.URL + "/other", "", "does not speak reprise.session.v1"},
		{site.URL + "/broken", "", "502 Bad Gateway: out of order"},
		{s.url, "https://elsewhere.example", "403 Forbidden: pages of https://elsewhere.example may not join"},
	} {
		d, err := ws.Dialer(c.url, ws.ClientOptions{Header: http.Header{"Origin": {c.origin}}})
		if err == nil {
			_, err = d(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.url, err, c.want)
		}
	}
}

func TestOrigins(t *testing.T) {
	for _, c := range []struct {
		allowed []string
		origin  string
		want    int
	}{
		{nil, "", http.StatusSwitchingProtocols},
		{nil, "http://HOST", http.StatusSwitchingProtocols},
		{nil, "https://example.org", http.StatusForbidden},
		{nil, "null", http.StatusForbidden},
		{[]string{"https://example.org"}, "https://example.org", http.StatusSwitchingProtocols},
		{[]string{"https://example.org"}, "https://example.com", http.StatusForbidden},
		{[]string{"https://example.org"}, "http://example.org", http.StatusForbidden},
		{[]string{"*"}, "https://example.org", http.StatusSwitchingProtocols},
	} {
		s := serve(t, newHost(), ws.Options{Origins: c.allowed})
		header := http.Header{}
		if c.origin != "" {
			header.Set("Origin", strings.Replace(c.origin, "HOST", strings.TrimPrefix(s.url, "ws://"), 1))
		}
		d := websocket.Dialer{Subprotocols: []string{wire.Subprotocol}}
		socket, answer, err := d.Dial(s.url, header)
		if err == nil {
			socket.Close()
		}
		if answer == nil || answer.StatusCode != c.want {
			t.Errorf("%q of %q: %v, %v, want %d", c.origin, c.allowed, answer, err, c.want)
		}
	}
}

func TestRequestsThatAreNone(t *testing.T) {
	s := serve(t, newHost(), ws.Options{})
	answer, err := http.Get(strings.Replace(s.url, "ws", "http", 1))
	if err != nil || answer.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("a plain request: %v, %v", answer, err)
	}
	answer.Body.Close()
	if _, answer, err = websocket.DefaultDialer.Dial(s.url, nil); err == nil || answer.StatusCode != http.StatusBadRequest {
		t.Errorf("without a subprotocol: %v, %v", answer, err)
	}
}
