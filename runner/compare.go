package runner

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/reprise-ml/reprise/schema"
)

// comparison is the journal of a replay: it takes lines one by one and compares each with the recorded one. The first that
// differs is a *differenceError.
type comparison struct {
	recorded []byte // what is left
	last     int64  // the last step to compare
	report   *schema.ReplayReport
}

// Write takes one whole line.
func (c *comparison) Write(line []byte) (int, error) {
	var observed schema.JournalLine
	if err := json.Unmarshal(line, &observed); err != nil {
		return 0, err
	}
	if observed.Step > c.last {
		return 0, errReached
	}
	recorded := c.next()
	if !bytes.Equal(line, recorded) {
		return 0, compareLines(observed, recorded, line)
	}
	switch observed.Type {
	case schema.LineStep:
		c.report.Steps = observed.Step
	case schema.LineCheckpoint:
		c.report.Run = observed.Run
	}
	return len(line), nil
}

func (c *comparison) next() []byte {
	end := bytes.IndexByte(c.recorded, '\n') + 1
	if end == 0 {
		end = len(c.recorded)
	}
	line := c.recorded[:end]
	c.recorded = c.recorded[end:]
	return line
}

// end requires that nothing more was recorded.
func (c *comparison) end() error {
	if len(c.recorded) == 0 {
		return nil
	}
	return &differenceError{schema.Difference{Step: c.report.Steps, What: "what follows the last line", Recorded: clip(c.next())}}
}

// compareLines names the first field that differs.
func compareLines(observed schema.JournalLine, recorded, line []byte) error {
	d := schema.Difference{Step: observed.Step, What: "the " + observed.Type + " line", Recorded: clip(recorded), Observed: clip(line)}
	var was, is map[string]json.RawMessage
	if json.Unmarshal(recorded, &was) != nil || json.Unmarshal(line, &is) != nil || !bytes.Equal(was["type"], is["type"]) {
		return &differenceError{d}
	}
	for _, field := range journalFields {
		if !bytes.Equal(was[field], is[field]) {
			d.What, d.Recorded, d.Observed = fmt.Sprintf("%s in the %s line", field, observed.Type), clip(was[field]), clip(is[field])
			break
		}
	}
	return &differenceError{d}
}

// journalFields in the order in which a difference is worth telling.
var journalFields = [...]string{
	"step", "specification", "engine", "seed", "event", "name", "value", "microbatches", "examples", "loss", "correct", "clipped", "split", "parameters", "run",
}

// clip keeps reports readable.
func clip(b []byte) string {
	const most = 200
	b = bytes.TrimSpace(b)
	if len(b) > most {
		return string(b[:most]) + "…"
	}
	return string(b)
}
