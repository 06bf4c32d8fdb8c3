package trainer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
)

// wider is the specification of letters with another net, larger steps and another rate.
func wider(steps int) string {
	return strings.NewReplacer("filters: 4", "filters: 6", "batchSize: 128", "batchSize: 160", "every: 10", "every: 8").Replace(fmt.Sprintf(letters, steps))
}

// aloneChanged trains in one process, with the wider net from a step on.
func (l *laboratory) aloneChanged(steps int, step int64, events ...schema.JournalLine) (*runner.TrainResult, []byte) {
	l.t.Helper()
	start := func(text string) (runner.Plan, func(context.Context) (runner.Team, error)) {
		job, err := l.prepare(l.t.Context(), Request{Specification: text})
		if err != nil {
			l.t.Fatal(err)
		}
		plan, err := runner.NewPlan(job.Document.Resolved(), job.Document.Engine.Digest)
		if err != nil {
			l.t.Fatal(err)
		}
		return plan, func(ctx context.Context) (runner.Team, error) {
			data, err := l.data(ctx, job.Document)
			if err != nil {
				return nil, err
			}
			return runner.Start(ctx, job.Engine, data, runner.TeamOptions{})
		}
	}
	plan, first := start(fmt.Sprintf(letters, steps))
	next, second := start(wider(steps))
	team, err := first(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	defer team.Close()
	var journal bytes.Buffer
	r, err := runner.Train(l.t.Context(), team, plan, runner.TrainOptions{
		Journal: &journal, Events: events, Changes: []runner.Change{{Step: step, Plan: next, Start: second}},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return r, journal.Bytes()
}

// An engine is replaced at a step, and a rate is set before and after: the closure is that of a training alone. So it is when
// the server is killed on the way, and when the session goes back beyond the change.
func TestEngineChange(t *testing.T) {
	quiet := func(*laboratory, string) {}
	for name, disturb := range map[string]func(*laboratory, string){"undisturbed": quiet, "killed": killed, "cheated": cheated} {
		t.Run(name, func(t *testing.T) { testEngineChange(t, disturb) })
	}
}

// killed restarts the server from what it has saved.
func killed(l *laboratory, _ string) {
	for range 6 {
		time.Sleep(120 * time.Millisecond)
		l.crash()
	}
}

// cheated lets the session find out, after the change, that a result before it was forged.
func cheated(l *laboratory, id string) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		c, err := l.sessions.Get(id)
		if err != nil {
			l.t.Fatal(err)
		}
		c.mu.Lock()
		changed := c.current == 1 && c.at > c.record.Engines[1].Step && c.at < c.plan.Steps()
		if changed {
			c.goBack(GoBack{Before: 12, Cheat: "mallory"})
			c.act()
			changed = c.current == 0
		}
		c.mu.Unlock()
		if changed {
			return
		}
	}
	l.t.Error("the session did not go back to the first engine")
}

func testEngineChange(t *testing.T, disturb func(*laboratory, string)) {
	l := newLaboratory(t)
	const steps, at = 60, 17
	rate, later := 0.02, 0.01
	set := func(step int64, value *float64) schema.JournalLine {
		return schema.JournalLine{Type: schema.LineEvent, Event: eventHyperparameter, Step: step, Name: "learningRate", Value: value}
	}
	want, journal := l.aloneChanged(steps, at, set(5, &rate), set(at, &later))
	c, _ := l.create(Request{Specification: fmt.Sprintf(letters, steps)})
	id := c.record.ID
	l.command(c, CommandPause)
	for _, command := range []Command{
		{Command: CommandSet, Name: "learningRate", Value: &rate, Step: 5},
		{Command: CommandEngine, Specification: wider(steps), Step: at},
		{Command: CommandSet, Name: "learningRate", Value: &later, Step: at},
		{Command: CommandResume},
	} {
		if err := c.Do(t.Context(), command); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var group sync.WaitGroup
	for range 3 {
		l.join(ctx, id, &group, nil)
	}
	disturb(l, id)
	d := l.over(id)
	cancel()
	group.Wait()
	l.same(d, want, journal)
	p := l.published[len(l.published)-1]
	if len(p.document.Earlier) != 1 || p.files[schema.PathEarlierEngine(p.document.Earlier[0].Engine.Digest)] == nil {
		t.Errorf("the earlier engine is not in the closure: %+v", p.document.Earlier)
	}
}

func TestEngineChangesAreRefused(t *testing.T) {
	l := newLaboratory(t)
	const steps = 20
	rate := 0.5
	c, _ := l.create(Request{Specification: fmt.Sprintf(letters, steps)})
	l.command(c, CommandPause)
	if err := c.Do(t.Context(), Command{Command: CommandSet, Name: "learningRate", Value: &rate, Step: 9}); err != nil {
		t.Fatal(err)
	}
	try := func(name, text string, step int64, want string) {
		t.Helper()
		err := c.Do(t.Context(), Command{Command: CommandEngine, Specification: text, Step: step})
		var invalid *schema.Invalid
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want *schema.Invalid with %q", name, err, want)
		}
	}
	try("no specification", "nothing", 5, "")
	try("the same engine", fmt.Sprintf(letters, steps), 5, "has had already")
	try("a step that is not there", wider(steps), 21, "not a step to come")
	try("fewer steps", wider(3), 5, "not a step to come")
	try("another seed", strings.Replace(wider(steps), "seed: 7", "seed: 8", 1), 5, "seed")
	if err := c.Do(t.Context(), Command{Command: CommandEngine, Specification: wider(steps), Step: 5}); err != nil {
		t.Fatal(err)
	}
	try("a second one", strings.Replace(wider(steps), "filters: 6", "filters: 8", 1), 7, "changes already")
}
