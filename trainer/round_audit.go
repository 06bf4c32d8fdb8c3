package trainer

import (
	"math"
	"time"

	"github.com/reprise-ml/reprise/trainer/wire"
)

// audit is a result that is being repeated.
type audit struct {
	piece *piece
	// rivals answered the same range otherwise.
	rivals map[*member]string
	server bool // the server was asked
}

// probability is the one with which a member's next result is repeated.
func (r *Round) probability(m *member) float64 {
	if m.trusted {
		return r.options.Audit
	}
	return max(r.options.Audit, 1/float64(m.audited+1))
}

// draw decides, now that the result is in, whether it is to be repeated: by an idle participant that is trusted, rather one with another
// kind of runtime, or by the server.
func (r *Round) draw(now time.Duration, p *piece) {
	m := p.by
	if p.kind == wire.LeaseTrain {
		m.credit[p.step] += p.units()
	}
	if r.options.Draw() >= r.probability(m) || r.pending+p.units() > r.options.AuditBacklog {
		m.unchecked = min(m.unchecked, p.step)
		return
	}
	a := r.audit(p)
	if checker := r.checker(now, p); checker != nil {
		r.grant(now, checker, p, check)
		return
	}
	r.ask(a)
}

func (r *Round) audit(p *piece) *audit {
	a := r.audits[p.work]
	if a == nil {
		a = &audit{piece: p, rivals: map[*member]string{}}
		r.audits[p.work] = a
		if r.oldest != unknown {
			r.oldest = min(r.oldest, p.step)
		}
	}
	return a
}

// forget takes an audit off the list.
func (r *Round) forget(w work) {
	delete(r.audits, w)
	if w.step == r.oldest {
		r.oldest = unknown
	}
}

// checker finds an idle participant to repeat another's piece, that is done before the task ends anyway.
func (r *Round) checker(now time.Duration, p *piece) *member {
	var found *member
	if !r.holds(p) || len(r.task.pool) > 0 || r.task.timed() {
		return nil
	}
	var end time.Duration
	for _, other := range r.task.pieces {
		if !other.accepted && len(other.leases) > 0 {
			end = max(end, other.leases[0].expect)
		}
	}
	for _, m := range r.order {
		if m == p.by || !m.working() || len(m.leases) > 0 || r.probability(m) > trustedAbove || r.estimate(now, m, p) > end {
			continue
		}
		if m.family != p.by.family {
			return m
		}
		found = m
	}
	return found
}

// trustedAbove is the audit probability up to which a participant's own results may confirm those of others.
const trustedAbove = 0.5

// repeat asks the server for an audit that a participant was to do.
func (r *Round) repeat(p *piece) {
	if a := r.audits[p.work]; a != nil {
		r.ask(a)
	}
}

func (r *Round) ask(a *audit) {
	if a.server {
		return
	}
	a.server = true
	w := a.piece.work
	r.pending += w.units()
	r.do(Repeat{Kind: w.kind, Step: w.step, First: w.first, End: w.end, Role: a.piece.role})
}

// compare takes a second answer for a piece. An equal one confirms the first; another one makes the server decide.
func (r *Round) compare(l *lease, answer string) {
	p := l.piece
	if l.holder == p.by {
		return
	}
	if answer == p.answer {
		if a := r.audits[p.work]; a != nil && l.purpose == check && !a.server && len(a.rivals) == 0 {
			r.passed(p)
		}
		return
	}
	a := r.audit(p)
	a.rivals[l.holder] = answer
	r.ask(a)
}

// passed ends an audit that confirmed its piece.
func (r *Round) passed(p *piece) {
	r.forget(p.work)
	r.stats.Audits++
	p.by.audited++
}

// Repeated takes the server's own answer: the digest of the vector, or the count.
func (r *Round) Repeated(now time.Duration, kind string, step, first, end int64, answer string) {
	a := r.audits[work{kind, step, first, end}]
	if a == nil {
		return // of steps that the session went back behind
	}
	p := a.piece
	r.pending -= p.units()
	if p.answer == answer {
		r.passed(p)
	} else {
		r.forget(p.work)
		r.stats.Audits++
		r.caught(now, p.by, step)
	}
	for m, rival := range a.rivals {
		if rival != answer {
			r.caught(now, m, none)
		}
	}
}

// Undecided takes an audit back that nobody can do any more.
func (r *Round) Undecided(kind string, step, first, end int64) {
	w := work{kind, step, first, end}
	if a := r.audits[w]; a != nil {
		r.forget(w)
		r.pending -= a.piece.units()
		a.piece.by.unchecked = min(a.piece.by.unchecked, step)
	}
}

// Pending is the lowest step with a result whose audit is not decided; none if there is none.
func (r *Round) Pending() int64 {
	if r.oldest == unknown {
		r.oldest = none
		for w := range r.audits {
			r.oldest = min(r.oldest, w.step)
		}
	}
	return r.oldest
}

// caught expels a cheat, whose result of a step was accepted and is wrong (none if it was not accepted). The session goes back before
// its first result that was not found right.
func (r *Round) caught(now time.Duration, m *member, step int64) {
	if m.banned {
		return
	}
	m.banned = true
	r.stats.Caught++
	before := min(m.unchecked, step)
	for w, a := range r.audits {
		if a.piece.by == m {
			before = min(before, w.step)
		}
	}
	r.do(Expel{ID: m.id, Refuse: &wire.Refuse{Code: wire.CodeCheat, Message: "a result of this participant differs from what the server computes"}})
	r.release(now, m)
	if before != none {
		r.do(GoBack{Before: before, Cheat: m.id})
	}
}

// Chance is the probability that a trusted participant who forges ten results is not caught: (1−p)^10.
func (r *Round) Chance() float64 { return math.Pow(1-r.options.Audit, 10) }
