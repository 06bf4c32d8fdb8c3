package trainer

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// serverReplica is the server's own replica. It follows the session's updates, some steps behind, and is what the session's truth comes
// from: it repeats results, makes snapshots and digests, and evaluates what is claimed at the end. What it is to do is decided under the
// coordinator's lock, and done without.
type serverReplica struct {
	replica
	c      *Coordinator
	engine []byte
	// running is the engine of the team, among the coordinator's machines.
	running int

	wakeup chan struct{}
	// Under the coordinator's lock:
	jobs       []job
	references map[int64][]schema.Digest // proofs on the state after a step; nil while they are wanted
	reached    int64                     // the step after which the replica is
	snapped    time.Time
	back       *int64 // a step to go back to
	garbage    []garbage
}

// job is a range to compute again.
type job struct {
	work
	role string
	// accused failed to compute the range; empty where a result is to be compared.
	accused string
}

// needs is the step after which the replica has to be.
func (j job) needs() int64 {
	if j.kind == wire.LeaseEvaluate {
		return j.step
	}
	return j.step - 1
}

// garbage is a snapshot that nobody refers to any more, but which somebody may still be fetching.
type garbage struct {
	digest schema.Digest
	since  time.Time
}

// open starts the team.
func (s *serverReplica) open(ctx context.Context, c *Coordinator) error {
	s.c, s.wakeup, s.references = c, make(chan struct{}, 1), map[int64][]schema.Digest{}
	s.reached, s.snapped = c.at, time.Now()
	return s.replace(ctx)
}

// maxEngine bounds an engine in bytes.
const maxEngine = 256 << 20

func (s *serverReplica) close() {
	if s.team != nil {
		_ = s.team.Close() // it has done its work
		s.team = nil
	}
}

// machine is that of the replica's engine, which the session may have gone back behind meanwhile.
func (s *serverReplica) machine() machine {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.c.machines[min(s.running, len(s.c.machines)-1)]
}

// wake makes the replica look for something to do.
func (s *serverReplica) wake() {
	select {
	case s.wakeup <- struct{}{}:
	default:
	}
}

// repeat asks for a range to be computed again.
func (s *serverReplica) repeat(a Repeat) {
	s.jobs = append(s.jobs, job{work: work{a.Kind, a.Step, a.First, a.End}, role: a.Role})
	s.wake()
}

// try asks for a range that a participant's engine failed to compute.
func (s *serverReplica) try(w work, role, accused string) {
	s.jobs = append(s.jobs, job{work: w, role: role, accused: accused})
	s.wake()
}

// reference asks for the proofs on a snapshot.
func (s *serverReplica) reference(snapshot wire.Snapshot) {
	if _, ok := s.references[snapshot.Step]; !ok {
		s.references[snapshot.Step] = nil
		s.wake()
	}
}

// goBack makes the replica return to a step, and forget what was asked of later ones.
func (s *serverReplica) goBack(step int64) {
	s.jobs = slices.DeleteFunc(s.jobs, func(j job) bool { return j.step > step })
	maps.DeleteFunc(s.references, func(at int64, _ []schema.Digest) bool { return at > step })
	s.back, s.reached = &step, min(s.reached, step)
	s.wake()
}

// holdsUp reports whether steps have to wait for the replica.
func (s *serverReplica) holdsUp() bool { return s.c.at-s.reached > 4*s.c.window() }

// run does what there is to do until the context ends or the session is over.
func (s *serverReplica) run(ctx context.Context) {
	failures := 0
	for {
		s.c.mu.Lock()
		ended := over(s.c.record.State)
		var do func(context.Context) error
		if !ended {
			do = s.next()
		}
		s.c.mu.Unlock()
		if ended {
			return
		}
		if do == nil {
			select {
			case <-ctx.Done():
				return
			case <-s.wakeup:
			}
			continue
		}
		err := do(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			failures = 0
			s.recovered()
			continue
		}
		if storeFailed(err) {
			s.away(ctx, err)
			continue
		}
		if failures++; engineFailed(err) || failures > 5 {
			s.c.mu.Lock()
			s.c.fail(err)
			s.c.mu.Unlock()
			return
		}
		// A child process that was killed, or a snapshot that arrived damaged: from the newest one on, again.
		s.c.env.Log.Warn("the server's replica starts again", "session", s.c.record.ID, "error", err)
		s.valid = false
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(failures) * 500 * time.Millisecond):
		}
		if errors.Is(err, runner.ErrChild) || errors.Is(err, runner.ErrDeadline) || errors.Is(err, runner.ErrDead) {
			s.close()
			if s.team, err = runner.Start(ctx, s.engine, s.machine().data, s.c.env.Team); err != nil {
				s.c.mu.Lock()
				s.c.fail(err)
				s.c.mu.Unlock()
				return
			}
		}
	}
}

// engineFailed reports whether an engine said or did what it would say and do again.
func engineFailed(err error) bool {
	var status *runner.EngineError
	var trap *runner.TrapError
	var invalid *schema.Invalid
	return errors.As(err, &status) || errors.As(err, &trap) || errors.As(err, &invalid)
}

// next decides what to do; nil is nothing. The caller holds the lock.
func (s *serverReplica) next() func(context.Context) error {
	c := s.c
	if s.running != c.current {
		return s.replace
	}
	if s.back != nil {
		to := *s.back
		s.back = nil
		return func(ctx context.Context) error { return s.travel(ctx, to) }
	}
	if !s.valid {
		to := c.newest().Step
		return func(ctx context.Context) error { return s.travel(ctx, to) }
	}
	slices.SortStableFunc(s.jobs, func(a, b job) int { return int(a.needs() - b.needs()) })
	if len(s.jobs) > 0 {
		switch j := s.jobs[0]; {
		case j.needs() == s.at:
			s.jobs = s.jobs[1:]
			return func(ctx context.Context) error { return s.do(ctx, j) }
		case j.needs() < s.at && s.canReach(j.needs()):
			return func(ctx context.Context) error { return s.travel(ctx, j.needs()) }
		case j.needs() < s.at:
			s.jobs = s.jobs[1:]
			c.round.Undecided(j.kind, j.step, j.first, j.end)
			return s.next()
		}
	}
	for step, proofs := range s.references {
		switch {
		case proofs != nil:
		case step == s.at:
			return s.prove
		case step < s.at && s.canReach(step):
			return func(ctx context.Context) error { return s.travel(ctx, step) }
		case step < s.at:
			delete(s.references, step)
		}
	}
	if first := c.ledger.first; s.at == first && first > 0 && c.plan.Due(first) && c.ledger.at(first).checkpoint == nil {
		return s.begin
	}
	if s.at < c.at {
		return s.follow
	}
	if c.changeDue() && s.at == c.at && !c.round.Busy() && c.round.Pending() == none && c.evaluated() {
		return s.takeOver
	}
	if c.record.State == StateFinishing && s.at == c.at && c.round.Pending() == none {
		return s.finish
	}
	return nil
}

// canReach reports whether the replica can go back to the state after a step: from a snapshot on, with the updates since.
func (s *serverReplica) canReach(step int64) bool {
	from := s.c.snapshotBefore(step)
	return from.Step == step || len(s.c.updates) > 0 && s.c.updates[0].Step <= from.Step+1
}

// snapshotBefore is the newest snapshot up to a step.
func (c *Coordinator) snapshotBefore(step int64) wire.Snapshot {
	i := len(c.record.Snapshots) - 1
	for i > 0 && c.record.Snapshots[i].Step > step {
		i--
	}
	return c.record.Snapshots[i]
}

// travel goes back to a step: to a snapshot before it, and from there on as follow does.
func (s *serverReplica) travel(ctx context.Context, step int64) error {
	s.c.mu.Lock()
	if s.running != s.c.current {
		s.c.mu.Unlock()
		return nil // the session has gone back to another engine meanwhile, which its snapshots are now of
	}
	snapshot := s.c.snapshotBefore(step)
	snapshot.Hyperparameters = s.c.values(snapshot.Step)
	s.c.mu.Unlock()
	var tensors []byte
	if snapshot.Tensors != nil {
		var err error
		if tensors, err = getBlob(ctx, s.c.env.Store, "the snapshot", *snapshot.Tensors, maxState); err != nil {
			return err
		}
	}
	if err := s.install(ctx, snapshot, tensors); err != nil {
		return err
	}
	for s.at < step {
		u, events := s.upcoming()
		if u == nil {
			return nil // the session has gone back meanwhile
		}
		if err := s.step(ctx, u, events); err != nil {
			return err
		}
	}
	return nil
}

// maxState bounds a snapshot in bytes.
const maxState = 16 << 30

// update is that of a step, if it is kept.
func (c *Coordinator) update(step int64) *Update {
	if n := len(c.updates); n > 0 && step >= c.updates[0].Step && step <= c.updates[n-1].Step {
		return c.updates[step-c.updates[0].Step]
	}
	return nil
}

// upcoming is the update after the replica's state, if it is kept and of the replica's engine, and the changes before it.
func (s *serverReplica) upcoming() (*Update, []schema.JournalLine) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.running != s.c.current {
		return nil, nil
	}
	return s.c.update(s.at + 1), s.c.eventsOf(s.at + 1)
}

// eventsOf are the changes that a step begins with.
func (c *Coordinator) eventsOf(step int64) []schema.JournalLine {
	var events []schema.JournalLine
	for _, e := range c.record.Events {
		if e.Step == step && e.Event == eventHyperparameter {
			events = append(events, e)
		}
	}
	return events
}

// step applies an update.
func (s *serverReplica) step(ctx context.Context, u *Update, events []schema.JournalLine) error {
	for _, e := range events {
		if err := s.change(ctx, e.Name, *e.Value); err != nil {
			return err
		}
	}
	_, err := s.apply(ctx, u.Step, u.Packed)
	return err
}

// follow applies the next update, and makes a snapshot where one is due.
func (s *serverReplica) follow(ctx context.Context) error {
	c := s.c
	u, events := s.upcoming()
	if u == nil {
		s.valid = false // the updates are gone: from a snapshot
		return nil
	}
	if err := s.step(ctx, u, events); err != nil {
		return err
	}
	c.mu.Lock()
	if s.back != nil {
		c.mu.Unlock()
		return nil
	}
	again := s.at <= s.reached // it went back for a job, and has been here
	s.reached = max(s.reached, s.at)
	due := c.plan.Due(s.at) || s.at-c.newest().Step >= c.window() || time.Since(s.snapped) >= c.env.SnapshotEvery
	c.settled()
	c.proceed()
	c.act()
	c.mu.Unlock()
	if again || !due {
		return nil
	}
	return s.snapshot(ctx)
}

// begin looks at the state that the session goes on from, where the plan wants that.
func (s *serverReplica) begin(ctx context.Context) error {
	tensors, err := s.team.Save(ctx)
	if err != nil {
		return err
	}
	checkpoint, evaluation, err := s.look(ctx, tensors)
	if err != nil {
		return err
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.c.ledger.at(s.at).look(checkpoint, evaluation)
	return nil
}

// look makes the journal's lines about the present state.
func (s *serverReplica) look(ctx context.Context, tensors runner.Tensors) (checkpoint, evaluation *schema.JournalLine, err error) {
	parameters, run, err := tensors.Digests()
	if err == nil && testRecords(s.machine().plan) == 0 {
		evaluation, err = s.measure(ctx, s.at)
	}
	return &schema.JournalLine{Type: schema.LineCheckpoint, Step: s.at, Parameters: parameters, Run: run}, evaluation, err
}

// snapshot saves the present state, with its digests where the plan wants them.
func (s *serverReplica) snapshot(ctx context.Context) error {
	c, step := s.c, s.at
	tensors, err := s.team.Save(ctx)
	if err != nil {
		return err
	}
	var checkpoint, evaluation *schema.JournalLine
	if step > 0 && s.machine().plan.Due(step) {
		if checkpoint, evaluation, err = s.look(ctx, tensors); err != nil {
			return err
		}
	}
	file, err := encodeState(tensors, c.record.ID, step)
	if err != nil {
		return err
	}
	blob, err := s.put(ctx, file)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.back != nil {
		s.garbage = append(s.garbage, garbage{blob.Digest, time.Now()})
		return nil
	}
	if checkpoint != nil {
		c.ledger.at(step).look(checkpoint, evaluation)
		for _, p := range c.peers {
			if p.state == peerIn && step == c.at {
				p.link.Send(&wire.Checkpoint{Step: step})
			}
		}
	}
	c.keep(step, blob)
	s.snapped = time.Now()
	s.thin(keptSnapshots)
	c.settled()
	c.proceed()
	c.act()
	return nil
}

// measure evaluates by the engine where targets are no classes.
func (s *serverReplica) measure(ctx context.Context, step int64) (*schema.JournalLine, error) {
	split := s.machine().plan.Split(schema.RoleTest)
	if split == "" {
		return nil, nil
	}
	e, err := s.evaluate(ctx, false)
	if err != nil {
		return nil, err
	}
	line := e.Line(step, split)
	return &line, nil
}

func (s *serverReplica) evaluate(ctx context.Context, loss bool) (*runner.Evaluation, error) {
	for _, d := range s.machine().plan.Resolved.Datasets {
		if d.Role == schema.RoleTest {
			return runner.Evaluate(ctx, s.team, d.Role, d.Record.Target, d.Examples, loss)
		}
	}
	return nil, nil
}

// keptSnapshots are kept beside the first while a session goes on, for it to go back to.
const keptSnapshots = 6

// thin keeps the first snapshot and the newest ones.
func (s *serverReplica) thin(keep int) {
	snapshots := s.c.record.Snapshots
	for len(snapshots) > keep+1 {
		old := snapshots[1]
		snapshots = slices.Delete(snapshots, 1, 2)
		delete(s.references, old.Step)
		s.garbage = append(s.garbage, garbage{old.Tensors.Digest, time.Now()})
	}
	s.c.record.Snapshots = snapshots
}

// do computes a range again.
func (s *serverReplica) do(ctx context.Context, j job) error {
	accumulators, correct, err := s.compute(ctx, j.kind, j.first, j.end, j.role)
	if err != nil {
		return err // if an engine fails here it fails everywhere
	}
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if j.accused != "" {
		if p := c.peers[j.accused]; p != nil {
			p.link.Close(&wire.Refuse{Code: wire.CodeEnvironment, Message: "the engine fails on this device, and not on the server"})
		}
		return nil
	}
	if s.back == nil || *s.back >= j.step {
		c.round.Repeated(c.now(), j.kind, j.step, j.first, j.end, s.answer(j.kind, accumulators, correct))
	}
	c.act()
	c.settled()
	return nil
}

// prove computes what joining participants have to prove on the present state.
func (s *serverReplica) prove(ctx context.Context) error {
	p := proofOf(s.machine().plan.Microbatches())
	p.Rounds = 1
	proofs, err := s.proof(ctx, p)
	if err != nil {
		return err
	}
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, wanted := s.references[s.at]; !wanted {
		return nil
	}
	s.references[s.at] = proofs
	for _, peer := range c.peers {
		if peer.state != peerJoining || peer.snapshot.Step != s.at {
			continue
		}
		var refuse *wire.Refuse
		if err := peer.prove(proofs); errors.As(err, &refuse) {
			peer.link.Close(refuse)
		}
	}
	c.act()
	return nil
}

// finish evaluates the last state, and ends the session.
func (s *serverReplica) finish(ctx context.Context) error {
	c := s.c
	e, err := s.evaluate(ctx, true)
	if err != nil {
		return err
	}
	tensors, err := s.team.Save(ctx)
	if err != nil {
		return err
	}
	r := &result{Results: []schema.Result{}}
	if r.Parameters, r.Run, err = tensors.Digests(); err != nil {
		return err
	}
	c.mu.Lock()
	if s.back != nil || c.round.Pending() != none || c.record.State != StateFinishing {
		c.mu.Unlock()
		return nil
	}
	for _, d := range c.record.Document.Datasets {
		if d.Role == schema.RoleTest && e != nil {
			r.Results = e.Results(d.Digest, d.Split, s.at)
		}
	}
	newest := c.newest()
	c.mu.Unlock()
	if newest.Step != s.at {
		// A stopped session ends at a step for which no snapshot was due.
		if err := s.snapshot(ctx); err != nil {
			return err
		}
	}
	c.mu.Lock()
	c.record.Result, c.record.State = r, StateFinished
	s.thin(1)
	c.log("state", "finished after %d steps", s.at)
	c.round.Final(s.at)
	c.tellStatus()
	c.dismiss(&wire.End{Run: r.Run, Message: "the session is finished"})
	c.wantSave()
	stopped := c.record.Stopped
	c.mu.Unlock()
	if stopped {
		return nil
	}
	if err := c.publish(ctx, ""); err != nil && ctx.Err() == nil {
		c.mu.Lock()
		why := err.Error()
		if diskFull(err) {
			why = storeTrouble(err)
		}
		c.record.Error = "not published: " + why
		c.log("state", "not published: %s", why)
		c.wantSave()
		c.mu.Unlock()
	}
	return nil
}
