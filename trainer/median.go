package trainer

import "slices"

// median estimates a participant's speed or distance by the median of what was measured last. Whoever has slept or was cut off for a
// minute measures something absurd once; what it does afterwards is taken as before. What lasts is believed with the third measurement.
type median struct {
	last []float64 // at most medianOf, the oldest first
}

const medianOf = 5

// add takes a measurement.
func (m *median) add(v float64) {
	if m.last = append(m.last, v); len(m.last) > medianOf {
		m.last = slices.Delete(m.last, 0, 1)
	}
}

// value is the median, of an even number the lower one; 0 without measurements.
func (m *median) value() float64 {
	if len(m.last) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(m.last))
	return sorted[(len(sorted)-1)/2]
}

// scale changes all that was measured by a factor.
func (m *median) scale(by float64) {
	for i := range m.last {
		m.last[i] *= by
	}
}
