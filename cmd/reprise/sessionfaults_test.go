package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/trainer/wire"
	"github.com/reprise-ml/reprise/trainer/ws"
	"github.com/reprise-ml/reprise/wasm/engine"
)

// The server and all participants are processes of their own here. Nothing depends on how fast they are: a session is paused until
// everybody is there, and what is to happen inside a step happens while somebody who has a part of it is stopped. Whatever happens, the
// digest is that of one machine alone.

// convolutional is the specification of these sessions, with so many steps: a convolutional network on images like MNIST's.
func convolutional(steps string) string {
	return strings.NewReplacer("epochs: 3", "steps: "+steps, "batchSize: 128", "batchSize: 128\n  evaluate: {every: 10}", "microbatchSize: 16", "microbatchSize: 8").
		Replace(string(fixtures.Specification("mnist-cnn")))
}

const convolutionalSteps = 160

func TestSessionFaults(t *testing.T) {
	t.Setenv(mainVariable, "1")
	config(t)
	d := newDesk(t)
	for _, data := range []struct {
		name    string
		records int
		classes int
	}{{"glyphs", 480, 10}, {"nine", 320, 9}} {
		dir := t.TempDir()
		if err := fixtures.WriteIDXClasses(dir, 1, data.records, 100, data.classes); err != nil {
			t.Fatal(err)
		}
		d.done("dataset", "import", "idx", dir, "--name", data.name+":1.0.0")
	}
	d.write("closure.yaml", convolutional(fmt.Sprint(convolutionalSteps)))
	_, alone := d.trained("alone", "--workers", "1")
	server := d.server()

	t.Run("eight workers", func(t *testing.T) {
		s := server.start(t, "closure.yaml", "2.0.0")
		s.enter(8)
		s.command("resume")
		for range 2 {
			s.everybodyWorks()
			// One is killed while a part of the step is its own.
			victim := s.workers[0]
			s.inside(victim)
			s.kill(victim)
			// One leaves politely, and another one goes on.
			s.leave(s.workers[0])
			s.enter(2)
			s.everybodyWorks()
			// One sleeps, as a laptop does: nobody waits for it, and then it works on.
			sleeper := s.workers[0]
			asleep := s.inside(sleeper)
			s.until("others do the step of one that sleeps", func(now trainer.Detail) bool { return now.Step > asleep.Step+1 })
			s.wake(sleeper)
		}
		// All who are to come have come, and all who are to go have gone.
		if now := s.everybodyWorks(); now.Joins < 12 || now.Leaves < 4 || len(now.People) != 12 || now.Audits.Releases < 4 {
			t.Errorf("%d joins, %d leaves, %d participants, %d leased again", now.Joins, now.Leaves, len(now.People), now.Audits.Releases)
		}
		s.same(s.over(), alone.Run)
	})

	t.Run("the coordinator is killed", func(t *testing.T) {
		s := server.start(t, "closure.yaml", "3.0.0")
		s.enter(2)
		s.command("resume")
		const kills = 5
		inside, last := 0, int64(0)
		for range kills {
			s.until("a step after another checkpoint", func(now trainer.Detail) bool { return now.Checkpoint > last && now.Step > now.Checkpoint })
			// Nobody answers any more, so that the step cannot end.
			now := s.inside(s.workers...)
			if now.State != trainer.StateRunning || now.Step >= now.Steps {
				t.Fatalf("nothing is under way: %s, step %d", now.State, now.Step)
			}
			inside, last = inside+1, now.Checkpoint
			server.restart()
			s.wake(s.workers...)
		}
		s.everybodyWorks()
		over := s.over()
		s.same(over, alone.Run)
		if inside != kills || over.Restarts != kills || len(over.People) != 2 {
			t.Errorf("%d kills inside steps, %d restarts, %d participants", inside, over.Restarts, len(over.People))
		}
	})

	t.Run("a cheat", func(t *testing.T) {
		s := server.start(t, "closure.yaml", "4.0.0", "--audit", "0.9")
		s.enter(2)
		cheat := s.admit("mallory", cheatVariable+"="+s.join)
		var told strings.Builder
		cheat.Stdout = &told
		s.run(cheat)
		s.ready()
		s.command("resume")
		if err := cheat.Wait(); err != nil {
			t.Fatalf("%v: %s", err, told.String())
		}
		s.workers = slices.DeleteFunc(s.workers, func(p *participant) bool { return p == cheat })
		s.everybodyWorks()
		over := s.over()
		s.same(over, alone.Run)
		var said cheated
		if err := json.Unmarshal([]byte(told.String()), &said); err != nil {
			t.Fatal(err, told.String())
		}
		if said.Forged == 0 || said.Refused != wire.CodeCheat || over.Audits.Caught != 1 {
			t.Errorf("%+v; %+v", said, over.Audits)
		}
		t.Logf("%d ranges forged, %d results repeated, %d times back to a snapshot", said.Forged, over.Audits.Done, over.Audits.Rollbacks)
	})

	t.Run("timed", func(t *testing.T) {
		d.write("timed.yaml", convolutional("30"))
		s := server.start(t, "timed.yaml", "5.0.0", "--mode", "timed", "--seconds", "0.1")
		s.enter(2)
		s.command("resume")
		s.everybodyWorks()
		s.kill(s.workers[0])
		s.enter(1)
		leaves := s.everybodyWorks().Leaves
		over := s.over()
		s.report(over)
		replay := report[schema.ReplayReport](s.desk, schema.KindReplayReport, exitDone, "replay", over.Closure)
		if replay.Verdict != schema.VerdictIdentical || replay.Run != over.Run || leaves == 0 {
			t.Errorf("%+v; session %s, %d leaves", replay, over.Run, leaves)
		}
	})

	// It begins with nine classes, and goes on with ten and more data, and at another rate.
	t.Run("a new class", func(t *testing.T) {
		nine := strings.NewReplacer("glyphs:1.0.0", "nine:1.0.0", "units: 10", "units: 9").Replace(convolutional("40"))
		d.write("nine.yaml", nine)
		d.write("ten.yaml", convolutional("40"))
		var runs []schema.Digest
		for i, workers := range []int{1, 3} {
			s := server.start(t, "nine.yaml", fmt.Sprintf("6.%d.0", i))
			s.command("set", "learningRate=0.05", "--step", "13")
			s.command("change", d.path("ten.yaml"), "--step", "21")
			s.enter(workers)
			s.command("resume")
			if workers > 1 {
				// Somebody leaves before the change, and somebody comes after it.
				s.everybodyWorks()
				s.kill(s.workers[0])
				s.until("the new engine runs", func(now trainer.Detail) bool { return now.Step > 20 })
				s.enter(1)
			}
			over := s.over()
			s.report(over)
			runs = append(runs, over.Run)
			d.done("verify", over.Closure)
			replay := report[schema.ReplayReport](s.desk, schema.KindReplayReport, exitDone, "replay", over.Closure, "--workers", "1")
			if replay.Verdict != schema.VerdictIdentical || replay.Derivation != schema.Derived || replay.Run != over.Run {
				t.Errorf("%+v", replay)
			}
			dir := d.path(fmt.Sprint("changed", i))
			d.done("pull", over.Closure, "-o", dir)
			if n := len(must(closure.Open(dir)).Closure.Earlier); n != 1 {
				t.Errorf("%d engines ran before", n)
			}
			journal := (&desk{t, dir}).read(schema.PathJournal)
			for _, line := range []string{`"event":"hyperparameter","name":"learningRate","step":13`, `"event":"engine","step":21`} {
				if !strings.Contains(journal, line) {
					t.Errorf("the journal lacks %s", line)
				}
			}
		}
		if runs[0] != runs[1] {
			t.Errorf("%s by one worker, %s by others", runs[0], runs[1])
		}
	})
	server.stop()
}

// serverProcess is `reprise serve`, which can be killed.
type serverProcess struct {
	*desk
	address string
	options []string
	running *exec.Cmd
}

// server starts one. It is to be stopped.
func (d *desk) server(options ...string) *serverProcess {
	d.Helper()
	l := must((&net.ListenConfig{}).Listen(d.Context(), "tcp", "127.0.0.1:0"))
	s := &serverProcess{desk: d, address: l.Addr().String(), options: options}
	l.Close()
	s.serve()
	d.Cleanup(func() {
		_ = s.running.Process.Kill() // it may have ended
	})
	return s
}

// TestSessionFarAway is two participants in network namespaces of their own, behind links that are slow and are cut for ten seconds.
// It takes the program trainer/internal/farlink, root and half a minute; the browsers' tests do the same by way of a proxy, always.
func TestSessionFarAway(t *testing.T) {
	program := os.Getenv("REPRISE_FARLINK")
	if program == "" {
		t.Skip("REPRISE_FARLINK names no program; make test-farlink does")
	}
	t.Setenv(mainVariable, "1")
	config(t)
	d := newDesk(t)
	if err := fixtures.WriteIDX(d.dir, 1, 1200, 100); err != nil {
		t.Fatal(err)
	}
	d.done("dataset", "import", "idx", d.dir, "--name", "glyphs:1.0.0")
	// Steps that are worth the way.
	d.write("closure.yaml", strings.Replace(convolutional("40"), "batchSize: 128", "batchSize: 1024", 1))
	_, alone := d.trained("alone")
	server := d.server()
	s := server.start(t, "closure.yaml", "2.0.0")
	for i, network := range []string{"10.99.0.0", "10.99.0.4"} {
		p := s.admit(fmt.Sprint("far", i))
		_, port, _ := net.SplitHostPort(server.address)
		gateway := netip.MustParseAddr(network).Next().String()
		for k, a := range p.Args {
			p.Args[k] = strings.Replace(a, server.address, net.JoinHostPort(gateway, port), 1)
		}
		p.Path, p.Args = program, append([]string{program, "-rate", "20", "-delay", "20ms", "-net", network}, p.Args...)
		s.run(p)
	}
	s.ready()
	s.command("resume")
	s.everybodyWorks()
	far := slices.Clone(s.workers)
	s.enter(1)
	near := s.workers[2]
	s.everybodyWorks()
	before := s.until("a part of the step is held behind the links", func(now trainer.Detail) bool {
		return find(now, far[0]).State == trainer.ParticipantWorking || find(now, far[1]).State == trainer.ParticipantWorking
	})
	for _, p := range far {
		s.signal(p, syscall.SIGUSR1) // cuts for ten seconds
	}
	cut := time.Now()
	now := s.until("another does the step", func(now trainer.Detail) bool {
		return now.Step >= before.Step+3
	})
	if waited := time.Since(cut); waited > 10*time.Second {
		t.Errorf("nothing was done within the ten seconds of the cut, but after %s", waited)
	}
	if now.Audits.Releases == before.Audits.Releases {
		t.Error("nothing was leased again")
	}
	s.command("pause") // so that there is something left to do
	time.Sleep(time.Until(cut.Add(11 * time.Second)))
	s.leave(near)
	s.command("resume")
	over := s.over()
	s.same(over, alone.Run)
	for _, p := range far {
		if find(over, p).Computed <= find(now, p).Computed {
			t.Errorf("%s has computed nothing after the cut", p.name)
		}
	}
	server.stop()
}

func (s *serverProcess) url() string { return "http://" + s.address }

func (s *serverProcess) serve() {
	s.Helper()
	_, port, _ := net.SplitHostPort(s.address)
	s.running = s.process(append([]string{"serve", "--addr", "0.0.0.0:" + port, "-q"}, s.options...)...) // also for those in namespaces of their own
	s.running.Stderr = os.Stderr
	if err := s.running.Start(); err != nil {
		s.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if a, err := http.Get(s.url() + "/healthz"); err == nil {
			a.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			s.Fatal("the server does not come")
		}
	}
}

// restart kills it, and starts it again.
func (s *serverProcess) restart() {
	s.Helper()
	if err := s.running.Process.Kill(); err != nil {
		s.Fatal(err)
	}
	_ = s.running.Wait() // it was killed
	s.serve()
}

func (s *serverProcess) stop() {
	s.Helper()
	if err := s.running.Process.Signal(syscall.SIGTERM); err != nil {
		s.Fatal(err)
	}
	if err := s.running.Wait(); err != nil {
		s.Errorf("the server did not end well: %v", err)
	}
}

// performance is a session and its participants.
type performance struct {
	*desk
	server   string
	id, join string
	workers  []*participant // that are there
	numbers  int
}

// participant is a process.
type participant struct {
	*exec.Cmd
	name string
}

// start starts a session, which is paused.
func (s *serverProcess) start(t *testing.T, specification, version string, more ...string) *performance {
	t.Helper()
	d := &desk{t, s.dir}
	started := d.started(s.url(), append([]string{d.path(specification), "--version", version}, more...)...)
	p := &performance{desk: d, server: s.url(), id: started.ID, join: started.Join}
	p.command("pause")
	return p
}

func (s *performance) command(verb string, more ...string) {
	s.Helper()
	s.done(append(append([]string{"session", verb, s.id}, more...), "--server", s.server)...)
}

// until waits for something that the session's page would show.
func (s *performance) until(what string, look func(trainer.Detail) bool) trainer.Detail {
	s.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		now := s.session(s.server, s.id)
		if look(now) {
			return now
		}
		if now.State != trainer.StateRunning && now.State != trainer.StatePaused || time.Now().After(deadline) {
			s.Fatalf("in vain: %s; %s at step %d of %d: %+v %+v", what, now.State, now.Step, now.Steps, now.People, now.Log)
		}
	}
}

// admit prepares a participant.
func (s *performance) admit(name string, environment ...string) *participant {
	c := s.process("join", s.join, "--workers", "1", "--name", name, "-q")
	c.Env = append(c.Env, environment...)
	return &participant{c, name}
}

// run lets it come.
func (s *performance) run(p *participant) {
	s.Helper()
	if err := p.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		_ = p.Process.Kill() // it may have ended
	})
	s.workers = append(s.workers, p)
}

// enter lets so many come, and waits until all are ready. The session goes on, if it did.
func (s *performance) enter(n int) {
	s.Helper()
	running := s.session(s.server, s.id).State == trainer.StateRunning
	if running {
		s.command("pause")
	}
	for range n {
		s.numbers++
		s.run(s.admit(fmt.Sprint("w", s.numbers)))
	}
	s.ready()
	if running {
		s.command("resume")
	}
}

// ready waits until everybody is there.
func (s *performance) ready() {
	s.Helper()
	s.until("everybody is there", func(now trainer.Detail) bool {
		return s.all(now, func(p trainer.ParticipantStatus) bool {
			return p.State == trainer.ParticipantIdle || p.State == trainer.ParticipantWorking
		})
	})
}

// everybodyWorks waits until everybody who is there has computed something.
func (s *performance) everybodyWorks() trainer.Detail {
	s.Helper()
	return s.until("everybody computes something", func(now trainer.Detail) bool {
		return s.all(now, func(p trainer.ParticipantStatus) bool { return p.Computed > 0 })
	})
}

// all reports whether something is so of everybody who is there.
func (s *performance) all(now trainer.Detail, so func(trainer.ParticipantStatus) bool) bool {
	for _, w := range s.workers {
		if !so(find(now, w)) {
			return false
		}
	}
	return true
}

// inside stops participants at once, and waits until a part of the step is theirs, which they cannot give back.
func (s *performance) inside(stopped ...*participant) trainer.Detail {
	s.Helper()
	for _, p := range stopped {
		s.signal(p, syscall.SIGSTOP)
	}
	held := func(now trainer.Detail) bool {
		return slices.ContainsFunc(stopped, func(p *participant) bool { return find(now, p).State == trainer.ParticipantWorking })
	}
	before := s.until("a part of the step is somebody's who is stopped", held)
	// What was sent before it stopped has arrived by now.
	for {
		time.Sleep(50 * time.Millisecond)
		now := s.until("a part of the step is somebody's who is stopped", held)
		if len(stopped) < len(s.workers) || now.Step == before.Step {
			return now
		}
		before = now
	}
}

func (s *performance) signal(p *participant, what os.Signal) {
	s.Helper()
	if err := p.Process.Signal(what); err != nil {
		s.Fatal(err)
	}
}

func (s *performance) wake(stopped ...*participant) {
	s.Helper()
	for _, p := range stopped {
		s.signal(p, syscall.SIGCONT)
	}
}

func (s *performance) kill(p *participant) {
	s.Helper()
	s.signal(p, syscall.SIGKILL)
	_ = p.Wait() // it was killed
	s.gone(p)
}

func (s *performance) leave(p *participant) {
	s.Helper()
	s.signal(p, syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		s.Errorf("%s did not leave well: %v", p.name, err)
	}
	s.gone(p)
}

func (s *performance) gone(p *participant) {
	s.Helper()
	s.workers = slices.DeleteFunc(s.workers, func(one *participant) bool { return one == p })
	s.until(p.name+" is seen to be gone", func(now trainer.Detail) bool { return find(now, p).State == trainer.ParticipantGone })
}

// find is the state of a participant; the zero value before it has come.
func find(now trainer.Detail, p *participant) trainer.ParticipantStatus {
	for _, one := range now.People {
		if one.Name == p.name {
			return one
		}
	}
	return trainer.ParticipantStatus{}
}

// over waits for the end of the session and of everybody in it.
func (s *performance) over() trainer.Detail {
	s.Helper()
	over := s.desk.over(s.server, s.id)
	if over.State != trainer.StatePublished {
		s.Fatalf("%+v", over)
	}
	for _, p := range s.workers {
		if err := p.Wait(); err != nil {
			s.Errorf("%s: %v", p.name, err)
		}
	}
	return over
}

// same checks that a session ended with the digest of one machine alone.
func (s *performance) same(over trainer.Detail, alone schema.Digest) {
	s.Helper()
	s.report(over)
	if over.Run != alone {
		s.Errorf("run %s; alone %s", over.Run, alone)
	}
}

// report tells who did what, and that nobody did nothing. What a cheat did right may have been given up with what was wrong.
func (s *performance) report(over trainer.Detail) {
	s.Helper()
	var work []string
	for _, p := range over.People {
		work = append(work, fmt.Sprintf("%s %d", p.Name, p.Verified))
		if honest := p.Name != "mallory"; honest && (p.Computed == 0 || p.Verified == 0) {
			s.Errorf("%s has computed %d microbatches, and %d of them count", p.Name, p.Computed, p.Verified)
		}
	}
	s.Logf("microbatches: %s; %d joins, %d leaves, %d leased again, %d restarts", strings.Join(work, ", "), over.Joins, over.Leaves, over.Audits.Releases, over.Restarts)
}

// cheatVariable makes this binary a participant of a session that forges one result in ten.
const cheatVariable = "REPRISE_TEST_CHEAT"

// cheated is what the cheat says in the end.
type cheated struct {
	Forged  int    `json:"forged"`
	Refused string `json:"refused"`
}

// cheat takes part in a session. It is done when it has been caught.
func cheat(join string) error {
	base, id, err := sessionAddress(join)
	if err != nil {
		return err
	}
	dial, err := ws.Dialer(base.JoinPath("api/v1/sessions", id, "ws").String(), ws.ClientOptions{})
	if err != nil {
		return err
	}
	f := &forger{blobs: serverBlobs{base: base}}
	_, err = trainer.Participate(context.Background(), trainer.Participation{
		Dial: func(ctx context.Context) (trainer.Connection, error) {
			c, err := dial(ctx)
			return forgery{c, f}, err
		},
		Blobs: f.blobs, Hello: wire.Hello{Role: wire.RoleWork, Family: "wazero", Workers: 1, Name: "mallory"},
	})
	refuse, ok := errors.AsType[*wire.Refuse](err)
	if !ok {
		return fmt.Errorf("%d ranges were forged, and nobody noticed: %w", f.forged, err)
	}
	return json.NewEncoder(os.Stdout).Encode(cheated{f.forged, refuse.Code})
}

type forger struct {
	blobs           closure.Blobs
	section         *schema.EngineSection
	results, forged int
}

// forgery is a connection over which some results are not what the engine has computed.
type forgery struct {
	trainer.Connection
	*forger
}

func (f forgery) Receive(ctx context.Context) (wire.Message, []byte, error) {
	m, packed, err := f.Connection.Receive(ctx)
	if welcome, ok := m.(*wire.Welcome); ok {
		r, err := f.blobs.Open(ctx, welcome.Engine.Digest)
		if err != nil {
			return nil, nil, err
		}
		defer r.Close()
		text, err := io.ReadAll(r)
		if err != nil {
			return nil, nil, err
		}
		e, err := engine.Parse(text)
		if err != nil {
			return nil, nil, err
		}
		f.section = e.Section
	}
	return m, packed, err
}

func (f forgery) Send(ctx context.Context, m wire.Message, packed []byte) error {
	r, ok := m.(*wire.Result)
	if !ok || packed == nil {
		return f.Connection.Send(ctx, m, packed)
	}
	if f.results++; f.results%10 != 3 {
		return f.Connection.Send(ctx, m, packed)
	}
	f.forged++
	v, err := wire.Open(f.section, packed, f.section.MaxMicrobatches)
	if err != nil {
		return err
	}
	region := f.section.Regions[schema.RegionAccumulators]
	accumulators := make([]byte, region.Size)
	v.Unpack(accumulators)
	for _, s := range f.section.Segments {
		if s.Type == "i32" && s.Combine == schema.CombineAdd {
			accumulators[s.Offset-region.Offset] ^= 1
		}
	}
	lie := *r
	packed = wire.Pack(nil, f.section, accumulators)
	lie.Digest, lie.Bytes = wire.CanonicalDigest(f.section, accumulators), int64(len(packed))
	return f.Connection.Send(ctx, &lie, packed)
}
