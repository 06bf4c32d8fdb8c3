package trainer

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/reprise-ml/reprise/trainer/wire"
)

// deal hands out what is free to those that are idle; where nothing is free, what is late a second time.
func (r *Round) deal(now time.Duration) {
	t := r.task
	if t == nil {
		return
	}
	if t.timed() && !r.timeLeft(now) {
		return // as nearly always while a step is being closed
	}
	r.dealAmong(now, r.idle())
}

// dealTo is deal where nothing has changed but that a participant may have become idle: with many of them, it does not look at all.
func (r *Round) dealTo(now time.Duration, m *member) {
	switch {
	case r.task == nil:
	case len(r.task.pool) > 0:
		r.deal(now)
	case r.free(m):
		r.dealAmong(now, []*member{m})
	}
}

func (r *Round) dealAmong(now time.Duration, idle []*member) {
	t := r.task
	if len(idle) == 0 {
		return
	}
	if t.timed() {
		r.dealTimed(now, idle)
		return
	}
	if len(t.pool) > 0 {
		idle = r.dealPool(now, idle)
	}
	if len(t.pool) == 0 {
		r.dealBackups(now, idle)
	}
}

// idle are the participants that could be given a lease, in the order in which they joined.
func (r *Round) idle() []*member {
	var idle []*member
	for _, m := range r.order {
		if r.free(m) {
			idle = append(idle, m)
		}
	}
	return idle
}

// free reports whether a member could be given a lease.
func (r *Round) free(m *member) bool {
	return m.working() && !slices.ContainsFunc(m.leases, func(l *lease) bool { return r.holds(l.piece) })
}

// delay is the time, in seconds, that passes before a new lease's result arrives beyond its computing: transfer, and leases of earlier
// tasks that the member still computes. Whoever is late is taken to be as late again, so that a participant that hangs soon gets
// nothing to do.
func (m *member) delay(now time.Duration) float64 {
	d := m.latency
	for _, l := range m.leases {
		d += max(l.expect-now, now-l.expect).Seconds()
	}
	return d
}

// dealPool gives every idle participant a part of the pool, so that all end together, and returns those that got none.
func (r *Round) dealPool(now time.Duration, idle []*member) []*member {
	t := r.task
	units := int64(0)
	for _, x := range t.pool {
		units += x[1] - x[0]
	}
	n := r.shares(now, units, idle)
	var rest []*member
	for i, m := range idle {
		left := n[i]
		if left == 0 {
			rest = append(rest, m)
		}
		// A pool in several ranges may need several leases; usually it is one.
		for left > 0 && len(t.pool) > 0 {
			x := &t.pool[0]
			take := min(left, x[1]-x[0])
			r.grant(now, m, r.newPiece(x[0], x[0]+take), primary)
			left -= take
			if x[0] += take; x[0] == x[1] {
				t.pool = t.pool[1:]
			}
		}
	}
	return rest
}

func (r *Round) newPiece(first, end int64) *piece {
	p := &piece{work: work{r.task.Kind, r.task.Step, first, end}, task: r.task, role: r.task.Role}
	r.task.pieces = append(r.task.pieces, p)
	r.task.open++
	return p
}

// shares cuts units for members so that delay + units/rate is equal for all that get any. What is lost in rounding goes to
// whoever would be done first with one more. Nobody gets more than LeaseSeconds' worth, if that is more than one; what is left stays
// in the pool.
func (r *Round) shares(now time.Duration, units int64, members []*member) []int64 {
	kind, typical := r.task.Kind, r.typical(r.task.Kind)
	rates, delay := make(map[*member]float64, len(members)), make(map[*member]float64, len(members))
	for _, m := range members {
		rates[m], delay[m] = m.rateOr(kind, typical), m.delay(now)
	}
	// The time by which all are done: where the sum of max(0, t − delay)·rate reaches the units.
	byDelay := slices.Clone(members)
	slices.SortStableFunc(byDelay, func(a, b *member) int { return cmp.Compare(delay[a], delay[b]) })
	var rate, offset, t float64
	for i, m := range byDelay {
		rate += rates[m]
		offset += rates[m] * delay[m]
		t = (float64(units) + offset) / rate
		if i+1 == len(byDelay) || t <= delay[byDelay[i+1]] {
			break
		}
	}
	n := make([]int64, len(members))
	left := units
	limit := func(m *member) int64 {
		if m.rate[kind] == 0 {
			// Nobody knows how fast it is: what it has cannot be given to others before it is late.
			return max(1, units/8)
		}
		if r.options.LeaseSeconds <= 0 {
			return math.MaxInt64
		}
		return max(1, int64(r.options.LeaseSeconds*rates[m]))
	}
	for i, m := range members {
		n[i] = max(min(int64((t-delay[m])*rates[m]), left, limit(m)), 0)
		left -= n[i]
	}
	for ; left > 0; left-- {
		best, when := -1, math.Inf(1)
		for i, m := range members {
			if done := delay[m] + float64(n[i]+1)/rates[m]; done < when && n[i] < limit(m) {
				best, when = i, done
			}
		}
		if best < 0 {
			break
		}
		n[best]++
	}
	return n
}

// typical is the mean rate of a worker whose rate is known, in units per second; 1 if there is none.
func (r *Round) typical(kind string) float64 {
	known, workers := 0.0, 0
	for _, m := range r.order {
		if m.rate[kind] > 0 && !m.gone {
			known += m.rate[kind]
			workers += max(m.workers, 1)
		}
	}
	if workers == 0 {
		return 1
	}
	return known / float64(workers)
}

// rateOr is a member's rate, in units per second. One that is unknown is taken to be the typical one, per worker.
func (m *member) rateOr(kind string, typical float64) float64 {
	if rate := m.rate[kind]; rate > 0 {
		return rate
	}
	return typical * float64(max(m.workers, 1))
}

// rate is a member's, in units per second.
func (r *Round) rate(m *member, kind string) float64 {
	if rate := m.rate[kind]; rate > 0 {
		return rate
	}
	return m.rateOr(kind, r.typical(kind))
}

// dealBackups gives idle participants what others have and would send later than they: whatever comes last, first.
func (r *Round) dealBackups(now time.Duration, idle []*member) {
	const most = 2 // leases of one range
	type candidate struct {
		*piece
		end time.Duration
	}
	var candidates []candidate
	for _, p := range r.task.pieces {
		if p.accepted || p.merging || len(p.leases) == 0 || len(p.leases) >= most {
			continue
		}
		l := p.leases[0]
		end := r.expected(l)
		if now > l.granted+2*(end-l.granted)+seconds(lateness) {
			end = math.MaxInt64 // late: nobody knows when
		}
		candidates = append(candidates, candidate{p, end})
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int { return cmp.Compare(b.end, a.end) })
	for _, m := range idle {
		soonest := now + seconds(m.delay(now))
		for _, c := range candidates {
			if c.end <= soonest {
				break // nor could it be earlier than those that follow
			}
			if len(c.leases) < most && r.estimate(now, m, c.piece) < c.end {
				r.stats.Releases++
				r.grant(now, m, c.piece, backup)
				break
			}
		}
	}
}

// expected is when a lease should be answered. Of a holder whose speed is unknown it was a guess, which others' answers have bettered.
func (r *Round) expected(l *lease) time.Duration {
	if l.holder.rate[l.piece.kind] > 0 {
		return l.expect
	}
	return max(l.expect, l.granted+seconds(l.holder.latency+float64(l.piece.units())/r.rate(l.holder, l.piece.kind)))
}

// lateness is how much longer than expected an answer may take before the range is given to another as well, in seconds beside
// twice the expected time.
const lateness = 0.25

// grant hands a piece out.
func (r *Round) grant(now time.Duration, m *member, p *piece, why purpose) {
	r.next++
	l := &lease{id: r.next, piece: p, holder: m, purpose: why, granted: now, expect: r.estimate(now, m, p)}
	r.leases[l.id] = l
	p.leases = append(p.leases, l)
	m.leases = append(m.leases, l)
	m.used = true
	r.do(Grant{To: m.id, Lease: wire.Lease{Lease: l.id, Work: p.kind, Step: p.step, First: p.first, End: p.end, Role: p.role}})
}

// estimate is when a member would send a piece back.
func (r *Round) estimate(now time.Duration, m *member, p *piece) time.Duration {
	return now + seconds(m.delay(now)+float64(p.units())/r.rate(m, p.kind))
}
