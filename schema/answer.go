package schema

// InitReport answers `reprise init --json`.
type InitReport struct {
	Files []string `json:"files"`
}

// CompileReport answers `reprise compile --json`: an engine and what it costs.
type CompileReport struct {
	Engine        Digest `json:"engine"`
	Compiler      string `json:"compiler,omitempty"`
	Specification Digest `json:"specification"`
	Size          int64  `json:"size"`       // of the module, bytes
	Memory        int64  `json:"memory"`     // of an instance, bytes
	Parameters    int64  `json:"parameters"` // trainable values
	// FLOPs are twice the textbook multiply-adds of one example; absent for an engine that was not compiled.
	FLOPs *FLOPs `json:"flops,omitempty"`
	File  string `json:"file,omitempty"`
}

// FLOPs of one example: of a prediction, and of a training step's share.
type FLOPs struct {
	Predict int64 `json:"predict"`
	Train   int64 `json:"train"`
}

// CheckReport answers `reprise engine check --json`.
type CheckReport struct {
	Engine   Digest      `json:"engine"`
	ABI      int         `json:"abi"`
	Compiler string      `json:"compiler,omitempty"`
	Memory   int64       `json:"memory"` // of an instance, bytes
	Passed   bool        `json:"passed"`
	Tests    []CheckTest `json:"tests"`
}

// CheckTest is a conformance test; Problem is empty where the engine passed.
type CheckTest struct {
	Name    string `json:"name"`
	Problem string `json:"problem,omitempty"`
	Skipped bool   `json:"skipped,omitempty"` // what it needs failed before
}

// PullReport answers `reprise pull --json`.
type PullReport struct {
	Name      string `json:"name"`
	Version   string `json:"version,omitempty"` // empty where the reference is a tag or digest
	Digest    Digest `json:"digest"`
	Directory string `json:"directory"`
	Withdrawn string `json:"withdrawn,omitempty"` // why
}

// CopyReport answers `reprise copy --json` and `import --json`.
type CopyReport struct {
	Copied []CopiedReference `json:"copied"`
	Files  int64             `json:"files"` // sent
	Bytes  int64             `json:"bytes"`
	// What was there already.
	PresentFiles int64 `json:"presentFiles"`
	PresentBytes int64 `json:"presentBytes"`
}

// CopiedReference is a version or a tag that a store now has.
type CopiedReference struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Tag     string `json:"tag,omitempty"`
	Digest  Digest `json:"digest"`
	Kind    string `json:"kind"`
	Present bool   `json:"present,omitempty"` // it was there before
}

// ExportReport answers `reprise export --json`. File is the bundle, or the folder of another format, whose Digest is then that of
// the exported closure.
type ExportReport struct {
	Exported []CopiedReference `json:"exported"`
	File     string            `json:"file"`
	Size     int64             `json:"size"` // bytes
	Digest   Digest            `json:"digest"`
}

// LoginReport answers `reprise login --json`: one of Helper and File says where the credentials are.
type LoginReport struct {
	Server   string `json:"server"`
	Username string `json:"username"`
	Helper   string `json:"helper,omitempty"`
	File     string `json:"file,omitempty"`
}

// LogoutReport answers `reprise logout --json`.
type LogoutReport struct {
	Server  string `json:"server"`
	Removed bool   `json:"removed"` // there were credentials
}

// TagReport answers `reprise tag --json`.
type TagReport struct {
	Name   string `json:"name"`
	Tag    string `json:"tag"`
	Digest Digest `json:"digest"`
}

// WithdrawReport answers `reprise withdraw --json`.
type WithdrawReport struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Digest  Digest `json:"digest"`
	Reason  string `json:"reason"`
	Record  Digest `json:"record"` // the withdrawal's manifest
}

// VersionReport answers `reprise version --json`.
type VersionReport struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the source
	Compiler string `json:"compiler"`
	ABI      int    `json:"abi"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// DemoReport answers `reprise demo --json`.
type DemoReport struct {
	Directory string          `json:"directory"`
	Store     string          `json:"store"`
	Datasets  []DatasetReport `json:"datasets"`
	Closures  []DemoClosure   `json:"closures"`
	// Replay is that of the first closure.
	Replay ReplayReport `json:"replay"`
}

// DemoClosure is a closure that the demonstration published.
type DemoClosure struct {
	// Train is absent where the closure was in the store, or trained, already.
	Train   *TrainReport  `json:"train,omitempty"`
	Closure PublishReport `json:"closure"`
	Verify  VerifyReport  `json:"verify"`
}

// ServeReport answers `reprise serve --json`, as soon as the service listens.
type ServeReport struct {
	URL   string `json:"url"`
	Store string `json:"store"`
}

// TokenReport answers `reprise token create --json`; `token list` and `token revoke` answer a list of them, without Token.
type TokenReport struct {
	ID string `json:"id"`
	// Token is the secret text, which is shown once.
	Token   string `json:"token,omitempty"`
	Scope   string `json:"scope"`
	Names   string `json:"names"`
	Created string `json:"created"`
	Expires string `json:"expires,omitempty"`
	// Quota is how many bytes may be uploaded in all; 0 is any number.
	Quota int64 `json:"quota,omitempty"`
}

// SessionReport answers `reprise session start --json`. Owner is the secret by which the session is commanded.
type SessionReport struct {
	ID    string `json:"id"`
	Owner string `json:"owner"`
	Join  string `json:"join"` // address, for participants
	Page  string `json:"page"` // address, for everybody
}

// JoinReport answers `reprise join --json`.
type JoinReport struct {
	Session  string `json:"session"`
	Ended    bool   `json:"ended"` // the session, rather than this participation
	Steps    int64  `json:"steps"`
	Computed int64  `json:"computed"` // microbatches
	Verified int64  `json:"verified"` // of these, those that are final
	Run      Digest `json:"run,omitzero"`
}
