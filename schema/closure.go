package schema

import "slices"

// Media types of the objects and their parts (OCI).
const (
	MediaTypeClosure      = "application/vnd.reprise.closure.v1+json"
	MediaTypeDataset      = "application/vnd.reprise.dataset.v1+json"
	MediaTypeVerification = "application/vnd.reprise.verification.v1+json"
	MediaTypeWithdrawal   = "application/vnd.reprise.withdrawal.v1+json"
	MediaTypeJournal      = "application/vnd.reprise.journal.v1+jsonl"
	MediaTypeTelemetry    = "application/vnd.reprise.telemetry.v1+jsonl"
	MediaTypeState        = "application/vnd.reprise.state.v1+safetensors"
	MediaTypeRecords      = "application/vnd.reprise.records.v1"
	MediaTypeWeights      = "application/vnd.cncf.model.weight.v1.raw"
	MediaTypeDocument     = "application/vnd.cncf.model.doc.v1.raw"
	MediaTypeEngine       = "application/wasm"
	MediaTypeOrigin       = "application/octet-stream"
)

// Paths inside a closure.
const (
	PathClosure    = "closure.json"
	PathReadme     = "README.md"
	PathLicense    = "LICENSE"
	PathCitation   = "CITATION.cff"
	PathEngine     = "code/engine.wasm"
	PathParameters = "params/model.safetensors"
	PathState      = "state/optimizer.safetensors"
	PathJournal    = "journal/train.jsonl"
	PathTelemetry  = "journal/telemetry.jsonl"
	// PathImported holds parameters that a run began with; FolderOrigin also the file that they come from.
	PathImported = FolderOrigin + "/parameters.safetensors"
	FolderOrigin = "origin"
)

// Closure is closure.json.
type Closure struct {
	SchemaVersion int      `json:"schemaVersion"` // 1
	Name          string   `json:"name"`
	Version       string   `json:"version"`
	Title         string   `json:"title,omitempty"`
	Description   string   `json:"description,omitempty"`
	Authors       []Author `json:"authors,omitempty"`
	License       string   `json:"license,omitempty"`
	Keywords      []string `json:"keywords,omitempty"`
	Task          string   `json:"task,omitempty"`
	Created       string   `json:"created"` // RFC 3339; honours SOURCE_DATE_EPOCH
	Citation      string   `json:"citation,omitempty"`

	Model     Model            `json:"model"`     // resolved
	Algorithm Algorithm        `json:"algorithm"` // resolved
	Datasets  []ClosureDataset `json:"datasets"`  // sorted by role
	// Specification is the digest of the canonical Resolved document.
	Specification Digest `json:"specification"`

	Engine EngineReference `json:"engine"`
	// Earlier are the engines that ran before Engine took the run over, sorted by digest; the journal says when they ran.
	Earlier    []EarlierEngine `json:"earlier,omitempty"`
	Files      []File          `json:"files"` // sorted by path; every layer of the manifest
	Parameters ParametersClaim `json:"parameters"`
	Run        RunClaim        `json:"run"`
	Results    []Result        `json:"results"`
	Parents    []Parent        `json:"parents,omitempty"`
	// Imported says that the run began with parameters from elsewhere; nil where it began with those of init.
	Imported *Imported `json:"imported,omitempty"`
}

// Imported are parameters that another program has trained. How is not known: the run of the closure begins with them.
type Imported struct {
	Format string `json:"format"` // onnx, convnetjs, mlitb, safetensors, npz
	File   string `json:"file"`   // the original, among the files
	// Tool is what wrote the original, as that says, such as "pytorch 1.13.0"; empty where it does not.
	Tool string `json:"tool,omitempty"`
	// Parameters is the content digest of PathImported: what they became under the names and in the layouts of the engine.
	Parameters Digest `json:"parameters"`
}

// ClosureDataset is a dataset that the closure was trained or tested on.
type ClosureDataset struct {
	ResolvedDataset
	Name    string `json:"name"`
	Version string `json:"version"`
	Digest  Digest `json:"digest"` // of the dataset's manifest
}

// EngineReference names the engine. Foreign says that it was declared rather than compiled from the specification.
type EngineReference struct {
	Digest   Digest `json:"digest"`
	ABI      int    `json:"abi"`
	Compiler string `json:"compiler,omitempty"`
	Foreign  bool   `json:"foreign,omitempty"`
}

// EarlierEngine is an engine that another one replaced on the way, and what it was compiled from and ran on. Its code is
// the file at PathEarlierEngine.
type EarlierEngine struct {
	Engine        EngineReference  `json:"engine"`
	Specification Digest           `json:"specification"` // of the canonical Resolved document
	Model         Model            `json:"model"`
	Algorithm     Algorithm        `json:"algorithm"`
	Datasets      []ClosureDataset `json:"datasets"` // sorted by role
}

// PathEarlierEngine is the place of an engine that another one replaced.
func PathEarlierEngine(engine Digest) string { return prefixEarlier + engine.Short() + ".wasm" }

const prefixEarlier = "code/engine-"

// File is one layer of the manifest.
type File struct {
	Path      string `json:"path"`
	Role      string `json:"role"` // engine, parameters, state, journal, telemetry, document, origin
	MediaType string `json:"mediaType"`
	Digest    Digest `json:"sha256"`
	Size      int64  `json:"size"`
}

// ParametersClaim identifies the trained parameters by their content digest.
type ParametersClaim struct {
	Step   int64  `json:"step"`
	Digest Digest `json:"digest"`
}

// RunClaim is the content digest of parameters and state together, which identifies the whole run.
type RunClaim struct {
	Digest Digest `json:"digest"`
}

// Metrics that a Result can claim.
const (
	MetricAccuracy = "accuracy" // Correct of Total; counted by the host from predict
	MetricLoss     = "loss"     // Sum (2⁻²⁰ fixed point) of Total; only evaluate can compute it
)

// Result is a claim: an exact value of a metric on a split.
type Result struct {
	Metric  string `json:"metric"`
	Dataset Digest `json:"dataset"` // of the dataset's manifest
	Split   string `json:"split"`
	Step    int64  `json:"step"`
	Correct *int64 `json:"correct,omitempty"`
	Sum     *int64 `json:"sum,omitempty"`
	Total   int64  `json:"total"`
}

// Relations of a closure to a parent.
const (
	RelationResumed   = "resumed"
	RelationRetrained = "retrained"
	RelationFineTuned = "fine-tuned"
	RelationForked    = "forked"
)

// Parent is a closure that this one came from.
type Parent struct {
	Digest   Digest `json:"digest"`
	Relation string `json:"relation"`
}

// Resolved returns the identity of the closure's run, whose canonical digest must equal Specification.
func (c *Closure) Resolved() Resolved { return resolved(c.Model, c.Algorithm, c.Datasets) }

// Resolved returns what the engine was compiled from, whose canonical digest must equal Specification.
func (e *EarlierEngine) Resolved() Resolved { return resolved(e.Model, e.Algorithm, e.Datasets) }

func resolved(m Model, a Algorithm, datasets []ClosureDataset) Resolved {
	r := Resolved{Model: m, Algorithm: a}
	for _, d := range datasets {
		r.Datasets = append(r.Datasets, d.ResolvedDataset)
	}
	return r
}

// AllDatasets are those of the closure, and then those of its earlier engines; the same one may be there more than once.
func (c *Closure) AllDatasets() []ClosureDataset {
	all := slices.Clone(c.Datasets)
	for _, e := range c.Earlier {
		all = append(all, e.Datasets...)
	}
	return all
}
