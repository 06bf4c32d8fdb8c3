package schema

// Specification is a closure.yaml: what a researcher writes and `reprise train` reads.
type Specification struct {
	Name        string   `json:"name"`
	Version     string   `json:"version"`
	Title       string   `json:"title,omitempty"`
	Description string   `json:"description,omitempty"`
	Authors     []Author `json:"authors,omitempty"`
	License     string   `json:"license,omitempty"` // SPDX expression
	Keywords    []string `json:"keywords,omitempty"`
	Task        string   `json:"task,omitempty"`
	Citation    string   `json:"citation,omitempty"`

	Model     Model     `json:"model"`
	Algorithm Algorithm `json:"algorithm"`
	// Engine names a WebAssembly file beside the specification. The closure is then declared foreign: nothing is
	// compiled, and only its blind claims count.
	Engine string `json:"engine,omitempty"`
	// Datasets maps a role (RoleTrain, RoleTest) to the records that play it.
	Datasets map[string]DatasetUse `json:"datasets"`
}

// Roles that a dataset split can play in a closure.
const (
	RoleTrain = "train"
	RoleTest  = "test"
)

// DatasetUse names a split of a dataset in the store.
type DatasetUse struct {
	Ref   string `json:"ref"`
	Split string `json:"split"`
}

// Author of a closure or dataset.
type Author struct {
	Name        string `json:"name"`
	Email       string `json:"email,omitempty"`
	ORCID       string `json:"orcid,omitempty"`
	Affiliation string `json:"affiliation,omitempty"`
}

// Model is the function that is trained. A foreign engine may leave layers and loss out.
type Model struct {
	Input  Input   `json:"input"`
	Layers []Layer `json:"layers,omitempty"`
	Loss   Named   `json:"loss,omitzero"`
}

// Input describes one record's input as the engine sees it.
type Input struct {
	Shape     []int      `json:"shape"` // images are [height, width, channels]
	DType     string     `json:"dtype"` // u8, u16 or f32
	Normalize *Normalize `json:"normalize,omitempty"`
}

// Normalize maps a stored value x to the model's input, in f32 inside the engine. Written as {scale, offset}
// (x·scale + offset), as {mean, deviation} ((x − mean) / deviation) or as the string "standardize", which resolving
// replaces by the dataset's mean and deviation. Lists have one entry per feature (the last axis of the input, or every
// element of it).
type Normalize struct {
	Standardize bool
	Scale       []float64
	Offset      []float64
	Mean        []float64
	Deviation   []float64
}

// Layer is one step of the model: an operation of the vocabulary with its attributes, written
// {<op>: {attributes}, name: …, inputs: […], rate: …}.
type Layer struct {
	Name   string
	Inputs []string // names of layers; empty means the layer before
	// Rate multiplies the learning rate of the layer's parameters; 0 freezes them. Nil means 1.
	Rate *float64
	// Constraint is what holds after every update of the layer's weights, written constraint: {max-norm: {limit: 3}}.
	Constraint Named
	Component
}

// Component is a named choice with attributes, written {<kind>: {attributes}}: a layer's operation, an optimizer, a
// schedule. Values are those of encoding/json: float64, string, bool, []any, map[string]any.
type Component struct {
	Kind       string
	Attributes map[string]any
}

// Named is a component that is written as its bare name where it has no attributes: a loss, an initializer. Resolved,
// attributes that have their defaults are left out, so that each has one spelling.
type Named struct{ Component }

// Algorithm is how the model is trained. Resolved, Steps is set and Epochs is nil.
type Algorithm struct {
	Optimizer      Component       `json:"optimizer,omitzero"`
	Schedule       Component       `json:"schedule,omitzero"`
	Regularization *Regularization `json:"regularization,omitempty"`
	// Clipping bounds a step's gradient before anything is done with it.
	Clipping    Component `json:"clipping,omitzero"`
	Initializer Named     `json:"initializer,omitzero"`
	// Averaging makes evaluation and prediction read averages of the parameters.
	Averaging Component `json:"averaging,omitzero"`
	// Augmentation changes the inputs of training at random, in this order.
	Augmentation   []Component  `json:"augmentation,omitempty"`
	MicrobatchSize int          `json:"microbatchSize"`
	BatchSize      int          `json:"batchSize"`
	Epochs         *float64     `json:"epochs,omitempty"`
	Steps          int64        `json:"steps,omitempty"`
	Seed           int64        `json:"seed"`
	Aggregation    *Aggregation `json:"aggregation,omitempty"`
	Evaluate       *Evaluate    `json:"evaluate,omitempty"`
	// Block is the number of consecutive records that a lane works through before it goes to its next block
	// (DESIGN §5, order of the data). 0 means the default.
	Block int64 `json:"block,omitempty"`
}

// Microbatches is the number of microbatches in a step, which is also the number of lanes.
func (a Algorithm) Microbatches() int { return a.BatchSize / a.MicrobatchSize }

// Regularization adds l1·|w| + l2·w²/2 to the loss, per parameter tensor that is not a bias.
type Regularization struct {
	L1 float64 `json:"l1,omitempty"`
	L2 float64 `json:"l2,omitempty"`
}

// LocalSteps is the number of optimizer steps inside a microbatch; 1 where its gradient is all that is merged.
func (a Algorithm) LocalSteps() int {
	if g := a.Aggregation; g != nil && g.Mode == AggregateLocalSteps {
		return max(g.Steps, 1)
	}
	return 1
}

// InnerBatch is the number of examples of which a gradient is made: a microbatch, or its part for one local step.
func (a Algorithm) InnerBatch() int { return a.MicrobatchSize / a.LocalSteps() }

// Modes of aggregation.
const (
	// AggregateGradient merges the microbatches' gradients; the optimizer works in apply.
	AggregateGradient = "gradient"
	// AggregateLocalSteps cuts each microbatch into equal parts and lets the optimizer take a step with each, from zero
	// state. What is merged is by how much the parameters then differ.
	AggregateLocalSteps = "local-steps"
)

// Aggregation is how microbatches are merged into a step. Steps and Outer are for local steps alone.
type Aggregation struct {
	Mode  string `json:"mode"`
	Bits  int    `json:"bits"`            // 8, 12, 16 or 24
	Steps int    `json:"steps,omitempty"` // in a microbatch; a divisor of MicrobatchSize
	Outer *Outer `json:"outer,omitempty"`
}

// Outer is Nesterov's momentum, by which the parameters follow the mean of the microbatches' changes. A specification may
// leave either out.
type Outer struct {
	LearningRate *float64 `json:"learningRate,omitempty"`
	Momentum     *float64 `json:"momentum,omitempty"`
}

// Evaluate asks for a blind evaluation of the test split every so many steps; there is always one at the end.
type Evaluate struct {
	Every int64 `json:"every"`
}

// Resolved is the identity of a training run: every default filled in, datasets pinned by content. Its canonical JSON
// hashes to the specification digest. Title, authors and version are not part of it.
type Resolved struct {
	Model     Model             `json:"model"`
	Algorithm Algorithm         `json:"algorithm"`
	Datasets  []ResolvedDataset `json:"datasets"` // sorted by role
}

// ResolvedDataset pins the records of one role.
type ResolvedDataset struct {
	Role     string       `json:"role"`
	Split    string       `json:"split"`
	Content  Digest       `json:"content"` // the dataset's content digest
	Examples int64        `json:"examples"`
	Classes  int          `json:"classes,omitempty"` // 0 for a regression
	Record   RecordLayout `json:"record"`
}
