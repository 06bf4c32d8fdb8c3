package trainer

import (
	"math"
	"slices"
	"time"
)

const (
	// timedGrace is how much longer than its time a timed step waits for results that are under way, and timedEarly how much
	// earlier it ends when nothing is, both as parts of the time.
	timedGrace, timedEarly = 0.25, 0.2
	// timedAgain is the part of it that must be left for whoever has answered to be given more: that is another vector to send and to merge.
	timedAgain = 0.25
	// timedSpread bounds the part of it over which results are made to arrive.
	timedSpread = 0.5
)

// dealTimed gives every idle participant what it can send back in what is left of a timed step. The first lease of a participant
// whose speed is unknown is a single microbatch.
//
// If all results came in the same moment, all participants would wait until all were merged. So they are sized to come one after
// the other, as fast as they can be taken in: who has least to do waits as long as before, and the others compute meanwhile.
func (r *Round) dealTimed(now time.Duration, idle []*member) {
	t := r.task
	late := r.overdue(now)
	apart := min(r.intake.each, r.options.Seconds*timedSpread/float64(len(idle)))
	for i, m := range idle {
		most := (t.deadline - now).Seconds() - m.delay(now)
		left := most - apart*float64(len(idle)-1-i)
		n := int64(1)
		if rate := m.rate[t.Kind]; rate > 0 {
			n = min(int64(math.Round(left*rate)), int64(most*rate))
			if m.used && left < r.options.Seconds*timedAgain {
				n = 0
			}
		}
		if late {
			n = max(n, 1)
		}
		n = min(n, r.options.MaxMicrobatches-t.fresh)
		if n < 1 || left <= 0 && !late {
			continue
		}
		r.grant(now, m, r.newPiece(t.fresh, t.fresh+n), primary)
		t.fresh += n
	}
}

// overdue reports whether a timed step is over and has nothing yet: it waits for its first result, from whomever.
func (r *Round) overdue(now time.Duration) bool { return now >= r.task.deadline && r.task.empty() }

// timeLeft reports whether anybody could be given anything in what is left of a timed step.
func (r *Round) timeLeft(now time.Duration) bool {
	return r.overdue(now) || now < r.task.deadline
}

// intake measures how fast results are taken in when they come faster than that.
type intake struct {
	each  float64 // seconds from one to the next
	until time.Duration
	busy  float64         // seconds of the present step in which something was being merged
	ends  []time.Duration // of the present step, when each was merged
}

// merged takes the time in which a result was merged, beside others.
func (i *intake) merged(from, to time.Duration) {
	i.busy += max(to-max(from, i.until), 0).Seconds()
	i.until = max(i.until, to)
	i.ends = append(i.ends, to)
}

// settle ends a step.
func (i *intake) settle() {
	// One after the other they would take the time of merging, and some more of receiving them and sending updates. Side by side they take
	// less, which shows where they happen to come so close together that they wait: in the pace of the fastest quarter of groups.
	const beside, weight, group = 1.1, 0.3, 16
	if n := len(i.ends); n > 0 {
		each := i.busy / float64(n)
		var paces []float64
		for first := 0; first+group < n; first += group {
			paces = append(paces, (i.ends[first+group]-i.ends[first]).Seconds()/group)
		}
		if slices.Sort(paces); len(paces) >= 4 {
			each = min(each, paces[len(paces)/4])
		}
		i.each += weight * (beside*each - i.each)
	}
	i.busy, i.ends = 0, i.ends[:0]
}
