package runner

import (
	"github.com/reprise-ml/reprise/schema"
)

// layout is where an engine's section says that things are. The section has been validated: every region lies in memory.
type layout struct {
	indices, input, target, accumulators, metrics, output span
	// outputs is the number of values that predict writes per record.
	outputs int
	// inputBytes and targetBytes are the sizes of one record's fields.
	inputBytes, targetBytes int
}

// span is a piece of memory, in bytes.
type span struct{ offset, size int }

func (s span) of(memory []byte) []byte { return memory[s.offset : s.offset+s.size : s.offset+s.size] }

func newLayout(s *schema.EngineSection) layout {
	region := func(name string) span { return span{s.Regions[name].Offset, s.Regions[name].Size} }
	l := layout{
		indices:      region(schema.RegionIndices),
		input:        region(schema.RegionInput),
		target:       region(schema.RegionTarget),
		accumulators: region(schema.RegionAccumulators),
		metrics:      region(schema.RegionMetrics),
		output:       region(schema.RegionOutput),
	}
	l.inputBytes = l.input.size / s.Capacity
	l.targetBytes = l.target.size / s.Capacity
	l.outputs = l.output.size / s.Capacity / 4
	return l
}
