package runner

import (
	"encoding/json"
	"math"
	"time"
)

// meter measures a run and reports it. Nothing of it reaches the journal.
type meter struct {
	plan     Plan
	progress func(Progress)
	encoder  *json.Encoder // nil without telemetry

	began    time.Time
	busy     time.Duration // in steps
	examples int64
	stepAt   time.Time
	last     Counts
	written  time.Time
	first    int64
}

// telemetryEvery bounds the telemetry of fast steps.
const telemetryEvery = time.Second

func newMeter(p Plan, o TrainOptions) *meter {
	m := &meter{plan: p, progress: o.Progress}
	if o.Telemetry != nil {
		m.encoder = json.NewEncoder(o.Telemetry)
	}
	return m
}

func (m *meter) start(step int64) { m.began, m.first = time.Now(), step }

func (m *meter) begin() { m.stepAt = time.Now() }

func (m *meter) end(p Plan, c Counts) {
	m.busy += time.Since(m.stepAt)
	m.last = c
	m.examples += int64(p.Resolved.Algorithm.BatchSize)
}

// TelemetryLine is a line of journal/telemetry.jsonl.
type TelemetryLine struct {
	Time              time.Time `json:"time"`
	Step              int64     `json:"step"`
	Seconds           float64   `json:"seconds"` // since this process began to train
	ExamplesPerSecond float64   `json:"examplesPerSecond"`
}

// report is called once a step, after its evaluation if there is one.
func (m *meter) report(step int64, e *Evaluation) {
	if step == m.first && e == nil {
		return
	}
	now := time.Now()
	rate := 0.0
	if m.busy > 0 {
		rate = float64(m.examples) / m.busy.Seconds()
	}
	if m.progress != nil {
		m.progress(Progress{
			Step: step, Steps: m.plan.Steps(), Loss: mean(m.last.Loss, m.last.Examples) / (1 << 20), Accuracy: mean(m.last.Correct, m.last.Examples),
			Evaluation: e, Examples: m.examples, ExamplesPerSecond: rate, Elapsed: now.Sub(m.began),
		})
	}
	if m.encoder != nil && (e != nil || now.Sub(m.written) >= telemetryEvery) {
		m.written = now
		// Telemetry is a courtesy: a run does not fail for it.
		_ = m.encoder.Encode(TelemetryLine{Time: now.UTC(), Step: step, Seconds: now.Sub(m.began).Seconds(), ExamplesPerSecond: rate})
	}
}

func mean(sum, count *int64) float64 {
	if sum == nil || count == nil || *count == 0 {
		return math.NaN()
	}
	return float64(*sum) / float64(*count)
}
