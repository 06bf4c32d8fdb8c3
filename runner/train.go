package runner

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// TrainOptions say what to do beside training. The zero value keeps nothing.
type TrainOptions struct {
	// Journal receives the whole journal, from the header on, also when the run goes on from a snapshot.
	Journal io.Writer
	// Telemetry receives JSON lines with the timings of this process.
	Telemetry io.Writer
	// Progress is called after every step, by the goroutine that called Train.
	Progress func(Progress)

	// Work is a folder for snapshots; empty for none. If it holds interrupted work of the same plan, that is continued;
	// of another plan, ErrOtherWork. Whoever archives the result removes the folder.
	Work string
	// SnapshotEvery is the time between snapshots in Work; 0 means DefaultSnapshotEvery. There is also one whenever the
	// context is cancelled.
	SnapshotEvery time.Duration
	// SnapshotSteps adds a snapshot every so many steps; 0 for none.
	SnapshotSteps int64

	// Keep is called with the state after every KeepEvery-th step, for snapshots that are archived; it may be called
	// again for a step when a run is continued.
	Keep      func(step int64, t Tensors) error
	KeepEvery int64

	// From continues another run, such as a parent closure's, instead of starting at init. Work that is found wins.
	From *From
	// Imported are parameters that replace those of init before step 0; nil for none. A run of no steps then ends after step 0.
	Imported []closure.Tensor
	// Events are changes of hyper-parameters, each with a value, before their steps run.
	Events []schema.JournalLine
	// Changes are engines that take the run over, in the order of their steps. Those up to the step that a run goes on from
	// have been made: the last of them goes on.
	Changes []Change
	// First is the engine that began the run, where it goes on from a state after a change; zero means the plan's.
	First schema.Digest
	// Merged are the microbatches of steps that are not to have those of the plan, as steps of timed sessions.
	Merged map[int64]Ranges
}

// DefaultSnapshotEvery bounds what is lost when a process is killed.
const DefaultSnapshotEvery = 30 * time.Second

// From is the state of a run after a step and its journal up to there.
type From struct {
	Step    int64
	Tensors Tensors
	// Journal is read from its header on. Its lines up to Step are taken over, but for the header, which is the new
	// plan's: so the new journal is that of a run which trained all the steps at once.
	Journal io.Reader
}

// Progress is what a person wants to see.
type Progress struct {
	Step, Steps int64
	// Loss and Accuracy are means over the step's examples; NaN where the engine does not count them.
	Loss, Accuracy float64
	// Evaluation is set where the test split was evaluated after this step.
	Evaluation *Evaluation
	Examples   int64
	// ExamplesPerSecond is over the time since this process began to train, evaluations excepted.
	ExamplesPerSecond float64
	Elapsed           time.Duration
}

// TrainResult is a finished run.
type TrainResult struct {
	Steps      int64
	Tensors    Tensors
	Parameters schema.Digest // content digest
	Run        schema.Digest
	// Test is the evaluation of the test split after the last step; nil without one.
	Test *Evaluation
}

// Train runs a plan, and those of the changes, to the last step. Step 0 lets the engine learn what it needs to know before it counts; then steps 1 …
// N follow. Cancelling the context stops between two microbatches, leaves a snapshot in the work folder, and returns the
// context's error.
func Train(ctx context.Context, team Team, plan Plan, o TrainOptions) (*TrainResult, error) {
	if err := plan.check(team.Section(), o.Imported != nil); err != nil {
		return nil, err
	}
	last, err := checkChanges(plan, o.Changes)
	if err != nil {
		return nil, err
	}
	t := &training{
		team: team, plan: plan.until(last.Steps()), last: last, options: o, journal: journal{out: o.Journal}, meter: newMeter(last, o), values: map[string]float64{},
	}
	defer t.release()
	if t.options.First.IsZero() {
		t.options.First = plan.Engine
	}
	if o.Work != "" {
		w, err := openWork(o.Work, last)
		if err != nil {
			return nil, err
		}
		defer w.close()
		t.work, t.journal.file = w, w.journal
	}
	if err := t.start(ctx); err != nil {
		return nil, err
	}
	result, err := t.run(ctx)
	// A failed apply may have left half a step, so only a cancel, which stops before it, is followed by a snapshot.
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		// The cancelled context must not stop the snapshot that it asks for.
		if snapshotErr := t.snapshot(context.WithoutCancel(ctx)); snapshotErr != nil {
			return nil, errors.Join(err, snapshotErr)
		}
	}
	return result, err
}

// training is a run in progress.
type training struct {
	team    Team
	plan    Plan // that of team, until the run's end
	last    Plan // that of the run's end
	options TrainOptions
	changed bool               // team is a change's, and not the caller's
	values  map[string]float64 // of the hyper-parameters that were changed
	journal journal
	work    *work // nil without a work folder
	meter   *meter

	step    int64 // the last one that was applied
	mark    int64 // size of the journal just after that step's line
	started bool  // step 0 is done
}

// start brings the team to the state after the first step that counts as done: 0, a snapshot's or From's.
func (t *training) start(ctx context.Context) error {
	if t.work != nil && t.work.found != nil {
		return t.resume(ctx)
	}
	if t.options.From != nil {
		return t.continueFrom(ctx, t.options.From)
	}
	if err := t.team.Init(ctx, t.plan.Resolved.Algorithm.Seed); err != nil {
		return err
	}
	if err := t.journal.write(t.header()); err != nil {
		return err
	}
	if t.options.Imported != nil {
		if err := t.begin(ctx, t.options.Imported); err != nil {
			return err
		}
	}
	if _, err := t.team.Step(ctx, 0, First(t.plan.Microbatches())); err != nil {
		return err
	}
	t.began(0)
	return nil
}

// begin replaces the parameters of init.
func (t *training) begin(ctx context.Context, imported []closure.Tensor) error {
	tensors, err := t.team.Save(ctx)
	if err != nil {
		return err
	}
	tensors.Parameters = imported
	if err := t.team.Load(ctx, tensors); err != nil {
		return err
	}
	digest, err := closure.ContentDigest(imported)
	if err != nil {
		return err
	}
	return t.journal.write(schema.JournalLine{Type: schema.LineEvent, Event: eventParameters, Parameters: digest})
}

// header names the closure's specification, and the engine that ran first.
func (t *training) header() schema.JournalLine {
	line := t.last.Header()
	line.Engine = t.options.First
	return line
}

func (t *training) began(step int64) { t.step, t.mark, t.started = step, t.journal.size, true }

// resume goes on from the snapshot in the work folder, whose journal has been cut to it.
func (t *training) resume(ctx context.Context) error {
	tensors, err := t.work.tensors()
	if err != nil {
		return err
	}
	return t.continueFrom(ctx, &From{Step: t.work.found.Step, Tensors: tensors, Journal: t.work.recorded()})
}

func (t *training) continueFrom(ctx context.Context, from *From) error {
	if from.Step > t.plan.Steps() {
		return schema.Invalidf("specification", "algorithm.steps", "%d, but the run has already done %d", t.plan.Steps(), from.Step)
	}
	if err := t.catchUp(ctx, from.Step); err != nil {
		return err
	}
	if err := t.team.Load(ctx, from.Tensors); err != nil {
		return err
	}
	resumed := t.work != nil && t.work.found != nil
	err := readJournal(from.Journal, func(line schema.JournalLine) error {
		switch {
		case line.Step > from.Step:
			return nil
		case line.Type == schema.LineHeader:
			line = t.header()
		case line.Step == from.Step && (line.Type == schema.LineEvaluation || line.Type == schema.LineCheckpoint):
			return nil // made again, if the plan wants them
		case line.Type == schema.LineEvent && line.Event == eventHyperparameter:
			t.values[line.Name] = *line.Value
		}
		if resumed {
			return t.journal.repeat(line)
		}
		return t.journal.write(line)
	})
	if err != nil {
		return err
	}
	t.began(from.Step)
	return t.hold(ctx)
}

// run does what is left to do.
func (t *training) run(ctx context.Context) (*TrainResult, error) {
	t.meter.start(t.step)
	for {
		evaluation, tensors, err := t.finish(ctx)
		if err != nil {
			return nil, err
		}
		t.meter.report(t.step, evaluation)
		if t.step == t.plan.Steps() {
			return t.result(evaluation, tensors)
		}
		if err := t.next(ctx); err != nil {
			return nil, err
		}
		if t.work != nil && t.work.due(t.step, t.options) {
			if err := t.snapshot(ctx); err != nil {
				return nil, err
			}
		}
	}
}

// next runs one step and writes its line.
func (t *training) next(ctx context.Context) error {
	step := t.step + 1
	if err := t.change(ctx, step); err != nil {
		return err
	}
	if err := t.events(ctx, step); err != nil {
		return err
	}
	merged, ok := t.options.Merged[step]
	if !ok {
		merged = First(t.plan.Microbatches())
	}
	t.meter.begin()
	c, err := t.team.Step(ctx, step, merged)
	if err != nil {
		return err
	}
	t.meter.end(t.plan, c)
	if err := t.journal.write(StepLine(step, merged, c)); err != nil {
		return err
	}
	t.began(step)
	return nil
}

// StepLine is the journal's line of a step that merged these ranges of microbatches.
func StepLine(step int64, ranges Ranges, c Counts) schema.JournalLine {
	return schema.JournalLine{
		Type: schema.LineStep, Step: step, Microbatches: ranges,
		Examples: c.Examples, Loss: c.Loss, Correct: c.Correct, Clipped: c.Clipped,
	}
}

// events changes the hyper-parameters that a step is to run with, and writes their lines.
func (t *training) events(ctx context.Context, step int64) error {
	for _, e := range t.options.Events {
		if e.Step != step {
			continue
		}
		if err := t.team.Set(ctx, e.Name, *e.Value); err != nil {
			return err
		}
		t.values[e.Name] = *e.Value
		if err := t.journal.write(e); err != nil {
			return err
		}
	}
	return nil
}

// finish evaluates and digests the state after the present step, where the plan wants it.
func (t *training) finish(ctx context.Context) (*Evaluation, Tensors, error) {
	if t.options.Keep != nil && t.options.KeepEvery > 0 && t.step > 0 && t.step%t.options.KeepEvery == 0 {
		tensors, err := t.team.Save(ctx)
		if err == nil {
			err = t.options.Keep(t.step, tensors)
		}
		if err != nil {
			return nil, Tensors{}, err
		}
	}
	if !t.plan.Due(t.step) {
		return nil, Tensors{}, ctx.Err()
	}
	var evaluation *Evaluation
	if split := t.plan.Split(schema.RoleTest); split != "" {
		e, err := t.evaluate(ctx)
		if err != nil {
			return nil, Tensors{}, err
		}
		evaluation = e
		if err := t.journal.write(e.Line(t.step, split)); err != nil {
			return nil, Tensors{}, err
		}
	}
	tensors, err := t.team.Save(ctx)
	if err != nil {
		return nil, Tensors{}, err
	}
	parameters, run, err := tensors.Digests()
	if err != nil {
		return nil, Tensors{}, err
	}
	line := schema.JournalLine{Type: schema.LineCheckpoint, Step: t.step, Parameters: parameters, Run: run}
	return evaluation, tensors, t.journal.write(line)
}

// evaluate is blind while training; what evaluate computes is added at the end, when it is claimed.
func (t *training) evaluate(ctx context.Context) (*Evaluation, error) {
	var test schema.ResolvedDataset
	for _, d := range t.plan.Resolved.Datasets {
		if d.Role == schema.RoleTest {
			test = d
		}
	}
	return Evaluate(ctx, t.team, schema.RoleTest, test.Record.Target, test.Examples, t.step == t.plan.Steps())
}

func (t *training) result(e *Evaluation, tensors Tensors) (*TrainResult, error) {
	r := &TrainResult{Steps: t.step, Tensors: tensors, Test: e}
	var err error
	r.Parameters, r.Run, err = tensors.Digests()
	if err == nil {
		err = t.journal.flush()
	}
	return r, err
}

// snapshot saves the state after the last step and cuts nothing: the journal's size is noted.
func (t *training) snapshot(ctx context.Context) error {
	if t.work == nil || !t.started {
		return nil
	}
	tensors, err := t.team.Save(ctx)
	if err != nil {
		return err
	}
	if err := t.journal.flush(); err != nil {
		return err
	}
	return t.work.save(snapshot{Step: t.step, Journal: t.mark}, tensors)
}
