package ws

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// corked is a socket on which what is written waits for flush: so messages that follow each other at once leave in one system call, and
// wake their reader once. Frames of updates, which all connections share, are not copied.
type corked struct {
	net.Conn
	open bool // what is written leaves at once

	mu     sync.Mutex
	frames net.Buffers
	size   int64
	keeps  bool
}

// Write implements net.Conn.
func (c *corked) Write(b []byte) (int, error) {
	if c.open {
		return c.Conn.Write(b)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size += int64(len(b))
	frame := b
	if !c.keeps {
		frame = bytes.Clone(b)
	}
	c.frames = append(c.frames, frame)
	return len(b), nil
}

// keep says whether what is written next stays as it is, and need not be copied.
func (c *corked) keep(keeps bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keeps = keeps
}

// waiting is how much waits, in bytes.
func (c *corked) waiting() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size
}

// SetWriteDeadline implements net.Conn. Deadlines are set where it is flushed.
func (c *corked) SetWriteDeadline(at time.Time) error {
	if c.open {
		return c.Conn.SetWriteDeadline(at)
	}
	return nil
}

// flush writes what waits. Only one goroutine at a time may do so.
func (c *corked) flush() error {
	c.mu.Lock()
	frames := c.frames
	c.frames, c.size = nil, 0
	c.mu.Unlock()
	_, err := frames.WriteTo(c.Conn)
	return err
}

// corker hands a request's socket over corked, but for the answer to the request.
type corker struct {
	http.ResponseWriter
	socket *corked
}

// Hijack implements http.Hijacker.
func (w *corker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h, ok := w.ResponseWriter.(http.Hijacker)
	if !ok {
		return nil, nil, errors.New("the server of this request does not hand over its connections")
	}
	c, rw, err := h.Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.socket = &corked{Conn: c, open: true}
	return w.socket, rw, nil
}
