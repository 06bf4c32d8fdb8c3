package trainer

import (
	"bytes"
	"errors"
	"io"

	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
)

// ledger is the journal while it is being made. Checkpoints' digests come later than the steps after them, since the server's replica is
// behind; so it keeps lines by step, and writes them in order when it is asked.
type ledger struct {
	inherited []byte // the parent's lines up to the step that the session starts from, without the header
	first     int64  // the step of entries[0]: that which the session starts from, or 0
	entries   []entry
}

// entry is what the journal says about a step.
type entry struct {
	events     []schema.JournalLine
	step       *schema.JournalLine // nil for the first entry
	evaluation *schema.JournalLine
	checkpoint *schema.JournalLine
}

// look notes what was found out about the state after the step.
func (e *entry) look(checkpoint, evaluation *schema.JournalLine) {
	e.checkpoint = checkpoint
	if evaluation != nil {
		e.evaluation = evaluation
	}
}

// newLedger begins a journal; from is nil for a run that starts at init.
func newLedger(from *runner.From) (*ledger, error) {
	l := &ledger{entries: make([]entry, 1)}
	if from == nil {
		return l, nil
	}
	l.first = from.Step
	for lines := schema.NewJournalReader(schema.PathJournal, from.Journal); ; {
		line, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return l, nil
		}
		if err != nil {
			return nil, err
		}
		// What looks at the last step is made again, if the plan wants it.
		again := line.Step == from.Step && (line.Type == schema.LineEvaluation || line.Type == schema.LineCheckpoint)
		if line.Type == schema.LineHeader || line.Step > from.Step || again {
			continue
		}
		b, err := runner.EncodeLine(*line)
		if err != nil {
			return nil, err
		}
		l.inherited = append(l.inherited, b...)
	}
}

// at returns the entry of a step, which may be one after the last.
func (l *ledger) at(step int64) *entry {
	for step >= l.first+int64(len(l.entries)) {
		l.entries = append(l.entries, entry{})
	}
	return &l.entries[step-l.first]
}

// has reports whether a step has an entry.
func (l *ledger) has(step int64) bool {
	return step >= l.first && step < l.first+int64(len(l.entries))
}

// cut forgets what came after a step.
func (l *ledger) cut(step int64) {
	if step < l.first {
		l.entries = make([]entry, 1)
		return
	}
	l.entries = l.entries[:min(step-l.first+1, int64(len(l.entries)))]
}

// text is the journal up to a step.
func (l *ledger) text(header schema.JournalLine, step int64) ([]byte, error) {
	var b bytes.Buffer
	write := func(lines ...schema.JournalLine) error {
		for _, line := range lines {
			text, err := runner.EncodeLine(line)
			if err != nil {
				return err
			}
			b.Write(text)
		}
		return nil
	}
	err := write(header)
	b.Write(l.inherited)
	for i := range l.entries {
		if l.first+int64(i) > step || err != nil {
			break
		}
		e := &l.entries[i]
		err = write(e.events...)
		for _, line := range []*schema.JournalLine{e.step, e.evaluation, e.checkpoint} {
			if line != nil && err == nil {
				err = write(*line)
			}
		}
	}
	return b.Bytes(), err
}

// load takes back what text wrote, of a session that started from the given step.
func (l *ledger) load(journal []byte, first int64) error {
	l.inherited, l.first, l.entries = nil, first, make([]entry, 1)
	for lines := schema.NewJournalReader(schema.PathJournal, bytes.NewReader(journal)); ; {
		line, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		looks := line.Type == schema.LineEvaluation || line.Type == schema.LineCheckpoint
		switch {
		case line.Type == schema.LineHeader:
			continue
		case line.Step < first || line.Step == first && !looks:
			b, err := runner.EncodeLine(*line)
			if err != nil {
				return err
			}
			l.inherited = append(l.inherited, b...)
			continue
		}
		e := l.at(line.Step)
		switch line.Type {
		case schema.LineEvent:
			e.events = append(e.events, *line)
		case schema.LineStep:
			e.step = line
		case schema.LineEvaluation:
			e.evaluation = line
		case schema.LineCheckpoint:
			e.checkpoint = line
		}
	}
}

// points are the curve after a step.
func (l *ledger) points(after int64) []Point {
	var points []Point
	for i := range l.entries {
		step, e := l.first+int64(i), &l.entries[i]
		if step <= after || e.step == nil && e.evaluation == nil {
			continue
		}
		p := Point{Step: step}
		if s := e.step; s != nil && s.Examples != nil && *s.Examples > 0 {
			if s.Loss != nil {
				loss := float64(*s.Loss) / (1 << 20) / float64(*s.Examples)
				p.Loss = &loss
			}
			if s.Correct != nil {
				accuracy := float64(*s.Correct) / float64(*s.Examples)
				p.Accuracy = &accuracy
			}
		}
		if v := e.evaluation; v != nil && v.Correct != nil && v.Examples != nil && *v.Examples > 0 {
			test := float64(*v.Correct) / float64(*v.Examples)
			p.Test = &test
		}
		points = append(points, p)
	}
	return points
}

// valuesOf are the hyper-parameters that a journal has changed, at its end.
func valuesOf(journal []byte) (map[string]float64, error) {
	values := map[string]float64{}
	lines, err := schema.ReadJournal(schema.PathJournal, bytes.NewReader(journal))
	for _, line := range lines {
		if line.Type == schema.LineEvent && line.Event == eventHyperparameter {
			values[line.Name] = *line.Value
		}
	}
	return values, err
}
