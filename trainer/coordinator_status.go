package trainer

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/reprise-ml/reprise/schema"
)

// meterOfPower measures examples per second over the last steps.
type meterOfPower struct {
	times    []time.Time
	examples []int64
}

func (m *meterOfPower) add(now time.Time, examples *int64) {
	const remember = 50
	if examples == nil {
		return
	}
	m.times, m.examples = append(m.times, now), append(m.examples, *examples)
	if len(m.times) > remember {
		m.times, m.examples = slices.Delete(m.times, 0, 1), slices.Delete(m.examples, 0, 1)
	}
}

// perSecond is 0 if no step has ended for a while.
func (m *meterOfPower) perSecond(now time.Time) float64 {
	n := len(m.times)
	if n < 2 || now.Sub(m.times[n-1]) > time.Minute {
		return 0
	}
	total := int64(0)
	for _, e := range m.examples[1:] {
		total += e
	}
	span := max(m.times[n-1].Sub(m.times[0]), now.Sub(m.times[n-1])).Seconds()
	return float64(total) / max(span, 1e-6)
}

// Summary is the session in a list.
func (c *Coordinator) Summary() Summary {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.summary()
}

func (c *Coordinator) summary() Summary {
	r := c.record
	s := Summary{
		ID: r.ID, Name: r.Document.Name, Version: r.Document.Version, Title: r.Document.Title, Mode: r.Request.Mode, State: r.State,
		Created: r.Created, Step: max(c.at, 0), Steps: c.plan.Steps(), Parent: r.Parent, Relation: r.Relation, Closure: r.Closure, Error: r.Error,
		Power: c.power.perSecond(time.Now()), Trouble: c.trouble.why(),
	}
	for _, p := range c.peers {
		s.Participants++
		s.Workers += p.hello.Workers
	}
	for i := len(c.ledger.entries) - 1; i >= 0 && (s.Loss == nil || s.Accuracy == nil); i-- {
		e := &c.ledger.entries[i]
		if line := e.step; line != nil && s.Loss == nil && line.Loss != nil && line.Examples != nil && *line.Examples > 0 {
			loss := float64(*line.Loss) / (1 << 20) / float64(*line.Examples)
			s.Loss = &loss
		}
		if line := e.evaluation; line != nil && s.Accuracy == nil && line.Correct != nil && *line.Examples > 0 {
			accuracy := float64(*line.Correct) / float64(*line.Examples)
			s.Accuracy = &accuracy
		}
		if i < len(c.ledger.entries)-4096 {
			break // an evaluation as old as that tells nothing
		}
	}
	return s
}

// Detail is everything about the session but its curve.
func (c *Coordinator) Detail() Detail {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.detail()
}

func (c *Coordinator) detail() Detail {
	const most = 200
	d := Detail{
		Summary: c.summary(), Specification: c.plan.Specification, Engine: c.engine().Digest, Datasets: c.record.Document.Datasets,
		Final: max(c.final(), 0), Checkpoint: max(c.saved, 0), Hyperparameters: []schema.Hyperparameter{}, People: []ParticipantStatus{}, Log: []Happening{},
	}
	if c.record.Result != nil {
		d.Run, d.Final = c.record.Result.Run, d.Step
	}
	if c.section != nil {
		values := c.values(c.begun)
		for _, h := range c.section.Hyperparameters {
			if v, ok := values[h.Name]; ok {
				h.Default = v
			}
			d.Hyperparameters = append(d.Hyperparameters, h)
		}
	}
	if n := float64(len(c.recent)); n > 0 {
		for _, t := range c.recent {
			d.Times.Compute += t.Compute / n
			d.Times.Upload += t.Upload / n
			d.Times.Merge += t.Merge / n
			d.Times.Broadcast += t.Broadcast / n
			d.Times.Idle += t.Idle / n
			d.Times.Total += t.Total / n
		}
	}
	st := c.round.Statistics()
	d.Audits = Audits{
		Done: st.Audits, Pending: int64(len(c.round.audits)), Caught: st.Caught, Uncaught: c.round.Chance(), Rollbacks: c.record.Rollbacks, Releases: st.Releases,
	}
	d.Joins, d.Leaves, d.Restarts = st.Joins, st.Leaves, c.record.Restarts
	for _, r := range c.record.Participants {
		s := c.round.Status(r.ID)
		s.Name, s.Family, s.Runtime, s.Workers = r.Name, r.Family, r.Runtime, r.Workers
		if c.peers[r.ID] == nil {
			s.State = ParticipantGone
		}
		d.People = append(d.People, s)
	}
	slices.SortStableFunc(d.People, func(a, b ParticipantStatus) int {
		gone := func(s ParticipantStatus) int {
			if s.State == ParticipantGone {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(gone(a), gone(b)), cmp.Compare(b.Computed, a.Computed), strings.Compare(a.ID, b.ID))
	})
	d.People = d.People[:min(len(d.People), most)]
	d.Log = slices.Clone(c.record.Log)
	slices.Reverse(d.Log)
	return d
}

// Points are those of the curve after a step.
func (c *Coordinator) Points(after int64) []Point {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ledger.points(after)
}

// Changed is closed when what visitors see may have changed: about once a second while anything does.
func (c *Coordinator) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}
