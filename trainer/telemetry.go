package trainer

import "encoding/json"

// Contribution is a line of the telemetry of a closure that a session made: who computed how much. No digest of a run depends on it.
type Contribution struct {
	Participant string  `json:"participant"`
	Name        string  `json:"name,omitempty"`
	Family      string  `json:"family"`
	Runtime     string  `json:"runtime,omitempty"`
	Workers     int     `json:"workers"`
	Computed    int64   `json:"computed"` // microbatches
	Verified    int64   `json:"verified"`
	Share       float64 `json:"share"`
}

// telemetry is the closure's journal/telemetry.jsonl.
func (c *Coordinator) telemetry() []byte {
	var b []byte
	for _, s := range c.detail().People {
		line, err := json.Marshal(Contribution{s.ID, s.Name, s.Family, s.Runtime, s.Workers, s.Computed, s.Verified, s.Share})
		if err == nil {
			b = append(append(b, line...), '\n')
		}
	}
	return b
}
