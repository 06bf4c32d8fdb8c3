package trainer

import (
	"slices"
	"strconv"
	"time"

	"github.com/reprise-ml/reprise/trainer/wire"
)

// Standing is what a participant has earned; it survives a broken connection, and a killed server.
type Standing struct {
	Computed int64 `json:"computed"` // microbatches of the run that are its own
	Verified int64 `json:"verified"` // of these, those of final steps
	Audited  int64 `json:"audited"`  // results that were repeated, and were right
	// Unchecked is one more than the first step with a result that was not repeated; 0 if there is none.
	Unchecked int64 `json:"unchecked,omitempty"`
	// Trusted participants are audited with the least probability from the start.
	Trusted bool `json:"trusted,omitempty"`
	Banned  bool `json:"banned,omitempty"`
}

// member is a participant as a Round sees it.
type member struct {
	id       string
	family   string
	workers  int
	tracks   bool
	trusted  bool
	gone     bool
	entering bool // let in once that is on record
	resting  bool
	behind   bool // on its way to a snapshot
	banned   bool
	computed int64
	audited  int64
	// unchecked is the first step with a range of its that was accepted and not repeated.
	unchecked int64
	// credit are the accepted microbatches by step, of the steps after the one that Credits was last asked of.
	credit   map[int64]int64
	verified int64

	leases   []*lease
	recalled map[int64]bool     // leases that were taken back, and may still be answered
	rate     map[string]float64 // units per second of computing, by kind of task; 0 if unknown
	latency  float64            // seconds from grant to result, beyond computing
	// What rate and latency are the medians of. Of a rate it is the seconds that a unit takes, so that the lower one is the faster.
	paces     map[string]*median
	latencies median
	busy      float64 // seconds of computing in the present step
	used      bool    // it was given a lease in the present task
}

// working reports whether it may be given leases.
func (m *member) working() bool {
	return !m.tracks && !m.gone && !m.entering && !m.resting && !m.behind && !m.banned
}

// Restore goes on where an earlier Round was after a step. Everybody has left since.
func (r *Round) Restore(at int64, s Statistics) {
	r.final, r.asked, r.pruned = at, at, at
	r.stats = s
	r.stats.Computed, r.stats.Leaves = 0, s.Joins
}

// Known tells of a participant of earlier times, which is not there.
func (r *Round) Known(id string, s Standing) {
	m := &member{
		id: id, gone: true, unchecked: none, rate: map[string]float64{}, paces: map[string]*median{}, credit: map[int64]int64{}, recalled: map[int64]bool{},
		computed: s.Computed, verified: s.Verified, audited: s.Audited, trusted: s.Trusted, banned: s.Banned,
	}
	if s.Unchecked > 0 {
		m.unchecked = s.Unchecked - 1
	}
	r.members[id] = m
	r.order = append(r.order, m)
	r.stats.Computed += s.Computed
}

// Joined counts a participant in, whose state is that which the next task works on. It is given work from Ready on. It replaces an
// earlier one of that name.
func (r *Round) Joined(id string, hello *wire.Hello) {
	if r.members[id] == nil {
		r.Known(id, Standing{})
	}
	m := r.members[id]
	m.family, m.workers, m.tracks = hello.Family, hello.Workers, hello.Role == wire.RoleTrack
	m.gone, m.behind, m.resting, m.entering = false, false, false, true
	clear(m.recalled)
	r.stats.Joins++
}

// Left takes a participant out. What it has earned is kept.
func (r *Round) Left(now time.Duration, id string) {
	m := r.members[id]
	if m == nil {
		return
	}
	if !m.gone {
		r.stats.Leaves++
	}
	m.gone = true
	r.release(now, m)
}

// Forget removes a participant that has left and of whom nothing was accepted, and reports whether it did.
func (r *Round) Forget(id string) bool {
	m := r.members[id]
	if m == nil {
		return true
	}
	if !m.gone || m.banned || m.computed > 0 || m.unchecked != none {
		return false
	}
	for _, a := range r.audits {
		if _, rival := a.rivals[m]; rival || a.piece.by == m {
			return false
		}
	}
	if r.task != nil && slices.ContainsFunc(r.task.pieces, func(p *piece) bool { return p.by == m }) {
		return false
	}
	delete(r.members, id)
	r.order = slices.DeleteFunc(r.order, func(x *member) bool { return x == m })
	return true
}

// Rested stops or resumes giving leases to a participant. What it has it may finish, or gives back at once.
func (r *Round) Rested(now time.Duration, id string, resting, givesBack bool) {
	if m := r.members[id]; m != nil {
		m.resting = resting
		if givesBack {
			r.release(now, m)
		} else {
			r.deal(now)
		}
	}
}

// Behind takes a participant out until it is Ready: it goes to a snapshot and forgets its leases.
func (r *Round) Behind(now time.Duration, id string) {
	if m := r.members[id]; m != nil {
		m.behind = true
		r.release(now, m)
	}
}

// Ready brings a participant back whose state is again that which the next task works on.
func (r *Round) Ready(now time.Duration, id string) {
	if m := r.members[id]; m != nil {
		m.behind, m.entering = false, false
		clear(m.recalled) // answers come in order, and those to come are of new leases
		r.deal(now)
	}
}

// release gives up all leases of a member.
func (r *Round) release(now time.Duration, m *member) {
	for _, l := range slices.Clone(m.leases) {
		r.recall(l)
		r.abandon(l)
	}
	r.deal(now)
	r.settleTask(now)
}

// Standing is what a participant has earned; the zero value if it is unknown.
func (r *Round) Standing(id string) Standing {
	m := r.members[id]
	if m == nil {
		return Standing{}
	}
	s := Standing{Computed: m.computed, Verified: m.verified, Audited: m.audited, Trusted: m.trusted, Banned: m.banned}
	if m.unchecked != none {
		s.Unchecked = m.unchecked + 1
	}
	return s
}

// Final makes the work of a step and of those before it count as verified.
func (r *Round) Final(step int64) {
	for ; r.final < step; r.final++ {
		for _, m := range r.members {
			m.verified += m.credit[r.final+1]
		}
	}
	r.prune()
}

// Credits is how many microbatches of the steps up to one, which has ended, each participant has computed. The Round remembers who
// computed what since the newest step that it was asked of.
func (r *Round) Credits(step int64) map[string]int64 {
	credits := map[string]int64{}
	for _, m := range r.members {
		n := m.computed
		for s, c := range m.credit {
			if s > step {
				n -= c
			}
		}
		if n > 0 {
			credits[m.id] = n
		}
	}
	r.asked = max(r.asked, step)
	r.prune()
	return credits
}

// prune forgets by whom steps were computed that are final and accounted for.
func (r *Round) prune() {
	for ; r.pruned < min(r.asked, r.final); r.pruned++ {
		for _, m := range r.members {
			delete(m.credit, r.pruned+1)
		}
	}
}

// undo takes the credits of the steps after one back.
func (r *Round) undo(to int64) {
	for _, m := range r.members {
		for s, n := range m.credit {
			if s <= to {
				continue
			}
			m.computed -= n
			r.stats.Computed -= n
			if s <= r.final {
				m.verified -= n
			}
			delete(m.credit, s)
		}
	}
	r.asked, r.pruned = min(r.asked, to), min(r.pruned, to)
}

// Credit gives everybody what Credits said of the step that the Round was rewound to.
func (r *Round) Credit(credits map[string]int64) {
	r.stats.Computed = 0
	for _, m := range r.members {
		m.computed = credits[m.id]
		m.verified = min(m.verified, m.computed)
		r.stats.Computed += m.computed
	}
}

// measure learns from an answer how fast its holder is. Only the last ones count, so that a phone that gets warm is given less.
func (r *Round) measure(now time.Duration, l *lease, took float64) {
	m, elapsed := l.holder, (now - l.granted).Seconds()
	took = min(max(took, 0), elapsed) // a claim of more than the elapsed time is no news
	l.seconds, l.arrived = took, now
	m.busy += took
	if kind := l.piece.kind; took > 0 {
		pace := m.paces[kind]
		if pace == nil {
			pace = &median{}
			m.paces[kind] = pace
		}
		pace.add(took / float64(l.piece.units()))
		m.rate[kind] = 1 / pace.value()
	}
	m.latencies.add(max(elapsed-took, 1e-6))
	m.latency = m.latencies.value()
}

// answerOf is what is compared of two results.
func answerOf(kind string, result *wire.Result) string {
	if kind == wire.LeaseEvaluate {
		return strconv.FormatInt(result.Correct, 10)
	}
	return result.Digest.String()
}

// Status of a participant, as far as the Round knows it.
func (r *Round) Status(id string) ParticipantStatus {
	m := r.members[id]
	if m == nil {
		return ParticipantStatus{ID: id, State: ParticipantJoining}
	}
	s := ParticipantStatus{
		ID: id, Family: m.family, Workers: m.workers, Power: m.rate[wire.LeaseTrain], Latency: m.latency, Computed: m.computed,
		Verified: m.verified, Trust: 1 - r.probability(m), State: ParticipantIdle,
	}
	if r.stats.Computed > 0 {
		s.Share = float64(m.computed) / float64(r.stats.Computed)
	}
	switch {
	case m.gone:
		s.State = ParticipantGone
	case m.entering:
		s.State = ParticipantJoining
	case m.tracks:
		s.State = ParticipantTracks
	case m.behind:
		s.State = ParticipantBehind
	case m.resting:
		s.State = ParticipantResting
	case len(m.leases) > 0:
		s.State = ParticipantWorking
	}
	return s
}
