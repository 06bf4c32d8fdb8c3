package trainer

import (
	"cmp"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// simulation runs a Round against made-up participants in made-up time. A result is honest where its digest is that of its range.
type simulation struct {
	t      *testing.T
	random *rand.Rand
	round  *Round
	now    time.Duration
	queue  happenings
	serial int

	steps, units int64
	evaluate     int64 // records after every step; 0 for none
	step         int64 // the one under way
	forged       map[int64]bool
	history      map[int64][][2]int64
	takes        []float64 // seconds of each step
	participants map[string]*simulated
	backs        int
	expelled     []string
	correct      map[int64]int64
	credits      map[int64]map[string]int64 // by the step of a snapshot
	repeats      int
	granted      map[string]int64 // what each was given last
	// The server takes in results and sends leases with their updates one after the other, or several side by side.
	intake, outlet float64         // seconds for each
	busy           []time.Duration // until when, of each that works there
}

type simulated struct {
	rate, latency float64 // microbatches a second, seconds
	family        string
	cheats        float64 // the probability with which a result is forged
	hangs         bool    // answers nothing
	sleeps        float64 // seconds for which it stops once, while it computes; the next result is that much later
	clock         bool    // it takes these for seconds of computing
	gone          bool
}

type happening struct {
	at     time.Duration
	serial int
	f      func()
}

type happenings []happening

func (h happenings) Len() int { return len(h) }
func (h happenings) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].serial < h[j].serial
}
func (h happenings) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *happenings) Push(x any)   { *h = append(*h, x.(happening)) }
func (h *happenings) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func newSimulation(t *testing.T, o Options) *simulation {
	s := &simulation{
		t: t, random: rand.New(rand.NewPCG(1, 2)), forged: map[int64]bool{}, history: map[int64][][2]int64{},
		participants: map[string]*simulated{}, correct: map[int64]int64{}, credits: map[int64]map[string]int64{}, granted: map[string]int64{},
		busy: make([]time.Duration, 1),
	}
	o.Draw = s.random.Float64
	if o.AuditBacklog == 0 {
		o.AuditBacklog = 1 << 40
	}
	if o.MaxMicrobatches == 0 {
		o.MaxMicrobatches = 1 << 16
	}
	s.round = NewRound(o)
	return s
}

func (s *simulation) after(d float64, f func()) {
	s.serial++
	heap.Push(&s.queue, happening{s.now + seconds(d), s.serial, f})
}

func (s *simulation) join(id string, p simulated) {
	if p.family == "" {
		p.family = "wazero"
	}
	s.participants[id] = &p
	s.round.Joined(id, &wire.Hello{Role: wire.RoleWork, Family: p.family, Workers: 1})
	s.round.Ready(s.now, id)
	s.act()
}

func (s *simulation) leave(id string) {
	s.participants[id].gone = true
	s.round.Left(s.now, id)
	s.act()
}

func digest(kind string, step, first, end int64, forged bool) schema.Digest {
	return schema.DigestOf(fmt.Appendf(nil, "%s %d %d %d %t", kind, step, first, end, forged))
}

// act carries out what the round wants.
func (s *simulation) act() {
	for {
		actions := s.round.Actions()
		if len(actions) == 0 {
			return
		}
		for _, a := range actions {
			switch a := a.(type) {
			case Grant:
				s.compute(a)
			case CloseStep:
				s.closed(a)
			case CloseEvaluation:
				s.correct[a.Step] = a.Correct
				s.begin(a.Step + 1)
			case Repeat:
				s.repeats++
				answer := digest(a.Kind, a.Step, a.First, a.End, false).String()
				if a.Kind == wire.LeaseEvaluate {
					answer = fmt.Sprint(a.End - a.First)
				}
				s.after(0.05, func() {
					s.round.Repeated(s.now, a.Kind, a.Step, a.First, a.End, answer)
				})
			case Expel:
				s.expelled = append(s.expelled, a.ID)
				s.participants[a.ID].gone = true
				s.round.Left(s.now, a.ID)
			case GoBack:
				s.backs++
				to := max(a.Before-1-(a.Before-1)%5, 0) // a snapshot every five steps
				for step := range s.forged {
					if step > to {
						delete(s.forged, step)
					}
				}
				s.round.Rewind(to)
				s.round.Credit(s.credits[to])
				s.begin(to + 1)
				actions = nil
			}
			if actions == nil {
				break
			}
		}
	}
}

func (s *simulation) begin(step int64) {
	s.step = step
	if step <= s.steps {
		s.round.Begin(s.now, Task{Kind: wire.LeaseTrain, Step: step, Units: s.units})
	}
}

func (s *simulation) closed(c CloseStep) {
	s.history[c.Step] = c.Ranges
	s.takes = append(s.takes, c.Times.Total)
	s.round.Final(min(s.round.Pending()-1, c.Step))
	if c.Step%5 == 0 {
		s.credits[c.Step] = s.round.Credits(c.Step)
	}
	if s.evaluate > 0 {
		s.round.Begin(s.now, Task{Kind: wire.LeaseEvaluate, Step: c.Step, Units: s.evaluate, Role: schema.RoleTest})
		return
	}
	s.begin(c.Step + 1)
}

func (s *simulation) compute(g Grant) {
	p := s.participants[g.To]
	if p.hangs {
		return
	}
	l, n := g.Lease, g.Lease.End-g.Lease.First
	took, slept := float64(n)/p.rate, p.sleeps
	p.sleeps = 0
	s.granted[g.To] = n
	delay := s.serve(s.outlet) + p.latency + took + slept
	if p.clock {
		took += slept
	}
	s.after(delay, func() {
		if s.participants[g.To] != p || p.gone {
			return
		}
		forged := s.random.Float64() < p.cheats
		result := &wire.Result{Lease: l.Lease, Seconds: took, Digest: digest(l.Work, l.Step, l.First, l.End, forged)}
		if l.Work == wire.LeaseEvaluate {
			if result.Correct = n; forged {
				result.Correct--
			}
		}
		s.after(s.serve(s.intake)-s.intake, func() { s.answer(g, result, forged) })
	})
}

// serve is how long something waits and lasts that the server does.
func (s *simulation) serve(seconds float64) float64 {
	first := &s.busy[0]
	for k := range s.busy {
		if s.busy[k] < *first {
			first = &s.busy[k]
		}
	}
	*first = max(*first, s.now) + time.Duration(seconds*float64(time.Second))
	return (*first - s.now).Seconds()
}

func (s *simulation) answer(g Grant, result *wire.Result, forged bool) {
	m, refuse := s.round.Answer(s.now, g.To, result)
	if refuse != nil {
		s.t.Fatalf("%s: %v", g.To, refuse)
	}
	if m != nil || g.Lease.Work == wire.LeaseEvaluate && s.round.task != nil {
		if forged {
			s.forged[g.Lease.Step] = true
		}
	}
	if m != nil {
		s.after(cmp.Or(s.intake, 0.001), func() { s.round.Merged(s.now, m, true) })
	}
}

// run lets time pass until all steps are done or the time is over.
func (s *simulation) run(limit float64) {
	if s.step == 0 && !s.round.Busy() {
		s.begin(1)
	}
	var tick func()
	tick = func() {
		s.round.Tick(s.now)
		s.after(0.05, tick)
	}
	s.after(0.05, tick)
	for s.step <= s.steps || s.round.Pending() != none {
		next := heap.Pop(&s.queue).(happening)
		if s.now = next.at; s.now > seconds(limit) {
			s.t.Fatalf("step %d of %d after %g seconds", s.step, s.steps, limit)
		}
		next.f()
		s.act()
	}
}

// whole checks that every step merged exactly its microbatches.
func (s *simulation) whole() {
	s.t.Helper()
	for step := int64(1); step <= s.steps; step++ {
		if r := s.history[step]; len(r) != 1 || r[0] != [2]int64{0, s.units} {
			s.t.Errorf("step %d merged %v", step, r)
		}
	}
	if len(s.forged) > 0 {
		s.t.Errorf("forged results are left in steps %v", s.forged)
	}
	// Nothing is credited but what is part of the run, whatever was undone on the way.
	s.round.Final(s.steps)
	computed, verified := int64(0), int64(0)
	for id := range s.participants {
		computed, verified = computed+s.round.Standing(id).Computed, verified+s.round.Standing(id).Verified
	}
	if want := s.steps * s.units; computed != want || verified != want || s.round.Statistics().Computed != want {
		s.t.Errorf("%d microbatches are credited, %d of them verified, %d counted; the run has %d", computed, verified, s.round.Statistics().Computed, want)
	}
}

func TestRoundSharesSoThatAllEndTogether(t *testing.T) {
	s := newSimulation(t, Options{})
	s.steps, s.units = 30, 100
	s.join("slow", simulated{rate: 10})
	s.join("fast", simulated{rate: 80, latency: 0.1})
	s.join("far", simulated{rate: 30, latency: 1})
	s.run(1000)
	s.whole()
	// At t seconds 10 t + 80 (t − 0.1) + 30 (t − 1) = 100 microbatches are done: t = 1.15.
	if last := s.takes[len(s.takes)-1]; last > 1.25 {
		t.Errorf("the last step took %.2f s; 1.15 are possible", last)
	}
	if s.round.Standing("far").Computed == 0 {
		t.Error("the far participant has done nothing")
	}
}

func TestRoundLeavesNothingBehind(t *testing.T) {
	for _, evaluate := range []int64{0, 57} {
		s := newSimulation(t, Options{Audit: 0.1})
		s.steps, s.units, s.evaluate = 200, 37, evaluate
		leaves := 0
		for i := range 8 {
			id := fmt.Sprintf("p%d", i)
			p := simulated{rate: 5 + 10*s.random.Float64(), latency: 0.2 * s.random.Float64()}
			s.join(id, p)
			var comeAndGo func()
			comeAndGo = func() {
				if s.participants[id].gone {
					s.join(id, p)
				} else if i > 0 {
					leaves++
					s.leave(id)
				}
				s.after(0.3+2*s.random.Float64(), comeAndGo)
			}
			s.after(3*s.random.Float64(), comeAndGo)
		}
		s.run(2000)
		s.whole()
		if st := s.round.Statistics(); leaves < 20 || st.Releases < 10 || s.repeats < 10 || st.Caught != 0 {
			t.Errorf("%d leaves, %+v, %d repeats: too few to mean anything, or an honest one was caught", leaves, st, s.repeats)
		}
		if evaluate > 0 && s.correct[200] != evaluate {
			t.Errorf("%d records were counted of %d", s.correct[200], evaluate)
		}
	}
}

func TestRoundDoesNotWaitForWhoeverHangs(t *testing.T) {
	s := newSimulation(t, Options{})
	s.steps, s.units = 20, 16
	s.join("hangs", simulated{rate: 10, hangs: true})
	s.join("works", simulated{rate: 10})
	s.run(200)
	s.whole()
	if s.round.Statistics().Releases == 0 {
		t.Error("nothing was leased again")
	}
}

// TestRoundForgetsASleep has a participant that was stopped for a minute, as a laptop is whose lid was closed: afterwards it is given as
// much as before, with its first lease, whether or not it takes the minute for one of computing.
func TestRoundForgetsASleep(t *testing.T) {
	for _, clock := range []bool{false, true} {
		s := newSimulation(t, Options{})
		s.steps, s.units = 200, 40
		s.join("sleeper", simulated{rate: 20, latency: 0.05, clock: clock})
		s.join("other", simulated{rate: 20, latency: 0.05})
		s.after(20, func() { s.participants["sleeper"].sleeps = 60 })
		var asleep, awake int64
		s.after(60, func() { asleep = s.step })
		s.after(81, func() { delete(s.granted, "sleeper") }) // it slept from one of its leases on
		s.after(90, func() { awake = s.granted["sleeper"] })
		s.run(1000)
		s.whole()
		if awake != 20 || asleep < 30 {
			t.Errorf("awake again, it is given %d microbatches of 40; step %d was reached while it slept", awake, asleep)
		}
	}
}

func TestRoundTakesBackFromWhoRests(t *testing.T) {
	s := newSimulation(t, Options{})
	s.units, s.steps = 1, 10
	s.join("a", simulated{rate: 1, hangs: true})
	s.begin(1)
	held := s.round.Actions()[0].(Grant)
	s.join("b", simulated{rate: 1, hangs: true})
	s.round.Actions()
	s.round.Rested(s.now, "a", true, true)
	granted := s.round.Actions()
	if len(granted) != 1 || granted[0].(Grant).To != "b" || granted[0].(Grant).Lease.First != held.Lease.First {
		t.Fatalf("%+v", granted)
	}
	if m, refuse := s.round.Answer(s.now, "a", &wire.Result{Lease: held.Lease.Lease, Digest: digest("x", 0, 0, 0, false)}); m != nil || refuse != nil {
		t.Errorf("what was given back is merged (%v), or an offence (%v)", m, refuse)
	}
	if s.round.Rested(s.now, "b", true, false); len(s.round.Actions()) != 0 || s.round.Status("b").State != ParticipantResting {
		t.Error("who finishes what it has does not rest, or its range was given to one that rests")
	}
	s.round.Rested(s.now, "a", false, false)
	if s.round.Status("a").State == ParticipantResting {
		t.Error("who rests no more is still taken to")
	}
}

func TestMedian(t *testing.T) {
	var m median
	if m.value() != 0 {
		t.Error("without a measurement")
	}
	for i, c := range []struct{ measured, want float64 }{{1, 1}, {60, 1}, {1.2, 1.2}, {60, 1.2}, {60, 60}, {60, 60}, {2, 60}, {2, 60}, {2, 2}} {
		if m.add(c.measured); m.value() != c.want {
			t.Errorf("measurement %d: %g, not %g", i, m.value(), c.want)
		}
	}
	if m.scale(0.5); m.value() != 1 {
		t.Errorf("%g", m.value())
	}
}

func TestRoundCatchesCheats(t *testing.T) {
	for _, evaluate := range []int64{0, 40} {
		s := newSimulation(t, Options{Audit: 0.2})
		s.steps, s.units, s.evaluate = 150, 24, evaluate
		s.join("honest", simulated{rate: 10})
		s.join("other", simulated{rate: 10, family: "v8"})
		s.join("cheat", simulated{rate: 10, cheats: 0.1})
		s.run(2000)
		s.whole()
		if !slices.Equal(s.expelled, []string{"cheat"}) || s.backs == 0 {
			t.Errorf("expelled %v, went back %d times", s.expelled, s.backs)
		}
		if st := s.round.Standing("cheat"); !st.Banned {
			t.Error("the cheat may come back")
		}
		for step, n := range s.correct {
			if n != evaluate {
				t.Errorf("after step %d %d records were counted of %d", step, n, evaluate)
			}
		}
	}
}

func TestRoundTrustsAgainstABackup(t *testing.T) {
	// A cheat that gives a backup another answer than the one accepted first is found without a draw.
	s := newSimulation(t, Options{Audit: 0})
	s.round.options.Draw = func() float64 { return 0.999 }
	s.steps, s.units = 30, 8
	s.join("slow", simulated{rate: 1, latency: 3})
	s.join("cheat", simulated{rate: 10, cheats: 1})
	s.run(1000)
	if !slices.Contains(s.expelled, "cheat") || slices.Contains(s.expelled, "slow") {
		t.Errorf("expelled %v", s.expelled)
	}
	s.whole()
}

func TestRoundTimed(t *testing.T) {
	s := newSimulation(t, Options{Timed: true, Seconds: 1})
	s.steps = 40
	total := 0.0
	for i := range 20 {
		p := simulated{rate: 20 + 100*s.random.Float64(), latency: 0.02 + 0.1*s.random.Float64()}
		total += p.rate
		s.join(fmt.Sprintf("p%d", i), p)
	}
	s.run(100)
	merged := int64(0)
	for step := int64(20); step <= s.steps; step++ {
		for _, r := range s.history[step] {
			merged += r[1] - r[0]
		}
	}
	perStep := float64(merged) / 21
	if perStep < 0.7*total {
		t.Errorf("%.0f microbatches a step; the participants can do %.0f", perStep, total)
	}
	st := s.round.Statistics()
	if share := float64(st.Computed) / float64(st.Computed+st.Dropped); share < 0.95 {
		t.Errorf("merged ÷ computed = %.3f", share)
	}
	for _, took := range s.takes[5:] {
		if took > 1.3 {
			t.Errorf("a step took %.2f s", took)
		}
	}
}

// TestRoundTimedSpreads has a server that sends leases and takes results in, alone or two side by side. With a thousand participants one
// needs two fifths of the time, of which each has to wait for half on average, whatever the order: 0.8 of a second are left. Two that take
// 0.3 ms for a result instead of 0.2 are through in a quarter: 0.875 are left.
func TestRoundTimedSpreads(t *testing.T) {
	for _, c := range []struct {
		participants, servers int
		intake                float64
		share                 float64 // of what they can compute, at least
	}{
		{1, 1, 200e-6, 0.98},
		{100, 1, 200e-6, 0.95},
		{1000, 1, 200e-6, 0.77},
		{1, 2, 300e-6, 0.98},
		{1000, 2, 300e-6, 0.84},
	} {
		s := newSimulation(t, Options{Timed: true, Seconds: 1})
		s.round.options.Draw = func() float64 { return 0.999 }
		s.steps, s.intake, s.outlet, s.busy = 40, c.intake, 200e-6, make([]time.Duration, c.servers)
		const rate = 50
		for i := range c.participants {
			s.join(fmt.Sprintf("p%d", i), simulated{rate: rate, latency: 0.001 + 0.01*s.random.Float64()})
		}
		s.run(100)
		merged, total := int64(0), 0.0
		for step := int64(20); step <= s.steps; step++ {
			for _, r := range s.history[step] {
				merged += r[1] - r[0]
			}
			total += s.takes[step-1]
		}
		share := float64(merged) / total / float64(rate*c.participants)
		if share < c.share {
			t.Errorf("%d participants and %d servers merge %.3f of what they could compute; %g are possible", c.participants, c.servers, share, c.share)
		}
		if st := s.round.Statistics(); st.Dropped > st.Computed/20 {
			t.Errorf("%d participants: %d microbatches merged, %d too late", c.participants, st.Computed, st.Dropped)
		}
	}
}

// TestRoundBackupsWaitForWhoeverIsUnknown has participants of equal speed, which nobody knows at first: the first to answer gets nobody's
// range again, since the others are not late.
func TestRoundBackupsWaitForWhoeverIsUnknown(t *testing.T) {
	s := newSimulation(t, Options{})
	s.steps, s.units = 3, 16
	for i := range 16 {
		s.join(fmt.Sprintf("p%d", i), simulated{rate: 0.05, latency: 0.1 * float64(i)})
	}
	s.run(100)
	s.whole()
	if st := s.round.Statistics(); st.Releases > 0 {
		t.Errorf("%d ranges were leased again", st.Releases)
	}
}

func TestRoundTimedWaitsForTheFirstResult(t *testing.T) {
	s := newSimulation(t, Options{Timed: true, Seconds: 0.5})
	s.steps = 3
	s.join("hangs", simulated{rate: 10, hangs: true})
	s.join("slow", simulated{rate: 0.2})
	s.run(100)
	for step := int64(1); step <= 3; step++ {
		if len(s.history[step]) == 0 {
			t.Errorf("step %d merged nothing", step)
		}
	}
}

func TestRoundRefuses(t *testing.T) {
	s := newSimulation(t, Options{})
	s.units, s.steps = 4, 10
	s.join("a", simulated{rate: 1, hangs: true})
	s.join("b", simulated{rate: 1, hangs: true})
	s.begin(1)
	var grants []Grant
	for _, a := range s.round.Actions() {
		grants = append(grants, a.(Grant))
	}
	result := func(lease int64) *wire.Result { return &wire.Result{Lease: lease, Digest: digest("x", 0, 0, 0, false)} }
	if _, refuse := s.round.Answer(s.now, "b", result(grants[0].Lease.Lease)); refuse == nil {
		t.Error("another's lease was answered")
	}
	if _, refuse := s.round.Answer(s.now, "a", result(99)); refuse == nil {
		t.Error("an unknown lease was answered")
	}
	m, refuse := s.round.Answer(s.now, "a", result(grants[0].Lease.Lease))
	if m == nil || refuse != nil {
		t.Fatalf("%v, %v", m, refuse)
	}
	if _, refuse := s.round.Answer(s.now, "a", result(grants[0].Lease.Lease)); refuse == nil {
		t.Error("a lease was answered twice")
	}
	if refuse := s.round.Failed(s.now, "a", 99); refuse == nil {
		t.Error("an unknown lease failed")
	}
	// A vector that is not what its digest says: the range goes to another.
	s.round.Merged(s.now, m, false)
	if !slices.ContainsFunc(s.round.Actions(), func(a Action) bool { g, ok := a.(Grant); return ok && g.Lease.First == m.First }) {
		t.Error("the range was not handed out again")
	}
}
