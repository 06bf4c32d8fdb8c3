package trainer

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// States of a peer.
const (
	peerJoining = iota // fetches and proves
	peerIn             // follows every update
	peerBehind         // goes to a snapshot
)

// peer is a connected participant.
type peer struct {
	c        *Coordinator
	id       string
	number   int64 // by time of joining
	hello    *wire.Hello
	link     Link
	state    int
	snapshot wire.Snapshot   // that it is going to
	proofs   []schema.Digest // that wait for the server's own
	proven   bool
	joined   bool   // the Round knows it
	waits    uint64 // for the save that has its joining in the record, so that no crash can undo it; 0 afterwards
	left     bool
	resting  bool
	failures int // leases in a row that it could not compute
}

// maxFailures is how many leases in a row a participant may fail to compute before it has to come back later.
const maxFailures = 5

// Join implements Host.
func (c *Coordinator) Join(_ context.Context, hello *wire.Hello, link Link) (Receiver, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if over(c.record.State) {
		return nil, &wire.Refuse{Code: wire.CodeEnded, Message: "the session is over"}
	}
	known, word := c.known(hello)
	if c.round.Standing(known.ID).Banned {
		return nil, &wire.Refuse{Code: wire.CodeCheat, Message: "a result of this participant was found to be forged"}
	}
	if old := c.peers[known.ID]; old != nil {
		// The participant is faster than the detection of its broken connection.
		c.depart(old)
		old.link.Close(nil)
	}
	c.joins++
	p := &peer{c: c, id: known.ID, number: c.joins, hello: hello, link: link, snapshot: c.newest()}
	c.peers[p.id] = p
	workers := "1 worker"
	if hello.Workers != 1 {
		workers = fmt.Sprintf("%d workers", hello.Workers)
	}
	c.log("join", "%s joined with %s, %s", p.label(), orUnknown(hello.Runtime, hello.Family), workers)
	link.Send(&wire.Welcome{
		Session: c.record.ID, Participant: p.id, Resume: word, Mode: c.record.Request.Mode, Title: c.record.Document.Title,
		Engine: c.engine(), Specification: c.plan.Specification, Seed: c.plan.Resolved.Algorithm.Seed, Steps: c.plan.Steps(),
		Microbatches: c.plan.Microbatches(), Datasets: c.record.Document.Datasets, Snapshot: p.snapshot, Proof: proofOf(c.plan.Microbatches()),
	})
	c.server.reference(p.snapshot)
	return p, nil
}

// participantPrefix begins the names of participants.
const participantPrefix = "p"

// proofOf is what a participant has to prove.
func proofOf(microbatches int64) wire.Proof {
	return wire.Proof{Microbatches: min(microbatches, 2), Rounds: 3}
}

func (c *Coordinator) engine() wire.Blob { return c.record.Engines[c.current].Engine }

// known finds a participant by its word, or makes a new one, and returns the word with which it may come back.
func (c *Coordinator) known(hello *wire.Hello) (*participantRecord, string) {
	if hello.Resume != "" {
		hash := hashOf(hello.Resume)
		for i := range c.record.Participants {
			if p := &c.record.Participants[i]; p.Resume == hash {
				p.Family, p.Runtime, p.Workers, p.Name = hello.Family, hello.Runtime, hello.Workers, hello.Name
				return p, hello.Resume
			}
		}
	}
	c.numbers++
	word := secret()
	c.record.Participants = append(c.record.Participants, participantRecord{
		ID: participantPrefix + strconv.FormatInt(c.numbers, 10), Name: hello.Name, Family: hello.Family, Runtime: hello.Runtime, Workers: hello.Workers, Resume: hashOf(word),
	})
	c.wantSave()
	return &c.record.Participants[len(c.record.Participants)-1], word
}

func orUnknown(name, family string) string {
	if name == "" {
		return family
	}
	return name
}

// label names a peer in the log.
func (p *peer) label() string {
	if p.hello.Name == "" {
		return p.id
	}
	return strconv.Quote(p.hello.Name) + " (" + p.id + ")"
}

// Message implements Receiver.
func (p *peer) Message(m wire.Message) error {
	c := p.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.left {
		return nil
	}
	defer c.act()
	switch m := m.(type) {
	case *wire.Ready:
		return p.ready(m)
	case *wire.Result:
		if _, refuse := c.round.Answer(c.now(), p.id, m); refuse != nil {
			return refuse
		}
		c.settled()
	case *wire.Failed:
		return p.failed(m)
	case *wire.Digest:
		return p.digest(m)
	case *wire.Rest:
		p.resting = m.Resting
		c.round.Rested(c.now(), p.id, m.Resting, m.Resting && m.Reason != wire.RestWorkers)
	case *wire.Bye:
	default:
		return &wire.Refuse{Code: wire.CodeProtocol, Message: fmt.Sprintf("%s is not a participant's message", m.Kind())}
	}
	return nil
}

// ready brings a peer that has its snapshot up to date, once its proofs are found right.
func (p *peer) ready(m *wire.Ready) error {
	c := p.c
	if p.state == peerIn || m.Step != p.snapshot.Step {
		// An answer to a snapshot that was replaced meanwhile is of no use, and no offence.
		return nil
	}
	if p.state == peerBehind {
		p.admit()
		return nil
	}
	p.proofs = m.Proofs
	if p.proofs == nil {
		p.proofs = []schema.Digest{}
	}
	return p.prove(c.server.references[m.Step])
}

// prove compares a joining peer's proofs with the server's own, if both are there.
func (p *peer) prove(want []schema.Digest) error {
	if want == nil || p.proofs == nil || p.state != peerJoining {
		return nil
	}
	rounds := proofOf(p.c.plan.Microbatches()).Rounds
	right := len(p.proofs) == len(want)*rounds
	for i := range p.proofs {
		right = right && p.proofs[i] == want[i%len(want)]
	}
	if !right && p.hello.Role != wire.RoleTrack {
		p.c.log("cheat", "%s was refused: its runtime computes other results", p.label())
		return &wire.Refuse{Code: wire.CodeProof, Message: "this runtime does not compute the results that the server computes; use another browser or device"}
	}
	p.proven = true
	p.admit()
	return nil
}

// admit lets a peer work from now on: it gets what came after its snapshot.
func (p *peer) admit() {
	c := p.c
	if p.firstUpdate() > p.snapshot.Step+1 {
		p.goTo("the snapshot is out of date")
		return
	}
	p.state, p.proofs = peerIn, nil
	for step := p.snapshot.Step + 1; step <= c.begun; step++ {
		for _, event := range c.record.Events {
			if event.Step == step && event.Event == eventHyperparameter {
				p.link.Send(setOf(event))
			}
		}
		if i := step - p.firstUpdate(); step <= c.at && !p.update(c.updates[i]) {
			p.goTo("this connection is slower than the session")
			return
		}
	}
	if !p.joined {
		p.joined = true
		c.round.Joined(p.id, p.hello)
		c.round.Rested(c.now(), p.id, p.resting, false)
		c.wantSave()
		p.waits = c.asked
	} else if p.waits == 0 {
		c.round.Ready(c.now(), p.id)
	}
}

func (p *peer) firstUpdate() int64 {
	if len(p.c.updates) == 0 {
		return p.c.at + 1
	}
	return p.c.updates[0].Step
}

// follow sends an update to a peer that follows. One that is too slow goes to a snapshot.
func (p *peer) follow(u *Update) {
	if p.state == peerIn && !p.update(u) {
		p.goTo("this connection is slower than the session")
	}
}

// update has an update sent at the end of act, with the leases that are given until then, and reports whether there was room.
func (p *peer) update(u *Update) bool {
	p.c.followed = append(p.c.followed, p)
	return p.link.SendUpdate(u)
}

// goTo sends a peer to the newest snapshot. One that has proved nothing yet has to join again.
func (p *peer) goTo(reason string) {
	c := p.c
	if !p.proven {
		p.link.Close(&wire.Refuse{Code: wire.CodeBusy, Message: reason, RetryAfter: 0.5})
		return
	}
	p.snapshot, p.state = c.newest(), peerBehind
	c.round.Behind(c.now(), p.id)
	p.link.DropUpdates()
	s := p.snapshot
	if s.Engine == nil {
		e := c.engine()
		s.Engine = &e
	}
	p.link.Send(&wire.Goto{Snapshot: s, Reason: reason})
}

// failed takes a lease back. What the engine itself refuses is tried by the server, which then decides.
func (p *peer) failed(m *wire.Failed) error {
	c := p.c
	l := c.round.leases[m.Lease]
	if refuse := c.round.Failed(c.now(), p.id, m.Lease); refuse != nil {
		return refuse
	}
	if m.Reason == wire.ReasonRest {
		return nil // it crossed the message that says so
	}
	if p.failures++; p.failures >= maxFailures {
		return &wire.Refuse{Code: wire.CodeBusy, Message: "too much of what was leased could not be computed: " + m.Reason, RetryAfter: 30}
	}
	switch m.Reason {
	case wire.ReasonEnvironment:
		return &wire.Refuse{Code: wire.CodeEnvironment, Message: "this runtime does not compute as IEEE 754 says, so its results would differ; use another browser or device"}
	case wire.ReasonEngine:
		if l != nil {
			c.log("state", "%s: the engine failed in step %d: %s", p.label(), l.piece.step, m.Message)
			c.server.try(l.piece.work, l.piece.role, p.id)
		}
	case wire.ReasonData:
		c.log("state", "%s could not read its data: %s", p.label(), m.Message)
	}
	return nil
}

// digest compares the state of a participant with the server's.
func (p *peer) digest(m *wire.Digest) error {
	c := p.c
	if !c.ledger.has(m.Step) {
		return nil
	}
	own := c.ledger.at(m.Step).checkpoint
	if own == nil || own.Run == m.Run {
		return nil
	}
	c.log("cheat", "%s was refused: its state after step %d is another one", p.label(), m.Step)
	return &wire.Refuse{Code: wire.CodeProof, Message: "the state of this participant differs from the server's"}
}

// Vector implements Receiver.
func (p *peer) Vector(r *wire.Result, packed []byte) error {
	c := p.c
	c.mu.Lock()
	if p.left {
		c.mu.Unlock()
		return nil
	}
	m, refuse := c.round.Answer(c.now(), p.id, r)
	sum := c.sum
	c.act()
	c.settled()
	c.mu.Unlock()
	if refuse != nil {
		return refuse
	}
	if m == nil {
		return nil
	}
	err := sum.Add(packed, m.End-m.First, r.Digest)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.round.Merged(c.now(), m, err == nil)
	if err == nil {
		p.failures = 0
	}
	c.act()
	c.settled()
	if err != nil {
		return &wire.Refuse{Code: wire.CodeProtocol, Message: err.Error()}
	}
	return nil
}

// Left implements Receiver.
func (p *peer) Left(err error) {
	c := p.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.left {
		return
	}
	c.depart(p)
	if err != nil {
		c.log("leave", "%s left: %v", p.label(), err)
	} else {
		c.log("leave", "%s left", p.label())
	}
	c.act()
}

// depart takes a peer out.
func (c *Coordinator) depart(p *peer) {
	p.left = true
	if c.peers[p.id] != p {
		return
	}
	delete(c.peers, p.id)
	c.round.Left(c.now(), p.id)
	if c.round.Forget(p.id) {
		// Whoever only looks in leaves no trace, or a flood of them would.
		c.record.Participants = slices.DeleteFunc(c.record.Participants, func(r participantRecord) bool { return r.ID == p.id })
	}
}

// welcomeSaved lets those work whose joining is on record.
func (c *Coordinator) welcomeSaved() {
	for _, p := range c.peers {
		if p.waits > 0 && p.waits <= c.sealed {
			if p.waits = 0; p.state == peerIn {
				c.round.Ready(c.now(), p.id)
			}
		}
	}
	c.act()
}

// tellStatus tells participants how things are.
func (c *Coordinator) tellStatus() {
	if len(c.peers) == 0 {
		return
	}
	s := c.summary()
	for _, p := range c.peers {
		if p.state == peerJoining {
			continue
		}
		mine := c.round.Status(p.id)
		status := &wire.Status{
			Step: max(c.at, 0), Steps: s.Steps, Participants: s.Participants, Paused: s.State == StatePaused || s.Trouble != "",
			Computed: mine.Computed, Verified: mine.Verified, Share: mine.Share,
		}
		if s.Loss != nil {
			status.Loss = *s.Loss
		}
		if s.Accuracy != nil {
			status.Accuracy = *s.Accuracy
		}
		p.link.Send(status)
	}
}

func stepText(step int64) string {
	if step < 0 {
		return "0"
	}
	return strconv.FormatInt(step, 10)
}
