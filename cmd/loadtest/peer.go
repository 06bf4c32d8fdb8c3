package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/gorilla/websocket"

	"github.com/reprise-ml/reprise/trainer/wire"
)

// peer is a participant's end of a connection. Real ones have machines of their own; those of a measurement share the server's, so it
// does next to nothing: what it sends is masked with zeros and shared by all, and what it receives is not kept.
type peer struct {
	socket net.Conn
	in     *bufio.Reader
	cancel func() bool

	mu sync.Mutex // held while sending
}

// Kinds of frames, and the bits beside them (RFC 6455).
const (
	frameFinal  = 0x80
	frameMasked = 0x80
)

func dial(ctx context.Context, address string) (*peer, error) {
	d := websocket.Dialer{Subprotocols: []string{wire.Subprotocol}}
	c, answer, err := d.DialContext(ctx, "ws://"+address, nil)
	if err != nil {
		return nil, err
	}
	answer.Body.Close()
	// Nothing has been read beyond the handshake: the server speaks when it is spoken to.
	p := &peer{socket: c.NetConn(), in: bufio.NewReaderSize(c.NetConn(), 1<<10)}
	p.cancel = context.AfterFunc(ctx, func() { p.socket.Close() })
	return p, nil
}

func (p *peer) close() {
	p.cancel()
	p.socket.Close()
}

// appendFrame writes the header of a frame of so many bytes after b, whose mask is zero.
func appendFrame(b []byte, kind byte, size int) []byte {
	b = append(b, frameFinal|kind)
	switch {
	case size < 126:
		b = append(b, frameMasked|byte(size))
	case size < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, frameMasked|126), uint16(size))
	default:
		b = binary.BigEndian.AppendUint64(append(b, frameMasked|127), uint64(size))
	}
	return append(b, 0, 0, 0, 0)
}

// send sends a message, with a packed vector if it is a result of training.
func (p *peer) send(m wire.Message, packed []byte) error {
	text, err := wire.Encode(m)
	if err != nil {
		return err
	}
	head := append(appendFrame(nil, websocket.TextMessage, len(text)), text...)
	buffers := net.Buffers{head}
	if r, ok := m.(*wire.Result); ok {
		header := wire.Header{Vector: wire.VectorResult, ID: uint32(r.Lease)}
		for header.Offset < int64(len(packed)) {
			piece := packed[header.Offset:min(header.Offset+wire.PieceSize, int64(len(packed)))]
			buffers = append(buffers, header.Append(appendFrame(nil, websocket.BinaryMessage, wire.HeaderSize+len(piece))), piece)
			header.Offset += int64(len(piece))
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err = buffers.WriteTo(p.socket)
	return err
}

// pong answers a ping.
func (p *peer) pong(payload []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.socket.Write(append(appendFrame(nil, websocket.PongMessage, len(payload)), payload...))
	return err
}

// payloads are buffers for frames, which all peers share.
var payloads = sync.Pool{New: func() any { b := make([]byte, wire.HeaderSize+wire.PieceSize); return &b }}

// receive has a message handled, whose bytes are do's only while it runs.
func (p *peer) receive(do func(kind int, payload []byte) error) error {
	head, err := p.in.Peek(2)
	if err != nil {
		return err
	}
	kind, size, more := int(head[0]&0xf), int(head[1]), 0
	switch size {
	case 126:
		more = 2
	case 127:
		more = 8
	}
	if head, err = p.in.Peek(2 + more); err != nil {
		return err
	}
	switch more {
	case 2:
		size = int(binary.BigEndian.Uint16(head[2:]))
	case 8:
		size = int(binary.BigEndian.Uint64(head[2:]))
	}
	final := head[0]&frameFinal != 0
	if _, err := p.in.Discard(2 + more); err != nil {
		return err
	}
	buffer := payloads.Get().(*[]byte)
	defer payloads.Put(buffer)
	if !final || size > len(*buffer) {
		return fmt.Errorf("the server sent a frame of %d bytes, or one that goes on", size)
	}
	payload := (*buffer)[:size]
	if _, err := io.ReadFull(p.in, payload); err != nil {
		return err
	}
	switch kind {
	case websocket.PingMessage:
		return p.pong(payload)
	case websocket.CloseMessage:
		return fmt.Errorf("the server closed the connection: %q", payload)
	}
	return do(kind, payload)
}
