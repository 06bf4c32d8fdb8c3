package trainer

import (
	"context"
	"crypto/subtle"
	"fmt"
	"math"
	"slices"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// Owns reports whether a secret is the owner's.
func (c *Coordinator) Owns(word string) bool {
	return subtle.ConstantTimeCompare([]byte(hashOf(word)), []byte(c.record.Owner)) == 1
}

// Do carries out an owner's command. When it returns, the command survives a crash. What is wrong with it is *schema.Invalid.
func (c *Coordinator) Do(ctx context.Context, command Command) error {
	if command.Command == CommandPublish {
		return c.publish(ctx, command.Version)
	}
	if command.Command == CommandEngine {
		return c.change(ctx, command)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.command(command); err != nil {
		return err
	}
	c.proceed()
	c.act()
	c.publishChange()
	return c.durable(ctx)
}

func (c *Coordinator) command(command Command) error {
	state := func(wanted ...string) error {
		if slices.Contains(wanted, c.record.State) {
			return nil
		}
		return schema.Invalidf("command", "command", "%s is not possible: the session is %s", command.Command, c.record.State)
	}
	switch command.Command {
	case CommandPause:
		if err := state(StateRunning, StatePaused); err != nil {
			return err
		}
		c.record.State = StatePaused
		c.log("command", "paused")
	case CommandResume:
		if err := state(StateRunning, StatePaused); err != nil {
			return err
		}
		c.record.State = StateRunning
		c.log("command", "goes on")
	case CommandStop:
		if err := state(StateRunning, StatePaused); err != nil {
			return err
		}
		return c.stopHere()
	case CommandSet:
		if err := state(StateRunning, StatePaused); err != nil {
			return err
		}
		return c.setAt(command)
	default:
		return schema.Invalidf("command", "command", "%q is not known; there are %s, %s, %s, %s, %s and %s",
			command.Command, CommandPause, CommandResume, CommandStop, CommandSet, CommandEngine, CommandPublish)
	}
	return nil
}

// setAt changes a hyper-parameter from a step on: the next one that has not begun, or a later one.
func (c *Coordinator) setAt(command Command) error {
	next := max(c.begun, 0) + 1
	if command.Step == 0 {
		command.Step = next
	}
	switch {
	case command.Value == nil || math.IsNaN(*command.Value) || math.IsInf(*command.Value, 0):
		return schema.Invalidf("command", "value", "is missing, or no number")
	case command.Step < next || command.Step > c.plan.Steps():
		return schema.Invalidf("command", "step", "%d is not a step to come: the next one is %d, the last one %d", command.Step, next, c.plan.Steps())
	}
	section := c.section
	if next := c.current + 1; next < len(c.machines) && command.Step >= c.record.Engines[next].Step {
		section = c.machines[next].section
	}
	for _, h := range section.Hyperparameters {
		if h.Name != command.Name {
			continue
		}
		if v := *command.Value; v < h.Min || v > h.Max {
			return schema.Invalidf("command", "value", "%g of %s is not between %g and %g", v, h.Name, h.Min, h.Max)
		}
		c.record.Events = append(c.record.Events, schema.JournalLine{
			Type: schema.LineEvent, Step: command.Step, Event: eventHyperparameter, Name: command.Name, Value: command.Value,
		})
		c.log("command", "%s = %g from step %d on", command.Name, *command.Value, command.Step)
		return nil
	}
	names := []string{}
	for _, h := range section.Hyperparameters {
		names = append(names, h.Name)
	}
	return schema.Invalidf("command", "name", "the engine has no hyper-parameter %q; it has %q", command.Name, names)
}

// stopHere makes the present step the last one.
func (c *Coordinator) stopHere() error {
	if c.at <= c.ledger.first {
		c.record.State = StateStopped
		c.log("command", "stopped before the first step")
		c.dismiss(&wire.End{Message: "the session was stopped"})
		return nil
	}
	if c.current > 0 && c.at < c.record.Engines[c.current].Step {
		return schema.Invalidf("command", "command", "stop is not possible before the new engine has made its first step, %d", c.at+1)
	}
	document, err := copyOf(c.record.Document)
	if err != nil {
		return err
	}
	document.Algorithm.Steps = c.at
	c.record.Engines, c.machines = c.record.Engines[:c.current+1], c.machines[:c.current+1] // others are not going to run
	plan, err := runner.NewPlan(document.Resolved(), document.Engine.Digest)
	if err != nil {
		return err
	}
	document.Specification = plan.Specification
	c.record.Engines[c.current].Document, c.machines[c.current].plan = document, plan
	c.plan, c.record.Document, c.record.State, c.record.Stopped = plan, document, StateRunning, true
	c.round.Rewind(c.at) // the step that has begun is not going to be ended
	c.sum = wire.NewSum(c.section)
	c.begun = c.at
	c.log("command", "stopped after step %d", c.at)
	return nil
}

// dismiss ends all participations.
func (c *Coordinator) dismiss(end *wire.End) {
	for _, p := range c.peers {
		p.link.Send(end)
		p.link.Close(nil)
	}
}

// publish makes a closure of a finished session.
func (c *Coordinator) publish(ctx context.Context, version string) error {
	c.mu.Lock()
	if c.record.State != StateFinished || c.record.Result == nil {
		state := c.record.State
		c.mu.Unlock()
		return schema.Invalidf("command", "command", "publish is not possible: the session is %s", state)
	}
	r := c.record
	document, err := copyOf(r.Document)
	if err != nil {
		c.mu.Unlock()
		return err
	}
	newest := r.Snapshots[len(r.Snapshots)-1]
	journal, err := c.ledger.text(c.header(), newest.Step)
	uses := slices.Clone(r.Engines[:c.current+1])
	telemetry := c.telemetry()
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if version != "" {
		if err := schema.CheckVersion(version); err != nil {
			return schema.Invalidf("command", "version", "%v", err)
		}
		document.Version = version
	}
	earlier, err := c.earlierEngines(ctx, uses[:len(uses)-1])
	if err != nil {
		return err
	}
	engine, err := getBlob(ctx, c.env.Store, schema.PathEngine, uses[len(uses)-1].Engine, maxEngine)
	if err != nil {
		return err
	}
	tensors, err := c.tensors(ctx, engine, newest)
	if err != nil {
		return err
	}
	parameters, run, err := tensors.Digests()
	if err != nil {
		return err
	}
	if parameters != r.Result.Parameters || run != r.Result.Run {
		return fmt.Errorf("the last snapshot is not the state that the session ended with")
	}
	document.Parameters = schema.ParametersClaim{Step: newest.Step, Digest: parameters}
	document.Run = schema.RunClaim{Digest: run}
	document.Results = r.Result.Results
	contents := []closure.Content{
		closure.Bytes(schema.PathEngine, engine), closure.Safetensors(schema.PathParameters, tensors.Parameters),
		closure.Safetensors(schema.PathState, tensors.State), closure.Bytes(schema.PathJournal, journal), closure.Bytes(schema.PathTelemetry, telemetry),
	}
	contents = append(contents, earlier...)
	for _, f := range r.Beside {
		contents = append(contents, closure.Bytes(f.Path, f.Text))
	}
	reference, err := c.env.Publish(ctx, document, contents)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.record.State, c.record.Closure, c.record.Error = StatePublished, reference, ""
	c.log("state", "published as %s", reference)
	c.publishChange()
	return c.durable(ctx)
}

// tensors reads a snapshot.
func (c *Coordinator) tensors(ctx context.Context, engine []byte, s wire.Snapshot) (runner.Tensors, error) {
	rt := runner.Open(ctx, runner.Options{})
	defer rt.Close(ctx)
	e, err := rt.Load(ctx, engine)
	if err != nil {
		return runner.Tensors{}, err
	}
	defer e.Close(ctx)
	if s.Tensors == nil {
		return runner.Tensors{}, schema.Invalidf("session "+c.record.ID, "", "there are no parameters yet")
	}
	file, err := getBlob(ctx, c.env.Store, "the snapshot", *s.Tensors, maxState)
	if err != nil {
		return runner.Tensors{}, err
	}
	return decodeState(e.Section(), file, s.Tensors)
}

// Parameters is the newest snapshot's parameters, as safetensors, and its step.
func (c *Coordinator) Parameters(ctx context.Context) (closure.Content, int64, error) {
	c.mu.Lock()
	newest, use := c.newest(), c.engine()
	c.mu.Unlock()
	engine, err := getBlob(ctx, c.env.Store, schema.PathEngine, use, maxEngine)
	if err != nil {
		return closure.Content{}, 0, err
	}
	t, err := c.tensors(ctx, engine, newest)
	return closure.Safetensors(schema.PathParameters, t.Parameters), newest.Step, err
}
