package trainer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// ErrNoSession says that there is no session of that name.
var ErrNoSession = errors.New("there is no such session")

// Sessions are all those of a store. They are safe for concurrent use.
type Sessions struct {
	env Environment

	mu     sync.Mutex
	closed bool
	all    map[string]*Coordinator
}

// Open finds the sessions of a store and lets those go on that were running. One that cannot be opened is logged and left.
func Open(ctx context.Context, env Environment) (*Sessions, error) {
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	s := &Sessions{env: env, all: map[string]*Coordinator{}}
	ids, err := env.Store.Sessions(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		r, journal, err := loadRecord(ctx, env.Store, id)
		if err == nil {
			err = s.revive(ctx, r, journal)
		}
		if err != nil {
			env.Log.Error("a session cannot be opened", "session", id, "error", err)
		}
	}
	return s, nil
}

// revive opens a session that was saved.
func (s *Sessions) revive(ctx context.Context, r *record, journal []byte) error {
	if r.State == StateFinishing {
		r.State = StateRunning
	}
	c, err := newCoordinator(ctx, s.env, r, journal)
	if err != nil {
		return err
	}
	if !over(r.State) {
		r.Restarts++
		c.log("state", "the server started again: from step %s on", stepText(c.at))
		c.wantSave()
	}
	c.start()
	s.all[r.ID] = c
	return nil
}

// Close stops all sessions in an orderly way. They go on when they are opened again.
func (s *Sessions) Close() {
	s.mu.Lock()
	s.closed = true
	all := make([]*Coordinator, 0, len(s.all))
	for _, c := range s.all {
		all = append(all, c)
	}
	s.mu.Unlock()
	var group sync.WaitGroup
	for _, c := range all {
		group.Go(c.Close)
	}
	group.Wait()
}

// Get finds a session, or returns ErrNoSession.
func (s *Sessions) Get(id string) (*Coordinator, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.all[id]
	if c == nil {
		return nil, fmt.Errorf("%w: %q", ErrNoSession, id)
	}
	return c, nil
}

// List returns all sessions: those that go on first, then the newest first.
func (s *Sessions) List() []Summary {
	s.mu.Lock()
	list := make([]Summary, 0, len(s.all))
	for _, c := range s.all {
		list = append(list, c.Summary())
	}
	s.mu.Unlock()
	over := func(s Summary) int {
		if s.State == StateRunning || s.State == StatePaused || s.State == StateFinishing {
			return 0
		}
		return 1
	}
	slices.SortFunc(list, func(a, b Summary) int {
		if d := over(a) - over(b); d != 0 {
			return d
		}
		if d := b.Created.Compare(a.Created); d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list
}

// maxSessions bounds the sessions that go on at a time in one server.
const maxSessions = 64

// Create begins a session, and returns the secret by which its owner commands it.
func (s *Sessions) Create(ctx context.Context, q Request) (c *Coordinator, owner string, err error) {
	if err := checkRequest(&q); err != nil {
		return nil, "", err
	}
	going := 0
	for _, one := range s.List() {
		if one.State == StateRunning || one.State == StatePaused || one.State == StateFinishing {
			going++
		}
	}
	if going >= maxSessions {
		return nil, "", schema.Invalidf("session", "", "%d sessions go on already: stop one", going)
	}
	job, err := s.env.Prepare(ctx, q)
	if err != nil {
		return nil, "", err
	}
	owner = secret()
	r := &record{
		SchemaVersion: 1, ID: secret()[:10], Created: time.Now().UTC().Truncate(time.Second), State: StateRunning, Request: q,
		Owner: hashOf(owner), Parent: job.Parent, Relation: job.Relation, Document: job.Document,
		Snapshots: []wire.Snapshot{{Step: -1}}, First: job.First,
	}
	for _, content := range job.Beside {
		text, err := contentBytes(content)
		if err != nil {
			return nil, "", err
		}
		r.Beside = append(r.Beside, besideFile{content.Path, text})
	}
	engine, err := putBlob(ctx, s.env.Store, job.Engine)
	if err != nil {
		return nil, "", err
	}
	r.Engines = []engineUse{{Engine: engine, Document: job.Document}}
	journal, err := s.startFrom(ctx, r, job.From)
	if err != nil {
		return nil, "", err
	}
	if c, err = newCoordinator(ctx, s.env, r, journal); err != nil {
		return nil, "", err
	}
	c.log("state", "started")
	if err := r.save(ctx, s.env.Store, journal); err != nil {
		c.server.close()
		return nil, "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.server.close()
		return nil, "", errors.New("the server is stopping")
	}
	c.start()
	s.all[r.ID] = c
	return c, owner, nil
}

// startFrom puts the state that a session goes on from into the store, and returns the journal up to there.
func (s *Sessions) startFrom(ctx context.Context, r *record, from *runner.From) ([]byte, error) {
	plan, err := runner.NewPlan(r.Document.Resolved(), r.Document.Engine.Digest)
	if err != nil {
		return nil, err
	}
	l, err := newLedger(from)
	if err != nil {
		return nil, err
	}
	if from == nil {
		return l.text(headerOf(plan, r), -1)
	}
	file, err := encodeState(from.Tensors, r.ID, from.Step)
	if err != nil {
		return nil, err
	}
	blob, err := putBlob(ctx, s.env.Store, file)
	if err != nil {
		return nil, err
	}
	journal, err := l.text(headerOf(plan, r), from.Step)
	if err != nil {
		return nil, err
	}
	values, err := valuesOf(journal)
	r.Snapshots = []wire.Snapshot{{Step: from.Step, Tensors: &blob, Hyperparameters: values}}
	return journal, err
}

// checkRequest fills in defaults.
func checkRequest(q *Request) error {
	if q.Mode == "" {
		q.Mode = modeFixed
	}
	switch {
	case (q.Closure == "") == (q.Specification == ""):
		return schema.Invalidf("session", "closure", "name a closure or give a specification, and not both")
	case q.Mode != modeFixed && q.Mode != modeTimed:
		return schema.Invalidf("session", "mode", "%q is not known; there are fixed and timed", q.Mode)
	case q.Mode == modeFixed && q.Seconds != 0:
		return schema.Invalidf("session", "seconds", "only steps of timed sessions have a time")
	case q.Steps < 0:
		return schema.Invalidf("session", "steps", "%d is not a number of steps", q.Steps)
	case q.Audit != nil && !(*q.Audit >= 0 && *q.Audit <= 1):
		return schema.Invalidf("session", "audit", "%g is not a probability", *q.Audit)
	}
	if q.Mode == modeTimed {
		if q.Seconds == 0 {
			q.Seconds = 1
		}
		if !(q.Seconds >= 0.1 && q.Seconds <= 600) {
			return schema.Invalidf("session", "seconds", "%g is not between 0.1 and 600", q.Seconds)
		}
	}
	return nil
}

func contentBytes(c closure.Content) ([]byte, error) {
	var b strings.Builder
	err := c.Write(&b)
	return []byte(b.String()), err
}
