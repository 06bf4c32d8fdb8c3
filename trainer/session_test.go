package trainer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
	"github.com/reprise-ml/reprise/wasm"
)

// memoryStore is a Store in memory.
type memoryStore struct {
	*closuretest.Memory
	mu      sync.Mutex
	records map[string][]byte
	dropped int
	dead    bool // whoever writes was killed
	full    bool // nothing can be written
}

var errKilled = errors.New("the server was killed")

func (m *memoryStore) SaveSession(_ context.Context, id string, record []byte, _ []closure.Descriptor) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.dead:
		return errKilled
	case m.full:
		return syscall.ENOSPC
	}
	m.records[id] = bytes.Clone(record)
	return nil
}

func (m *memoryStore) Put(ctx context.Context, d schema.Digest, size int64, r io.Reader) error {
	m.mu.Lock()
	full := m.full
	m.mu.Unlock()
	if full {
		return &fs.PathError{Op: "write", Path: "/home/ada/zoo/blob", Err: syscall.ENOSPC}
	}
	return m.Memory.Put(ctx, d, size, r)
}

// fill makes the store full, or empties it.
func (m *memoryStore) fill(full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full = full
}

func (m *memoryStore) LoadSession(_ context.Context, id string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.records[id], nil
}

func (m *memoryStore) Sessions(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.records)), nil
}

func (m *memoryStore) Discard(context.Context, schema.Digest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropped++
	return nil
}

// laboratory is a server with a small job on drawn letters.
type laboratory struct {
	t        *testing.T
	store    *memoryStore
	dataset  *schema.Dataset
	manifest *closure.Manifest
	env      Environment

	mu        sync.Mutex
	refusing  bool // to publish
	published []published
	sessions  *Sessions
}

type published struct {
	document *schema.Closure
	files    map[string][]byte
}

const letters = `
name: letters
version: 1.0.0
title: Letters
license: Apache-2.0
model:
  input: {shape: [28, 28, 1], dtype: u8, normalize: {scale: 0.00392156862745098}}
  layers:
    - conv2d: {filters: 4, kernel: 5, stride: 2, activation: relu}
    - flatten
    - dense: {units: 10}
  loss: softmax-cross-entropy
algorithm:
  optimizer: {sgd: {learningRate: 0.05, momentum: 0.9}}
  microbatchSize: 8
  batchSize: 128
  steps: %d
  seed: 7
  evaluate: {every: 10}
datasets:
  train: {ref: "letters:1.0.0", split: train}
  test: {ref: "letters:1.0.0", split: test}
`

func newLaboratory(t *testing.T) *laboratory {
	t.Helper()
	dir := t.TempDir()
	if err := fixtures.WriteIDX(dir, 1, 2000, 300); err != nil {
		t.Fatal(err)
	}
	l := &laboratory{t: t, store: &memoryStore{Memory: &closuretest.Memory{}, records: map[string][]byte{}}}
	path := func(name string) string { return filepath.Join(dir, name) }
	var err error
	l.dataset, l.manifest, err = closure.ImportIDX(t.Context(), closure.Import{
		Name: "letters", Version: "1.0.0",
		Splits: []closure.SplitFiles{
			{Name: "train", Files: []string{path(fixtures.TrainImages), path(fixtures.TrainLabels)}},
			{Name: "test", Files: []string{path(fixtures.TestImages), path(fixtures.TestLabels)}},
		},
	}, l.store)
	if err != nil {
		t.Fatal(err)
	}
	text := l.manifest.Bytes()
	if err := l.store.Put(t.Context(), schema.DigestOf(text), int64(len(text)), bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	l.env = Environment{
		Store: l.store, Prepare: l.prepare, Data: l.data, Publish: l.publish, SnapshotEvery: 50 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	l.open()
	t.Cleanup(func() { l.sessions.Close() })
	return l
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) { w.t.Log(string(p)); return len(p), nil }

func (l *laboratory) open() {
	l.t.Helper()
	s, err := Open(context.Background(), l.env)
	if err != nil {
		l.t.Fatal(err)
	}
	l.mu.Lock()
	l.sessions = s
	l.mu.Unlock()
}

func (l *laboratory) prepare(_ context.Context, q Request) (*Job, error) {
	spec, err := schema.ReadSpecification("test", []byte(q.Specification))
	if err != nil {
		return nil, err
	}
	resolved, err := wasm.Resolve(spec, map[string]*schema.Dataset{schema.RoleTrain: l.dataset, schema.RoleTest: l.dataset})
	if err != nil {
		return nil, err
	}
	engine, err := wasm.Compile(resolved, wasm.Options{})
	if err != nil {
		return nil, err
	}
	plan, err := runner.NewPlan(resolved, schema.DigestOf(engine))
	if err != nil {
		return nil, err
	}
	c := &schema.Closure{
		SchemaVersion: 1, Name: spec.Name, Version: spec.Version, Title: spec.Title, License: spec.License, Model: resolved.Model, Algorithm: resolved.Algorithm,
		Specification: plan.Specification, Engine: schema.EngineReference{Digest: plan.Engine, ABI: schema.ABI, Compiler: wasm.Version},
	}
	for _, d := range resolved.Datasets {
		c.Datasets = append(c.Datasets, schema.ClosureDataset{ResolvedDataset: d, Name: l.dataset.Name, Version: l.dataset.Version, Digest: l.manifest.Digest()})
	}
	return &Job{Document: c, Engine: engine}, nil
}

func (l *laboratory) data(ctx context.Context, c *schema.Closure) (runner.Data, error) {
	train, err := closure.OpenSplit(ctx, l.store, l.dataset, "train")
	if err != nil {
		return runner.Data{}, err
	}
	test, err := closure.OpenSplit(ctx, l.store, l.dataset, "test")
	return runner.Data{Train: train, Test: test}, err
}

func (l *laboratory) publish(_ context.Context, c *schema.Closure, contents []closure.Content) (string, error) {
	p := published{c, map[string][]byte{}}
	for _, content := range contents {
		b, err := contentBytes(content)
		if err != nil {
			return "", err
		}
		p.files[content.Path] = b
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refusing {
		return "", errors.New("the version is there already")
	}
	l.published = append(l.published, p)
	return c.Name + ":" + c.Version, nil
}

// alone trains the same specification in one process.
func (l *laboratory) alone(steps int, events ...schema.JournalLine) (*runner.TrainResult, []byte) {
	l.t.Helper()
	job, err := l.prepare(l.t.Context(), Request{Specification: fmt.Sprintf(letters, steps)})
	if err != nil {
		l.t.Fatal(err)
	}
	data, err := l.data(l.t.Context(), job.Document)
	if err != nil {
		l.t.Fatal(err)
	}
	team, err := runner.Start(l.t.Context(), job.Engine, data, runner.TeamOptions{})
	if err != nil {
		l.t.Fatal(err)
	}
	defer team.Close()
	plan, err := runner.NewPlan(job.Document.Resolved(), job.Document.Engine.Digest)
	if err != nil {
		l.t.Fatal(err)
	}
	var journal bytes.Buffer
	r, err := runner.Train(l.t.Context(), team, plan, runner.TrainOptions{Journal: &journal, Events: events})
	if err != nil {
		l.t.Fatal(err)
	}
	return r, journal.Bytes()
}

func (l *laboratory) create(q Request) (*Coordinator, string) {
	l.t.Helper()
	c, owner, err := l.sessions.Create(l.t.Context(), q)
	if err != nil {
		l.t.Fatal(err)
	}
	return c, owner
}

// host is the session as it is now: nobody while the server is away.
func (l *laboratory) host(id string) func() Host {
	return func() Host {
		l.mu.Lock()
		s := l.sessions
		l.mu.Unlock()
		if s == nil {
			return nil
		}
		c, err := s.Get(id)
		if err != nil {
			return nil
		}
		return c
	}
}

// join lets a participant work until the session or the test ends.
func (l *laboratory) join(ctx context.Context, id string, group *sync.WaitGroup, change func(*Participation)) {
	p := Participation{
		Dial: dialer(l.host(id), nil, nil), Blobs: l.store, Backoff: 5 * time.Millisecond,
		Hello: wire.Hello{Role: wire.RoleWork, Family: "wazero", Workers: 1},
	}
	if change != nil {
		change(&p)
	}
	group.Go(func() {
		if _, err := Participate(ctx, p); err != nil && ctx.Err() == nil {
			l.t.Logf("a participant ended: %v", err)
		}
	})
}

// over waits for the end of a session.
func (l *laboratory) over(id string) Detail {
	l.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		l.mu.Lock()
		s := l.sessions
		l.mu.Unlock()
		if s != nil {
			if c, err := s.Get(id); err == nil {
				d := c.Detail()
				if d.State == StatePublished || d.State == StateFailed || d.State == StateStopped || d.State == StateFinished && d.Error != "" {
					return d
				}
				if time.Now().After(deadline) {
					l.t.Fatalf("step %d of %d, %s, final %d, reached %d: %+v %+v", d.Step, d.Steps, d.State, d.Final, c.server.reached, d.People, d.Log)
				}
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (l *laboratory) command(c *Coordinator, command string) {
	l.t.Helper()
	if err := c.Do(l.t.Context(), Command{Command: command}); err != nil {
		l.t.Fatal(err)
	}
}

// until waits for something that a session's page would show.
func (l *laboratory) until(c *Coordinator, what string, look func(Detail) bool) {
	l.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		d := c.Detail()
		if look(d) {
			return
		}
		if over(d.State) || time.Now().After(deadline) {
			l.t.Fatalf("in vain: %s; %s at step %d of %d: %+v", what, d.State, d.Step, d.Steps, d.Log)
		}
	}
}

// gather waits until so many participants are ready for work.
func (l *laboratory) gather(c *Coordinator, n int) {
	l.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		ready := 0
		for _, p := range c.Detail().People {
			if p.State == ParticipantIdle || p.State == ParticipantWorking {
				ready++
			}
		}
		if ready == n {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%d of %d participants are ready: %+v", ready, n, c.Detail().Log)
		}
	}
}

// same checks that a published closure is that of a training alone.
func (l *laboratory) same(d Detail, want *runner.TrainResult, journal []byte) {
	l.t.Helper()
	if d.State != StatePublished {
		l.t.Fatalf("%s: %s", d.State, d.Error)
	}
	l.mu.Lock()
	p := l.published[len(l.published)-1]
	l.mu.Unlock()
	if p.document.Run.Digest != want.Run || p.document.Parameters.Digest != want.Parameters {
		l.t.Errorf("run %s; alone %s", p.document.Run.Digest, want.Run)
	}
	if got := p.files[schema.PathJournal]; !bytes.Equal(got, journal) {
		l.t.Error("another journal than alone")
	}
	if len(p.document.Results) == 0 || *p.document.Results[0].Correct != *want.Test.Correct {
		l.t.Errorf("results %+v", p.document.Results)
	}
}

func TestSessionEqualsTrainingAlone(t *testing.T) {
	for _, n := range []int{1, 4} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			l := newLaboratory(t)
			want, journal := l.alone(40)
			c, _ := l.create(Request{Specification: fmt.Sprintf(letters, 40)})
			l.command(c, CommandPause)
			var group sync.WaitGroup
			for range n {
				l.join(t.Context(), c.record.ID, &group, nil)
			}
			l.gather(c, n)
			l.command(c, CommandResume)
			d := l.over(c.record.ID)
			l.same(d, want, journal)
			for _, p := range d.People {
				if p.Computed == 0 || p.Verified != p.Computed {
					t.Errorf("%+v", p)
				}
			}
			group.Wait()
		})
	}
}

func TestSessionSurvivesComingAndGoing(t *testing.T) {
	l := newLaboratory(t)
	want, journal := l.alone(80)
	c, _ := l.create(Request{Specification: fmt.Sprintf(letters, 80)})
	var group sync.WaitGroup
	var mu sync.Mutex
	cuts := 0
	for range 4 {
		l.join(t.Context(), c.record.ID, &group, func(p *Participation) {
			p.Dial = dialer(l.host(c.record.ID), func(one *pipe) {
				// Cut instead of a result: inside a step, after a few of them.
				left := 1 + rand.IntN(6)
				one.mangle = func(m wire.Message, packed []byte) (wire.Message, []byte) {
					if _, result := m.(*wire.Result); result {
						if left--; left == 0 {
							mu.Lock()
							cuts++
							mu.Unlock()
							one.cut(errCut)
						}
					}
					return m, packed
				}
			}, nil)
		})
	}
	d := l.over(c.record.ID)
	l.same(d, want, journal)
	mu.Lock()
	defer mu.Unlock()
	if cuts < 5 || len(d.People) != 4 || d.Leaves < int64(cuts) || d.Joins < d.Leaves || d.Audits.Releases == 0 {
		t.Errorf("%d cuts, %d participants, %d joins, %d leaves, %d leased again", cuts, len(d.People), d.Joins, d.Leaves, d.Audits.Releases)
	}
	group.Wait()
}

func TestSessionCatchesCheats(t *testing.T) {
	l := newLaboratory(t)
	want, journal := l.alone(60)
	audit := 0.5
	c, _ := l.create(Request{Specification: fmt.Sprintf(letters, 60), Audit: &audit})
	l.command(c, CommandPause)
	var group sync.WaitGroup
	for range 2 {
		l.join(t.Context(), c.record.ID, &group, nil)
	}
	section := c.section
	forged := 0
	l.join(t.Context(), c.record.ID, &group, func(p *Participation) {
		p.Hello.Name = "mallory"
		results := 0
		p.Dial = dialer(l.host(c.record.ID), nil, func(m wire.Message, packed []byte) (wire.Message, []byte) {
			r, ok := m.(*wire.Result)
			if !ok || packed == nil {
				return m, packed
			}
			if results++; results%5 != 3 {
				return m, packed
			}
			forged++
			v, err := wire.Open(section, packed, section.MaxMicrobatches)
			if err != nil {
				t.Error(err)
			}
			accumulators := make([]byte, section.Regions[schema.RegionAccumulators].Size)
			v.Unpack(accumulators)
			for _, s := range section.Segments {
				if s.Type == "i32" && s.Combine == schema.CombineAdd {
					accumulators[s.Offset-section.Regions[schema.RegionAccumulators].Offset] ^= 1
				}
			}
			lie := *r
			packed = wire.Pack(nil, section, accumulators)
			lie.Digest, lie.Bytes = wire.CanonicalDigest(section, accumulators), int64(len(packed))
			return &lie, packed
		})
	})
	l.gather(c, 3)
	l.command(c, CommandResume)
	d := l.over(c.record.ID)
	l.same(d, want, journal)
	if forged == 0 || d.Audits.Caught != 1 {
		t.Errorf("%d forged, %+v", forged, d.Audits)
	}
	group.Wait()
}

// crash kills the server, so that nothing is written from one moment on, and starts another.
func (l *laboratory) crash() {
	l.mu.Lock()
	old := l.sessions
	l.sessions = nil
	l.mu.Unlock()
	l.store.kill(true)
	old.Close()
	l.store.kill(false)
	l.open()
}

func (m *memoryStore) kill(dead bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = dead
}

func TestSessionIsDurable(t *testing.T) {
	const participants, crashes, steps = 3, 4, 120
	l := newLaboratory(t)
	want, journal := l.alone(steps)
	c, _ := l.create(Request{Specification: fmt.Sprintf(letters, steps)})
	id := c.record.ID
	l.command(c, CommandPause)
	var group sync.WaitGroup
	for range participants {
		l.join(t.Context(), id, &group, nil)
	}
	last := int64(0)
	for n := range crashes {
		l.gather(c, participants)
		l.command(c, CommandResume)
		// Some of what was done is on record, and some is not.
		l.until(c, "a step after another checkpoint", func(d Detail) bool { return d.Checkpoint > last && d.Step > d.Checkpoint })
		l.command(c, CommandPause) // and so it is afterwards, until everybody is back
		l.crash()
		var err error
		if c, err = l.sessions.Get(id); err != nil {
			t.Fatal(err)
		}
		d := c.Detail()
		last = d.Checkpoint
		if d.Joins != int64(participants*(n+1)) || d.Restarts != int64(n+1) || d.State != StatePaused {
			t.Errorf("after %d crashes: %d joins, %d restarts, %s", n+1, d.Joins, d.Restarts, d.State)
		}
	}
	l.gather(c, participants)
	l.command(c, CommandResume)
	d := l.over(id)
	l.same(d, want, journal)
	if d.Restarts != crashes || d.Joins != participants*(crashes+1) || d.Leaves < participants*crashes {
		t.Errorf("%d restarts, %d joins, %d leaves", d.Restarts, d.Joins, d.Leaves)
	}
	credited := int64(0)
	for _, p := range d.People {
		if credited += p.Verified; p.Verified != p.Computed {
			t.Errorf("%+v", p)
		}
	}
	// The step that only calibrates is work, too.
	if run := (steps + 1) * c.plan.Microbatches(); credited != run || len(d.People) != participants {
		t.Errorf("%d microbatches are credited to %d participants; the run has %d", credited, len(d.People), run)
	}
	group.Wait()
}

// TestSessionWaitsForTheDisk fills the disk of the server twice: while the record is to be saved, and while steps are made.
func TestSessionWaitsForTheDisk(t *testing.T) {
	l := newLaboratory(t)
	want, journal := l.alone(60)
	c, _ := l.create(Request{Specification: fmt.Sprintf(letters, 60)})
	l.command(c, CommandPause)
	var group sync.WaitGroup
	for range 2 {
		l.join(t.Context(), c.record.ID, &group, nil)
	}
	l.gather(c, 2)
	full := func(d Detail) bool { return d.Trouble == "the disk of the server is full" }
	l.store.fill(true)
	if err := c.Do(t.Context(), Command{Command: CommandResume}); !errors.Is(err, ErrUnsaved) || !strings.Contains(err.Error(), "the disk of the server is full") {
		t.Errorf("a command that cannot be saved: %v", err)
	}
	l.until(c, "it waits with its record", full)
	l.store.fill(false)
	l.until(c, "it goes on", func(d Detail) bool { return d.Trouble == "" && d.Step > 0 })
	l.store.fill(true)
	l.until(c, "it waits with a snapshot", full)
	l.store.fill(false)
	d := l.over(c.record.ID)
	l.same(d, want, journal)
	said := map[string]int{}
	for _, h := range d.Log {
		said[h.Text]++
	}
	if said["waits: the disk of the server is full"] < 2 || said["goes on: the store is well again"] < 2 || d.Trouble != "" {
		t.Errorf("%q; %+v", d.Trouble, d.Log)
	}
	group.Wait()
}

func TestSessionChangesARate(t *testing.T) {
	l := newLaboratory(t)
	value := 0.2
	event := schema.JournalLine{Type: schema.LineEvent, Step: 25, Event: eventHyperparameter, Name: "learningRate", Value: &value}
	want, journal := l.alone(50, event)
	c, owner := l.create(Request{Specification: fmt.Sprintf(letters, 50)})
	if !c.Owns(owner) || c.Owns("x") {
		t.Error("the owner is not known by the secret")
	}
	if err := c.Do(t.Context(), Command{Command: CommandSet, Name: "learningRate", Value: &value, Step: 25}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []Command{
		{Command: CommandSet, Name: "learningRate"},
		{Command: CommandSet, Name: "nothing", Value: &value},
		{Command: CommandSet, Name: "learningRate", Value: &value, Step: 51},
		{Command: "dance"},
		{Command: CommandPublish},
	} {
		if err := c.Do(t.Context(), bad); err == nil {
			t.Errorf("%+v was done", bad)
		}
	}
	l.command(c, CommandPause)
	var group sync.WaitGroup
	for range 2 {
		l.join(t.Context(), c.record.ID, &group, nil)
	}
	l.command(c, CommandResume)
	l.same(l.over(c.record.ID), want, journal)
	group.Wait()
}

// TestWorkersShareAConnection measures what a participant sends: one vector a step, however many workers it has.
func TestWorkersShareAConnection(t *testing.T) {
	const steps = 12
	l := newLaboratory(t)
	measure := func(workers int) (vectors, bytes int64) {
		c, _ := l.create(Request{Specification: fmt.Sprintf(letters, steps), Audit: new(float64)})
		var group sync.WaitGroup
		count := func(m wire.Message, packed []byte) (wire.Message, []byte) {
			if packed != nil {
				vectors, bytes = vectors+1, bytes+int64(len(packed))
			}
			return m, packed
		}
		l.join(t.Context(), c.record.ID, &group, func(p *Participation) {
			p.Hello.Workers, p.Dial = workers, dialer(l.host(c.record.ID), nil, count)
		})
		d := l.over(c.record.ID)
		group.Wait()
		if d.State != StatePublished {
			t.Fatalf("%s: %s", d.State, d.Error)
		}
		return vectors, bytes
	}
	vectors, bytes := measure(1)
	for _, workers := range []int{2, 8} {
		n, sent := measure(workers)
		t.Logf("%d workers send %d vectors of %d bytes together, one worker %d of %d", workers, n, sent, vectors, bytes)
		// Before its speed is known, a participant is given a part of a step.
		if n > steps+3 || sent > bytes+bytes/steps {
			t.Errorf("%d workers send %d vectors of %d bytes together in %d steps, one worker %d of %d", workers, n, sent, steps, vectors, bytes)
		}
	}
}

// A timed session takes what arrives; what it took is in the journal, and one process repeats it.
func TestTimedSessionReplays(t *testing.T) {
	l := newLaboratory(t)
	c, _ := l.create(Request{Specification: fmt.Sprintf(letters, 12), Mode: "timed", Seconds: 0.1})
	var group sync.WaitGroup
	for range 3 {
		l.join(t.Context(), c.record.ID, &group, nil)
	}
	d := l.over(c.record.ID)
	group.Wait()
	if d.State != StatePublished {
		t.Fatalf("%s: %s", d.State, d.Error)
	}
	p := l.published[0]
	lines, err := schema.ReadJournal("journal", bytes.NewReader(p.files[schema.PathJournal]))
	if err != nil {
		t.Fatal(err)
	}
	merged := map[int64]runner.Ranges{}
	different := 0
	for _, line := range lines {
		if line.Type == schema.LineStep {
			merged[line.Step] = line.Microbatches
			if len(line.Microbatches) != 1 || line.Microbatches[0] != [2]int64{0, 16} {
				different++
			}
		}
	}
	if different == 0 {
		t.Error("every step merged what a fixed one would: the test shows nothing")
	}
	job, err := l.prepare(t.Context(), Request{Specification: fmt.Sprintf(letters, 12)})
	if err != nil {
		t.Fatal(err)
	}
	data, err := l.data(t.Context(), job.Document)
	if err != nil {
		t.Fatal(err)
	}
	team, err := runner.Start(t.Context(), job.Engine, data, runner.TeamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer team.Close()
	plan, err := runner.NewPlan(job.Document.Resolved(), job.Document.Engine.Digest)
	if err != nil {
		t.Fatal(err)
	}
	var journal bytes.Buffer
	r, err := runner.Train(t.Context(), team, plan, runner.TrainOptions{Journal: &journal, Merged: merged})
	if err != nil {
		t.Fatal(err)
	}
	l.same(d, r, journal.Bytes())
}

// What could not be published is kept, through a restart, until it can be.
func TestSessionIsPublishedLater(t *testing.T) {
	l := newLaboratory(t)
	want, journal := l.alone(20)
	l.refusing = true
	c, _ := l.create(Request{Specification: fmt.Sprintf(letters, 20)})
	id := c.record.ID
	var group sync.WaitGroup
	l.join(t.Context(), id, &group, nil)
	d := l.over(id)
	group.Wait()
	if d.State != StateFinished || !strings.Contains(d.Error, "the version is there already") || d.Run != want.Run {
		t.Fatalf("%s: %s", d.State, d.Error)
	}
	l.sessions.Close()
	l.open()
	c, err := l.sessions.Get(id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Join(t.Context(), &wire.Hello{Role: wire.RoleWork, Workers: 1}, nil); err == nil {
		t.Error("a participant was let into a session that is over")
	}
	l.refusing = false
	if err := c.Do(t.Context(), Command{Command: CommandPublish, Version: "1.0.1"}); err != nil {
		t.Fatal(err)
	}
	d = c.Detail()
	l.same(d, want, journal)
	if l.published[0].document.Version != "1.0.1" || d.Closure != "letters:1.0.1" {
		t.Errorf("published as %s", d.Closure)
	}
	if err := c.Do(t.Context(), Command{Command: CommandPublish}); err == nil {
		t.Error("it was published twice")
	}
	content, step, err := c.Parameters(t.Context())
	if err != nil || step != 20 || content.Path == "" {
		t.Errorf("step %d, %v", step, err)
	}
}

// Hostile participants are refused with a reason, and disturb nobody.
func TestSessionRefusesHostileParticipants(t *testing.T) {
	l := newLaboratory(t)
	want, journal := l.alone(30)
	c, _ := l.create(Request{Specification: fmt.Sprintf(letters, 30)})
	other := schema.DigestOf([]byte("another"))
	attacks := map[string]func(*wire.Result, []byte) (wire.Message, []byte){
		"digest": func(r *wire.Result, packed []byte) (wire.Message, []byte) {
			lie := *r
			lie.Digest = other
			return &lie, packed
		},
		"lease": func(r *wire.Result, packed []byte) (wire.Message, []byte) {
			lie := *r
			lie.Lease += 1000
			return &lie, packed
		},
		"truncated": func(r *wire.Result, packed []byte) (wire.Message, []byte) { return r, packed[:len(packed)-1] },
		"oversized": func(r *wire.Result, packed []byte) (wire.Message, []byte) { return r, append(bytes.Clone(packed), 0) },
		"kind":      func(*wire.Result, []byte) (wire.Message, []byte) { return &wire.Welcome{}, nil },
		"out of range": func(r *wire.Result, _ []byte) (wire.Message, []byte) {
			accumulators := make([]byte, c.section.Regions[schema.RegionAccumulators].Size)
			for i := range accumulators {
				accumulators[i] = 0x3f
			}
			lie := *r
			lie.Digest = wire.CanonicalDigest(c.section, accumulators)
			return &lie, wire.Pack(nil, c.section, accumulators)
		},
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var group sync.WaitGroup
	var mu sync.Mutex
	refused := map[string]error{}
	for name, attack := range attacks {
		group.Go(func() {
			_, err := Participate(ctx, Participation{
				Blobs: l.store, Backoff: time.Millisecond, Hello: wire.Hello{Role: wire.RoleWork, Family: "wazero", Workers: 1},
				Dial: dialer(l.host(c.record.ID), nil, func(m wire.Message, packed []byte) (wire.Message, []byte) {
					r, ok := m.(*wire.Result)
					if !ok || packed == nil {
						return m, packed
					}
					return attack(r, packed)
				}),
			})
			mu.Lock()
			defer mu.Unlock()
			refused[name] = err
		})
	}
	group.Wait()
	l.join(t.Context(), c.record.ID, &group, nil)
	l.same(l.over(c.record.ID), want, journal)
	group.Wait()
	for name, err := range refused {
		if refuse, ok := errors.AsType[*wire.Refuse](err); !ok || refuse.Code != wire.CodeProtocol || refuse.Message == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A record that cannot be read leaves the other sessions, and the server, as they are.
func TestUnreadableRecords(t *testing.T) {
	l := newLaboratory(t)
	c, _ := l.create(Request{Specification: fmt.Sprintf(letters, 20)})
	l.sessions.Close()
	good := string(l.store.records[c.record.ID])
	for id, text := range map[string]string{
		"cut": good[:len(good)/2], "empty": "{}", "other": good, "null": "null",
		"engine": strings.Replace(strings.Replace(good, c.record.ID, "engine", 1), `"engines":[{`, `"engines":[{"document":null},{`, 1),
	} {
		l.store.records[id] = []byte(text)
	}
	l.open()
	if list := l.sessions.List(); len(list) != 1 || list[0].ID != c.record.ID {
		t.Errorf("%+v", list)
	}
}
