package schema

// A journal is JSON lines of these records, in this order: one header; then per step any events that take effect before
// it, one step, and any evaluation and checkpoint of the state after it. Every line is canonical JSON, so a replay
// reproduces the file byte for byte.

// Kinds of journal lines.
const (
	LineHeader     = "header"
	LineEvent      = "event"
	LineStep       = "step"
	LineEvaluation = "evaluation"
	LineCheckpoint = "checkpoint"
)

// JournalLine is any line; exactly the fields of its Type are set.
type JournalLine struct {
	Type string `json:"type"`
	Step int64  `json:"step"`

	// header
	Specification Digest `json:"specification,omitzero"`
	Engine        Digest `json:"engine,omitzero"` // also event "engine"
	Seed          *int64 `json:"seed,omitempty"`

	// event: a hyper-parameter set before the step runs, the engine replaced that ran up to it, or, before step 0, parameters
	// from elsewhere instead of those of init
	Event string   `json:"event,omitempty"` // "hyperparameter", "engine" or "parameters"
	Name  string   `json:"name,omitempty"`
	Value *float64 `json:"value,omitempty"`

	// step: the microbatches merged, as [first, end) ranges, and what they counted (examples also in evaluation)
	Microbatches [][2]int64 `json:"microbatches,omitempty"`
	Examples     *int64     `json:"examples,omitempty"`
	Loss         *int64     `json:"loss,omitempty"` // sum in 2⁻²⁰
	Correct      *int64     `json:"correct,omitempty"`
	Clipped      *int64     `json:"clipped,omitempty"`

	// evaluation (blind: correct of examples)
	Split string `json:"split,omitempty"`

	// checkpoint; also event "parameters"
	Parameters Digest `json:"parameters,omitzero"`
	Run        Digest `json:"run,omitzero"`
}
