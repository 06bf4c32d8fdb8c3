package ws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// maxHeld is how many messages may come between the pieces of a vector. They are handled after it, in order.
const maxHeld = 64

// connection is the server's end of one. It is the trainer.Link of its participant.
type connection struct {
	server *Server
	socket *websocket.Conn
	out    *corked         // below it
	ctx    context.Context // ends with the connection
	cancel context.CancelCauseFunc
	writer sync.WaitGroup
	pings  *time.Timer

	// Of the goroutine that reads.
	receiver trainer.Receiver
	limits   trainer.Limits
	vector   *incoming
	held     []wire.Message
	patient  bool // whether pings and pongs extend the deadline

	mu             sync.Mutex
	queue          []outgoing
	written        int   // of the queue: what out has, at its beginning
	waitingText    int   // bytes of texts in the queue
	waitingUpdates int   // in the queue
	waitingBytes   int64 // of these
	pingDue        bool
	pong           *string
	writing        bool
	ending         bool // nothing more is taken to be sent
	broken         bool // the socket is closed
	cause          error
	settled        chan struct{} // closed when nothing is left to be sent, where somebody waits for that
	lingerUntil    time.Time
	leases         map[int64]outstanding
	states         int // that the peer was told to install: the first, and one for each snapshot
	ready          int // that it said it has installed
}

// incoming is a vector on its way in.
type incoming struct {
	result   *wire.Result
	assembly wire.Assembly
	buffer   *[]byte
	began    time.Time
}

// outstanding is a lease that waits for its answer.
type outstanding struct {
	work  string
	state int // how many states the peer had been told to install
}

func newConnection(s *Server, socket *websocket.Conn, out *corked) *connection {
	c := &connection{server: s, socket: socket, out: out}
	c.ctx, c.cancel = context.WithCancelCause(s.ctx)
	return c
}

// run is the connection's life. A refusal, if there is one, is all that the peer will hear.
func (c *connection) run(host trainer.Host, refusal *wire.Refuse, helloBy time.Time) {
	c.socket.SetPingHandler(func(data string) error {
		c.mu.Lock()
		c.pong = &data // of several, the last is enough
		c.kick()
		c.mu.Unlock()
		c.alive()
		return nil
	})
	c.socket.SetPongHandler(func(string) error { c.alive(); return nil })
	c.mu.Lock()
	c.pings = time.AfterFunc(c.server.timing.ping, c.ping)
	c.mu.Unlock()

	var err error
	if refusal != nil {
		err = refusal
	} else {
		err = c.converse(host, helloBy)
	}
	_, orderly := errors.AsType[*bye](err)
	if !orderly {
		c.tell(err)
	}
	c.linger()

	c.pings.Stop()
	c.fail(err)
	c.writer.Wait()
	if c.vector != nil {
		c.server.staging.release(c.vector.buffer)
	}
	c.socket.Close()
	if c.receiver != nil {
		if orderly {
			c.receiver.Left(nil)
		} else {
			c.receiver.Left(c.cause)
		}
	}
}

// bye is how reading ends after a Bye.
type bye struct{}

func (*bye) Error() string { return "bye" }

// ping asks the peer for a sign of life, every now and then.
func (c *connection) ping() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return
	}
	c.pingDue = true
	c.kick()
	c.pings.Reset(c.server.timing.ping)
}

// tell sends the peer why reading ended, where that is anything it can be told.
func (c *connection) tell(err error) {
	if refusal, ok := errors.AsType[*wire.Refuse](err); ok {
		c.refuse(refusal)
	} else if bad, ok := errors.AsType[*schema.Invalid](err); ok {
		c.refuse(protocolError(bad.Error()))
	} else {
		c.settle()
		c.fail(err)
	}
}

func protocolError(text string) *wire.Refuse {
	if r := []rune(text); len(r) > wire.MaxMessage {
		text = string(r[:wire.MaxMessage-1]) + "…"
	}
	return &wire.Refuse{Code: wire.CodeProtocol, Message: text}
}

func refusef(format string, args ...any) *wire.Refuse {
	return protocolError(fmt.Sprintf(format, args...))
}

// linger reads on, for a moment and without looking, so that the peer can read what it was sent: closing the socket with input
// unread would take it away.
func (c *connection) linger() {
	c.mu.Lock()
	if c.broken {
		c.mu.Unlock()
		return
	}
	c.close(nil, true) // after a Bye; otherwise it has been done
	c.mu.Unlock()
	c.patient = false
	c.deadline(c.server.timing.transfer(wire.MaxText))
	for {
		if _, _, err := c.socket.NextReader(); err != nil {
			return
		}
	}
}

// converse reads messages until one ends the connection.
func (c *connection) converse(host trainer.Host, helloBy time.Time) error {
	readBy(c.socket, helloBy)
	kind, r, err := c.socket.NextReader()
	if err != nil {
		return fmt.Errorf("before its hello: %w", err)
	}
	if kind != websocket.TextMessage {
		return refusef("a binary message came before hello")
	}
	m, err := c.text(r)
	if err != nil {
		return err
	}
	hello, ok := m.(*wire.Hello)
	switch {
	case !ok:
		return refusef("the first message must be hello, not %s", m.Kind())
	case hello.Protocol != wire.Version:
		return &wire.Refuse{Code: wire.CodeVersion, Message: fmt.Sprintf(
			"the server speaks version %d of the protocol, you speak %d: reload the page or update the program", wire.Version, hello.Protocol)}
	}
	c.limits = host.Limits()
	receiver, err := host.Join(c.ctx, hello, c)
	if err != nil {
		return err
	}
	c.receiver = receiver
	for {
		if err := c.next(); err != nil {
			return err
		}
	}
}

// next reads a message and has it handled.
func (c *connection) next() error {
	c.patience()
	kind, r, err := c.socket.NextReader()
	if err != nil {
		return c.silent(err)
	}
	if kind == websocket.BinaryMessage {
		return c.piece(r)
	}
	if c.vector == nil {
		c.patient = false
		c.deadline(c.server.timing.text)
	}
	m, err := c.text(r)
	if err != nil {
		return err
	}
	if c.over() {
		return nil // the peer does not know yet
	}
	if c.vector != nil {
		if len(c.held) == maxHeld {
			return refusef("more than %d messages came inside of a vector", maxHeld)
		}
		if result, ok := m.(*wire.Result); ok && result.Trained() {
			return refusef("a vector began inside of another")
		}
		c.held = append(c.held, m)
		return nil
	}
	return c.handle(m)
}

// patience sets the deadline of the next message.
func (c *connection) patience() {
	t := &c.server.timing
	c.patient = c.vector == nil
	wait := t.silence
	if v := c.vector; v != nil {
		// The whole of the vector, as far as it goes with the next piece, must keep up the rate.
		by := v.began.Add(t.transfer(v.assembly.Received() + wire.PieceSize))
		wait = min(wait, time.Until(by))
	}
	c.deadline(wait)
}

func (c *connection) deadline(wait time.Duration) {
	at := time.Now().Add(wait)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.lingerUntil.IsZero() && c.lingerUntil.Before(at) {
		at = c.lingerUntil
	}
	readBy(c.socket, at)
}

// alive extends the deadline for a sign of life.
func (c *connection) alive() {
	if c.patient {
		c.deadline(c.server.timing.silence)
	}
}

// over reports whether the host has closed the connection: then nothing more is handled.
func (c *connection) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending
}

// silent says what a read's deadline means.
func (c *connection) silent(err error) error {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		if c.vector != nil {
			return fmt.Errorf("its vector came too slowly: %d of %d bytes", c.vector.assembly.Received(), c.vector.result.Bytes)
		}
		return errors.New("it has been silent for too long")
	}
	return err
}

// text reads the rest of a text message.
func (c *connection) text(r io.Reader) (wire.Message, error) {
	buffer := c.server.texts.Get().(*[]byte)
	defer c.server.texts.Put(buffer)
	// A byte more than allowed, so that Decode refuses what is longer. A limit of the socket would refuse it without a reason.
	n, err := io.ReadFull(r, *buffer)
	if err != nil && !ended(err) {
		return nil, c.silent(err)
	}
	return wire.Decode((*buffer)[:n])
}

// handle does what a message asks for. No vector is under way.
func (c *connection) handle(m wire.Message) error {
	switch m := m.(type) {
	case *wire.Result:
		work := wire.LeaseEvaluate
		if m.Trained() {
			work = wire.LeaseTrain
		}
		if err := c.answer(m.Lease, work); err != nil {
			return err
		}
		if m.Trained() {
			return c.begin(m)
		}
	case *wire.Failed:
		if err := c.answer(m.Lease, ""); err != nil {
			return err
		}
	case *wire.Ready:
		if err := c.installed(); err != nil {
			return err
		}
	case *wire.Digest, *wire.Rest:
	case *wire.Bye:
		if err := c.receiver.Message(m); err != nil {
			return err
		}
		return &bye{}
	default:
		return refusef("a participant does not send %s, or not now", m.Kind())
	}
	return c.receiver.Message(m)
}

// begin makes room for a vector, however long that takes: until then nothing is read.
func (c *connection) begin(r *wire.Result) error {
	if r.Bytes > c.limits.Packed {
		return refusef("a vector of %d bytes: those of this session have at most %d", r.Bytes, c.limits.Packed)
	}
	buffer, err := c.server.staging.acquire(c.ctx, r.Bytes)
	if err != nil {
		return context.Cause(c.ctx)
	}
	c.vector = &incoming{r, wire.Assemble(wire.VectorResult, r.Lease, r.Bytes), buffer, time.Now()}
	return nil
}

// piece reads a binary message, and hands the vector over when it is complete.
func (c *connection) piece(r io.Reader) error {
	if c.over() {
		return nil
	}
	v := c.vector
	if v == nil {
		return refusef("a binary message came that belongs to no result")
	}
	h, err := readHeader(r)
	if err != nil {
		return c.silent(err)
	}
	at := v.assembly.Received()
	size, err := readPiece(r, (*v.buffer)[at:min(at+wire.PieceSize, v.result.Bytes)])
	if err != nil {
		return c.silent(err)
	}
	if err := v.assembly.Next(h, size); err != nil {
		return err
	}
	if !v.assembly.Complete() {
		return nil
	}
	return c.deliver()
}

// deliver hands a complete vector to the receiver, then the messages that came inside of it.
func (c *connection) deliver() error {
	v, held := c.vector, c.held
	c.vector, c.held = nil, nil
	err := c.receiver.Vector(v.result, *v.buffer)
	c.server.staging.release(v.buffer)
	if err != nil {
		return err
	}
	for _, m := range held {
		if err := c.handle(m); err != nil {
			return err
		}
	}
	return nil
}

// expect notes what the peer is sent that asks for an answer. The caller holds mu.
func (c *connection) expect(m wire.Message) {
	switch m := m.(type) {
	case *wire.Welcome, *wire.Goto:
		c.states++
	case *wire.Lease:
		if c.leases == nil {
			c.leases = map[int64]outstanding{}
		}
		c.leases[m.Lease] = outstanding{m.Work, c.states}
	}
}

// answer takes a lease off the list. So only a peer that has work to do can make the server receive a vector, and only one for each lease.
func (c *connection) answer(lease int64, work string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, there := c.leases[lease]
	switch {
	case !there:
		return refusef("lease %d is not yours, or has been answered", lease)
	case work != "" && work != o.work:
		return refusef("lease %d is to %s: this is no result of it", lease, o.work)
	}
	delete(c.leases, lease)
	return nil
}

// installed forgets the leases of states before the one that the peer has now installed: it answers them no more.
func (c *connection) installed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ready == c.states {
		return refusef("ready was not asked for")
	}
	c.ready++
	for id, o := range c.leases {
		if o.state < c.ready {
			delete(c.leases, id)
		}
	}
	return nil
}
