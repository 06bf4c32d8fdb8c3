package trainer

import (
	"slices"
	"strconv"
	"time"

	"github.com/reprise-ml/reprise/trainer/wire"
)

// Standing is what a participant has earned; it survives a broken connection.
type Standing struct {
	Computed int64 `json:"computed"` // microbatches that were accepted
	Verified int64 `json:"verified"` // of these, those of final steps
	Audited  int64 `json:"audited"`  // results that were repeated, and were right
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
	resting  bool
	behind   bool // on its way to a snapshot
	banned   bool
	computed int64
	audited  int64
	// unchecked is the first step with a range of its that was accepted and not repeated.
	unchecked int64
	// credit are the accepted microbatches of steps that are not final, by step.
	credit   map[int64]int64
	verified int64

	leases   []*lease
	recalled map[int64]bool     // leases that were taken back, and may still be answered
	rate     map[string]float64 // units per second of computing, by kind of task; 0 if unknown
	latency  float64            // seconds from grant to result, beyond computing
	busy     float64            // seconds of computing in the present step
	used     bool               // it was given a lease in the present task
}

// working reports whether it may be given leases.
func (m *member) working() bool { return !m.tracks && !m.gone && !m.resting && !m.behind && !m.banned }

// Joined lets a participant in, whose state is that which the next task works on. It replaces an earlier one of that name.
func (r *Round) Joined(now time.Duration, id string, hello *wire.Hello, s Standing) {
	m := r.members[id]
	if m == nil {
		m = &member{id: id, unchecked: none, rate: map[string]float64{}, credit: map[int64]int64{}, recalled: map[int64]bool{}}
		r.members[id] = m
		r.order = append(r.order, m)
		m.computed, m.verified, m.audited, m.banned = s.Computed, s.Verified, s.Audited, s.Banned
	}
	m.family, m.workers, m.tracks, m.trusted = hello.Family, hello.Workers, hello.Role == wire.RoleTrack, s.Trusted
	m.gone, m.behind, m.resting = false, false, false
	clear(m.recalled)
	r.stats.Joins++
	if r.task != nil {
		r.deal(now)
	}
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

// Rested stops or resumes giving leases to a participant.
func (r *Round) Rested(now time.Duration, id string, resting bool) {
	if m := r.members[id]; m != nil {
		m.resting = resting
		r.deal(now)
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
		m.behind = false
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
	return Standing{Computed: m.computed, Verified: m.verified, Audited: m.audited, Trusted: m.trusted, Banned: m.banned}
}

// Final makes the work of a step and of those before it count as verified.
func (r *Round) Final(step int64) {
	if step <= r.final {
		return
	}
	r.final = step
	for _, m := range r.members {
		for s, n := range m.credit {
			if s <= step {
				m.verified += n
				delete(m.credit, s)
			}
		}
	}
}

// measure learns from an answer how fast its holder is. The newest answers count most, so that a phone that gets warm is given less.
func (r *Round) measure(now time.Duration, l *lease, took float64) {
	const weight = 0.3
	m, elapsed := l.holder, (now - l.granted).Seconds()
	took = min(max(took, 0), elapsed) // a claim of more than the elapsed time is no news
	l.seconds, l.arrived = took, now
	m.busy += took
	mean := func(old, now float64) float64 {
		if old == 0 {
			return now
		}
		return old + weight*(now-old)
	}
	if took > 0 {
		m.rate[l.piece.kind] = mean(m.rate[l.piece.kind], float64(l.piece.units())/took)
	}
	m.latency = mean(m.latency, max(elapsed-took, 1e-6))
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
