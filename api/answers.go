package api

import (
	"encoding/json"

	"github.com/reprise-ml/reprise/schema"
)

// The answers of /api/v1. Lists are never null.

// ClosureList answers GET /api/v1/closures.
type ClosureList struct {
	Total  int                            `json:"total"`
	Items  []Summary                      `json:"items"`
	Facets map[string][]schema.FacetValue `json:"facets"` // each counts what the other filters leave
	Unread int                            `json:"unread"` // versions that the catalogue has yet to read: there will be more
}

// Summary is a closure in a list.
type Summary struct {
	Name        string           `json:"name"`
	Version     string           `json:"version"`
	Digest      schema.Digest    `json:"digest"`
	Title       string           `json:"title"`
	Description string           `json:"description"`
	Task        string           `json:"task"`
	Created     string           `json:"created"`
	License     string           `json:"license"`
	Keywords    []string         `json:"keywords"`
	Datasets    []SummaryDataset `json:"datasets"`
	Accuracy    *Accuracy        `json:"accuracy"`   // on the test split where it is claimed, else on another
	Parameters  int64            `json:"parameters"` // trained values
	Size        int64            `json:"size"`       // of all files, bytes
	Layers      string           `json:"layers"`     // such as "conv 16 · pool · dense 10"
	Curve       []float64        `json:"curve"`      // at most curvePreview mean losses
	Verified    Verified         `json:"verified"`
	Engine      EngineSummary    `json:"engine"`
	Parents     []Relative       `json:"parents"`
	Withdrawn   *Withdrawal      `json:"withdrawn"` // null for nearly all
	Problem     string           `json:"problem"`   // why its documents cannot be shown, if so; all but its name, version and digest is empty then
}

// Withdrawal says why and when an object was taken back. It stays where it is, so that what refers to it can be checked.
type Withdrawal struct {
	Reason  string `json:"reason"`
	Created string `json:"created"` // RFC 3339
}

// SummaryDataset is a dataset that a closure names.
type SummaryDataset struct {
	Role    string        `json:"role"`
	Name    string        `json:"name"`
	Version string        `json:"version"`
	Digest  schema.Digest `json:"digest"`
	Split   string        `json:"split"`
}

// Accuracy is a claim: correct of total.
type Accuracy struct {
	Correct int64 `json:"correct"`
	Total   int64 `json:"total"`
}

// Verified counts the trusted keys that vouch for a closure by their newest records, and apart from them its unsigned records.
type Verified struct {
	Signed     int    `json:"signed"`
	Unsigned   int    `json:"unsigned"`
	Derivation string `json:"derivation"`
}

// EngineSummary is what a closure says of its engine.
type EngineSummary struct {
	Digest   schema.Digest `json:"digest"`
	ABI      int           `json:"abi"`
	Compiler string        `json:"compiler"`
	Foreign  bool          `json:"foreign"`
}

// Relative is a parent or child. Name and Version are empty where the store does not have it.
type Relative struct {
	Digest   schema.Digest `json:"digest"`
	Relation string        `json:"relation"`
	Name     string        `json:"name"`
	Version  string        `json:"version"`
}

// Unchecked is the derivation of a closure that the service has not compiled yet. The others are schema.Derived,
// schema.OtherCompiler and schema.Foreign.
const Unchecked = "unchecked"

// ClosureAnswer answers GET /api/v1/closure.
type ClosureAnswer struct {
	Reference     Reference       `json:"reference"`
	Manifest      ManifestSummary `json:"manifest"`
	Closure       json.RawMessage `json:"closure"` // closure.json as it is stored
	Readme        string          `json:"readme"`  // Markdown, of a stranger
	Citation      Citation        `json:"citation"`
	Model         ModelTable      `json:"model"`
	Versions      []VersionEntry  `json:"versions"` // the highest first
	Parents       []Relative      `json:"parents"`
	Children      []Relative      `json:"children"`
	Verifications []Verification  `json:"verifications"` // those that trusted keys have signed come first, then the newest
	Verified      Verified        `json:"verified"`
	Derivation    string          `json:"derivation"`
	Withdrawn     *Withdrawal     `json:"withdrawn"` // the latest withdrawal of it, or null
}

// Reference names an object exactly.
type Reference struct {
	Name    string        `json:"name"`
	Version string        `json:"version"`
	Digest  schema.Digest `json:"digest"`
}

// ManifestSummary is where an object begins.
type ManifestSummary struct {
	Digest schema.Digest `json:"digest"`
	Size   int64         `json:"size"`
}

// Citation is how to cite a closure.
type Citation struct {
	BibTeX string `json:"bibtex"`
	CFF    string `json:"cff"`
}

// ModelTable is a model for people to read. It is empty where the model is of another release or of a foreign engine.
type ModelTable struct {
	Table      []LayerRow `json:"table"`
	Parameters int64      `json:"parameters"`
	Forward    int64      `json:"forward"` // multiply-adds of a prediction
	Train      int64      `json:"train"`   // multiply-adds of an example of a training step
}

// LayerRow is a layer.
type LayerRow struct {
	Name         string   `json:"name"`
	Kind         string   `json:"kind"`
	Inputs       []string `json:"inputs,omitempty"` // names of rows or "input", where they are not just the row before
	Output       []int    `json:"output"`           // shape, of one example
	Parameters   int64    `json:"parameters"`
	MultiplyAdds int64    `json:"multiplyAdds"`
}

// VersionEntry is a version of a name.
type VersionEntry struct {
	Version   string        `json:"version"`
	Digest    schema.Digest `json:"digest"`
	Created   string        `json:"created"`
	Withdrawn *Withdrawal   `json:"withdrawn"`
}

// Kinds of verification records.
const (
	Unsigned     = "unsigned"
	Signed       = "signed"        // by a key that this server trusts
	UnknownKey   = "unknown-key"   // signed, by none of these
	NotSignature = "not-signature" // said to be signed by one of these, which is not so
)

// Verification is a record about a closure.
type Verification struct {
	Kind    string                  `json:"kind"`
	Digest  schema.Digest           `json:"digest"`
	Created string                  `json:"created"`
	Mode    string                  `json:"mode"`
	Verdict string                  `json:"verdict"`
	Claims  []schema.ObservedClaim  `json:"claims"`
	Run     schema.Digest           `json:"run,omitzero"`
	Steps   int64                   `json:"steps,omitempty"`
	Runtime schema.VerifyingRuntime `json:"runtime"`
	By      string                  `json:"by"` // the key's name, of a signed record; else empty: nobody knows
}

// Curve answers GET /api/v1/closure/curve.
type Curve struct {
	Points      []CurvePoint      `json:"points"`
	Evaluations []CurveEvaluation `json:"evaluations"`
}

// CurvePoint is the mean over the examples of some consecutive steps, of which Step is the last.
type CurvePoint struct {
	Step     int64    `json:"step"`
	Loss     *float64 `json:"loss"`
	Accuracy *float64 `json:"accuracy"` // null where the engine does not count it
}

// CurveEvaluation is a blind evaluation in the journal.
type CurveEvaluation struct {
	Step    int64  `json:"step"`
	Split   string `json:"split"`
	Correct int64  `json:"correct"`
	Total   int64  `json:"total"`
}

// DerivationAnswer answers GET /api/v1/closure/derivation.
type DerivationAnswer struct {
	Derivation string `json:"derivation"`
	Reason     string `json:"reason"`
}

// DatasetList answers GET /api/v1/datasets.
type DatasetList struct {
	Total  int              `json:"total"`
	Items  []DatasetSummary `json:"items"`
	Unread int              `json:"unread"` // as of ClosureList
}

// DatasetSummary is a dataset in a list.
type DatasetSummary struct {
	Name        string              `json:"name"`
	Version     string              `json:"version"`
	Digest      schema.Digest       `json:"digest"`
	Title       string              `json:"title"`
	Description string              `json:"description"`
	License     string              `json:"license"`
	Classes     []string            `json:"classes"`
	Splits      map[string]int64    `json:"splits"` // records
	Record      schema.RecordLayout `json:"record"`
	Size        int64               `json:"size"`   // of all shards, bytes
	Sample      string              `json:"sample"` // address of a sheet; empty where the records are no images
	Withdrawn   *Withdrawal         `json:"withdrawn"`
	Problem     string              `json:"problem"` // as of Summary
}

// DatasetAnswer answers GET /api/v1/dataset.
type DatasetAnswer struct {
	Reference Reference       `json:"reference"`
	Manifest  ManifestSummary `json:"manifest"`
	Dataset   json.RawMessage `json:"dataset"` // dataset.json as it is stored
	UsedBy    []UsedBy        `json:"usedBy"`
	Withdrawn *Withdrawal     `json:"withdrawn"`
}

// UsedBy is a closure that names a dataset.
type UsedBy struct {
	Name    string        `json:"name"`
	Version string        `json:"version"`
	Digest  schema.Digest `json:"digest"`
	Title   string        `json:"title"`
}

// DatasetRows answers GET /api/v1/dataset/rows.
type DatasetRows struct {
	Columns []string `json:"columns"`
	Rows    [][]any  `json:"rows"` // numbers, null where one is not finite, and the label
}

// VerificationRequest is the body of POST /api/v1/verifications.
type VerificationRequest struct {
	Closure schema.Digest           `json:"closure"`
	Mode    string                  `json:"mode"`
	Verdict string                  `json:"verdict"`
	Claims  []schema.ObservedClaim  `json:"claims"`
	Run     schema.Digest           `json:"run,omitzero"`
	Steps   int64                   `json:"steps,omitempty"`
	Runtime schema.VerifyingRuntime `json:"runtime"`
}

// VerificationReceipt answers POST /api/v1/verifications.
type VerificationReceipt struct {
	Digest schema.Digest `json:"digest"` // of the record's manifest
}

// About answers GET /api/v1/about.
type About struct {
	Name    string         `json:"name"`
	Version string         `json:"version"`
	Store   StoreSummary   `json:"store"`
	Counts  map[string]int `json:"counts"`
}

// StoreSummary says what kind of place the closures are in.
type StoreSummary struct {
	Kind string `json:"kind"`
}
