package trainer

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// machine is an engine of the session that is ready to run.
type machine struct {
	plan    runner.Plan
	data    runner.Data
	section *schema.EngineSection
	wasm    []byte
}

// ready makes an engine of the record ready. It is started once, so that one that its records do not fit is refused now.
func (c *Coordinator) ready(ctx context.Context, wasm []byte, document *schema.Closure) (machine, error) {
	m := machine{wasm: wasm}
	var err error
	if m.plan, err = runner.NewPlan(document.Resolved(), document.Engine.Digest); err != nil {
		return m, err
	}
	if m.data, err = c.env.Data(ctx, document); err != nil {
		return m, err
	}
	team, err := runner.Start(ctx, wasm, m.data, c.env.Team)
	if err != nil {
		return m, err
	}
	m.section = team.Section()
	if err := team.Close(); err != nil {
		return m, err
	}
	if most := m.section.MaxMicrobatches; m.plan.Microbatches() > most {
		return m, schema.Invalidf("specification", "algorithm.batchSize", "%d microbatches a step; the engine sums at most %d", m.plan.Microbatches(), most)
	}
	return m, nil
}

// use makes one of the engines the present one.
func (c *Coordinator) use(i int) {
	m := c.machines[i]
	c.current, c.plan, c.data, c.section = i, m.plan, m.data, m.section
	c.record.Document = c.record.Engines[i].Document
	c.sum = wire.NewSum(c.section) // vectors that are being merged go to the old one
	if c.round != nil {
		c.round.options.MaxMicrobatches = c.section.MaxMicrobatches
		c.round.options.AuditBacklog = auditBacklog(c.plan)
	}
}

func auditBacklog(p runner.Plan) int64 { return 4 * max(p.Microbatches(), 256) }

// engineOf is the engine that made a snapshot.
func (r *record) engineOf(s wire.Snapshot) int {
	if s.Engine == nil {
		return 0
	}
	return max(slices.IndexFunc(r.Engines, func(e engineUse) bool { return e.Engine.Digest == s.Engine.Digest }), 0)
}

// mark is how snapshots of the present engine name it: the first one is named by the session.
func (c *Coordinator) mark() *wire.Blob {
	if c.current == 0 {
		return nil
	}
	e := c.engine()
	return &e
}

// changeDue reports whether another engine runs the step after the present one.
func (c *Coordinator) changeDue() bool {
	next := c.current + 1
	return next < len(c.record.Engines) && c.at == c.record.Engines[next].Step-1
}

// change makes the engine of another specification run from a step on: the next one that has not begun, or a later one.
func (c *Coordinator) change(ctx context.Context, command Command) error {
	job, err := c.env.Prepare(ctx, Request{Specification: command.Specification, Name: c.name(), Version: c.nameVersion()})
	if err != nil {
		return err
	}
	c.mu.Lock()
	document, err := copyOf(c.record.Document)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	document.Model, document.Algorithm, document.Datasets = job.Document.Model, job.Document.Algorithm, job.Document.Datasets
	document.Specification, document.Engine = job.Document.Specification, job.Document.Engine
	m, err := c.ready(ctx, job.Engine, document)
	if err != nil {
		return err
	}
	blob, err := putBlob(ctx, c.env.Store, job.Engine)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	use := engineUse{Step: command.Step, Engine: blob, Document: document}
	if err := c.schedule(use, m); err != nil {
		return err
	}
	c.proceed()
	c.act()
	c.publishChange()
	return c.durable(ctx)
}

// schedule checks a change and notes it.
func (c *Coordinator) schedule(use engineUse, m machine) error {
	next := max(c.begun, 0) + 1
	if use.Step == 0 {
		use.Step = next
	}
	document := c.record.Document
	switch {
	case c.record.State != StateRunning && c.record.State != StatePaused:
		return schema.Invalidf("command", "command", "%s is not possible: the session is %s", CommandEngine, c.record.State)
	case c.current+1 < len(c.record.Engines):
		return schema.Invalidf("command", "step", "the engine changes already before step %d: wait for that", c.record.Engines[c.current+1].Step)
	case document.Engine.Foreign:
		return schema.Invalidf("command", "specification", "the session's engine was not compiled from its specification, so none can replace it")
	case use.Step < next || use.Step > min(c.plan.Steps(), m.plan.Steps()):
		return schema.Invalidf("command", "step", "%d is not a step to come: the next one is %d, the last one %d, with the new specification %d",
			use.Step, next, c.plan.Steps(), m.plan.Steps())
	case use.Document.Algorithm.Seed != document.Algorithm.Seed:
		return schema.Invalidf("specification", "algorithm.seed", "%d; the seed of a run stays, and is %d", use.Document.Algorithm.Seed, document.Algorithm.Seed)
	}
	ran := func(d schema.Digest) bool { return d == use.Engine.Digest }
	if slices.ContainsFunc(c.record.Engines, func(e engineUse) bool { return ran(e.Engine.Digest) }) ||
		slices.ContainsFunc(document.Earlier, func(e schema.EarlierEngine) bool { return ran(e.Engine.Digest) }) {
		return schema.Invalidf("command", "specification", "it compiles to an engine that this run has had already")
	}
	for _, e := range c.record.Events {
		if e.Step >= use.Step && len(runner.Holding(m.section, map[string]float64{e.Name: *e.Value})) == 0 {
			return schema.Invalidf("command", "specification", "the new engine cannot have %s = %g, which is set for step %d", e.Name, *e.Value, e.Step)
		}
	}
	own := c.record.Engines[c.current].Document
	earlier := schema.EarlierEngine{
		Engine: own.Engine, Specification: own.Specification, Model: own.Model, Algorithm: own.Algorithm, Datasets: own.Datasets,
	}
	use.Document.Earlier = slices.SortedFunc(slices.Values(append(slices.Clone(own.Earlier), earlier)), func(a, b schema.EarlierEngine) int {
		return cmp.Compare(a.Engine.Digest.Hex(), b.Engine.Digest.Hex())
	})
	c.record.Engines, c.machines = append(c.record.Engines, use), append(c.machines, m)
	c.log("command", "another engine from step %d on", use.Step)
	return nil
}

func (c *Coordinator) name() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.record.Document.Name
}

func (c *Coordinator) nameVersion() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.record.Document.Version
}

// replace starts the team of the present engine.
func (s *serverReplica) replace(ctx context.Context) error {
	s.c.mu.Lock()
	i := s.c.current
	m := s.c.machines[i]
	s.c.mu.Unlock()
	s.close()
	s.replica = replica{seed: m.plan.Resolved.Algorithm.Seed}
	team, err := runner.Start(ctx, m.wasm, m.data, s.c.env.Team)
	if err != nil {
		return errors.Join(runner.ErrChild, err)
	}
	s.team, s.running, s.engine = team, i, m.wasm
	return nil
}

// takeOver lets the next engine go on from the present state, which is final. Everybody joins anew: engine, data and size of a
// step may all be others.
func (s *serverReplica) takeOver(ctx context.Context) error {
	c := s.c
	old, err := s.team.Save(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	next := c.current + 1
	m := c.machines[next]
	c.mu.Unlock()
	team, err := runner.Start(ctx, m.wasm, m.data, c.env.Team)
	if err != nil {
		return err
	}
	defer team.Close()
	if err := runner.TakeOver(ctx, team, m.plan.Resolved.Algorithm.Seed, old); err != nil {
		return err
	}
	fresh, err := team.Save(ctx)
	if err != nil {
		return err
	}
	file, err := encodeState(fresh, c.record.ID+"/"+m.plan.Engine.Short(), s.at)
	if err != nil {
		return err
	}
	blob, err := s.put(ctx, file)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.back != nil || c.current+1 != next || !c.changeDue() {
		return nil
	}
	c.use(next)
	c.updates, s.jobs, s.references = nil, nil, map[int64][]schema.Digest{}
	c.keep(c.at, blob)
	c.log("state", "another engine goes on after step %d", c.at)
	c.joinAnew("another engine goes on: join again")
	c.wantSave()
	c.proceed()
	c.act()
	return nil
}

// joinAnew sends all participants away for a moment.
func (c *Coordinator) joinAnew(reason string) {
	for _, p := range c.peers {
		c.depart(p)
		p.link.Close(&wire.Refuse{Code: wire.CodeBusy, Message: reason, RetryAfter: 0.2})
	}
}

// earlierEngines are the code of the engines that ran before the present one.
func (c *Coordinator) earlierEngines(ctx context.Context, uses []engineUse) ([]closure.Content, error) {
	var contents []closure.Content
	for _, e := range uses {
		path := schema.PathEarlierEngine(e.Engine.Digest)
		b, err := getBlob(ctx, c.env.Store, path, e.Engine, maxEngine)
		if err != nil {
			return nil, err
		}
		contents = append(contents, closure.Bytes(path, b))
	}
	return contents, nil
}

// header is the journal's first line: the specification that the closure will have, and the engine that began.
func (c *Coordinator) header() schema.JournalLine { return headerOf(c.plan, c.record) }

func headerOf(p runner.Plan, r *record) schema.JournalLine {
	line := p.Header()
	if line.Engine = r.First; r.First.IsZero() {
		line.Engine = r.Engines[0].Engine.Digest
	}
	return line
}
