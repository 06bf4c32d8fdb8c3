package trainer

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/reprise-ml/reprise/trainer/wire"
)

// pipe connects a participant and a host without a network.
type pipe struct {
	host   Host
	mangle func(wire.Message, []byte) (wire.Message, []byte) // what the participant sends

	mu      sync.Mutex
	changed sync.Cond
	down    []sent // to the participant
	waiting int    // updates among them
	closed  error

	receiver Receiver
	left     sync.Once
}

type sent struct {
	message wire.Message
	packed  []byte
}

// errCut is how a pipe breaks.
var errCut = errors.New("the connection was cut")

// dialer connects to a host; dialled is told of every pipe.
func dialer(host func() Host, dialled func(*pipe), mangle func(wire.Message, []byte) (wire.Message, []byte)) Dialer {
	return func(context.Context) (Connection, error) {
		h := host()
		if h == nil {
			return nil, errors.New("nobody listens")
		}
		p := &pipe{host: h, mangle: mangle}
		p.changed.L = &p.mu
		if dialled != nil {
			dialled(p)
		}
		return p, nil
	}
}

func (p *pipe) push(s sent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed == nil {
		p.down = append(p.down, s)
		p.changed.Broadcast()
	}
}

func (p near) Send(m wire.Message) { p.push(sent{message: m}) }

func (p near) SendUpdate(u *Update) bool {
	p.mu.Lock()
	full := p.waiting >= 64
	if !full {
		p.waiting++
	}
	p.mu.Unlock()
	if !full {
		p.push(sent{&u.Update, u.Packed})
	}
	return !full
}

func (p near) Flush() {}

func (p near) DropUpdates() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down, p.waiting = nil, 0
}

func (p near) Close(r *wire.Refuse) {
	if r != nil {
		p.push(sent{message: r})
		return
	}
	p.cut(io.EOF)
}

// cut breaks the connection.
func (p *pipe) cut(err error) {
	p.mu.Lock()
	if p.closed == nil {
		p.closed = err
	}
	p.changed.Broadcast()
	p.mu.Unlock()
	if p.receiver != nil {
		p.left.Do(func() { go p.receiver.Left(err) })
	}
}

// far is the participant's end.
func (p *pipe) Receive(ctx context.Context) (wire.Message, []byte, error) {
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		p.changed.Broadcast()
		p.mu.Unlock()
	})
	defer stop()
	p.mu.Lock()
	for len(p.down) == 0 && p.closed == nil && ctx.Err() == nil {
		p.changed.Wait()
	}
	if len(p.down) == 0 {
		defer p.mu.Unlock()
		if p.closed != nil {
			return nil, nil, p.closed
		}
		return nil, nil, ctx.Err()
	}
	s := p.down[0]
	p.down = p.down[1:]
	if s.packed != nil {
		p.waiting--
	}
	p.mu.Unlock()
	if r, ok := s.message.(*wire.Refuse); ok {
		p.cut(r)
		return nil, nil, r
	}
	return s.message, s.packed, nil
}

func (p *pipe) Close() error {
	p.cut(nil)
	return nil
}

// near is the host's end of a pipe.
type near struct{ *pipe }

// Send is how a participant's messages reach the host.
func (p *pipe) Send(_ context.Context, m wire.Message, packed []byte) error {
	err := p.upward(m, packed)
	if refuse := (*wire.Refuse)(nil); errors.As(err, &refuse) {
		p.push(sent{message: refuse})
		return nil
	}
	return err
}

func (p *pipe) upward(m wire.Message, packed []byte) error {
	if p.mangle != nil {
		m, packed = p.mangle(m, packed)
	}
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed != nil {
		return closed
	}
	if hello, ok := m.(*wire.Hello); ok {
		r, err := p.host.Join(context.Background(), hello, near{p})
		if err == nil {
			p.receiver = r
		}
		return err
	}
	if r, ok := m.(*wire.Result); ok && packed != nil {
		return p.receiver.Vector(r, packed)
	}
	return p.receiver.Message(m)
}
