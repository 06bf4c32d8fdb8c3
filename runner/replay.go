package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/reprise-ml/reprise/schema"
)

// ReplayOptions say how a closure is replayed.
type ReplayOptions struct {
	Derivation Derivation
	Team       TeamOptions
	Progress   func(Progress)
	// From is the step of a kept snapshot to start from; 0 retrains from the start.
	From int64
	// To is the last step to replay; 0 means the closure's last. Before that, the archived tensors are not reached.
	To int64
}

// SnapshotPaths are the places of a kept snapshot in a closure.
func SnapshotPaths(step int64) (parameters, state string) {
	return fmt.Sprintf("params/step-%010d.safetensors", step), fmt.Sprintf("state/step-%010d.safetensors", step)
}

// Replay retrains a closure and compares every line of the journal, byte for byte, as it is made; then the digests of the
// last parameters and of the run with those of closure.json and of the archived tensors. It stops at the first difference.
// As in Verify, the error is for what prevented a verdict; damaged blobs are among that.
func Replay(ctx context.Context, a *Archive, o ReplayOptions) (*schema.ReplayReport, error) {
	r := &replaying{archive: a, options: o, report: &schema.ReplayReport{Closure: a.Digest}}
	err := r.run(ctx)
	var difference *differenceError
	var status *EngineError
	var trap *TrapError
	switch {
	case errors.As(err, &difference):
		r.report.FirstDifference = &difference.Difference
		r.fail("%s", difference)
	case errors.As(err, &status) || errors.As(err, &trap):
		// The recorded run did not end so.
		r.fail("%v", err)
	case err != nil:
		return nil, err
	}
	r.report.Verdict, r.report.Reason = schema.VerdictIdentical, r.note
	if r.failed != "" {
		r.report.Verdict, r.report.Reason = schema.VerdictDiffers, r.failed
	}
	return r.report, nil
}

type replaying struct {
	archive *Archive
	options ReplayOptions
	report  *schema.ReplayReport
	failed  string // the first reason why the closure differs
	note    string
}

func (r *replaying) fail(format string, args ...any) {
	if r.failed == "" {
		r.failed = fmt.Sprintf(format, args...)
	}
}

// differenceError ends a replay.
type differenceError struct{ schema.Difference }

func (e *differenceError) Error() string {
	return fmt.Sprintf("step %d: %s is recorded as %s, and is %s", e.Step, e.What, orNothing(e.Recorded), orNothing(e.Observed))
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// errReached ends a replay after its last step.
var errReached = errors.New("the last step to replay is done")

func (r *replaying) run(ctx context.Context) error {
	a := r.archive
	d, err := r.options.Derivation.derive(a.Closure)
	if err != nil {
		return err
	}
	r.report.Derivation, r.note = d.kind, notes(d.note, importNote(a.Closure))
	if d.failed != "" {
		r.fail("%s", d.failed)
	}
	steps := a.Closure.Algorithm.Steps
	if r.options.To == 0 {
		r.options.To = steps
	}
	if o := r.options; o.From < 0 || o.From >= max(o.To, 1) || o.To > steps {
		return schema.Invalidf("replay", "", "steps %d to %d of %d", o.From, o.To, steps)
	}
	journal, err := a.file(ctx, schema.PathJournal)
	if err != nil {
		return err
	}
	stages, err := a.stages(journal)
	if err != nil {
		return err
	}
	return r.train(ctx, stages, journal)
}

// train repeats the run with the recorded journal as the writer's measure.
func (r *replaying) train(ctx context.Context, stages []stage, journal []byte) error {
	first := stages[0].plan.Engine
	for len(stages) > 1 && stages[1].step <= r.options.From {
		stages = stages[1:]
	}
	team, err := r.archive.start(ctx, stages[0], r.options.Team)
	if err != nil {
		return err
	}
	defer closeTeam(team)
	lines := &comparison{recorded: journal, last: r.options.To, report: r.report}
	o := TrainOptions{Progress: r.options.Progress, Journal: lines, First: first}
	for _, s := range stages[1:] {
		o.Changes = append(o.Changes, Change{Step: s.step, Plan: s.plan, Start: func(ctx context.Context) (Team, error) {
			return r.archive.start(ctx, s, r.options.Team)
		}})
	}
	o.Events, o.Merged = recorded(journal)
	if o.Imported, err = r.archive.Imported(ctx); err != nil {
		return err
	}
	if r.options.From > 0 {
		tensors, err := r.archive.Snapshot(ctx, r.options.From)
		if err != nil {
			return err
		}
		o.From = &From{Step: r.options.From, Tensors: tensors, Journal: bytes.NewReader(journal)}
	}
	result, err := Train(ctx, team, stages[0].plan, o)
	if errors.Is(err, errReached) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := lines.end(); err != nil {
		return err
	}
	return r.conclude(ctx, result)
}

// recorded are the changes of hyper-parameters in a journal, and the microbatches that its steps merged: what a session decided. A line
// that cannot be read is neither: comparing will name it.
func recorded(journal []byte) ([]schema.JournalLine, map[int64]Ranges) {
	var events []schema.JournalLine
	merged := map[int64]Ranges{}
	for text := range bytes.Lines(journal) {
		line, err := schema.ReadJournalLine(schema.PathJournal, bytes.TrimSuffix(text, []byte("\n")))
		switch {
		case err != nil:
		case line.Type == schema.LineEvent && line.Event == eventHyperparameter:
			events = append(events, *line)
		case line.Type == schema.LineStep:
			merged[line.Step] = line.Microbatches
		}
	}
	return events, merged
}

// conclude compares the last state with the archived one.
func (r *replaying) conclude(ctx context.Context, result *TrainResult) error {
	r.report.Run = result.Run
	c := r.archive.Closure
	archived, err := r.archive.Tensors(ctx)
	if err != nil {
		return err
	}
	parameters, run, err := archived.Digests()
	if err != nil {
		return schema.Invalidf(schema.PathParameters, "", "%v", err)
	}
	for _, pair := range []struct {
		what               string
		recorded, observed schema.Digest
	}{
		{"the parameters' digest in closure.json", c.Parameters.Digest, result.Parameters},
		{"the run digest in closure.json", c.Run.Digest, result.Run},
		{"the content of " + schema.PathParameters, parameters, result.Parameters},
		{"the content of parameters and state", run, result.Run},
	} {
		if pair.recorded != pair.observed {
			return &differenceError{schema.Difference{
				Step: result.Steps, What: pair.what, Recorded: pair.recorded.String(), Observed: pair.observed.String(),
			}}
		}
	}
	return nil
}
