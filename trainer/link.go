package trainer

import (
	"context"
	"sync"

	"github.com/reprise-ml/reprise/trainer/wire"
)

// Update is a step's merged vector, encoded once and sent to everybody.
type Update struct {
	wire.Update
	// Packed is the vector; nobody may change it.
	Packed []byte

	once    sync.Once
	encoded any
}

// Encoded returns what encode makes of the update, which it is asked for once: the form in which a transport sends it to everybody.
func (u *Update) Encoded(encode func(*Update) any) any {
	u.once.Do(func() { u.encoded = encode(u) })
	return u.encoded
}

// Link is the coordinator's end of one participant's connection. Its methods do not block and may be called at any time from any
// goroutine; what is sent arrives in the order in which it was sent.
type Link interface {
	// Send queues a message. On a closed link it does nothing.
	Send(m wire.Message)
	// SendUpdate queues an update and reports whether there was room: a receiver that has too many updates waiting for it gets
	// none, and is to be sent a snapshot instead. It leaves with what is sent next, or with Flush: mostly a lease follows at once.
	SendUpdate(u *Update) bool
	// Flush sends what is queued, where SendUpdate was the last.
	Flush()
	// DropUpdates forgets updates that wait and of which nothing has been sent, with all messages that wait: before a snapshot.
	DropUpdates()
	// Close sends what is queued, then the refusal if there is one, and closes the connection.
	Close(r *wire.Refuse)
}

// Host is what a transport hands its connections to: a session.
type Host interface {
	// Join lets a participant in, whose link the host keeps until Receiver.Left. An error that is a *wire.Refuse is sent to it.
	Join(ctx context.Context, hello *wire.Hello, link Link) (Receiver, error)
	// Limits bound what a connection may send.
	Limits() Limits
}

// Limits are those of one session.
type Limits struct {
	// Packed is the largest packed vector in bytes.
	Packed int64
}

// Receiver takes what one participant sends. Its methods are called by one goroutine at a time. An error ends the connection; one
// that is a *wire.Refuse is sent first.
type Receiver interface {
	// Message takes any message but Hello and results of training.
	Message(m wire.Message) error
	// Vector takes a result with its packed vector, which is the receiver's only until the call returns. It may take long.
	Vector(r *wire.Result, packed []byte) error
	// Left is called once, at the end, with what ended the connection: nil after a Bye.
	Left(err error)
}

// Connection is the participant's end.
type Connection interface {
	// Receive returns the next message, with the packed vector if it is an Update. The vector is the caller's. Errors are final; a
	// refusal of the coordinator is a *wire.Refuse.
	Receive(ctx context.Context) (wire.Message, []byte, error)
	// Send sends a message, with a packed vector if it is a Result of training. It blocks until the transport has taken it.
	Send(ctx context.Context, m wire.Message, packed []byte) error
	// Close closes the connection, in an orderly way after a Bye.
	Close() error
}

// Dialer opens a connection to a session and negotiates the subprotocol, no more.
type Dialer func(ctx context.Context) (Connection, error)
