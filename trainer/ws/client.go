package ws

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sync/semaphore"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// ClientOptions are those of Dialer. Zero values stand for the defaults.
type ClientOptions struct {
	// TLS has the certificates that are trusted, for servers whose authority the system does not know.
	TLS *tls.Config
	// Header goes with the request, for proxies that want to know who it is.
	Header http.Header
	// Packed is the largest update that is taken, in bytes; by default 1 GiB. Memory for one grows as its bytes arrive.
	Packed int64
	// Waiting is how much of updates may wait for Receive, in bytes; by default 256 MiB. Then nothing more is read.
	Waiting int64

	timing *timing
}

// Dialer opens connections to the session whose WebSocket has the address, which begins with ws, wss, http or https.
func Dialer(address string, o ClientOptions) (trainer.Dialer, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%q is no address of a session: %w", address, err)
	}
	switch u.Scheme {
	case "ws", "wss":
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	default:
		return nil, fmt.Errorf("%q is no address of a session: it must begin with https:// or http://", address)
	}
	if o.Packed == 0 {
		o.Packed = 1 << 30
	}
	if o.Waiting == 0 {
		o.Waiting = 256 << 20
	}
	if o.timing == nil {
		o.timing = &standard
	}
	return func(ctx context.Context) (trainer.Connection, error) { return dial(ctx, u.String(), &o) }, nil
}

// clientBuffers are shared: frames are as large as they, and a connection needs one only while it sends.
var clientBuffers sync.Pool

func dial(ctx context.Context, address string, o *ClientOptions) (trainer.Connection, error) {
	d := websocket.Dialer{
		Proxy:            http.ProxyFromEnvironment,
		TLSClientConfig:  o.TLS,
		HandshakeTimeout: o.timing.hello,
		Subprotocols:     []string{wire.Subprotocol},
		ReadBufferSize:   4 << 10,
		WriteBufferSize:  64 << 10,
		WriteBufferPool:  &clientBuffers,
	}
	socket, answer, err := d.DialContext(ctx, address, o.Header)
	if err != nil {
		return nil, dialError(address, answer, err)
	}
	if socket.Subprotocol() != wire.Subprotocol {
		socket.Close()
		return nil, fmt.Errorf("%s does not speak %s: is it the address of a session?", address, wire.Subprotocol)
	}
	c := &client{
		socket:  socket,
		options: o,
		sending: make(chan struct{}, 1),
		inbox:   make(chan received, 1024),
		room:    semaphore.NewWeighted(o.Waiting),
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	socket.SetPingHandler(func(data string) error { c.control(websocket.PongMessage, []byte(data)); c.alive(); return nil })
	socket.SetPongHandler(func(string) error { c.alive(); return nil })
	c.mu.Lock()
	c.beats = time.AfterFunc(o.timing.ping, c.beat)
	c.mu.Unlock()
	c.running.Go(c.read)
	return c, nil
}

// dialError says why there is no connection. What the server answers in words is part of it.
func dialError(address string, answer *http.Response, err error) error {
	if answer == nil || !errors.Is(err, websocket.ErrBadHandshake) {
		return fmt.Errorf("%s: %w", address, err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 300)) // gorilla keeps the beginning of the body
	words := strings.TrimSpace(string(text))
	if answer.StatusCode == http.StatusNotFound {
		return &wire.Refuse{Code: wire.CodeUnknown, Message: address + ": there is no such session"}
	}
	if words == "" {
		return fmt.Errorf("%s: the server answers %s", address, answer.Status)
	}
	return fmt.Errorf("%s: the server answers %s: %s", address, answer.Status, words)
}

// client is the participant's end of a connection.
type client struct {
	socket  *websocket.Conn
	options *ClientOptions
	ctx     context.Context // ends with the connection; its cause is the error
	cancel  context.CancelCauseFunc
	sending chan struct{} // holds the one that sends
	inbox   chan received
	room    *semaphore.Weighted
	running sync.WaitGroup
	answers atomic.Bool // a control message is being sent

	mu    sync.Mutex
	beats *time.Timer

	// Of the goroutine that reads.
	largest int64 // update so far
}

// received is what waits for Receive.
type received struct {
	message wire.Message
	packed  []byte
}

// Receive implements trainer.Connection.
func (c *client) Receive(ctx context.Context) (wire.Message, []byte, error) {
	take := func(r received) (wire.Message, []byte, error) {
		c.room.Release(min(int64(len(r.packed)), c.options.Waiting))
		return r.message, r.packed, nil
	}
	// What has arrived comes before the end of the connection.
	select {
	case r := <-c.inbox:
		return take(r)
	default:
	}
	select {
	case r := <-c.inbox:
		return take(r)
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	case <-c.ctx.Done():
	}
	c.running.Wait()
	select {
	case r := <-c.inbox:
		return take(r)
	default:
		return nil, nil, context.Cause(c.ctx)
	}
}

// Send implements trainer.Connection. Where ctx ends inside of a message, so does the connection.
func (c *client) Send(ctx context.Context, m wire.Message, packed []byte) error {
	result, _ := m.(*wire.Result)
	if trained := result != nil && result.Trained(); trained && result.Bytes != int64(len(packed)) || !trained && len(packed) > 0 {
		return fmt.Errorf("a vector of %d bytes goes with the message %s, which says otherwise", len(packed), m.Kind())
	}
	text, err := wire.Encode(m)
	if err != nil {
		return err
	}
	select {
	case c.sending <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
	defer func() { <-c.sending }()
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.fail(ctx.Err()) })
	defer stop()
	if err := c.socket.WriteMessage(websocket.TextMessage, text); err != nil {
		return c.failed(err)
	}
	if len(packed) == 0 {
		return nil
	}
	header := wire.Header{Vector: wire.VectorResult, ID: uint32(result.Lease)}
	room := make([]byte, 0, wire.HeaderSize)
	for header.Offset < int64(len(packed)) {
		piece := packed[header.Offset:min(header.Offset+wire.PieceSize, int64(len(packed)))]
		w, err := c.socket.NextWriter(websocket.BinaryMessage)
		if err == nil {
			_, err = w.Write(header.Append(room))
		}
		if err == nil {
			_, err = w.Write(piece)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			return c.failed(err)
		}
		header.Offset += int64(len(piece))
	}
	return nil
}

// Close implements trainer.Connection.
func (c *client) Close() error {
	if c.ctx.Err() == nil {
		t := c.options.timing
		// The server answers with its own, which ends reading. What it has sent before is not waited for if nobody receives it.
		_ = c.socket.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
		select {
		case <-c.ctx.Done():
		case <-time.After(t.linger):
		}
	}
	c.fail(net.ErrClosed)
	c.running.Wait()
	return nil
}

// failed breaks the connection for an error of writing, and returns what it failed of first.
func (c *client) failed(err error) error {
	if errors.Is(err, websocket.ErrCloseSent) || isNetwork(err) {
		// The reader knows better: a refusal may be on its way.
		select {
		case <-c.ctx.Done():
		case <-time.After(c.options.timing.linger):
		}
	}
	c.fail(fmt.Errorf("the connection broke: %w", err))
	return context.Cause(c.ctx)
}

func isNetwork(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network
}

func (c *client) fail(err error) {
	c.cancel(err)
	c.socket.NetConn().Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beats.Stop()
}

// control sends a ping or pong, between the frames of what is being sent. If one is waiting to be sent, that will do.
func (c *client) control(kind int, data []byte) {
	if !c.answers.CompareAndSwap(false, true) {
		return
	}
	c.running.Go(func() {
		defer c.answers.Store(false)
		// The deadline is that of silence: longer than any frame ahead of it may take.
		_ = c.socket.WriteControl(kind, data, time.Now().Add(c.options.timing.silence)) // what fails shows elsewhere
	})
}

// beat shows that the participant lives though it does not read, because nobody receives.
func (c *client) beat() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return
	}
	c.control(websocket.PongMessage, nil)
	c.beats.Reset(c.options.timing.ping)
}

func (c *client) alive() { readBy(c.socket, time.Now().Add(c.options.timing.silence)) }

// read fills the inbox until the connection ends.
func (c *client) read() {
	var held []wire.Message // came inside of an update
	for {
		m, packed, err := c.next(&held)
		if err == nil {
			err = c.deliver(m, packed)
		}
		for len(held) > 0 && err == nil {
			err = c.deliver(held[0], nil)
			held = held[1:]
		}
		if err != nil {
			c.fail(err)
			return
		}
	}
}

func (c *client) deliver(m wire.Message, packed []byte) error {
	if refusal, ok := m.(*wire.Refuse); ok {
		return refusal
	}
	select {
	case c.inbox <- received{m, packed}:
		return nil
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}

// next reads a message, with its vector if it is an update. What comes between the pieces is appended to held.
func (c *client) next(held *[]wire.Message) (wire.Message, []byte, error) {
	m, piece, err := c.message()
	if err != nil {
		return nil, nil, err
	}
	if piece != nil {
		return nil, nil, errors.New("the server sent a vector without its update")
	}
	update, ok := m.(*wire.Update)
	if !ok {
		return m, nil, nil
	}
	if update.Bytes > c.options.Packed {
		return nil, nil, fmt.Errorf("the server sends an update of %d bytes, more than the %d that are taken", update.Bytes, c.options.Packed)
	}
	if err := c.room.Acquire(c.ctx, min(update.Bytes, c.options.Waiting)); err != nil {
		return nil, nil, context.Cause(c.ctx)
	}
	// Who claims much and sends little gets little memory.
	packed := make([]byte, 0, min(update.Bytes, max(c.largest, 4<<20)))
	for assembly := wire.Assemble(wire.VectorUpdate, update.Step, update.Bytes); !assembly.Complete(); {
		m, piece, err := c.message()
		switch {
		case err != nil:
			return nil, nil, err
		case piece != nil:
			if packed, err = appendPiece(packed, piece, &assembly, update.Bytes); err != nil {
				return nil, nil, clientError(err)
			}
		case len(*held) == maxHeld:
			return nil, nil, errors.New("the server sent too much inside of an update")
		default:
			if _, another := m.(*wire.Update); another {
				return nil, nil, errors.New("the server began an update inside of another")
			}
			*held = append(*held, m)
		}
	}
	c.largest = max(c.largest, update.Bytes)
	return update, packed, nil
}

// appendPiece reads a binary message that continues a vector of so many bytes.
func appendPiece(packed []byte, r io.Reader, assembly *wire.Assembly, total int64) ([]byte, error) {
	h, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	at, room := len(packed), int(min(wire.PieceSize, total-int64(len(packed))))
	packed = slices.Grow(packed, room)
	size, err := readPiece(r, packed[at:at+room])
	if err != nil {
		return nil, err
	}
	if err := assembly.Next(h, size); err != nil {
		return nil, err
	}
	return packed[:at+size], nil
}

// message reads a text message, or the beginning of a binary one, which it returns to be read.
func (c *client) message() (wire.Message, io.Reader, error) {
	c.alive()
	kind, r, err := c.socket.NextReader()
	if err != nil {
		return nil, nil, clientError(err)
	}
	if kind == websocket.BinaryMessage {
		return nil, r, nil
	}
	text, err := io.ReadAll(io.LimitReader(r, wire.MaxText+1))
	if err != nil {
		return nil, nil, clientError(err)
	}
	m, err := wire.Decode(text)
	if err != nil {
		return nil, nil, clientError(err)
	}
	return m, nil, nil
}

// clientError says what an error of reading means.
func clientError(err error) error {
	if bad, ok := errors.AsType[*schema.Invalid](err); ok {
		return fmt.Errorf("the server does not keep to the protocol: %w", bad)
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return errors.New("the server has been silent for too long")
	}
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok && closed.Code != websocket.CloseAbnormalClosure {
		if closed.Text == "" {
			return fmt.Errorf("the server closed the connection: %w", io.EOF)
		}
		return fmt.Errorf("the server closed the connection (%s): %w", closed.Text, io.EOF)
	}
	return fmt.Errorf("the connection to the server broke: %w", err)
}
