package main

import (
	"io"
	"sync/atomic"
	"time"
)

// link is what packets go through.
type link struct {
	rate  float64 // bits per second, each way
	delay time.Duration
	began time.Time
	// mended is when the last cut ends, nanoseconds after began.
	mended atomic.Int64
}

func newLink(rate float64, delay time.Duration) *link {
	return &link{rate: rate, delay: delay, began: time.Now()}
}

// cut loses everything from now on, for so long.
func (l *link) cut(length time.Duration) { l.mended.Store(int64(time.Since(l.began) + length)) }

// whole reports whether the link is not cut.
func (l *link) whole() bool { return int64(time.Since(l.began)) >= l.mended.Load() }

// longestQueue is how long a packet may wait for its turn before it is lost: what routers for such links hold.
const longestQueue = 200 * time.Millisecond

// packet is on its way.
type packet struct {
	data    []byte
	arrives time.Time
}

// forward carries packets one way until from is closed. They leave one after the other at the link's rate and arrive after its delay.
func (l *link) forward(from io.Reader, to io.Writer) {
	// So many of the smallest packets are on their way at most: beyond that they are lost, too.
	way := make(chan packet, 1<<14)
	defer close(way)
	go func() {
		for p := range way {
			time.Sleep(time.Until(p.arrives))
			if l.whole() {
				_, _ = to.Write(p.data) // a device that is gone loses packets as well
			}
		}
	}()
	var free time.Time // when the last packet will have left
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		now := time.Now()
		if free.Before(now) {
			free = now
		}
		if !l.whole() || free.Sub(now) > longestQueue {
			continue
		}
		free = free.Add(time.Duration(float64(8*n) / l.rate * float64(time.Second)))
		select {
		case way <- packet{append([]byte(nil), buffer[:n]...), free.Add(l.delay)}:
		default:
		}
	}
}
