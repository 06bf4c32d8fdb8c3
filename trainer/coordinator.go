package trainer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// Coordinator runs one session: it drives a Round, holds the links of participants, merges their vectors, keeps the journal and snapshots,
// and commands the server's own replica. It knows no model: what it merges are integers.
//
// Steps go ahead of the server's replica, which follows with the updates, repeats results, evaluates at the end, and makes the snapshots and
// the digests. A checkpoint is saved when a snapshot's step is final, that is, when no result up to it awaits its audit.
type Coordinator struct {
	env    Environment
	origin time.Time
	stop   context.CancelFunc
	ended  chan struct{} // closed when nothing runs any more

	mu     sync.Mutex
	record *record
	// machines are those of record.Engines, of which the present one is at current.
	machines []machine
	current  int
	plan     runner.Plan
	data     runner.Data
	section  *schema.EngineSection
	round    *Round
	ledger   *ledger
	peers    map[string]*peer
	numbers  int64 // of the next participant
	joins    int64 // so far
	sum      *wire.Sum

	at       int64     // the last step that was closed
	begun    int64     // the step whose task has begun, or at
	updates  []*Update // those after updates[0].Step−1, without a gap, up to at
	followed []*peer   // that were sent updates which have not left
	recent   []StepTime
	power    meterOfPower

	trouble trouble
	server  serverReplica
	saved   int64         // the step of the newest snapshot in a saved record
	saving  sync.Cond     // asked or sealed has changed
	sealed  uint64        // saves that are done
	asked   uint64        // saves that were asked for
	changed chan struct{} // closed and replaced whenever what visitors see has changed
}

// maxLease is how much work, in seconds, a participant is given at a time.
const maxLease = 20

// defaultAudit is the least probability with which results are repeated.
const defaultAudit = 0.05

// newCoordinator makes a session out of its record.
func newCoordinator(ctx context.Context, env Environment, r *record, journal []byte) (*Coordinator, error) {
	c := &Coordinator{
		env: env, origin: time.Now(), record: r, ended: make(chan struct{}), peers: map[string]*peer{}, changed: make(chan struct{}),
	}
	c.saving.L = &c.mu
	if c.env.SnapshotEvery <= 0 {
		c.env.SnapshotEvery = defaultSnapshotEvery
	}
	var err error
	r.Document = r.Engines[r.engineOf(r.Snapshots[len(r.Snapshots)-1])].Document
	if c.plan, err = runner.NewPlan(r.Document.Resolved(), r.Document.Engine.Digest); err != nil {
		return nil, err
	}
	c.ledger = &ledger{}
	if err := c.ledger.load(journal, max(r.Snapshots[0].Step, 0)); err != nil {
		return nil, err
	}
	newest := c.newest()
	c.current = r.engineOf(newest)
	c.at, c.begun, c.saved = newest.Step, newest.Step, newest.Step
	for _, p := range r.Participants {
		if n, err := strconv.ParseInt(strings.TrimPrefix(p.ID, participantPrefix), 10, 64); err == nil {
			c.numbers = max(c.numbers, n)
		}
	}
	if over(r.State) {
		c.restore(NewRound(Options{}))
		c.server.reached = c.at
		return c, nil
	}
	for _, e := range r.Engines {
		wasm, err := getBlob(ctx, env.Store, schema.PathEngine, e.Engine, maxEngine)
		if err != nil {
			return nil, err
		}
		m, err := c.ready(ctx, wasm, e.Document)
		if err != nil {
			return nil, err
		}
		c.machines = append(c.machines, m)
	}
	c.use(c.current)
	if err := c.server.open(ctx, c); err != nil {
		return nil, err
	}
	audit := defaultAudit
	if a := r.Request.Audit; a != nil {
		audit = *a
	}
	c.restore(NewRound(Options{
		Timed: r.Request.Mode == modeTimed, Seconds: r.Request.Seconds, MaxMicrobatches: c.section.MaxMicrobatches,
		LeaseSeconds: maxLease, Audit: audit, AuditBacklog: auditBacklog(c.plan), Predictions: testPredictions(c.plan), Draw: rand.Float64,
	}))
	return c, nil
}

// restore gives a new Round what the record knows.
func (c *Coordinator) restore(r *Round) {
	c.round = r
	r.Restore(c.at, c.record.Statistics)
	for _, p := range c.record.Participants {
		r.Known(p.ID, p.Standing)
	}
}

const (
	modeFixed = "fixed"
	modeTimed = "timed"
)

// start lets the session run.
func (c *Coordinator) start() {
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	var group sync.WaitGroup
	group.Go(func() { c.save(ctx) })
	if c.section != nil {
		group.Go(func() { c.server.run(ctx) })
		group.Go(func() { c.tick(ctx) })
	}
	go func() {
		group.Wait()
		c.server.close()
		close(c.ended)
	}()
	c.mu.Lock()
	c.proceed()
	c.act()
	c.mu.Unlock()
}

// Close ends it: participants are told to come back later, and what can be saved is. It can be opened again from its record.
func (c *Coordinator) Close() {
	c.mu.Lock()
	for _, p := range c.peers {
		p.link.Close(&wire.Refuse{Code: wire.CodeBusy, Message: "the server is stopping", RetryAfter: 2})
	}
	c.mu.Unlock()
	c.stop()
	<-c.ended
}

// now is the Round's time.
func (c *Coordinator) now() time.Duration { return time.Since(c.origin) }

// tick lets the Round see the time pass.
func (c *Coordinator) tick(ctx context.Context) {
	const every = 20 * time.Millisecond
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		c.mu.Lock()
		c.round.Tick(c.now())
		c.act()
		if n%int(2*time.Second/every) == 0 {
			c.tellStatus()
		}
		if n%int(time.Second/every) == 0 {
			c.publishChange()
		}
		c.mu.Unlock()
	}
}

// publishChange wakes those that watch.
func (c *Coordinator) publishChange() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// log notes what happened, for people.
func (c *Coordinator) log(kind, format string, args ...any) {
	const keep = 100
	c.record.Log = append(c.record.Log, Happening{Time: time.Now().UTC(), Step: max(c.at, 0), Kind: kind, Text: fmt.Sprintf(format, args...)})
	if n := len(c.record.Log); n > keep {
		c.record.Log = slices.Delete(c.record.Log, 0, n-keep)
	}
}

// fail ends the session for good.
func (c *Coordinator) fail(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	c.env.Log.Error("a session failed", "session", c.record.ID, "error", err)
	c.record.State, c.record.Error = StateFailed, err.Error()
	c.log("state", "failed: %v", err)
	c.round.Rewind(none)
	for _, p := range c.peers {
		p.link.Send(&wire.End{Message: "the session failed: " + err.Error()})
		p.link.Close(&wire.Refuse{Code: wire.CodeEnded, Message: "the session failed"})
	}
	c.wantSave()
	c.server.wake()
}

// over reports whether nothing more is trained in a state.
func over(state string) bool {
	switch state {
	case StateFailed, StateFinished, StateStopped, StatePublished:
		return true
	}
	return false
}

// active reports whether steps may go on.
func (c *Coordinator) active() bool { return c.record.State == StateRunning && c.trouble.why() == "" }

// window is the number of updates that are kept for those who come from a snapshot, and after which another snapshot is made.
func (c *Coordinator) window() int64 {
	const bytes = 64 << 20
	packed := int64(1)
	if n := len(c.updates); n > 0 {
		packed = max(int64(len(c.updates[n-1].Packed)), 1)
	}
	return min(max(bytes/packed, 4), 256)
}

// Limits implements Host.
func (c *Coordinator) Limits() Limits {
	if c.section == nil {
		return Limits{} // nobody is let in
	}
	return Limits{Packed: wire.MaxPacked(c.section)}
}
