package schema

// ABI is the version of the contract between engines and hosts (DESIGN §5).
const ABI = 1

// EngineSection is the JSON in an engine's custom section "reprise.engine". Offsets are bytes in the exported memory.
type EngineSection struct {
	ABI      int    `json:"abi"`
	Compiler string `json:"compiler,omitempty"`
	// Capacity is the number of records that the regions input and target hold; every call takes 1 ≤ n ≤ Capacity.
	Capacity int `json:"capacity"`
	// MaxMicrobatches bounds the microbatches of a step so that no sum overflows; Bound is the largest magnitude that
	// one microbatch may add to any value of an i32 add segment.
	MaxMicrobatches int64 `json:"maxMicrobatches"`
	Bound           int64 `json:"bound"`

	Regions         map[string]Region `json:"regions"`
	Parameters      []Tensor          `json:"parameters"`
	State           []Tensor          `json:"state"`
	Hyperparameters []Hyperparameter  `json:"hyperparameters"`
	Segments        []Segment         `json:"segments"`
	Metrics         []string          `json:"metrics"` // names of the i64 values in the region metrics
	// Errors are texts by status; index 0 is "".
	Errors []string `json:"errors"`
	// Fuel bounds, per export, the loop iterations and function calls of one call of it.
	Fuel map[string]int64 `json:"fuel"`
}

// Names of regions.
const (
	RegionIndices         = "indices"         // u32 [capacity]: written by select
	RegionInput           = "input"           // capacity × the record's input field
	RegionTarget          = "target"          // capacity × the record's target field
	RegionHyperparameters = "hyperparameters" // f32 each
	RegionAccumulators    = "accumulators"    // the segments
	RegionMetrics         = "metrics"         // i64 each; evaluate adds to them
	RegionOutput          = "output"          // f32 [capacity, outputs]: written by predict
	RegionScratch         = "scratch"         // what no call may expect to find again
)

// Names of reserved segments and metrics.
const (
	SegmentLoss     = "loss"     // i64: sum of per-example losses in 2⁻²⁰
	SegmentExamples = "examples" // i64
	SegmentCorrect  = "correct"  // i64
	SegmentClipped  = "clipped"  // i64: values that met the clamp of quantisation

	// SegmentMicrobatches counts them (i64) where apply divides by their number, as it does after local steps.
	SegmentMicrobatches = "microbatches"

	MetricCount = "count"
)

// Region is a piece of the engine's memory.
type Region struct {
	Offset int    `json:"offset"`
	Size   int    `json:"size"`
	DType  string `json:"dtype"`
	Shape  []int  `json:"shape"`
}

// Tensor is a parameter or a piece of state.
type Tensor struct {
	Name   string `json:"name"`
	DType  string `json:"dtype"` // f32, i32, i64
	Shape  []int  `json:"shape"`
	Offset int    `json:"offset"`
}

// Bytes is the size of the tensor.
func (t Tensor) Bytes() int { return Elements(t.Shape) * DTypeSize(t.DType) }

// Hyperparameter is read by apply, and by accumulate where that takes local steps. A journal event may change it at a step,
// which must come before the step's first microbatch.
type Hyperparameter struct {
	Name    string  `json:"name"`
	Type    string  `json:"type"` // f32
	Default float64 `json:"default"`
	Min     float64 `json:"min"`
	Max     float64 `json:"max"`
	Offset  int     `json:"offset"`
}

// How the values of a segment are merged.
const (
	CombineAdd = "add"
	CombineMax = "max" // values are ≥ 0, so that zero is neutral
)

// Segment is a run of integers in the region accumulators.
type Segment struct {
	Name    string `json:"name"`
	Type    string `json:"type"` // i32 or i64
	Combine string `json:"combine"`
	Count   int    `json:"count"`
	Offset  int    `json:"offset"` // bytes in memory
}
