package ws

import (
	"net"
	"time"

	"github.com/gorilla/websocket"
)

// timing is when the ends of a connection lose their patience (PROTOCOL.md, Limits).
type timing struct {
	hello   time.Duration // from connecting to the first message
	ping    time.Duration // between pings
	silence time.Duration // that ends a connection
	text    time.Duration // for the rest of a text message that has begun
	slack   time.Duration // that a transfer may take beyond its size at the least rate
	linger  time.Duration // for the peer to read why it is refused, and to close its end
	rate    int64         // least bytes per second of a transfer
}

var standard = timing{
	hello:   10 * time.Second,
	ping:    15 * time.Second,
	silence: 40 * time.Second,
	text:    10 * time.Second,
	slack:   15 * time.Second,
	linger:  3 * time.Second,
	rate:    16 << 10,
}

// transfer is how long so many bytes may take.
func (t *timing) transfer(bytes int64) time.Duration {
	return t.slack + time.Duration(float64(bytes)/float64(t.rate)*float64(time.Second))
}

// Deadlines fail on closed sockets alone, as the reading and writing that follow will.

func readBy(s *websocket.Conn, at time.Time) { _ = s.SetReadDeadline(at) }

func writeBy(s net.Conn, at time.Time) { _ = s.SetWriteDeadline(at) }
