package trainer

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/reprise-ml/reprise/trainer/wire"
)

// Round is the state machine of a session: who computes what. It holds no socket, clock, vector or goroutine; every method is
// an event, and takes the time since an origin of the caller's choice. What is to be done then comes from Commands.
//
// A session is a sequence of tasks: training steps and evaluations. A task is cut into ranges, one or more for each participant,
// sized so that all end together. A range is accepted whole, from whoever answers first; whoever answers later is compared.
//
// A Round is not safe for concurrent use.
type Round struct {
	options Options
	out     []Action

	members map[string]*member
	order   []*member // by join, so that a participant's range stays where it was in the last step
	task    *task     // nil between tasks
	leases  map[int64]*lease
	next    int64 // the lease that comes next

	audits  map[work]*audit // not yet decided
	oldest  int64           // the lowest step among them, none if there is none; unknown if it has to be looked up
	pending int64           // units of training that the server has been asked to repeat and has not
	intake  intake
	final   int64 // the step up to which work counts as verified
	asked   int64 // the newest step that Credits was asked of
	pruned  int64 // the step up to which nobody knows any more who computed what

	stats Statistics
}

// Options of a Round.
type Options struct {
	// Timed steps last Seconds and take what arrives by then, at most MaxMicrobatches; others are of a fixed number of microbatches.
	Timed   bool
	Seconds float64
	// MaxMicrobatches bounds a step so that no sum overflows; LeaseSeconds what is lost when a participant goes.
	MaxMicrobatches int64
	LeaseSeconds    float64
	// Audit is the least probability with which a result is repeated. A new participant's results are repeated with probability 1,
	// and after k that were, with 1/(k+1).
	Audit float64
	// AuditBacklog bounds the microbatches that wait to be repeated by the server; while it is reached, none are drawn.
	AuditBacklog int64
	// Predictions is how many of them a record of an evaluation asks for.
	Predictions int64
	// Draw returns numbers in [0, 1) that no participant can foresee.
	Draw func() float64
}

// work is a range of a task.
type work struct {
	kind       string // wire.LeaseTrain or wire.LeaseEvaluate
	step       int64
	first, end int64
}

func (w work) units() int64 { return w.end - w.first }

// Task is a training step (units are microbatches, none for as many as fit a timed step), or the evaluation of the state after a
// step (units are records).
type Task struct {
	Kind  string // wire.LeaseTrain or wire.LeaseEvaluate
	Step  int64
	Units int64
	Role  string // of the records to evaluate
}

type task struct {
	Task
	began    time.Duration
	deadline time.Duration // of a timed step, else 0
	pool     [][2]int64    // ranges that nobody has, in order
	fresh    int64         // first unit that was never handed out, in a timed step
	pieces   []*piece
	open     int // of the pieces, those that are not accepted
	merging  int // of these, those that are being merged
	correct  int64
	critical *lease // the last one that was accepted
}

func (t *task) timed() bool { return t.deadline > 0 }

// empty reports whether nothing has arrived yet.
func (t *task) empty() bool { return t.open == len(t.pieces) && t.merging == 0 }

// piece is a range that was handed out.
type piece struct {
	work
	task    *task    // that it belongs to; nil once its range was taken back
	role    string   // of the records to evaluate
	leases  []*lease // that are out
	merging bool
	since   time.Duration // that it is being merged
	// Once accepted:
	accepted bool
	answer   string
	by       *member
}

// purpose of a lease.
type purpose int

const (
	primary purpose = iota
	backup
	check
)

type lease struct {
	id      int64
	piece   *piece
	holder  *member
	purpose purpose
	granted time.Duration
	expect  time.Duration // when it should arrive, as far as one can tell
	seconds float64       // of computing, once answered
	arrived time.Duration
}

// Action is what a Round wants done: Grant, CloseStep, CloseEvaluation, Repeat, Expel or GoBack.
type Action any

// Grant sends a lease.
type Grant struct {
	To    string
	Lease wire.Lease
}

// CloseStep ends a training step: what was merged are these ranges, in order, touching ones joined. Begin is expected next.
type CloseStep struct {
	Step   int64
	Ranges [][2]int64
	Times  StepTime
}

// CloseEvaluation ends an evaluation. Begin is expected next.
type CloseEvaluation struct {
	Step    int64
	Correct int64
}

// Repeat asks the server's own replica to compute a range again, on the state that it was computed on. Repeated is expected.
type Repeat struct {
	Kind       string
	Step       int64
	First, End int64
	Role       string
}

// Expel closes a participant's link.
type Expel struct {
	ID     string
	Refuse *wire.Refuse
}

// GoBack asks for an earlier state: that after any step before this one, since the step contains what cannot be trusted. Rewind is
// expected next.
type GoBack struct {
	Before int64
	Cheat  string // who
}

// Statistics of a session so far.
type Statistics struct {
	Releases int64 // leases that were given to another participant
	Audits   int64 // done
	Caught   int64
	Computed int64 // microbatches of the run
	Dropped  int64 // microbatches of results that came too late for a timed step
	Joins    int64 // times that a participant was let in to work, or to follow
	Leaves   int64 // times that one of those left, or its connection broke
}

// NewRound makes a Round without participants or task.
func NewRound(o Options) *Round {
	return &Round{options: o, members: map[string]*member{}, leases: map[int64]*lease{}, audits: map[work]*audit{}, oldest: none, final: -1, asked: -1, pruned: -1}
}

// Actions returns what is to be done, in this order, and forgets it.
func (r *Round) Actions() []Action {
	out := r.out
	r.out = nil
	return out
}

func (r *Round) do(a Action) { r.out = append(r.out, a) }

// Begin starts a task. The one before must have been closed, or rewound.
func (r *Round) Begin(now time.Duration, t Task) {
	r.task = &task{Task: t, began: now}
	for _, m := range r.order {
		// Whoever was found too far away to be of use is tried again after a while: things change.
		const forget = 0.85
		if m.working() && !m.used {
			m.latencies.scale(forget)
			m.latency = m.latencies.value()
		}
		m.used = false
	}
	if t.Units > 0 {
		r.task.pool = [][2]int64{{0, t.Units}}
	} else {
		r.task.deadline = now + seconds(r.options.Seconds)
	}
	r.deal(now)
}

// Busy reports whether a task is under way.
func (r *Round) Busy() bool { return r.task != nil }

// Statistics are those so far.
func (r *Round) Statistics() Statistics { return r.stats }

// Tick lets time pass: late ranges are given to others, and timed steps end.
func (r *Round) Tick(now time.Duration) {
	if r.task == nil {
		return
	}
	r.deal(now)
	r.settleTask(now)
}

// Merging is a result whose vector is to be added to the step's sum.
type Merging struct {
	Step       int64
	First, End int64

	piece *piece
}

// Answer takes a result: the digest of a vector, or a count. It returns what is to be merged, and nil where the result was compared or is
// of no use any more. After merging, or finding out that the vector is not what its digest says, Merged is expected. A refusal ends the
// participation.
func (r *Round) Answer(now time.Duration, id string, result *wire.Result) (*Merging, *wire.Refuse) {
	l := r.leases[result.Lease]
	if l == nil && r.recalled(id, result.Lease) {
		return nil, nil
	}
	if l == nil || l.holder.id != id {
		return nil, &wire.Refuse{Code: wire.CodeProtocol, Message: "a result of a lease that is not this participant's, or was answered before"}
	}
	r.measure(now, l, result.Seconds)
	r.drop(l)
	p := l.piece
	if p.kind == wire.LeaseEvaluate && (result.Correct < 0 || result.Correct > p.units()*max(r.options.Predictions, 1)) {
		r.abandon(l)
		r.deal(now)
		return nil, &wire.Refuse{Code: wire.CodeProtocol, Message: "more predictions are correct than there are"}
	}
	answer := answerOf(p.kind, result)
	switch {
	case p.accepted || p.merging:
		r.compare(l, answer)
	case !r.holds(p):
		r.stats.Dropped += p.units() // too late for a timed step
	default:
		p.answer, p.by = answer, l.holder
		r.task.critical = l
		if p.kind == wire.LeaseTrain {
			p.merging, p.since = true, now
			r.task.merging++
			return &Merging{Step: p.step, First: p.first, End: p.end, piece: p}, nil
		}
		r.task.correct += result.Correct
		r.accept(now, p)
	}
	r.dealTo(now, l.holder)
	r.settleTask(now)
	return nil, nil
}

// holds reports whether a piece belongs to the task that is under way.
func (r *Round) holds(p *piece) bool { return p.task != nil && p.task == r.task }

// Merged says whether the vector that Answer asked to merge was: it was not if its bytes are not what its digest says.
func (r *Round) Merged(now time.Duration, m *Merging, ok bool) {
	p := m.piece
	p.merging = false
	r.intake.merged(p.since, now)
	if !r.holds(p) {
		return // the session has gone back meanwhile
	}
	r.task.merging--
	if ok {
		r.accept(now, p)
		r.dealTo(now, p.by)
	} else {
		p.by = nil
		r.reclaim(p)
		r.deal(now)
	}
	r.settleTask(now)
}

// accept makes a piece part of the task, and draws whether it is to be repeated.
func (r *Round) accept(now time.Duration, p *piece) {
	p.accepted = true
	r.task.open--
	if p.kind == wire.LeaseTrain {
		p.by.computed += p.units()
		r.stats.Computed += p.units()
	}
	r.draw(now, p)
}

// Failed takes a lease back that its holder cannot compute.
func (r *Round) Failed(now time.Duration, id string, leaseID int64) *wire.Refuse {
	l := r.leases[leaseID]
	if l == nil && r.recalled(id, leaseID) {
		return nil
	}
	if l == nil || l.holder.id != id {
		return &wire.Refuse{Code: wire.CodeProtocol, Message: "a failure of a lease that is not this participant's, or was answered before"}
	}
	r.drop(l)
	r.abandon(l)
	r.deal(now)
	return nil
}

// abandon deals with the range of a lease that is not going to be answered.
func (r *Round) abandon(l *lease) {
	p := l.piece
	if l.purpose == check {
		r.repeat(p) // the server does it
		return
	}
	if !p.accepted && !p.merging && len(p.leases) == 0 {
		r.stats.Releases++
		r.reclaim(p)
	}
}

// reclaim returns a piece's range to the pool.
func (r *Round) reclaim(p *piece) {
	if !r.holds(p) {
		return
	}
	t := r.task
	p.task = nil
	t.open--
	i := slices.Index(t.pieces, p)
	t.pieces = slices.Delete(t.pieces, i, i+1)
	t.pool = append(t.pool, [2]int64{p.first, p.end})
	slices.SortFunc(t.pool, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) })
	t.pool = join(t.pool)
}

// join merges ranges that touch.
func join(ranges [][2]int64) [][2]int64 {
	var out [][2]int64
	for _, x := range ranges {
		if n := len(out); n > 0 && out[n-1][1] == x[0] {
			out[n-1][1] = x[1]
		} else {
			out = append(out, x)
		}
	}
	return out
}

// drop forgets a lease.
func (r *Round) drop(l *lease) {
	delete(r.leases, l.id)
	l.piece.leases = slices.DeleteFunc(l.piece.leases, func(x *lease) bool { return x == l })
	l.holder.leases = slices.DeleteFunc(l.holder.leases, func(x *lease) bool { return x == l })
}

// recall forgets a lease that may still be answered.
func (r *Round) recall(l *lease) {
	r.drop(l)
	l.holder.recalled[l.id] = true
}

// recalled reports whether a lease was recalled and not answered since.
func (r *Round) recalled(id string, leaseID int64) bool {
	m := r.members[id]
	if m == nil || !m.recalled[leaseID] {
		return false
	}
	delete(m.recalled, leaseID)
	return true
}

// settleTask closes the task if it is complete.
func (r *Round) settleTask(now time.Duration) {
	t := r.task
	switch {
	case t == nil, t.merging > 0, t.open == len(t.pieces):
		return
	case !t.timed() && t.open+len(t.pool) > 0:
		return
	case t.timed() && t.open > 0 && now < t.deadline+seconds(r.options.Seconds*timedGrace):
		return
	case t.timed() && now < t.deadline-seconds(r.options.Seconds*timedEarly):
		return
	}
	r.task = nil
	r.intake.settle()
	ranges := make([][2]int64, 0, len(t.pieces)-t.open)
	for _, p := range t.pieces {
		if p.accepted {
			ranges = append(ranges, [2]int64{p.first, p.end})
		}
	}
	if t.Kind == wire.LeaseEvaluate {
		r.do(CloseEvaluation{Step: t.Step, Correct: t.correct})
		return
	}
	slices.SortFunc(ranges, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) })
	r.do(CloseStep{Step: t.Step, Ranges: join(ranges), Times: r.times(now, t)})
}

// times says where the time of a step went.
func (r *Round) times(now time.Duration, t *task) StepTime {
	total := (now - t.began).Seconds()
	s := StepTime{Total: total}
	if c := t.critical; c != nil {
		s.Compute = c.seconds
		s.Upload = max((c.arrived-c.granted).Seconds()-c.seconds, 0)
		s.Merge = max((now - c.arrived).Seconds(), 0)
	}
	workers := 0.0
	for _, m := range r.order {
		if m.working() {
			workers++
			s.Idle += max(total-m.busy, 0)
		}
		m.busy = 0
	}
	if workers > 0 {
		s.Idle /= workers
	}
	return s
}

// Rewind forgets all that came after a step: the caller has gone back to the state after it. Every participant is to be brought
// there, with Behind and Ready.
func (r *Round) Rewind(to int64) {
	r.task = nil
	for _, l := range r.leases {
		r.recall(l)
	}
	for w := range r.audits {
		if w.step > to {
			delete(r.audits, w)
		}
	}
	r.undo(to)
	r.oldest, r.final = unknown, min(r.final, to)
	r.pending = 0
	for _, a := range r.audits {
		r.pending += a.piece.units()
	}
	for _, m := range r.members {
		if m.unchecked > to {
			m.unchecked = none
		}
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

const (
	none    = math.MaxInt64 // is no step
	unknown = -1            // is a step that has to be looked up
)
