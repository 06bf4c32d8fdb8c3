package trainer

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// act does what the Round wants done, and has updates sent that no lease went with. The caller holds the lock.
func (c *Coordinator) act() {
	for {
		actions := c.round.Actions()
		if len(actions) == 0 {
			break
		}
		for _, a := range actions {
			switch a := a.(type) {
			case Grant:
				if p := c.peers[a.To]; p != nil {
					p.link.Send(&a.Lease)
				}
			case CloseStep:
				c.closeStep(a)
			case CloseEvaluation:
				c.closeEvaluation(a)
			case Repeat:
				c.server.repeat(a)
			case Expel:
				c.expel(a)
			case GoBack:
				c.goBack(a)
			}
		}
	}
	for _, p := range c.followed {
		p.link.Flush()
	}
	clear(c.followed)
	c.followed = c.followed[:0]
}

// closeStep makes an update of the merged vector and sends it to everybody.
func (c *Coordinator) closeStep(a CloseStep) {
	began := time.Now()
	accumulators := c.sum.Accumulators()
	u := &Update{Packed: wire.Pack(nil, c.section, accumulators)}
	u.Step, u.Digest, u.Bytes = a.Step, wire.CanonicalDigest(c.section, accumulators), int64(len(u.Packed))
	counts := runner.CountsIn(c.section, accumulators)
	c.sum.Reset()
	c.at = a.Step
	c.updates = append(c.updates, u)
	if a.Step > 0 {
		line := runner.StepLine(a.Step, a.Ranges, counts)
		c.ledger.at(a.Step).step = &line
		c.power.add(time.Now(), counts.Examples)
	}
	// In the order in which they are given leases, so that whoever is to answer first begins first.
	for _, p := range slices.SortedFunc(maps.Values(c.peers), func(a, b *peer) int { return cmp.Compare(a.number, b.number) }) {
		p.follow(u)
	}
	a.Times.Broadcast = time.Since(began).Seconds()
	const remember = 10
	c.recent = append(c.recent, a.Times)
	if n := len(c.recent); n > remember {
		c.recent = slices.Delete(c.recent, 0, n-remember)
	}
	c.server.wake()
	c.proceed()
}

func (c *Coordinator) closeEvaluation(a CloseEvaluation) {
	e := runner.Evaluation{Total: c.testRecords() * testPredictions(c.plan), Correct: &a.Correct}
	line := e.Line(a.Step, c.plan.Split(schema.RoleTest))
	c.ledger.at(a.Step).evaluation = &line
	c.proceed()
}

// testRecords is the number of records that evaluations are over; 0 where there is nothing to evaluate blindly.
func (c *Coordinator) testRecords() int64 { return testRecords(c.plan) }

func testRecords(p runner.Plan) int64 {
	for _, d := range p.Resolved.Datasets {
		if d.Role == schema.RoleTest && runner.IsClass(d.Record.Target) {
			return d.Examples
		}
	}
	return 0
}

// testPredictions is how many predictions a record of the test split asks for.
func testPredictions(p runner.Plan) int64 {
	for _, d := range p.Resolved.Datasets {
		if d.Role == schema.RoleTest {
			return int64(runner.Predictions(d.Record.Target))
		}
	}
	return 1
}

// proceed begins the next task, if there is one and nothing holds it up.
func (c *Coordinator) proceed() {
	if c.round.Busy() || !c.active() {
		return
	}
	if !c.evaluated() {
		c.round.Begin(c.now(), Task{Kind: wire.LeaseEvaluate, Step: c.at, Units: c.testRecords(), Role: schema.RoleTest})
		return
	}
	if c.at >= c.plan.Steps() {
		c.record.State = StateFinishing
		c.server.wake()
		return
	}
	if c.changeDue() {
		c.server.wake()
		return
	}
	if c.server.holdsUp() {
		return
	}
	step := c.at + 1
	if c.begun < step {
		c.begun = step
		c.announce(step)
	}
	t := Task{Kind: wire.LeaseTrain, Step: step, Units: c.plan.Microbatches()}
	if c.round.options.Timed && step > 0 {
		t.Units = 0
	}
	c.round.Begin(c.now(), t)
}

// evaluated reports whether nothing is left to be evaluated on the present state.
func (c *Coordinator) evaluated() bool {
	if use := c.record.Engines[c.current]; c.current > 0 && c.at == use.Step-1 {
		return true // it was the engine before that made it, and evaluated it
	}
	return c.at <= 0 || !c.plan.Due(c.at) || c.testRecords() == 0 || c.ledger.at(c.at).evaluation != nil
}

// announce tells everybody of the changes that a step begins with, and records them.
func (c *Coordinator) announce(step int64) {
	if step < c.ledger.first {
		return
	}
	e := c.ledger.at(step)
	e.events = nil
	if use := c.record.Engines[c.current]; c.current > 0 && use.Step == step {
		e.events = append(e.events, runner.Change{Step: step, Plan: c.plan}.Line())
	}
	for _, event := range c.record.Events {
		if event.Step != step || event.Event != eventHyperparameter {
			continue
		}
		e.events = append(e.events, event)
		for _, p := range c.peers {
			if p.state == peerIn {
				p.link.Send(setOf(event))
			}
		}
	}
}

const eventHyperparameter = "hyperparameter"

func setOf(event schema.JournalLine) *wire.Set {
	return &wire.Set{Step: event.Step, Name: event.Name, Value: *event.Value}
}

// expel closes the link of a cheat.
func (c *Coordinator) expel(a Expel) {
	p := c.peers[a.ID]
	if p == nil {
		return
	}
	c.log("cheat", "%s was expelled: %s", p.label(), a.Refuse.Message)
	p.link.Close(a.Refuse)
	c.wantSave()
}

// goBack returns to the newest snapshot before a step.
func (c *Coordinator) goBack(a GoBack) {
	i := len(c.record.Snapshots) - 1
	for i > 0 && c.record.Snapshots[i].Step >= a.Before {
		i--
	}
	snapshot := c.record.Snapshots[i]
	c.record.Snapshots = c.record.Snapshots[:i+1]
	c.record.Rollbacks++
	if i := c.record.engineOf(snapshot); i != c.current {
		c.use(i)
		c.updates = nil
		defer c.joinAnew("the session goes back to another engine: join again")
	}
	c.log("rollback", "from step %d to the snapshot of step %d, since %s cheated in step %d or after", c.at, snapshot.Step, a.Cheat, a.Before)
	c.round.Rewind(snapshot.Step)
	c.round.Credit(c.record.Credits[snapshot.Step])
	c.sum = wire.NewSum(c.section) // vectors that are being merged go to the old one
	c.at, c.begun = snapshot.Step, snapshot.Step
	c.ledger.cut(snapshot.Step)
	c.updates = slices.DeleteFunc(c.updates, func(u *Update) bool { return u.Step > snapshot.Step })
	if n := len(c.updates); n > 0 && c.updates[n-1].Step != snapshot.Step {
		c.updates = nil
	}
	c.saved = min(c.saved, snapshot.Step)
	if c.record.State == StateFinishing {
		c.record.State = StateRunning
	}
	c.server.goBack(snapshot.Step)
	for _, p := range c.peers {
		p.goTo("a result was found to be forged: the session goes on from step " + stepText(snapshot.Step))
	}
	c.wantSave()
	c.proceed()
}

// settled notes how far the session is final, and frees what is not needed any more.
func (c *Coordinator) settled() {
	final := c.final()
	c.round.Final(final)
	if c.changeDue() {
		c.server.wake()
	}
	newest := c.newestFinal()
	if newest.Step > c.saved {
		c.wantSave()
	}
	// Updates are kept from the snapshot before the newest one on, for the server's replica to go back a little.
	keep := c.record.Snapshots[max(len(c.record.Snapshots)-2, 0)].Step
	if len(c.updates) > 0 && c.updates[0].Step <= keep {
		c.updates = slices.DeleteFunc(c.updates, func(u *Update) bool { return u.Step <= keep })
	}
}

// final is the last step whose audits have passed, and which the server's replica has reached.
func (c *Coordinator) final() int64 { return min(c.server.reached, c.round.Pending()-1) }

// newestFinal is the snapshot to go on from after a crash.
func (c *Coordinator) newestFinal() wire.Snapshot {
	final := c.final()
	for i := len(c.record.Snapshots) - 1; i > 0; i-- {
		if c.record.Snapshots[i].Step <= final {
			return c.record.Snapshots[i]
		}
	}
	return c.record.Snapshots[0]
}

// newest is the newest snapshot.
func (c *Coordinator) newest() wire.Snapshot { return c.record.Snapshots[len(c.record.Snapshots)-1] }

// values are the hyper-parameters after a step that differ from the engine's own.
func (c *Coordinator) values(step int64) map[string]float64 {
	values := map[string]float64{}
	for _, event := range c.record.Events {
		if event.Event == eventHyperparameter && event.Step <= step {
			values[event.Name] = *event.Value
		}
	}
	for name, value := range c.record.Snapshots[0].Hyperparameters {
		if _, ok := values[name]; !ok {
			values[name] = value
		}
	}
	if c.section == nil {
		return values
	}
	return runner.Holding(c.section, values)
}
