package trainer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// Participation says how to take part in a session.
type Participation struct {
	Dial Dialer
	// Blobs are those of the server.
	Blobs closure.Blobs
	Hello wire.Hello
	// Team is how the engine runs; its number of workers is the hello's.
	Team runner.TeamOptions
	// Memory is how many bytes of records are kept; 0 means closure's own limit.
	Memory int64
	// Progress is called with what happens, from one goroutine at a time; nil for nobody.
	Progress func(ParticipantProgress)
	Log      *slog.Logger
	// Backoff is the first pause before dialling again; 0 means 1 s.
	Backoff time.Duration
}

// ParticipantProgress is what a person wants to see.
type ParticipantProgress struct {
	// Phase is what goes on: "connecting", "preparing", "working", "waiting".
	Phase  string
	Title  string
	Status wire.Status
	// Reason is why the last connection ended, while connecting again.
	Reason error
}

// maxBackoff is the longest pause before dialling again.
const maxBackoff = 30 * time.Second

// Participate takes part in a session until it ends, the context is cancelled, or the coordinator refuses for good: then the error is a
// *wire.Refuse. Connections that break are dialled again.
func Participate(ctx context.Context, p Participation) (*wire.End, error) {
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.Progress == nil {
		p.Progress = func(ParticipantProgress) {}
	}
	if p.Backoff <= 0 {
		p.Backoff = time.Second
	}
	p.Hello.Protocol, p.Team.Workers = wire.Version, max(p.Hello.Workers, 1)
	pause := p.Backoff
	var reason error
	for {
		p.Progress(ParticipantProgress{Phase: "connecting", Reason: reason})
		end, worked, err := p.once(ctx)
		if end != nil || ctx.Err() != nil {
			return end, ctx.Err()
		}
		if worked {
			pause = p.Backoff
		}
		if refuse, ok := errors.AsType[*wire.Refuse](err); ok {
			switch refuse.Code {
			case wire.CodeBusy:
			case wire.CodeEnded:
				return &wire.End{Message: refuse.Message}, nil
			default:
				return nil, refuse
			}
			pause = max(pause, seconds(refuse.RetryAfter))
		}
		if _, ok := errors.AsType[*schema.Invalid](err); ok {
			return nil, err // what the server sends is not acceptable, and will not be the next time
		}
		reason = err
		p.Log.Info("connecting again", "reason", err)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Duration(float64(pause) * (0.5 + rand.Float64()))):
		}
		pause = min(2*pause, maxBackoff)
	}
}

// once is one connection. It also says whether it came to work.
func (p *Participation) once(ctx context.Context) (end *wire.End, worked bool, err error) {
	conn, err := p.Dial(ctx)
	if err != nil {
		return nil, false, err
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := conn.Send(ctx, &p.Hello, nil); err != nil {
		return nil, false, err
	}
	m, _, err := conn.Receive(ctx)
	if err != nil {
		return nil, false, err
	}
	welcome, ok := m.(*wire.Welcome)
	if !ok {
		return nil, false, fmt.Errorf("the coordinator began with %s", m.Kind())
	}
	p.Hello.Resume = welcome.Resume
	w := &participant{Participation: p, conn: conn, welcome: welcome, outgoing: make(chan outgoing, 4)}
	w.inbox.changed.L = &w.inbox.mu
	p.Progress(ParticipantProgress{Phase: "preparing", Title: welcome.Title})
	end, err = w.run(ctx, cancel)
	return end, w.worked, err
}

// participant is one at work, over one connection.
type participant struct {
	*Participation
	conn     Connection
	welcome  *wire.Welcome
	replica  replica
	data     runner.Data
	inbox    inbox
	outgoing chan outgoing
	status   wire.Status
	worked   bool // it was given something to do
}

// outgoing is a message to be sent, with its vector.
type outgoing struct {
	message wire.Message
	packed  []byte
}

// run reads, works and writes at the same time, until one of them fails or the session ends.
func (w *participant) run(ctx context.Context, cancel context.CancelFunc) (*wire.End, error) {
	var group sync.WaitGroup
	var once sync.Once
	var first error
	fail := func(err error) {
		if err != nil {
			once.Do(func() { first = err })
			cancel()
			w.inbox.close()
		}
	}
	group.Go(func() { fail(w.read(ctx)) })
	group.Go(func() { fail(w.write(ctx)) })
	end, err := w.work(ctx)
	if end == nil && ctx.Err() != nil && first == nil {
		// The caller wants to leave: what is under way is given up.
		goodbye, done := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		_ = w.conn.Send(goodbye, &wire.Bye{}, nil)
		done()
	}
	fail(err)
	cancel()
	w.inbox.close()
	w.conn.Close()
	group.Wait()
	if w.replica.team != nil {
		_ = w.replica.team.Close() // nothing depends on it any more
	}
	if end != nil {
		return end, nil
	}
	if first == nil {
		first = errors.New("the connection ended")
	}
	return nil, first
}

func (w *participant) read(ctx context.Context) error {
	for {
		m, packed, err := w.conn.Receive(ctx)
		if err != nil {
			return err
		}
		if !w.inbox.put(m, packed) {
			return nil
		}
	}
}

func (w *participant) write(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case o := <-w.outgoing:
			if err := w.conn.Send(ctx, o.message, o.packed); err != nil {
				return err
			}
		}
	}
}

func (w *participant) send(ctx context.Context, m wire.Message, packed []byte) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case w.outgoing <- outgoing{m, packed}:
		return nil
	}
}

// work prepares the engine and then does what comes, in order.
func (w *participant) work(ctx context.Context) (*wire.End, error) {
	if err := w.open(ctx, w.welcome.Engine); err != nil {
		return nil, err
	}
	if err := w.install(ctx, w.welcome.Snapshot); err != nil {
		return nil, err
	}
	ready := &wire.Ready{Step: w.replica.at}
	if w.Hello.Role != wire.RoleTrack {
		var err error
		if ready.Proofs, err = w.replica.proof(ctx, w.welcome.Proof); err != nil {
			if canary(err) {
				return nil, &wire.Refuse{Code: wire.CodeEnvironment, Message: err.Error()}
			}
			return nil, err
		}
	}
	if err := w.send(ctx, ready, nil); err != nil {
		return nil, err
	}
	for {
		w.report("waiting")
		item, ok := w.inbox.take(ctx)
		if !ok {
			return nil, ctx.Err()
		}
		end, err := w.handle(item)
		if end != nil || err != nil {
			return end, err
		}
	}
}

func (w *participant) report(phase string) {
	w.Progress(ParticipantProgress{Phase: phase, Title: w.welcome.Title, Status: w.status})
}

func (w *participant) handle(item incoming) (*wire.End, error) {
	ctx := item.ctx
	switch m := item.message.(type) {
	case *wire.Lease:
		return nil, w.lease(ctx, m)
	case *wire.Set:
		return nil, w.replica.change(ctx, m.Name, m.Value)
	case *wire.Update:
		_, err := w.replica.apply(ctx, m.Step, item.packed)
		if item.ctx.Err() != nil {
			return nil, nil // a snapshot comes instead
		}
		return nil, err
	case *wire.Goto:
		if m.Engine != nil && m.Engine.Digest != w.welcome.Engine.Digest {
			if err := w.open(ctx, *m.Engine); err != nil {
				return nil, err
			}
			w.welcome.Engine = *m.Engine
		}
		if err := w.install(ctx, m.Snapshot); err != nil {
			if ctx.Err() != nil {
				return nil, nil // another one comes
			}
			return nil, err
		}
		return nil, w.send(ctx, &wire.Ready{Step: m.Step}, nil)
	case *wire.Checkpoint:
		if !w.replica.valid || w.replica.at != m.Step {
			return nil, nil
		}
		t, err := w.replica.team.Save(ctx)
		if err != nil {
			return nil, err
		}
		_, run, err := t.Digests()
		if err != nil {
			return nil, err
		}
		return nil, w.send(ctx, &wire.Digest{Step: m.Step, Run: run}, nil)
	case *wire.Status:
		w.status = *m
		return nil, nil
	case *wire.End:
		return m, nil
	}
	return nil, fmt.Errorf("the coordinator sent %s", item.message.Kind())
}

// lease computes what was leased, and sends the answer while the next is computed.
func (w *participant) lease(ctx context.Context, l *wire.Lease) error {
	w.worked = true
	w.report("working")
	began := time.Now()
	result := &wire.Result{Lease: l.Lease}
	var packed []byte
	err := error(nil)
	if want := l.Step - 1; l.Work == wire.LeaseTrain && w.replica.at != want || l.Work == wire.LeaseEvaluate && w.replica.at != l.Step {
		err = fmt.Errorf("a lease of step %d on the state after step %d", l.Step, w.replica.at)
		return err
	}
	accumulators, correct, err := w.replica.compute(ctx, l.Work, l.First, l.End, l.Role)
	switch {
	case ctx.Err() != nil:
		return nil // the session went elsewhere
	case err != nil:
		return w.send(ctx, &wire.Failed{Lease: l.Lease, Reason: reasonOf(err), Message: shorten(err.Error(), 500)}, nil)
	case l.Work == wire.LeaseTrain:
		section := w.replica.team.Section()
		result.Digest = wire.CanonicalDigest(section, accumulators)
		result.Seconds = time.Since(began).Seconds()
		packed = wire.Pack(nil, section, accumulators)
		result.Bytes = int64(len(packed))
	default:
		result.Correct, result.Seconds = correct, time.Since(began).Seconds()
	}
	return w.send(ctx, result, packed)
}

// reasonOf sorts what can go wrong with a lease.
func reasonOf(err error) string {
	var status *runner.EngineError
	var trap *runner.TrapError
	switch {
	case canary(err):
		return wire.ReasonEnvironment
	case errors.As(err, &status), errors.As(err, &trap):
		return wire.ReasonEngine
	}
	return wire.ReasonData
}

func shorten(s string, n int) string {
	for i := range s {
		if i > n-4 {
			return s[:i] + " …"
		}
	}
	return s
}

// open fetches an engine and its data, and starts a team.
func (w *participant) open(ctx context.Context, engine wire.Blob) error {
	wasm, err := getBlob(ctx, w.Blobs, schema.PathEngine, engine, maxEngine)
	if err != nil {
		return err
	}
	if w.data.Train == nil {
		if w.data, err = w.records(ctx); err != nil {
			return err
		}
	}
	team, err := runner.Start(ctx, wasm, w.data, w.Team)
	if err != nil {
		return err
	}
	if w.replica.team != nil {
		_ = w.replica.team.Close() // it is replaced
	}
	w.replica = replica{team: team, seed: w.welcome.Seed}
	return nil
}

// records opens the datasets, whose shards are fetched when they are needed.
func (w *participant) records(ctx context.Context) (runner.Data, error) {
	var data runner.Data
	for _, d := range w.welcome.Datasets {
		r, err := w.Blobs.Open(ctx, d.Digest)
		if err != nil {
			return data, err
		}
		text, err := io.ReadAll(io.LimitReader(r, closure.MaxManifest+1))
		r.Close()
		if err != nil {
			return data, err
		}
		if schema.DigestOf(text) != d.Digest {
			return data, &schema.Damaged{Blobs: []schema.DamagedBlob{{Path: "manifest of " + d.Name, Expected: d.Digest, Observed: schema.DigestOf(text)}}}
		}
		manifest, err := closure.ParseManifest(text)
		if err != nil {
			return data, err
		}
		document, err := closure.LoadDataset(ctx, w.Blobs, manifest)
		if err != nil {
			return data, err
		}
		split, err := closure.OpenSplit(ctx, w.Blobs, document, d.Split)
		if err != nil {
			return data, err
		}
		if w.Memory > 0 {
			split.SetCache(w.Memory)
		}
		switch d.Role {
		case schema.RoleTrain:
			data.Train = split
		case schema.RoleTest:
			data.Test = split
		}
	}
	return data, nil
}

func (w *participant) install(ctx context.Context, s wire.Snapshot) error {
	var tensors []byte
	if s.Tensors != nil {
		var err error
		if tensors, err = getBlob(ctx, w.Blobs, "the snapshot", *s.Tensors, maxState); err != nil {
			return err
		}
	}
	return w.replica.install(ctx, s, tensors)
}

// inbox holds what has arrived and was not handled. A snapshot clears it, and stops what is being handled.
type inbox struct {
	mu      sync.Mutex
	changed sync.Cond
	items   []incoming
	vectors int
	closed  bool
	cancel  context.CancelFunc // of what is being handled
}

type incoming struct {
	message wire.Message
	packed  []byte
	ctx     context.Context //nolint:containedctx // a snapshot ends the handling of what came before it
}

// maxWaiting is the number of updates that may wait before reading stops, so that the coordinator notices.
const maxWaiting = 4

// put adds a message; it waits while too many updates do, and reports false once the inbox is closed.
func (b *inbox) put(m wire.Message, packed []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, snapshot := m.(*wire.Goto); snapshot {
		b.items, b.vectors = nil, 0
		if b.cancel != nil {
			b.cancel()
		}
	}
	for packed != nil && b.vectors >= maxWaiting && !b.closed {
		b.changed.Wait()
	}
	if b.closed {
		return false
	}
	if packed != nil {
		b.vectors++
	}
	b.items = append(b.items, incoming{message: m, packed: packed})
	b.changed.Broadcast()
	return true
}

// take waits for the next message. Its context ends with ctx, or when a snapshot arrives.
func (b *inbox) take(ctx context.Context) (incoming, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cancel != nil {
		b.cancel()
		b.cancel = nil
	}
	for len(b.items) == 0 && !b.closed {
		b.changed.Wait()
	}
	if b.closed {
		// The coordinator's last word counts, also when the connection has ended right after it.
		for _, item := range b.items {
			if _, end := item.message.(*wire.End); end {
				return item, true
			}
		}
		return incoming{}, false
	}
	item := b.items[0]
	b.items = b.items[1:]
	if item.packed != nil {
		b.vectors--
	}
	b.changed.Broadcast()
	item.ctx, b.cancel = context.WithCancel(ctx)
	return item, true
}

func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.changed.Broadcast()
}
