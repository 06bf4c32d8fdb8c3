package ws

import (
	"sync"

	"github.com/gorilla/websocket"

	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// encodedUpdate is an update as it is sent: frames that all connections share.
type encodedUpdate struct {
	messages []*websocket.PreparedMessage // the text, then the pieces
	bytes    int64
	err      error // why it cannot be sent

	// Guarded by broadcasts.mu.
	holders int
	number  int64
}

func encodeUpdate(u *trainer.Update) any {
	e := &encodedUpdate{bytes: int64(len(u.Packed))}
	add := func(kind int, message []byte) {
		if m, err := websocket.NewPreparedMessage(kind, message); err != nil {
			e.err = err
		} else {
			e.messages = append(e.messages, m)
		}
	}
	text, err := wire.Encode(&u.Update)
	if err != nil {
		return &encodedUpdate{err: err}
	}
	add(websocket.TextMessage, text)
	header := wire.Header{Vector: wire.VectorUpdate, ID: uint32(u.Step)}
	message := make([]byte, 0, wire.HeaderSize+wire.PieceSize)
	for header.Offset < e.bytes {
		piece := u.Packed[header.Offset:min(header.Offset+wire.PieceSize, e.bytes)]
		add(websocket.BinaryMessage, append(header.Append(message[:0]), piece...))
		header.Offset += int64(len(piece))
	}
	return e
}

// broadcasts knows which updates wait in queues, so that slow readers cannot keep more than a budget of them alive.
type broadcasts struct {
	budget int64

	mu    sync.Mutex
	live  []*encodedUpdate // that somebody holds, oldest first
	bytes int64
	next  int64
}

// hold counts a queue that holds the update. Where the budget is exceeded, it returns the number of the oldest update that may stay.
func (b *broadcasts) hold(e *encodedUpdate) (oldest int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.holders++
	if e.holders > 1 {
		return 0
	}
	b.next++
	e.number = b.next
	b.live = append(b.live, e)
	b.bytes += e.bytes
	over := b.bytes - b.budget
	for _, old := range b.live[:len(b.live)-1] {
		if over <= 0 {
			break
		}
		over -= old.bytes
		oldest = old.number + 1
	}
	return oldest
}

func (b *broadcasts) release(e *encodedUpdate) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.holders--
	if e.holders > 0 {
		return
	}
	for i, other := range b.live {
		if other == e {
			b.live = append(b.live[:i], b.live[i+1:]...)
			b.bytes -= e.bytes
			return
		}
	}
}
