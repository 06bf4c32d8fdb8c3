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

	"github.com/gorilla/websocket"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/trainer/wire"
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
	last *update // the newest
}

// update is one as it first arrived. The participants share a machine with the server, which they would not do elsewhere: so it is decoded
// and its digest is computed once, and the bytes of all others are compared with those that were found right.
type update struct {
	wire.Update
	text []byte

	mu     sync.RWMutex
	packed []byte // as far as it has arrived
	once   sync.Once
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
	s := &simulation{each: *each}
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
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	dialling := make(chan struct{}, 32)
	for k := range *n {
		group.Go(func() {
			dialling <- struct{}{}
			p, err := dial(ctx, *address)
			<-dialling
			if err == nil {
				err = s.take(ctx, p, k == 0, *learn && k == *n-1)
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

// participant is one of them.
type participant struct {
	*peer
	*simulation
	first, tracks bool

	update *update // on its way
	got    int64   // of its bytes

	computing sync.Mutex // one lease after the other
}

// take is one participation.
func (s *simulation) take(ctx context.Context, c *peer, first, tracks bool) error {
	defer c.close()
	hello := wire.Hello{Protocol: wire.Version, Role: wire.RoleWork, Family: "simulated", Workers: 1}
	if tracks {
		hello.Role = wire.RoleTrack
	}
	if err := c.send(&hello, nil); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel(nil)
	p := &participant{peer: c, simulation: s, first: first, tracks: tracks}
	work := func(l *wire.Lease) {
		working.Go(func() {
			if err := p.work(ctx, l); err != nil {
				cancel(err)
				c.socket.Close()
			}
		})
	}
	for {
		err := p.receive(func(kind int, payload []byte) error {
			if kind == websocket.BinaryMessage {
				return p.piece(ctx, payload)
			}
			return p.text(payload, work)
		})
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
	}
}

// text handles a message.
func (p *participant) text(text []byte, work func(*wire.Lease)) error {
	if u := p.known(text); u != nil {
		p.update, p.got = u, 0
		return nil
	}
	m, err := wire.Decode(text)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *wire.Welcome:
		if m.Proof.Microbatches > int64(len(p.proofs)) || p.tracker != nil && m.Snapshot.Step >= 0 {
			return fmt.Errorf("a proof of %d microbatches after step %d is asked for", m.Proof.Microbatches, m.Snapshot.Step)
		}
		if err := p.send(&wire.Ready{Step: m.Snapshot.Step, Proofs: slices.Repeat(p.proofs[:m.Proof.Microbatches], m.Proof.Rounds)}, nil); err != nil {
			return err
		}
		p.working.Add(1)
	case *wire.Goto:
		return p.send(&wire.Ready{Step: m.Step}, nil)
	case *wire.Lease:
		work(m)
	case *wire.Update:
		p.update, p.got = p.meet(m, text), 0
	case *wire.Set, *wire.Status:
	default:
		return fmt.Errorf("the server sent %s", m.Kind())
	}
	return nil
}

// known is the newest update, if that is its text.
func (s *simulation) known(text []byte) *update {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil && bytes.Equal(s.last.text, text) {
		return s.last
	}
	return nil
}

// meet notes an update that may be new.
func (s *simulation) meet(m *wire.Update, text []byte) *update {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil && bytes.Equal(s.last.text, text) {
		return s.last
	}
	u := &update{Update: *m, text: bytes.Clone(text)}
	if s.last == nil || s.last.Step < m.Step {
		s.last = u
	}
	return u
}

// piece handles a part of an update.
func (p *participant) piece(ctx context.Context, message []byte) error {
	u := p.update
	h, err := wire.ReadHeader(message)
	if err != nil {
		return err
	}
	piece := message[wire.HeaderSize:]
	if u == nil || h.Vector != wire.VectorUpdate || h.ID != uint32(u.Step) || h.Offset != p.got || p.got+int64(len(piece)) > u.Bytes {
		return fmt.Errorf("a piece came that belongs to no update: %v", h)
	}
	if !u.holds(h.Offset, piece) {
		return fmt.Errorf("update %d differs from what another participant was sent", u.Step)
	}
	p.got += int64(len(piece))
	if p.got < u.Bytes {
		return nil
	}
	p.update = nil
	if u.once.Do(func() { u.err = p.open(ctx, u) }); u.err != nil {
		return u.err
	}
	if p.tracks {
		if err := p.tracker.update(ctx, u.Step, u.accumulators); err != nil {
			return err
		}
	}
	p.checked.Add(1)
	p.down.Add(u.Bytes)
	if p.first {
		p.updates.Add(1)
		p.merged.Add(u.examples)
	}
	return nil
}

// holds compares a piece with what has arrived, or adds it.
func (u *update) holds(offset int64, piece []byte) bool {
	there := func() []byte {
		return u.packed[min(offset, int64(len(u.packed))):min(offset+int64(len(piece)), int64(len(u.packed)))]
	}
	u.mu.RLock()
	known := there()
	u.mu.RUnlock()
	if len(known) == 0 {
		u.mu.Lock()
		if known = there(); len(known) == 0 {
			u.packed = append(u.packed, piece...)
			known = piece
		}
		u.mu.Unlock()
	}
	return bytes.Equal(known, piece)
}

// open is what the first to have received an update does: it holds it to its digest, and hands it to the replicas.
func (s *simulation) open(ctx context.Context, u *update) error {
	v, err := wire.Open(s.section, u.packed, s.section.MaxMicrobatches)
	if err != nil {
		return err
	}
	if v.Digest != u.Digest {
		return fmt.Errorf("update %d has another digest than it says", u.Step)
	}
	accumulators := make([]byte, s.section.Regions[schema.RegionAccumulators].Size)
	v.Unpack(accumulators)
	u.examples = examples(s.section, accumulators)
	if s.tracker != nil {
		u.accumulators = accumulators
	}
	return s.source.update(ctx, u.Step, accumulators)
}

// work waits, and answers.
func (p *participant) work(ctx context.Context, l *wire.Lease) error {
	p.computing.Lock()
	defer p.computing.Unlock()
	began, took := time.Now(), time.Duration(l.End-l.First)*p.each
	if l.Step == 0 {
		took = 0 // whoever came first has all of it, while the session is paused; it tells nothing about its speed
	}
	a, err := p.source.vector(ctx, l.Step, l.First, l.End)
	if errors.Is(err, errLate) {
		return p.send(&wire.Failed{Lease: l.Lease, Reason: wire.ReasonData, Message: err.Error()}, nil)
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
	if err := p.send(r, a.packed); err != nil {
		return err
	}
	p.computed.Add(l.End - l.First)
	p.up.Add(r.Bytes)
	return nil
}
