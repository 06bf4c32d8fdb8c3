package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/trainer"
)

// stepTime is what a participant computes in a step, as in the measurements of DistML.js; with local steps, in each of them.
const stepTime = 1800 * time.Millisecond

// speedUp is of so many participants, against one that computes the same alone, without a network.
type speedUp struct {
	Participants int     `json:"participants"`
	Bits         int     `json:"bits"`
	LocalSteps   int     `json:"localSteps"`
	Steps        int64   `json:"steps"` // that were measured
	Seconds      float64 `json:"secondsPerStep"`
	SpeedUp      float64 `json:"speedUp"`
	// Megabytes of vectors per participant and step, up and down together.
	Megabytes float64 `json:"megabytes"`
	usage
	// Times are where the last steps' time went.
	Times trainer.StepTime `json:"times"`
}

// links measures speed-ups over a link that all participants share, as they do the server's network card.
func links(ctx context.Context, arguments []string) ([]speedUp, error) {
	f := flag.NewFlagSet("link", flag.ContinueOnError)
	bits := f.String("bits", "8", "of the values of a microbatch")
	local := f.String("local", "1,16", "local steps")
	n := f.Int("participants", 16, "how many")
	rate := f.Float64("rate", 606, "megabits per second of the server's link, each way")
	values := f.Int("values", 11_200_000, "of a vector: those of ResNet-18")
	steps := f.Int64("steps", 0, "how many are measured; by default 6, and 2 of local steps")
	if err := f.Parse(arguments); err != nil {
		return nil, err
	}
	var all []speedUp
	for b := range strings.SplitSeq(*bits, ",") {
		for h := range strings.SplitSeq(*local, ",") {
			width, err := strconv.Atoi(b)
			if err != nil {
				return nil, err
			}
			inner, err := strconv.Atoi(h)
			if err != nil {
				return nil, err
			}
			measured := *steps
			if measured == 0 {
				if measured = 6; inner > 1 {
					measured = 2
				}
			}
			m, err := linkOf(ctx, fixtures.Burden{Values: *values, Bits: width}, *n, inner, stepTime, *rate*1e6/8, measured)
			if err != nil {
				return nil, err
			}
			t := m.Times
			fmt.Fprintf(os.Stderr, "%d bits, %d local steps: %.1f times; %.1f s a step (compute %.1f, way %.1f, merge %.1f, broadcast %.1f, idle %.1f), %.1f MB, %.1f + %.1f CPU-s, %d MB of memory\n",
				width, inner, m.SpeedUp, m.Seconds, t.Compute, t.Upload, t.Merge, t.Broadcast, t.Idle, m.Megabytes, m.ServerCPU, m.PeersCPU, m.ServerMemory>>20)
			all = append(all, m)
		}
	}
	return all, nil
}

func linkOf(ctx context.Context, b fixtures.Burden, n, local int, compute time.Duration, rate float64, steps int64) (m speedUp, err error) {
	up, down := &shaper{rate: rate}, &shaper{rate: rate}
	s, err := startBurden(ctx, b, n, trainer.Request{}, func(l net.Listener) net.Listener { return shapedListener{l, up, down} })
	if err != nil {
		return m, err
	}
	defer s.close()
	each := compute * time.Duration(local)
	c, err := gatherBurden(ctx, s, b, n, n, each)
	if err != nil {
		return m, err
	}
	// Steps 0 and 1 are worked on before the speed of everybody is known.
	const warmUp = 2
	from, err := c.after(ctx, warmUp)
	if err != nil {
		return m, err
	}
	to, err := c.after(ctx, from.Updates+steps)
	if err != nil {
		return m, err
	}
	done := to.Updates - from.Updates
	seconds := float64(to.Nanos-from.Nanos) / 1e9 / float64(done)
	m = speedUp{
		Participants: n, Bits: b.Bits, LocalSteps: local, Steps: done, Seconds: seconds,
		SpeedUp:   float64(n) * each.Seconds() / seconds,
		Megabytes: float64(to.Up-from.Up+to.Down-from.Down) / 1e6 / float64(done) / float64(n),
		usage:     usageBetween(from, to), Times: s.session.Detail().Times,
	}
	return m, c.disperse()
}

// after waits until so many updates have been seen.
func (c *crowd) after(ctx context.Context, updates int64) (counts, error) {
	for {
		now, err := c.look()
		if err != nil || now.Updates >= updates {
			return now, err
		}
		select {
		case <-ctx.Done():
			return now, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// shaper is one direction of a link that many connections share.
type shaper struct {
	rate float64 // bytes per second

	mu   sync.Mutex
	free time.Time // when the link has sent everything so far
}

// pass waits for so many bytes' turn.
func (s *shaper) pass(n int) {
	s.mu.Lock()
	now := time.Now()
	if s.free.Before(now) {
		s.free = now
	}
	s.free = s.free.Add(time.Duration(float64(n) / s.rate * float64(time.Second)))
	until := s.free
	s.mu.Unlock()
	time.Sleep(time.Until(until))
}

// shapedListener shapes what it accepts.
type shapedListener struct {
	net.Listener
	up, down *shaper
}

// Accept implements net.Listener.
func (l shapedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil, errors.New("no TCP")
	}
	// Small buffers: what the kernel holds has not passed the link yet.
	const buffer = 256 << 10
	if err := errors.Join(tcp.SetReadBuffer(buffer), tcp.SetWriteBuffer(buffer)); err != nil {
		return nil, err
	}
	return shapedConn{c, l.up, l.down}, nil
}

type shapedConn struct {
	net.Conn
	up, down *shaper
}

// chunk is how much passes at a time, so that connections take turns.
const chunk = 32 << 10

func (c shapedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b[:min(len(b), chunk)])
	c.up.pass(n)
	return n, err
}

func (c shapedConn) Write(b []byte) (int, error) {
	written := 0
	for written < len(b) {
		piece := b[written:min(written+chunk, len(b))]
		c.down.pass(len(piece))
		n, err := c.Conn.Write(piece)
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}
