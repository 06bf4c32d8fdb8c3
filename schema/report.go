package schema

// Verdicts of verify, of its claims, and of replay.
const (
	VerdictReproduced = "reproduced"
	VerdictDiffers    = "differs"
	VerdictDamaged    = "damaged"
	VerdictIdentical  = "identical"
	// VerdictUnproven: the claim cannot be recomputed blindly and the engine is not derived (DESIGN §7).
	VerdictUnproven = "unproven"
)

// Derivations (DESIGN §7).
const (
	Derived       = "derived"
	OtherCompiler = "other-compiler"
	Foreign       = "foreign"
)

// VerifyReport answers `reprise verify --json`.
type VerifyReport struct {
	Closure    Digest        `json:"closure"`
	Name       string        `json:"name"`
	Version    string        `json:"version"`
	Verdict    string        `json:"verdict"`
	Derivation string        `json:"derivation"` // empty where damage came first
	Reason     string        `json:"reason,omitempty"`
	Claims     []ClaimReport `json:"claims"`
	Damaged    []DamagedBlob `json:"damaged"`
	Runtime    string        `json:"runtime,omitempty"`
	Record     Digest        `json:"record,omitzero"` // of the manifest of the signed record, if one was asked for
}

// ClaimReport sets a claim beside what was recomputed.
type ClaimReport struct {
	Metric   string     `json:"metric"`
	Split    string     `json:"split"`
	Claimed  ClaimValue `json:"claimed"`
	Observed ClaimValue `json:"observed"`
	Verdict  string     `json:"verdict"`
}

// ClaimValue is correct/total or sum/total.
type ClaimValue struct {
	Correct *int64 `json:"correct,omitempty"`
	Sum     *int64 `json:"sum,omitempty"`
	Total   int64  `json:"total"`
}

// DamagedBlob is a file whose bytes differ from the digest that names it. Observed is zero where it is missing. Reason
// says what is wrong where no digest can: a document that cannot be read, a size that a manifest states differently.
type DamagedBlob struct {
	Path     string `json:"path"`
	Expected Digest `json:"expected,omitzero"`
	Observed Digest `json:"observed,omitzero"`
	Reason   string `json:"reason,omitempty"`
}

// ReplayReport answers `reprise replay --json`.
type ReplayReport struct {
	Closure         Digest      `json:"closure"`
	Verdict         string      `json:"verdict"`
	Derivation      string      `json:"derivation"`
	Reason          string      `json:"reason,omitempty"`
	Steps           int64       `json:"steps"`
	Run             Digest      `json:"run"`
	FirstDifference *Difference `json:"firstDifference"`
	Record          Digest      `json:"record,omitzero"` // as of VerifyReport
}

// Difference is the first line of the journal that a replay did not reproduce.
type Difference struct {
	Step     int64  `json:"step"`
	What     string `json:"what"`
	Recorded string `json:"recorded"`
	Observed string `json:"observed"`
}

// TrainReport answers `reprise train --json` and `resume --json`.
type TrainReport struct {
	Directory  string   `json:"directory"`
	Engine     Digest   `json:"engine"`
	Parameters Digest   `json:"parameters"`
	Run        Digest   `json:"run"`
	Steps      int64    `json:"steps"`
	Results    []Result `json:"results"`
}

// FsckReport answers `reprise fsck --json`.
type FsckReport struct {
	Checked int64         `json:"checked"`
	Damaged []DamagedBlob `json:"damaged"`
}

// CollectReport answers `reprise gc --json`: what was deleted, or with DryRun would be.
type CollectReport struct {
	DryRun      bool  `json:"dryRun,omitempty"`
	Kept        int64 `json:"kept"`  // blobs that something names
	Young       int64 `json:"young"` // blobs that nothing names, stored or used within the grace period
	Blobs       int64 `json:"blobs"` // deleted
	Bytes       int64 `json:"bytes"`
	Uploads     int64 `json:"uploads"` // files of unfinished uploads, deleted
	UploadBytes int64 `json:"uploadBytes"`
}

// ListEntry is an element of `reprise list --json` and `history --json`.
type ListEntry struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Digest  Digest `json:"digest"`
	Kind    string `json:"kind"` // closure or dataset
	Created string `json:"created"`
	// Withdrawn is the reason why it was withdrawn; empty if it was not.
	Withdrawn string `json:"withdrawn,omitempty"`
}

// SearchReport answers `reprise search --json`.
type SearchReport struct {
	Total  int64                   `json:"total"`
	Items  []ListEntry             `json:"items"`
	Facets map[string][]FacetValue `json:"facets"` // each counts what the other filters leave
}

// FacetValue is a value of a facet, and how many have it.
type FacetValue struct {
	Value string `json:"value"`
	Count int64  `json:"count"`
}

// PublishReport answers `reprise publish --json`.
type PublishReport struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Digest  Digest `json:"digest"`
}

// DatasetReport answers `reprise dataset import --json` and `dataset show --json`.
type DatasetReport struct {
	Name    string           `json:"name"`
	Version string           `json:"version"`
	Digest  Digest           `json:"digest"`
	Classes []string         `json:"classes"`
	Splits  map[string]int64 `json:"splits"`
	Record  RecordLayout     `json:"record"`
}

// PredictReport is an element of `reprise predict --json`.
type PredictReport struct {
	Input         string    `json:"input"`
	Class         string    `json:"class"`
	Probabilities []float64 `json:"probabilities"`
}

// Failure is what --json prints when a command fails.
type Failure struct {
	Error FailureDetail `json:"error"`
}

// FailureDetail says what failed: Code is the exit code, Where the document and place, Hint what to do.
type FailureDetail struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Where   string `json:"where,omitempty"`
	Hint    string `json:"hint,omitempty"`
}
