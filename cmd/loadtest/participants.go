package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/trainer/wire"
	"github.com/reprise-ml/reprise/trainer/ws"
	"github.com/reprise-ml/reprise/wasm/engine"
)

const participantsVerb = "participants"

// counts are what the process of participants has seen so far.
type counts struct {
	Working  int64   `json:"working"`  // participants that are in
	Computed int64   `json:"computed"` // microbatches in results that were sent
	Merged   int64   `json:"merged"`   // microbatches in updates, as the first participant saw them
	Updates  int64   `json:"updates"`  // that the first participant saw
	Checked  int64   `json:"checked"`  // updates whose digest was found right, by all
	Up       int64   `json:"up"`       // bytes of vectors, by all
	Down     int64   `json:"down"`
	Nanos    int64   `json:"nanos"` // when
	CPU      float64 `json:"cpu"`   // seconds of processor time
}

// crowd is that process, as its parent sees it.
type crowd struct {
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Scanner
}

// gather starts n participants, who take so long for a microbatch, waits until all are there, and lets the session go on.
func gather(ctx context.Context, s *session, b fixtures.Burden, microbatches, n int, each time.Duration) (*crowd, error) {
	c := &crowd{command: exec.CommandContext(ctx, os.Args[0], participantsVerb,
		"-address", s.address, "-n", strconv.Itoa(n), "-each", each.String(),
		"-values", strconv.Itoa(b.Values), "-bits", strconv.Itoa(b.Bits), "-microbatches", strconv.Itoa(microbatches))}
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
		if now.Working == int64(n) {
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
	return now, json.Unmarshal(c.output.Bytes(), &now)
}

func (c *crowd) disperse() error {
	c.input.Close()
	return c.command.Wait()
}

// simulation is the participants' side of it.
type simulation struct {
	burden  fixtures.Burden
	section *schema.EngineSection
	each    time.Duration

	working, computed, merged, updates, checked, up, down atomic.Int64

	mu      sync.Mutex
	vectors map[int64]*answer
}

// answer is the vector of a number of microbatches, whichever they are.
type answer struct {
	once   sync.Once
	packed []byte
	digest schema.Digest
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
	if err := f.Parse(arguments); err != nil {
		return err
	}
	s := &simulation{burden: fixtures.Burden{Values: *values, Bits: *bits}, each: *each, vectors: map[int64]*answer{}}
	e, err := engine.Parse(engineOf(s.burden, *microbatches))
	if err != nil {
		return err
	}
	s.section = e.Section
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
				err = s.take(ctx, c, k == 0)
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
				s.working.Load(), s.computed.Load(), s.merged.Load(), s.updates.Load(), s.checked.Load(), s.up.Load(), s.down.Load(),
				time.Now().UnixNano(), cpu(),
			})
			if err != nil {
				return err
			}
		}
	}
}

// take is one participation.
func (s *simulation) take(ctx context.Context, c trainer.Connection, first bool) error {
	defer c.Close()
	hello := wire.Hello{Protocol: wire.Version, Role: wire.RoleWork, Family: "simulated", Workers: 1}
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
			var proofs []schema.Digest
			for range int64(m.Proof.Rounds) * m.Proof.Microbatches {
				proofs = append(proofs, s.vector(1).digest)
			}
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
			v, err := wire.Open(s.section, packed, s.section.MaxMicrobatches)
			if err != nil {
				return err
			}
			if v.Digest != m.Digest {
				return fmt.Errorf("update %d has another digest than it says", m.Step)
			}
			s.checked.Add(1)
			s.down.Add(m.Bytes)
			if first {
				s.updates.Add(1)
				s.merged.Add(s.examples(v))
			}
		case *wire.Set, *wire.Status:
		default:
			return fmt.Errorf("the server sent %s", m.Kind())
		}
	}
}

// work waits, and answers.
func (s *simulation) work(ctx context.Context, c trainer.Connection, l *wire.Lease) error {
	units := l.End - l.First
	took := time.Duration(units) * s.each
	wait := took
	if l.Step == 0 {
		wait = 0 // whoever came first has all of it, while the session is paused
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
	}
	a := s.vector(units)
	r := &wire.Result{Lease: l.Lease, Digest: a.digest, Bytes: int64(len(a.packed)), Seconds: took.Seconds()}
	if err := c.Send(ctx, r, a.packed); err != nil {
		return err
	}
	s.computed.Add(units)
	s.up.Add(r.Bytes)
	return nil
}

func (s *simulation) vector(microbatches int64) *answer {
	s.mu.Lock()
	a := s.vectors[microbatches]
	if a == nil {
		a = &answer{}
		s.vectors[microbatches] = a
	}
	s.mu.Unlock()
	a.once.Do(func() {
		accumulators := s.burden.Accumulators(s.section, microbatches)
		a.packed, a.digest = wire.Pack(nil, s.section, accumulators), wire.CanonicalDigest(s.section, accumulators)
	})
	return a
}

// examples reads how many microbatches an update is the sum of: they are of one example.
func (s *simulation) examples(v wire.Vector) int64 {
	region := s.section.Regions[schema.RegionAccumulators]
	accumulators := make([]byte, region.Size)
	v.Unpack(accumulators)
	for _, g := range s.section.Segments {
		if g.Name == schema.SegmentExamples {
			return int64(binary.LittleEndian.Uint64(accumulators[g.Offset-region.Offset:]))
		}
	}
	return 0
}
