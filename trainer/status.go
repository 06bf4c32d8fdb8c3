package trainer

import (
	"time"

	"github.com/reprise-ml/reprise/schema"
)

// States of a session.
const (
	StateRunning   = "running"
	StatePaused    = "paused"
	StateFinishing = "finishing" // the last step is done; audits and the server's own replica are not
	StateFinished  = "finished"  // to be published
	StatePublished = "published"
	StateStopped   = "stopped" // before its last step; it can still be published, or resumed
	StateFailed    = "failed"
)

// Summary is a session in a list.
type Summary struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`    // of the closure that it will be
	Version string    `json:"version"` // likewise
	Title   string    `json:"title"`
	Mode    string    `json:"mode"` // fixed or timed
	State   string    `json:"state"`
	Created time.Time `json:"created"`
	Step    int64     `json:"step"`
	Steps   int64     `json:"steps"`
	// Loss is the mean over the last step; Accuracy that of the last evaluation, 0 … 1. Absent before there are any.
	Loss     *float64 `json:"loss,omitempty"`
	Accuracy *float64 `json:"accuracy,omitempty"`
	// Participants are connected ones; Workers are theirs together.
	Participants int `json:"participants"`
	Workers      int `json:"workers"`
	// Power is in examples per second, over the last steps.
	Power float64 `json:"power"`
	// Parent is the closure that the session goes on from or repeats; Closure the published result.
	Parent   string `json:"parent,omitempty"`
	Relation string `json:"relation,omitempty"`
	Closure  string `json:"closure,omitempty"`
	// Error says why a session failed.
	Error string `json:"error,omitempty"`
	// Trouble says what a session waits for, because it could not be saved. It goes on by itself when that has passed.
	Trouble string `json:"trouble,omitempty"`
}

// States of a participant.
const (
	ParticipantJoining = "joining" // fetches and proves
	ParticipantWorking = "working"
	ParticipantIdle    = "idle"   // waits for work
	ParticipantBehind  = "behind" // goes to a snapshot
	ParticipantResting = "resting"
	ParticipantTracks  = "tracking"
	ParticipantGone    = "gone"
)

// ParticipantStatus is a participant as everybody may see it.
type ParticipantStatus struct {
	ID      string `json:"id"`
	Name    string `json:"name,omitempty"`
	Family  string `json:"family"`
	Runtime string `json:"runtime,omitempty"`
	Workers int    `json:"workers"`
	State   string `json:"state"`
	// Power is in microbatches per second while it computes; Latency in seconds from a lease to its result beyond computing.
	Power   float64 `json:"power"`
	Latency float64 `json:"latency"`
	// Share of all the microbatches of the session, 0 … 1.
	Share    float64 `json:"share"`
	Computed int64   `json:"computed"` // microbatches
	Verified int64   `json:"verified"` // of these, those that are final
	Trust    float64 `json:"trust"`    // 0 … 1: one less the probability with which its results are audited
}

// StepTime is where the time of a step went, in seconds, as means over the last steps. Compute and Upload are those of the participant
// that the step waited for.
type StepTime struct {
	Compute   float64 `json:"compute"`
	Upload    float64 `json:"upload"`
	Merge     float64 `json:"merge"`
	Broadcast float64 `json:"broadcast"`
	Idle      float64 `json:"idle"` // of participants, mean
	Total     float64 `json:"total"`
}

// Audits are what was re-executed.
type Audits struct {
	Done    int64 `json:"done"`
	Pending int64 `json:"pending"`
	Caught  int64 `json:"caught"` // results that were contradicted
	// Uncaught is the probability that a trusted participant who forges ten results is not caught.
	Uncaught float64 `json:"uncaught"`
	// Rollbacks are returns to a snapshot; Releases leases that were given to another participant.
	Rollbacks int64 `json:"rollbacks"`
	Releases  int64 `json:"releases"`
}

// Happening is a line of a session's log, for people.
type Happening struct {
	Time time.Time `json:"time"`
	Step int64     `json:"step"`
	Kind string    `json:"kind"` // join, leave, cheat, rollback, command, checkpoint, state
	Text string    `json:"text"`
}

// Detail is everything about a session but its curve.
type Detail struct {
	Summary
	Specification schema.Digest           `json:"specification"`
	Engine        schema.Digest           `json:"engine"`
	Datasets      []schema.ClosureDataset `json:"datasets"`
	Run           schema.Digest           `json:"run,omitzero"` // once finished
	// Final is the last step whose audits have passed; Checkpoint the last one that survives a crash.
	Final           int64                   `json:"final"`
	Checkpoint      int64                   `json:"checkpoint"`
	Hyperparameters []schema.Hyperparameter `json:"hyperparameters"` // those that can be set; Default is the present value
	Times           StepTime                `json:"times"`
	Audits          Audits                  `json:"audits"`
	// Joins and Leaves are times that participants were let in to work, and that they left or their connection broke; Restarts those
	// that a server went on with the session.
	Joins    int64               `json:"joins"`
	Leaves   int64               `json:"leaves"`
	Restarts int64               `json:"restarts"`
	People   []ParticipantStatus `json:"people"` // at most 200: the connected ones by work done, then the gone ones
	Log      []Happening         `json:"log"`    // the newest first, at most 100
}

// Point is a step of a session's curve.
type Point struct {
	Step     int64    `json:"step"`
	Loss     *float64 `json:"loss,omitempty"`     // mean over the step
	Accuracy *float64 `json:"accuracy,omitempty"` // of the training examples of the step, 0 … 1
	Test     *float64 `json:"test,omitempty"`     // accuracy on the test split after the step, 0 … 1
}

// Commands to a session.
const (
	CommandPause   = "pause"
	CommandResume  = "resume"
	CommandStop    = "stop"
	CommandSet     = "set"     // Name, Value, and Step if not the next one
	CommandEngine  = "engine"  // Specification, and Step if not the next one: a new class, another optimizer, more data
	CommandPublish = "publish" // Version, if not the specification's
)

// Command is what an owner tells a session.
type Command struct {
	Command       string   `json:"command"`
	Name          string   `json:"name,omitempty"`
	Value         *float64 `json:"value,omitempty"`
	Step          int64    `json:"step,omitempty"`
	Specification string   `json:"specification,omitempty"` // YAML or JSON
	Version       string   `json:"version,omitempty"`
}

// Request asks for a new session: from a closure (Closure), or from a specification.
type Request struct {
	// Closure is a reference; Steps > 0 trains that many steps more (resume), 0 repeats its training (replay).
	Closure string `json:"closure,omitempty"`
	Steps   int64  `json:"steps,omitempty"`
	// Specification is YAML or JSON.
	Specification string `json:"specification,omitempty"`

	Mode    string  `json:"mode,omitempty"`    // fixed (default) or timed
	Seconds float64 `json:"seconds,omitempty"` // of a step in timed mode
	// Audit is the least probability with which a result of a trusted participant is re-executed; nil means 0.05.
	Audit *float64 `json:"audit,omitempty"`
	// Name and Version of the closure that will be; empty for those of the specification, with "-session.1" and so on for a closure's.
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
}
