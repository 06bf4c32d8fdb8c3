package runner

import (
	"context"
	"slices"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// Change replaces the engine of a run: before a step, the engine of another plan takes over the state after the step before.
// Its plan says what is done from there on; the steps of the whole run are those of the last plan.
type Change struct {
	Step int64
	Plan Plan
	// Start makes a team of the plan's engine. Train closes it.
	Start func(ctx context.Context) (Team, error)
}

// Line is the journal's line of a change.
func (c Change) Line() schema.JournalLine {
	return schema.JournalLine{Type: schema.LineEvent, Event: eventEngine, Step: c.Step, Engine: c.Plan.Engine}
}

// TakeOver makes the team of a new engine go on from the state of the one before: init, then what CarryOver says, then
// restore.
func TakeOver(ctx context.Context, team Team, seed int64, old Tensors) error {
	if err := team.Init(ctx, seed); err != nil {
		return err
	}
	fresh, err := team.Save(ctx)
	if err != nil {
		return err
	}
	return team.Load(ctx, CarryOver(fresh, old))
}

// Holding are the hyper-parameters that an engine takes over from the one before: those that it has too, as far as it allows
// their values.
func Holding(s *schema.EngineSection, values map[string]float64) map[string]float64 {
	held := map[string]float64{}
	for name, value := range values {
		if _, err := hyperparameter(s, name, value); err == nil {
			held[name] = value
		}
	}
	return held
}

// CarryOver is the state with which a new engine goes on: the tensors that its init wrote, of which those that the old state
// holds under the same name, with the same dtype and number of dimensions, take over the overlapping leading part of it
// along every dimension. What the old state holds beyond that is dropped. Neither argument is changed.
func CarryOver(fresh, old Tensors) Tensors {
	from := index(slices.Concat(old.Parameters, old.State))
	carry := func(tensors []closure.Tensor) []closure.Tensor {
		carried := make([]closure.Tensor, len(tensors))
		for i, t := range tensors {
			t.Data = slices.Clone(t.Data)
			if before, ok := from[t.Name]; ok && before.DType == t.DType && len(before.Shape) == len(t.Shape) {
				copyLeading(t.Data, before.Data, t.Shape, before.Shape, schema.DTypeSize(t.DType))
			}
			carried[i] = t
		}
		return carried
	}
	return Tensors{Parameters: carry(fresh.Parameters), State: carry(fresh.State)}
}

// copyLeading copies the overlapping leading part of a row-major tensor into another; size is an element's, in bytes.
func copyLeading(to, from []byte, toShape, fromShape []int, size int) {
	if len(toShape) == 0 {
		copy(to[:size], from)
		return
	}
	toRow, fromRow := size, size // bytes of an element of the first dimension
	for i := 1; i < len(toShape); i++ {
		toRow *= toShape[i]
		fromRow *= fromShape[i]
	}
	for k := range min(toShape[0], fromShape[0]) {
		copyLeading(to[k*toRow:(k+1)*toRow], from[k*fromRow:(k+1)*fromRow], toShape[1:], fromShape[1:], size)
	}
}

// checkChanges refuses changes that cannot be made, and returns the plan of the run's end.
func checkChanges(p Plan, changes []Change) (Plan, error) {
	seed, step := p.Resolved.Algorithm.Seed, int64(0)
	for _, c := range changes {
		switch {
		case c.Step <= step:
			return p, schema.Invalidf("changes", "step", "the engine changes before step %d, after it has changed before step %d", c.Step, step)
		case c.Plan.Resolved.Algorithm.Seed != seed:
			return p, schema.Invalidf("changes", "algorithm.seed", "%d; the run began with %d", c.Plan.Resolved.Algorithm.Seed, seed)
		}
		p, step = c.Plan, c.Step
	}
	if step > p.Steps() {
		return p, schema.Invalidf("changes", "step", "the engine changes before step %d, and the run has %d", step, p.Steps())
	}
	return p, nil
}

// until is a plan whose last step is that of the whole run.
func (p Plan) until(steps int64) Plan {
	p.Resolved.Algorithm.Steps = steps
	return p
}

// change replaces the engine before a step, if it is to be.
func (t *training) change(ctx context.Context, step int64) error {
	for _, c := range t.options.Changes {
		if c.Step != step {
			continue
		}
		old, err := t.team.Save(ctx)
		if err != nil {
			return err
		}
		if err := t.adopt(ctx, c); err != nil {
			return err
		}
		if err := TakeOver(ctx, t.team, c.Plan.Resolved.Algorithm.Seed, old); err != nil {
			return err
		}
		if err := t.hold(ctx); err != nil {
			return err
		}
		return t.journal.write(c.Line())
	}
	return nil
}

// catchUp goes on with the engine that ran a step.
func (t *training) catchUp(ctx context.Context, step int64) error {
	i := slices.IndexFunc(t.options.Changes, func(c Change) bool { return c.Step > step })
	if i < 0 {
		i = len(t.options.Changes)
	}
	if i == 0 {
		return nil
	}
	return t.adopt(ctx, t.options.Changes[i-1])
}

// adopt starts the team of a change in the place of the one before.
func (t *training) adopt(ctx context.Context, c Change) error {
	team, err := c.Start(ctx)
	if err != nil {
		return err
	}
	t.release()
	t.team, t.plan, t.changed = team, c.Plan.until(t.last.Steps()), true
	return c.Plan.check(team.Section(), false)
}

// hold sets the hyper-parameters that were changed before.
func (t *training) hold(ctx context.Context) error {
	for name, value := range Holding(t.team.Section(), t.values) {
		if err := t.team.Set(ctx, name, value); err != nil {
			return err
		}
	}
	return nil
}

// release closes the team if it is a change's.
func (t *training) release() {
	if t.changed {
		closeTeam(t.team)
	}
}
