package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/trainer/wire"
	"github.com/reprise-ml/reprise/trainer/ws"
)

const participantsVerb = "participants"

// counts are what the process of participants has seen so far.
type counts struct {
	Working  int64   `json:"working"`  // participants that are in
	Computed int64   `json:"computed"` // microbatches in results that were sent
	Merged   int64   `json:"merged"`   // examples in updates, as the first participant saw them
	Updates  int64   `json:"updates"`  // that the first participant saw
	Checked  int64   `json:"checked"`  // updates whose digest was found right, by all
	Up       int64   `json:"up"`       // bytes of vectors, by all
	Down     int64   `json:"down"`
	Nanos    int64   `json:"nanos"` // when
	CPU      float64 `json:"cpu"`   // seconds of processor time
	// Course is the test error, where somebody evaluates.
	Course []moment `json:"course,omitempty"`

	serverCPU float64 // of the process that looks
}

// crowd is that process, as its parent sees it.
type crowd struct {
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Scanner
}

// gather starts n participants, as arguments say, waits until all are there, and lets the session go on.
func gather(ctx context.Context, s *session, n int, arguments ...string) (*crowd, error) {
	c := &crowd{command: exec.CommandContext(ctx, os.Args[0], append([]string{participantsVerb, "-address", s.address, "-n", strconv.Itoa(n)}, arguments...)...)}
	c.command.Stderr = os.Stderr
	var err error
	if c.input, err = c.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.output = bufio.NewScanner(out)
	if err := c.command.Start(); err != nil {
		return nil, err
	}
	for {
		now, err := c.look()
		if err != nil {
			return nil, err
		}
		if now.Working >= int64(n) {
			return c, s.session.Do(ctx, trainer.Command{Command: trainer.CommandResume})
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// look asks for the counts.
func (c *crowd) look() (counts, error) {
	var now counts
	if _, err := fmt.Fprintln(c.input); err != nil {
		return now, err
	}
	if !c.output.Scan() {
		return now, errors.New("the participants have gone")
	}
	err := json.Unmarshal(c.output.Bytes(), &now)
	now.serverCPU = cpu()
	return now, err
}

func (c *crowd) disperse() error {
	c.input.Close()
	return c.command.Wait()
}

// simulation is the participants' side of it.
type simulation struct {
	source  source
	section *schema.EngineSection
	each    time.Duration
	tracker *tracker        // nil if nobody evaluates
	proofs  []schema.Digest // of the first microbatches of step 0

	working, computed, merged, updates, checked, up, down atomic.Int64

	mu   sync.Mutex
	seen map[int64]*update // by step
}

// update is one whose digest was computed.
type update struct {
	once   sync.Once
	packed []byte
	digest schema.Digest
	err    error

	examples     int64
	accumulators []byte // for who evaluates
}

// participants is the process: every line of standard input is answered with the counts, its end ends everything.
func participants(ctx context.Context, arguments []string) error {
	f := flag.NewFlagSet(participantsVerb, flag.ContinueOnError)
	address := f.String("address", "", "of the server")
	n := f.Int("n", 1, "how many")
	each := f.Duration("each", 0, "time for a microbatch")
	values := f.Int("values", 1, "of a vector")
	bits := f.Int("bits", 16, "of a value")
	microbatches := f.Int("microbatches", 1, "of a step")
	learn := f.Bool("learn", false, "whether they compute; one more evaluates")
	if err := f.Parse(arguments); err != nil {
		return err
	}
	debug.SetGCPercent(400) // what they take of the machine is the server's loss
	s := &simulation{each: *each, seen: map[int64]*update{}}
	var err error
	if *learn {
		err = s.learn(ctx)
		*n++
	} else {
		var b *burden
		if b, err = newBurden(fixtures.Burden{Values: *values, Bits: *bits}, *microbatches); err == nil {
			s.source, s.section = b, b.section
		}
	}
	if err != nil {
		return err
	}
	for k := range int64(2) {
		a, err := s.source.vector(ctx, 0, k, k+1)
		if err != nil {
			return err
		}
		s.proofs = append(s.proofs, a.digest)
	}
	dial, err := ws.Dialer("ws://"+*address, ws.ClientOptions{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	dialling := make(chan struct{}, 32)
	for k := range *n {
		group.Go(func() {
			dialling <- struct{}{}
			c, err := dial(ctx)
			<-dialling
			if err == nil {
				err = s.take(ctx, c, k == 0, *learn && k == *n-1)
			}
			if err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("participant %d: %w", k, err))
			}
		})
	}
	lines := make(chan struct{})
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			lines <- struct{}{}
		}
		close(lines)
	}()
	out := json.NewEncoder(os.Stdout)
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case _, more := <-lines:
			if !more {
				cancel(nil)
				group.Wait()
				return nil
			}
			err := out.Encode(counts{
				Working: s.working.Load(), Computed: s.computed.Load(), Merged: s.merged.Load(), Updates: s.updates.Load(),
				Checked: s.checked.Load(), Up: s.up.Load(), Down: s.down.Load(), Nanos: time.Now().UnixNano(), CPU: cpu(), Course: s.tracker.look(),
			})
			if err != nil {
				return err
			}
		}
	}
}

// learn lets the participants compute, and makes the tracker.
func (s *simulation) learn(ctx context.Context) error {
	subject, err := glyphs(ctx)
	if err != nil {
		return err
	}
	shared, err := newPupil(ctx, subject)
	if err != nil {
		return err
	}
	own, err := newPupil(ctx, subject)
	if err != nil {
		return err
	}
	s.source, s.section, s.tracker = shared, shared.team.Section(), &tracker{pupil: own}
	return nil
}

// take is one participation.
func (s *simulation) take(ctx context.Context, c trainer.Connection, first, tracks bool) error {
	defer c.Close()
	hello := wire.Hello{Protocol: wire.Version, Role: wire.RoleWork, Family: "simulated", Workers: 1}
	if tracks {
		hello.Role = wire.RoleTrack
	}
	if err := c.Send(ctx, &hello, nil); err != nil {
		return err
	}
	leases := make(chan *wire.Lease, 1024)
	defer close(leases)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		for l := range leases {
			if err := s.work(ctx, c, l); err != nil {
				cancel(err)
			}
		}
	}()
	for {
		m, packed, err := c.Receive(ctx)
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		switch m := m.(type) {
		case *wire.Welcome:
			if m.Proof.Microbatches > int64(len(s.proofs)) || s.tracker != nil && m.Snapshot.Step >= 0 {
				return fmt.Errorf("a proof of %d microbatches after step %d is asked for", m.Proof.Microbatches, m.Snapshot.Step)
			}
			proofs := slices.Repeat(s.proofs[:m.Proof.Microbatches], m.Proof.Rounds)
			if err := c.Send(ctx, &wire.Ready{Step: m.Snapshot.Step, Proofs: proofs}, nil); err != nil {
				return err
			}
			s.working.Add(1)
		case *wire.Goto:
			if err := c.Send(ctx, &wire.Ready{Step: m.Step}, nil); err != nil {
				return err
			}
		case *wire.Lease:
			leases <- m
		case *wire.Update:
			u, err := s.check(ctx, m, packed)
			if err != nil {
				return err
			}
			if tracks {
				if err := s.tracker.update(ctx, m.Step, u.accumulators); err != nil {
					return err
				}
			}
			s.checked.Add(1)
			s.down.Add(m.Bytes)
			if first {
				s.updates.Add(1)
				s.merged.Add(u.examples)
			}
		case *wire.Set, *wire.Status:
		default:
			return fmt.Errorf("the server sent %s", m.Kind())
		}
	}
}

// check holds an update to its digest, and hands it to the replicas. The participants share a machine with the server, which they would
// not do elsewhere: so it is computed once, and the bytes of all others are compared with those that were found right.
func (s *simulation) check(ctx context.Context, m *wire.Update, packed []byte) (*update, error) {
	s.mu.Lock()
	u := s.seen[m.Step]
	if u == nil {
		u = &update{}
		s.seen[m.Step] = u
		delete(s.seen, m.Step-8)
	}
	s.mu.Unlock()
	u.once.Do(func() { u.err = s.open(ctx, u, m, packed) })
	switch {
	case u.err != nil:
		return nil, u.err
	case u.digest != m.Digest || !bytes.Equal(u.packed, packed):
		return nil, fmt.Errorf("update %d has another digest than it says", m.Step)
	}
	return u, nil
}

// open is what the first to receive an update does.
func (s *simulation) open(ctx context.Context, u *update, m *wire.Update, packed []byte) error {
	v, err := wire.Open(s.section, packed, s.section.MaxMicrobatches)
	if err != nil {
		return err
	}
	accumulators := make([]byte, s.section.Regions[schema.RegionAccumulators].Size)
	v.Unpack(accumulators)
	u.digest, u.packed, u.examples = v.Digest, packed, examples(s.section, accumulators)
	if s.tracker != nil {
		u.accumulators = accumulators
	}
	return s.source.update(ctx, m.Step, accumulators)
}

// work waits, and answers.
func (s *simulation) work(ctx context.Context, c trainer.Connection, l *wire.Lease) error {
	began, took := time.Now(), time.Duration(l.End-l.First)*s.each
	if l.Step == 0 {
		took = 0 // whoever came first has all of it, while the session is paused; it tells nothing about its speed
	}
	a, err := s.source.vector(ctx, l.Step, l.First, l.End)
	if errors.Is(err, errLate) {
		return c.Send(ctx, &wire.Failed{Lease: l.Lease, Reason: wire.ReasonData, Message: err.Error()}, nil)
	}
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(took - time.Since(began)):
	}
	r := &wire.Result{Lease: l.Lease, Digest: a.digest, Bytes: int64(len(a.packed)), Seconds: took.Seconds()}
	if err := c.Send(ctx, r, a.packed); err != nil {
		return err
	}
	s.computed.Add(l.End - l.First)
	s.up.Add(r.Bytes)
	return nil
}
