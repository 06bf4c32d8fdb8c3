package trainer

import (
	"context"
	"log/slog"
	"time"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
)

// Job is what a session trains.
type Job struct {
	// Document is the closure that it will be, without parameters, run, results and files.
	Document *schema.Closure
	Engine   []byte
	// From is where it starts; nil for init.
	From *runner.From
	// First is the engine that began the run; zero means Engine.
	First schema.Digest
	// Beside are README.md, LICENSE and CITATION.cff as far as they are not to be generated.
	Beside []closure.Content
	// Parent is the closure that it goes on from or repeats, for people.
	Parent, Relation string
}

// Store is what sessions need of a store.
type Store interface {
	closure.Blobs
	closure.BlobSink
	// SaveSession makes the record, which refers to these blobs, the one that LoadSession returns. Of two servers that have loaded the
	// same record only one can save its next; the other gets ErrTaken.
	SaveSession(ctx context.Context, id string, record []byte, blobs []closure.Descriptor) error
	LoadSession(ctx context.Context, id string) (record []byte, err error)
	// Sessions lists what was saved.
	Sessions(ctx context.Context) ([]string, error)
	// Discard forgets a blob that only this session has written and nobody refers to any more. It may do nothing.
	Discard(ctx context.Context, d schema.Digest) error
}

// Environment is what sessions are given by the program that they run in.
type Environment struct {
	Store Store
	// Prepare makes a job of a request. What is wrong with the request is *schema.Invalid.
	Prepare func(ctx context.Context, r Request) (*Job, error)
	// Data opens the splits that a closure is trained and tested on.
	Data func(ctx context.Context, c *schema.Closure) (runner.Data, error)
	// Publish makes a closure of a finished document and its files, and returns its reference.
	Publish func(ctx context.Context, c *schema.Closure, contents []closure.Content) (string, error)
	// Team is how the server's own replica runs: in a child process, if anybody's latency matters.
	Team runner.TeamOptions
	// SnapshotEvery is the time between snapshots, and so what a killed server costs; 0 means 10 s.
	SnapshotEvery time.Duration
	Log           *slog.Logger
}

const defaultSnapshotEvery = 10 * time.Second
