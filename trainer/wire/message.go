// Package wire is what participants and coordinators say to each other, apart from how it travels: messages, and the packed form
// of vectors. The protocol is in ../PROTOCOL.md.
package wire

import "github.com/reprise-ml/reprise/schema"

// Version is that of the protocol.
const Version = 1

// Subprotocol is what both ends of a WebSocket negotiate.
const Subprotocol = "reprise.session.v1"

// Type says what a message is.
type Type string

// Messages of participants.
const (
	TypeHello  Type = "hello"
	TypeReady  Type = "ready"
	TypeResult Type = "result" // a vector follows where the lease is to train
	TypeFailed Type = "failed"
	TypeDigest Type = "digest"
	TypeRest   Type = "rest"
	TypeBye    Type = "bye"
)

// Messages of coordinators.
const (
	TypeWelcome    Type = "welcome"
	TypeRefuse     Type = "refuse"
	TypeLease      Type = "lease"
	TypeSet        Type = "set"
	TypeUpdate     Type = "update" // a vector follows
	TypeSnapshot   Type = "snapshot"
	TypeCheckpoint Type = "checkpoint"
	TypeStatus     Type = "status"
	TypeEnd        Type = "end"
)

// Message is one of the pointers to structs below.
type Message interface {
	Kind() Type
	// check says what does not fit the protocol.
	check() error
}

// Roles of participants.
const (
	RoleWork  = "work"
	RoleTrack = "track" // follows the model and computes nothing
)

// Hello introduces a participant. It must be its first message.
type Hello struct {
	Protocol int    `json:"protocol"`
	Role     string `json:"role"`
	// Family is that of the runtime, for audits by another: "v8", "spidermonkey", "jsc", "wazero".
	Family  string `json:"family"`
	Runtime string `json:"runtime,omitempty"` // for people: "Chromium 156 on Linux"
	Workers int    `json:"workers"`
	Memory  int64  `json:"memory,omitempty"` // bytes of records that it keeps
	Name    string `json:"name,omitempty"`   // what others see; at most 40 characters
	Resume  string `json:"resume,omitempty"` // of an earlier welcome
}

// Ready says that the snapshot of a step is installed. Proofs are the digests of what the welcome asked for.
type Ready struct {
	Step   int64           `json:"step"`
	Proofs []schema.Digest `json:"proofs,omitempty"`
}

// Result answers a lease: of kind train with the digest and packed size in bytes of the vector that follows, of kind evaluate
// with the number of correct records.
type Result struct {
	Lease   int64         `json:"lease"`
	Digest  schema.Digest `json:"digest,omitzero"`
	Bytes   int64         `json:"bytes,omitempty"`
	Correct int64         `json:"correct,omitempty"`
	// Seconds is how long computing took, without transfer.
	Seconds float64 `json:"seconds"`
}

// Reasons of Failed.
const (
	ReasonEnvironment = "environment" // the runtime flushes subnormals or rounds otherwise: it leaves politely
	ReasonData        = "data"        // a blob could not be had, or was damaged
	ReasonEngine      = "engine"      // the engine returned an error or trapped
	ReasonRest        = "rest"        // the participant rests
)

// Failed answers a lease that cannot be computed.
type Failed struct {
	Lease   int64  `json:"lease"`
	Reason  string `json:"reason"`
	Message string `json:"message,omitempty"` // at most 500 characters
}

// Digest answers a checkpoint.
type Digest struct {
	Step int64         `json:"step"`
	Run  schema.Digest `json:"run"`
}

// Rest asks for no leases, or for leases again.
type Rest struct {
	Resting bool   `json:"resting"`
	Reason  string `json:"reason,omitempty"` // "hidden", "battery", "visitor", RestWorkers
}

// RestWorkers is the reason of who goes on at once with another number of workers, and finishes what it has.
const RestWorkers = "workers"

// Bye ends the participation in an orderly way.
type Bye struct{}

// Blob is something to fetch.
type Blob struct {
	Digest schema.Digest `json:"digest"`
	Size   int64         `json:"size"`
}

// Snapshot is a state: that after a step. Tensors is a safetensors file of parameters and state; without one the state is that
// after init(seed), and Step is −1.
type Snapshot struct {
	Step    int64 `json:"step"`
	Tensors *Blob `json:"tensors,omitempty"`
	// Hyperparameters are those that differ from the engine's defaults.
	Hyperparameters map[string]float64 `json:"hyperparameters,omitempty"`
	// Engine is set where it is another one than before.
	Engine *Blob `json:"engine,omitempty"`
}

// Proof asks for the digests of microbatches 0 … Microbatches−1 of the step after the snapshot, each by itself, one after the
// other, and all of them Rounds times over, so that the runtime's optimising compiler has had its turn.
type Proof struct {
	Microbatches int64 `json:"microbatches"`
	Rounds       int   `json:"rounds"`
}

// Welcome lets a participant in.
type Welcome struct {
	Session     string `json:"session"`
	Participant string `json:"participant"` // its public name in this session
	Resume      string `json:"resume"`      // to be said in the next hello
	Mode        string `json:"mode"`        // fixed or timed
	Title       string `json:"title,omitempty"`

	Engine        Blob                    `json:"engine"`
	Specification schema.Digest           `json:"specification"`
	Seed          int64                   `json:"seed"`
	Steps         int64                   `json:"steps"`
	Microbatches  int64                   `json:"microbatches"` // of a step, in fixed mode
	Datasets      []schema.ClosureDataset `json:"datasets"`     // whose manifests are blobs

	Snapshot Snapshot `json:"snapshot"`
	Proof    Proof    `json:"proof,omitzero"`
}

// Codes of Refuse.
const (
	CodeProtocol    = "protocol"
	CodeVersion     = "version"
	CodeProof       = "proof"
	CodeCheat       = "cheat"
	CodeEnvironment = "environment"
	CodeFull        = "full"
	CodeBusy        = "busy"
	CodeEnded       = "ended"
	CodeUnknown     = "unknown"
)

// Refuse says why the coordinator closes the connection. It is also an error.
type Refuse struct {
	Code       string  `json:"code"`
	Message    string  `json:"message"`
	RetryAfter float64 `json:"retryAfter,omitempty"` // seconds
}

// Error implements error.
func (r *Refuse) Error() string { return r.Message }

// Kinds of leases.
const (
	LeaseTrain    = "train"
	LeaseEvaluate = "evaluate"
)

// Lease hands out work: microbatches [First, End) of the step, or records [First, End) of a role on the state after the step.
type Lease struct {
	Lease int64  `json:"lease"`
	Work  string `json:"work"` // train or evaluate
	Step  int64  `json:"step"`
	First int64  `json:"first"`
	End   int64  `json:"end"`
	Role  string `json:"role,omitempty"` // of the records to evaluate
}

// Set changes a hyper-parameter before the update of a step.
type Set struct {
	Step  int64   `json:"step"`
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// Update ends a step with the merged accumulators, which follow.
type Update struct {
	Step   int64         `json:"step"`
	Digest schema.Digest `json:"digest"`
	Bytes  int64         `json:"bytes"` // packed
}

// Goto replaces the participant's state.
type Goto struct {
	Snapshot
	Reason string `json:"reason,omitempty"` // for people
}

// Checkpoint asks for the run digest of the present state, that after the step.
type Checkpoint struct {
	Step int64 `json:"step"`
}

// Status tells a participant, every few seconds, how things are.
type Status struct {
	Step         int64   `json:"step"`
	Steps        int64   `json:"steps"`
	Loss         float64 `json:"loss,omitempty"`     // mean over the last step
	Accuracy     float64 `json:"accuracy,omitempty"` // of the last evaluation, 0 … 1
	Participants int     `json:"participants"`
	Paused       bool    `json:"paused,omitempty"`
	// Microbatches that this participant has computed, and how many of them are final.
	Computed int64   `json:"computed"`
	Verified int64   `json:"verified"`
	Share    float64 `json:"share"` // of all microbatches of the session, 0 … 1
}

// End says that the session is over.
type End struct {
	Run     schema.Digest `json:"run,omitzero"`
	Closure string        `json:"closure,omitempty"` // name:version, once it is published
	Message string        `json:"message,omitempty"`
}

// Kind implements Message.
func (*Hello) Kind() Type { return TypeHello }

// Kind implements Message.
func (*Ready) Kind() Type { return TypeReady }

// Kind implements Message.
func (*Result) Kind() Type { return TypeResult }

// Kind implements Message.
func (*Failed) Kind() Type { return TypeFailed }

// Kind implements Message.
func (*Digest) Kind() Type { return TypeDigest }

// Kind implements Message.
func (*Rest) Kind() Type { return TypeRest }

// Kind implements Message.
func (*Bye) Kind() Type { return TypeBye }

// Kind implements Message.
func (*Welcome) Kind() Type { return TypeWelcome }

// Kind implements Message.
func (*Refuse) Kind() Type { return TypeRefuse }

// Kind implements Message.
func (*Lease) Kind() Type { return TypeLease }

// Kind implements Message.
func (*Set) Kind() Type { return TypeSet }

// Kind implements Message.
func (*Update) Kind() Type { return TypeUpdate }

// Kind implements Message.
func (*Goto) Kind() Type { return TypeSnapshot }

// Kind implements Message.
func (*Checkpoint) Kind() Type { return TypeCheckpoint }

// Kind implements Message.
func (*Status) Kind() Type { return TypeStatus }

// Kind implements Message.
func (*End) Kind() Type { return TypeEnd }
