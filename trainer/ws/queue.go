package ws

import (
	"errors"
	"time"

	"github.com/gorilla/websocket"

	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// Limits of what waits for one reader.
const (
	// maxWaitingText is in bytes; one message may always wait.
	maxWaitingText = 128 << 10
	// So many updates may wait whatever their size, and never more than so many.
	fewUpdates    = 4
	mostUpdates   = 2048
	maxCloseCause = 120 // bytes in a close frame
)

var (
	errSlow   = errors.New("the peer reads too slowly")
	errClosed = errors.New("the session closed the connection")
)

// outgoing is what waits to be sent: one of text, update and end.
type outgoing struct {
	text   []byte
	update *encodedUpdate
	sent   int // messages of the update
	end    *ending
}

// ending is the last thing that a connection sends.
type ending struct {
	code  int
	cause string
}

// Send implements trainer.Link.
func (c *connection) Send(m wire.Message) {
	text, err := wire.Encode(m)
	if err != nil {
		c.fail(err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending {
		return
	}
	c.expect(m)
	c.push(text)
}

// push queues a text. The caller holds mu.
func (c *connection) push(text []byte) {
	if c.waitingText > 0 && c.waitingText+len(text) > maxWaitingText {
		c.failLocked(errSlow)
		return
	}
	c.waitingText += len(text)
	c.queue = append(c.queue, outgoing{text: text})
	c.kick()
}

// SendUpdate implements trainer.Link.
func (c *connection) SendUpdate(u *trainer.Update) bool {
	e := u.Encoded(encodeUpdate).(*encodedUpdate)
	if e.err != nil {
		c.fail(e.err)
		return true
	}
	c.mu.Lock()
	if c.ending {
		c.mu.Unlock()
		return true
	}
	if c.waitingUpdates >= mostUpdates || c.waitingUpdates >= fewUpdates && c.waitingBytes+e.bytes > c.server.behind {
		c.mu.Unlock()
		return false
	}
	c.waitingUpdates++
	c.waitingBytes += e.bytes
	c.queue = append(c.queue, outgoing{update: e})
	oldest := c.server.updates.hold(e)
	c.mu.Unlock()
	if oldest > 0 {
		c.server.letGo(oldest)
	}
	return true
}

// Flush implements trainer.Link.
func (c *connection) Flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) > 0 {
		c.kick()
	}
}

// DropUpdates implements trainer.Link.
func (c *connection) DropUpdates() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ending {
		c.drop()
	}
}

// drop empties the queue but for what has been written, and an update that has been begun. The caller holds mu.
func (c *connection) drop() {
	kept := c.written
	if kept < len(c.queue) && c.queue[kept].sent > 0 {
		kept++
	}
	for _, o := range c.queue[kept:] {
		c.forget(o)
	}
	clear(c.queue[kept:])
	c.queue = c.queue[:kept]
}

// forget takes what leaves the queue out of the accounts. The caller holds mu.
func (c *connection) forget(o outgoing) {
	c.waitingText -= len(o.text)
	if o.update != nil {
		c.waitingUpdates--
		c.waitingBytes -= o.update.bytes
		c.server.updates.release(o.update)
	}
}

// holdsBefore reports whether an update older than that number waits.
func (c *connection) holdsBefore(number int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.queue {
		if o.update != nil {
			return o.update.number < number
		}
	}
	return false
}

// Close implements trainer.Link.
func (c *connection) Close(r *wire.Refuse) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.close(r, false)
}

// refuse ends the connection for a reason that the peer is told next, whatever else waits.
func (c *connection) refuse(r *wire.Refuse) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.close(r, true)
}

func (c *connection) close(r *wire.Refuse, now bool) {
	if c.ending {
		return
	}
	if now {
		c.drop()
	}
	end := &ending{code: websocket.CloseNormalClosure}
	if r == nil {
		c.cause = errClosed
	} else {
		c.cause = r
		end.code, end.cause = closeCode(r), r.Code
		text, err := wire.Encode(r)
		if err != nil {
			c.failLocked(err)
			return
		}
		c.push(text)
	}
	c.ending = true
	c.queue = append(c.queue, outgoing{end: end})
	c.kick()
}

func closeCode(r *wire.Refuse) int {
	switch r.Code {
	case wire.CodeEnded:
		return websocket.CloseNormalClosure
	case wire.CodeBusy, wire.CodeFull:
		return websocket.CloseTryAgainLater
	case wire.CodeProtocol:
		return websocket.CloseProtocolError
	}
	return websocket.ClosePolicyViolation
}

// kick starts the goroutine that writes, unless it runs. The caller holds mu.
func (c *connection) kick() {
	if !c.writing && !c.broken {
		c.writing = true
		c.writer.Go(c.write)
	}
}

// write sends until nothing waits, what comes together at once. Pings and pongs go between the pieces of vectors.
func (c *connection) write() {
	for {
		c.mu.Lock()
		switch {
		case c.broken:
			c.mu.Unlock()
			return
		case c.pong != nil:
			data := *c.pong
			c.pong = nil
			c.mu.Unlock()
			c.control(websocket.PongMessage, []byte(data))
			continue
		case c.pingDue:
			c.pingDue = false
			c.mu.Unlock()
			c.control(websocket.PingMessage, nil)
			continue
		case len(c.queue) == 0 && c.out.waiting() == 0:
			c.writing = false
			c.queue = nil // an idle connection keeps no room for messages
			c.settleLocked()
			c.mu.Unlock()
			return
		case len(c.queue) == c.written:
			c.mu.Unlock()
			c.flush()
			continue
		}
		next := &c.queue[c.written]
		o := *next
		if o.update == nil || o.sent+1 == len(o.update.messages) {
			c.written++
		} else {
			next.sent++
		}
		c.mu.Unlock()
		c.send(o)
		if c.out.waiting() >= wire.PieceSize {
			c.flush()
		}
	}
}

// send writes the next message of what waits.
func (c *connection) send(o outgoing) {
	var err error
	switch {
	case o.end != nil:
		c.control(websocket.CloseMessage, websocket.FormatCloseMessage(o.end.code, o.end.cause))
		c.flush()
		c.mu.Lock()
		c.lingerUntil = time.Now().Add(c.server.timing.linger)
		readBy(c.socket, c.lingerUntil)
		c.mu.Unlock()
		return
	case o.update != nil:
		c.out.keep(true)
		err = c.socket.WritePreparedMessage(o.update.messages[o.sent])
		c.out.keep(false)
	default:
		err = c.socket.WriteMessage(websocket.TextMessage, o.text)
	}
	if err != nil {
		c.unsendable(err)
	}
}

// unsendable ends the connection where the library takes no more: it has sent its last word, which may wait still.
func (c *connection) unsendable(err error) {
	c.flush()
	c.fail(err)
}

// flush hands what was written to the system, which must get rid of it in time. Until then it counts as waiting.
func (c *connection) flush() {
	writeBy(c.out.Conn, time.Now().Add(c.server.timing.transfer(c.out.waiting())))
	if err := c.out.flush(); err != nil {
		c.fail(slowWrite(err))
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return
	}
	for k := range c.queue[:c.written] {
		c.forget(c.queue[k])
		c.queue[k] = outgoing{}
	}
	c.queue, c.written = c.queue[c.written:], 0
}

// settle waits a moment until all is sent: the library answers a close frame, and what is no frame, while it reads.
func (c *connection) settle() {
	const moment = time.Second
	settled := make(chan struct{})
	c.mu.Lock()
	if c.broken {
		c.mu.Unlock()
		return
	}
	c.settled = settled
	c.kick()
	c.mu.Unlock()
	select {
	case <-settled:
	case <-time.After(moment):
	}
}

// settleLocked tells whoever waits in settle. The caller holds mu.
func (c *connection) settleLocked() {
	if c.settled != nil {
		close(c.settled)
		c.settled = nil
	}
}

func (c *connection) control(kind int, data []byte) {
	if err := c.socket.WriteControl(kind, data, time.Time{}); err != nil {
		c.unsendable(err)
	}
}

// slowWrite says what a write's deadline means.
func slowWrite(err error) error {
	if timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && timeout.Timeout() {
		return errSlow
	}
	return err
}

// fail breaks the connection at once, for a reason that Receiver.Left will hear.
func (c *connection) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failLocked(err)
}

func (c *connection) failLocked(err error) {
	if c.broken {
		return
	}
	c.broken, c.ending = true, true
	if c.cause == nil {
		c.cause = err
	}
	for _, o := range c.queue {
		c.forget(o)
	}
	c.queue, c.written = nil, 0
	c.settleLocked()
	c.cancel(c.cause)
	c.socket.NetConn().Close()
}
