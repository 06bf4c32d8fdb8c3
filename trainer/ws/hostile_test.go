package ws_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
	"github.com/reprise-ml/reprise/trainer/ws"
)

// header is of a piece of lease 1.
func header(offset int64) wire.Header {
	return wire.Header{Vector: wire.VectorResult, ID: 1, Offset: offset}
}

// TestHostilePeers refuses each with its reason, while somebody else goes on working.
func TestHostilePeers(t *testing.T) {
	vector := []byte("0123456789")
	begin := func(c raw) { c.say(result(1, vector)) }
	count := &wire.Result{Lease: 2, Correct: 5}
	for _, c := range []struct {
		name string
		do   func(c raw)
		want string
	}{
		{"no JSON", func(c raw) { c.text("{") }, "not a JSON object"},
		{"an unknown type", func(c raw) { c.text(`{"type":"shutdown"}`) }, "no type of message"},
		{"an oversized text", func(c raw) { c.text(`{"type":"rest","resting":true,"x":"` + strings.Repeat("x", 1<<20) + `"}`) }, "more than 65536 bytes"},
		{"no UTF-8", func(c raw) { c.text("{\"type\":\"rest\",\"reason\":\"\xff\"}") }, "not UTF-8"},
		{"hello again", func(c raw) { c.say(hello()) }, "does not send hello"},
		{"what only servers say", func(c raw) { c.say(&wire.Checkpoint{}) }, "does not send checkpoint"},
		{"ready twice", func(c raw) { c.say(&wire.Ready{Step: -1}); c.say(&wire.Ready{Step: -1}) }, "not asked for"},
		{"a result of nobody's lease", func(c raw) { c.say(result(77, vector)) }, "lease 77 is not yours"},
		{"a failure of nobody's lease", func(c raw) { c.say(&wire.Failed{Lease: 77, Reason: wire.ReasonData}) }, "lease 77 is not yours"},
		{"a replayed result", func(c raw) {
			begin(c)
			c.piece(header(0), vector)
			begin(c)
		}, "lease 1 is not yours, or has been answered"},
		{"a replayed count", func(c raw) { c.say(count); c.say(count) }, "lease 2 is not yours"},
		{"a vector for a count", func(c raw) { c.say(result(2, vector)) }, "lease 2 is to evaluate"},
		{"a count for a vector", func(c raw) { c.say(&wire.Result{Lease: 1}) }, "lease 1 is to train"},
		{"a vector beyond the limit", func(c raw) {
			c.say(&wire.Result{Lease: 1, Digest: schema.DigestOf(vector), Bytes: 1 << 40})
		}, "a vector of 1099511627776 bytes"},
		{"a digest of another length", func(c raw) {
			c.text(`{"type":"result","lease":1,"seconds":1,"bytes":10,"digest":"sha256:00"}`)
		}, "not a digest"},
		{"a piece without a result", func(c raw) { c.piece(header(0), vector) }, "belongs to no result"},
		{"a piece without a header", func(c raw) { begin(c); c.WriteMessage(websocket.BinaryMessage, []byte{1, 1}) }, "fewer than its header"},
		{"an empty binary message", func(c raw) { begin(c); c.WriteMessage(websocket.BinaryMessage, nil) }, "fewer than its header"},
		{"a piece of an update", func(c raw) { begin(c); c.piece(wire.Header{Vector: wire.VectorUpdate, ID: 1}, vector) }, "it is of kind 2"},
		{"a piece of another lease", func(c raw) { begin(c); c.piece(wire.Header{Vector: wire.VectorResult, ID: 2}, vector) }, "it belongs to 2"},
		{"a gap", func(c raw) { begin(c); c.piece(header(0), vector[:4]); c.piece(header(5), vector[5:]) }, "it is 5, 4 follows"},
		{"an overlap", func(c raw) { begin(c); c.piece(header(0), vector[:4]); c.piece(header(3), vector[3:]) }, "it is 3, 4 follows"},
		{"pieces in another order", func(c raw) { begin(c); c.piece(header(4), vector[4:]) }, "it is 4, 0 follows"},
		{"a piece beyond the end", func(c raw) { begin(c); c.piece(header(0), append(vector, 0)) }, "goes beyond the 10 bytes"},
		{"a piece far beyond the end", func(c raw) { begin(c); c.piece(header(0), make([]byte, 4<<20)) }, "goes beyond the 10 bytes"},
		{"an empty piece", func(c raw) { begin(c); c.piece(header(0), nil) }, "it is empty"},
		{"a result inside of a vector", func(c raw) { begin(c); c.piece(header(0), vector[:4]); begin(c) }, "inside of another"},
		{"too much inside of a vector", func(c raw) {
			begin(c)
			for range 65 {
				c.say(&wire.Rest{})
			}
		}, "inside of a vector"},
		{"a frame that is none", func(c raw) { c.NetConn().Write([]byte{0xff, 0xff, 0xff, 0xff}) }, ""},
		{"a frame without its mask", func(c raw) { c.NetConn().Write([]byte{0x81, 2, '{', '}'}) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost()
			s := serve(t, h, ws.Options{})
			honest, m := join(t, h, s.url, ws.ClientOptions{})
			peer, bad := joinRaw(t, h, s.url)
			bad.link.Send(train(1))
			bad.link.Send(&wire.Lease{Lease: 2, Work: wire.LeaseEvaluate, Step: 1, First: 0, End: 10, Role: "test"})
			c.do(peer)
			refusal := peer.refusal()
			left := wait(t, "the end", bad.left)
			if c.want == "" {
				// The protocol below: its own close frame says it.
				if refusal != nil || left == nil {
					t.Errorf("refused with %v, left with %v", refusal, left)
				}
			} else if refusal == nil || refusal.Code != wire.CodeProtocol || !strings.Contains(refusal.Message, c.want) || left == nil {
				t.Errorf("refused with %v, left with %v, want %q", refusal, left, c.want)
			}
			m.link.Send(train(1))
			send(t, honest, result(1, vector), vector)
			if got := wait(t, "an honest vector", m.vectors); !bytes.Equal(got.packed, vector) {
				t.Error("the honest vector differs")
			}
		})
	}
}

// TestBeforeHello refuses what must not be first.
func TestBeforeHello(t *testing.T) {
	other := hello()
	other.Protocol = 2
	for _, c := range []struct {
		name string
		do   func(raw)
		code string
		want string
	}{
		{"a binary message", func(c raw) { c.piece(header(0), []byte("abc")) }, wire.CodeProtocol, "before hello"},
		{"another message", func(c raw) { c.say(&wire.Rest{}) }, wire.CodeProtocol, "must be hello, not rest"},
		{"no message", func(c raw) { c.text("hello") }, wire.CodeProtocol, "not a JSON object"},
		{"another version", func(c raw) { c.say(other) }, wire.CodeVersion, "reload the page"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost()
			s := serve(t, h, ws.Options{})
			peer := dialRaw(t, s.url)
			c.do(peer)
			if r := peer.refusal(); r == nil || r.Code != c.code || !strings.Contains(r.Message, c.want) {
				t.Errorf("refused with %v", r)
			}
			if len(h.joined) > 0 {
				t.Error("the host has heard of it")
			}
		})
	}
}

func TestFloodOfJoins(t *testing.T) {
	h := newHost()
	// The address is what the peer says, as if a proxy did.
	s := serve(t, h, ws.Options{Joins: 0.001, Burst: 3, Address: func(r *http.Request) string { return r.Header.Get("From") }})
	try := func(from string) *wire.Refuse {
		c := dial(t, s.url, ws.ClientOptions{Header: http.Header{"From": {from}}})
		c.Send(t.Context(), hello(), nil)
		ctx := t.Context()
		if _, _, err := c.Receive(ctx); err != nil {
			r, ok := errors.AsType[*wire.Refuse](err)
			if !ok {
				t.Fatal(err)
			}
			return r
		}
		return nil
	}
	for k := range 10 {
		r := try("10.0.0.1:12" + fmt.Sprint(k))
		if k < 3 && r != nil {
			t.Errorf("join %d: %v", k, r)
		}
		if k >= 3 && (r == nil || r.Code != wire.CodeBusy || r.RetryAfter < 1 || !strings.Contains(r.Message, "too many joins")) {
			t.Errorf("join %d: %v", k, r)
		}
	}
	for _, from := range []string{"10.0.0.2", "[2001:db8::1]:5", "somebody"} {
		if r := try(from); r != nil {
			t.Errorf("%s: %v", from, r)
		}
	}
	// A household has a whole network of addresses.
	for k := range 3 {
		if r := try(fmt.Sprintf("[2001:db8::%d]:5", k+2)); (r != nil) != (k == 2) {
			t.Errorf("address %d of a network: %v", k, r)
		}
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	h := newHost()
	s := serve(t, h, ws.Options{Connections: 2})
	for range 2 {
		join(t, h, s.url, ws.ClientOptions{})
	}
	c := dial(t, s.url, ws.ClientOptions{})
	if r, ok := errors.AsType[*wire.Refuse](receiveError(t, c)); !ok || r.Code != wire.CodeFull {
		t.Errorf("refused with %v", r)
	}
}

// TestPeerThatReadsNothing gets no more updates after a few, and does not hold up anybody.
func TestPeerThatReadsNothing(t *testing.T) {
	h := newHost()
	s := serve(t, h, ws.Options{Behind: 8 << 20}, func(s *ws.Server) { s.Impatient(time.Second, 20*time.Second, time.Second); s.Rate(1 << 30) })
	deaf, bad := joinRaw(t, h, s.url)
	c, m := join(t, h, s.url, ws.ClientOptions{})
	packed := random(2 << 20)
	refused := int64(0)
	const steps = 50
	for step := range int64(steps) {
		u := newUpdate(step, packed)
		if !bad.update(u) {
			refused++
		}
		if !m.update(u) {
			t.Fatal("the other has no room")
		}
		if got, data := receive[*wire.Update](t, c); got.Step != step || !bytes.Equal(data, packed) {
			t.Fatalf("update %d differs", step)
		}
		if _, waiting, _ := s.Held(); waiting > 8*int64(len(packed)) {
			t.Fatalf("%d bytes wait", waiting)
		}
	}
	if err := wait(t, "the end of the deaf one", bad.left); err == nil || !strings.Contains(err.Error(), "too slowly") {
		t.Errorf("left with %v", err)
	}
	_ = deaf
	if refused == 0 && bad.update(newUpdate(steps, packed)) == false {
		t.Error("no update was refused, and a closed link refuses")
	}
}

// TestSlowReadersAreLetGo ends those who keep the oldest updates alive where there is no more room for new ones.
func TestSlowReadersAreLetGo(t *testing.T) {
	h := newHost()
	packed := random(12 << 20)
	s := serve(t, h, ws.Options{Waiting: 4 * int64(len(packed))})
	_, first := joinRaw(t, h, s.url)
	_, second := joinRaw(t, h, s.url)
	// Neither reads. Each would hold updates of its own.
	for step := range int64(3) {
		first.update(newUpdate(step, packed))
	}
	for step := range int64(3) {
		second.update(newUpdate(3+step, packed))
	}
	if err := wait(t, "the end of the first", first.left); err == nil || !strings.Contains(err.Error(), "too slowly") {
		t.Errorf("left with %v", err)
	}
	if _, waiting, _ := s.Held(); waiting > 4*int64(len(packed)) {
		t.Errorf("%d bytes wait", waiting)
	}
	if len(second.left) > 0 {
		t.Error("the second was let go, too")
	}
}

// TestTextsThatNobodyReads are as limited.
func TestTextsThatNobodyReads(t *testing.T) {
	h := newHost()
	s := serve(t, h, ws.Options{})
	_, m := joinRaw(t, h, s.url)
	long := &wire.End{Message: strings.Repeat("x", wire.MaxMessage)}
	for len(m.left) == 0 {
		m.link.Send(long)
	}
	if err := wait(t, "the end", m.left); !strings.Contains(err.Error(), "too slowly") {
		t.Errorf("left with %v", err)
	}
}

// TestSlowLoris sends a vector byte by byte.
func TestSlowLoris(t *testing.T) {
	h := newHost()
	s := serve(t, h, ws.Options{}, func(s *ws.Server) {
		s.Impatient(20*time.Millisecond, 10*time.Second, 300*time.Millisecond)
		s.Rate(200 << 10)
	})
	c, bad := joinRaw(t, h, s.url)
	honest, m := join(t, h, s.url, ws.ClientOptions{})
	bad.link.Send(train(1))
	packed := random(1 << 20)
	c.say(result(1, packed))
	go func() { // answers pings, so that it does not look dead
		for {
			if _, _, err := c.ReadMessage(); err != nil {
				return
			}
		}
	}()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for offset := range int64(1 << 20) {
			if c.WriteMessage(websocket.BinaryMessage, append(header(offset).Append(nil), packed[offset])) != nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	m.link.Send(train(1))
	send(t, honest, result(1, packed), packed)
	wait(t, "the honest vector", m.vectors)
	if err := wait(t, "the end", bad.left); err == nil || !strings.Contains(err.Error(), "came too slowly") {
		t.Errorf("left with %v", err)
	}
	wait(t, "the loris", stopped)
}

// TestHalfOpen leaves connections without a word: one before hello, one afterwards, and one in the middle of a text.
func TestHalfOpen(t *testing.T) {
	h := newHost()
	s := serve(t, h, ws.Options{}, func(s *ws.Server) { s.Impatient(20*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond) })
	mute := dialRaw(t, s.url)
	_, silent := joinRaw(t, h, s.url) // does not read, and so does not answer pings
	c, half := joinRaw(t, h, s.url)
	w, err := c.NextWriter(websocket.TextMessage)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(bytes.Repeat([]byte(" "), 8192)) // more than the buffer: the first frame goes out
	for _, m := range []*member{silent, half} {
		if err := wait(t, "the end", m.left); err == nil || !strings.Contains(err.Error(), "silent for too long") {
			t.Errorf("left with %v", err)
		}
	}
	mute.SetReadDeadline(time.Now().Add(patience))
	for err == nil {
		_, _, err = mute.ReadMessage()
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		t.Error("the mute one may stay")
	}
	if len(h.joined) != 0 {
		t.Error("the host has heard of it")
	}
}

// TestFloodOfPings answers the last of many pings, and does not grow by them.
func TestFloodOfPings(t *testing.T) {
	h := newHost()
	s := serve(t, h, ws.Options{})
	c, m := joinRaw(t, h, s.url)
	pongs := make(chan string, 10_000)
	c.SetPongHandler(func(data string) error { pongs <- data; return nil })
	go func() {
		for {
			if _, _, err := c.ReadMessage(); err != nil {
				return
			}
		}
	}()
	for k := range 5000 {
		if err := c.WriteControl(websocket.PingMessage, []byte(fmt.Sprint(k)), time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
	}
	for wait(t, "the last pong", pongs) != "4999" {
	}
	c.say(&wire.Rest{})
	wait(t, "a message", m.messages)
}

// upgrade makes a connection of which the test writes every byte.
func upgrade(t testing.TB, url string) net.Conn {
	t.Helper()
	address := strings.TrimPrefix(url, "ws://")
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: %s\r\n\r\n", address, wire.Subprotocol)
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(answer, err)
	}
	return c
}

// FuzzServer sends any bytes after the handshake, then closes its end: the connection ends, and nothing is left of it.
func FuzzServer(f *testing.F) {
	frame := func(kind byte, payload []byte) []byte {
		b := []byte{0x80 | kind, 0x80 | 126, byte(len(payload) >> 8), byte(len(payload)), 0, 0, 0, 0}
		return append(b, payload...)
	}
	text := func(m wire.Message) []byte {
		b, err := wire.Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		return frame(1, b)
	}
	vector := []byte("0123456789")
	piece := func(offset int64, data []byte) []byte { return frame(2, append(header(offset).Append(nil), data...)) }
	begin := append(text(hello()), text(result(1, vector))...)
	f.Add(begin)
	f.Add(append(bytes.Clone(begin), piece(0, vector)...))
	f.Add(bytes.Join([][]byte{begin, piece(0, vector[:3]), text(&wire.Rest{}), frame(9, nil), piece(3, vector[3:]), text(&wire.Bye{})}, nil))
	f.Add(append(text(hello()), frame(8, []byte{3, 232})...))
	h := newHost()
	h.join = func(*wire.Hello) error { return nil }
	s := serve(f, leasing{h}, ws.Options{Joins: 1e9, Burst: 1e9}, func(s *ws.Server) { s.Impatient(time.Second, 5*time.Second, time.Second) })
	f.Fuzz(func(t *testing.T, data []byte) {
		c := upgrade(t, s.url)
		go func() {
			c.Write(data)
			c.(*net.TCPConn).CloseWrite()
		}()
		c.SetReadDeadline(time.Now().Add(patience))
		for buffer := make([]byte, 1<<12); ; {
			if _, err := c.Read(buffer); err != nil {
				if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
					t.Error("the server does not end the connection")
				}
				break
			}
		}
		c.Close()
		select {
		case m := <-h.joined:
			wait(t, "the end", m.left)
		default:
		}
	})
}
