package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer"
)

// config keeps what a test remembers of sessions out of the user's folder.
func config(t *testing.T) { t.Setenv("XDG_CONFIG_HOME", t.TempDir()) }

// started starts a session and returns its report.
func (d *desk) started(server string, args ...string) *schema.SessionReport {
	d.Helper()
	return report[schema.SessionReport](d, schema.KindSessionReport, exitDone, append(append([]string{"session", "start"}, args...), "--server", server)...)
}

// joining lets native participants work until the session ends.
func (d *desk) joining(group *sync.WaitGroup, join string, n int) []*schema.JoinReport {
	d.Helper()
	reports := make([]*schema.JoinReport, n)
	for i := range n {
		group.Go(func() {
			var out, notes bytes.Buffer
			if code := run(d.Context(), []string{"join", join, "--workers", "1", "--name", fmt.Sprint("worker ", i), "--json"}, &out, &notes); code != exitDone {
				d.Errorf("join: exit %d: %s%s", code, out.String(), notes.String())
				return
			}
			var r schema.JoinReport
			if err := json.Unmarshal(out.Bytes(), &r); err != nil {
				d.Error(err)
			}
			reports[i] = &r
		})
	}
	return reports
}

// session asks the server about a session.
func (d *desk) session(server, id string) trainer.Detail {
	d.Helper()
	var detail trainer.Detail
	o := d.done("session", "show", id, "--server", server, "--json")
	if err := json.Unmarshal([]byte(o.stdout), &detail); err != nil {
		d.Fatal(err)
	}
	return detail
}

// over waits until a session is published.
func (d *desk) over(server, id string) trainer.Detail {
	d.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		s := d.session(server, id)
		if s.State == trainer.StatePublished || s.State == trainer.StateStopped {
			return s
		}
		if s.State == trainer.StateFailed || s.Error != "" || time.Now().After(deadline) {
			d.Fatalf("%+v", s)
		}
	}
}

func TestSession(t *testing.T) {
	t.Setenv(mainVariable, "1")
	config(t)
	d := withData(t)
	dir, alone := d.trained("alone")
	server := d.serving()
	s := d.started(server, d.path("closure.yaml"))
	if !strings.HasSuffix(s.Join, "/join/"+s.ID) || !strings.HasSuffix(s.Page, "/s/"+s.ID) {
		t.Errorf("%+v", s)
	}
	var group sync.WaitGroup
	joined := d.joining(&group, s.Join, 2)
	over := d.over(server, s.ID)
	group.Wait()
	if over.Run != alone.Run || over.Closure != "small:1.0.0" {
		t.Errorf("run %s; alone %s; %s", over.Run, alone.Run, over.Closure)
	}
	for _, j := range joined {
		if j == nil || !j.Ended {
			t.Errorf("%+v", j)
		}
	}
	replay := report[schema.ReplayReport](d, schema.KindReplayReport, exitDone, "replay", "small:1.0.0")
	if replay.Verdict != schema.VerdictIdentical || replay.Run != alone.Run {
		t.Errorf("%+v", replay)
	}
	d.done("verify", "small:1.0.0")
	// What a session and a single machine train is one closure: only dates differ.
	d.done("pull", "small:1.0.0", "-o", d.path("pulled"))
	if d.read("pulled/journal/train.jsonl") != string(must(os.ReadFile(dir+"/journal/train.jsonl"))) {
		t.Error("another journal than alone")
	}

	t.Run("resume", func(t *testing.T) {
		d := &desk{t, d.dir}
		longer := d.done("resume", "small:1.0.0", "--steps", "8", "-o", d.path("longer"), "--json")
		var want schema.TrainReport
		if err := json.Unmarshal([]byte(longer.stdout), &want); err != nil {
			t.Fatal(err)
		}
		s := d.started(server, "small:1.0.0", "--steps", "8")
		var group sync.WaitGroup
		d.joining(&group, s.Join, 2)
		over := d.over(server, s.ID)
		group.Wait()
		if over.Run != want.Run || over.Parent != "small:1.0.0" || over.Relation != schema.RelationResumed || over.Closure != "small:1.1.0" {
			t.Errorf("%+v; alone %s", over, want.Run)
		}
		d.done("replay", "small:1.1.0")
	})
	t.Run("again", func(t *testing.T) {
		d := &desk{t, d.dir}
		s := d.started(server, "small:1.0.0")
		var group sync.WaitGroup
		d.joining(&group, s.Join, 1)
		over := d.over(server, s.ID)
		group.Wait()
		if over.Run != alone.Run || over.Relation != schema.RelationRetrained {
			t.Errorf("%+v", over)
		}
	})
	t.Run("commands", func(t *testing.T) {
		d := &desk{t, d.dir}
		s := d.started(server, d.path("closure.yaml"), "--version", "2.0.0")
		at := []string{"--server", server}
		command := func(args ...string) { d.done(append(append([]string{"session"}, args...), at...)...) }
		command("pause", s.ID)
		command("set", s.ID, "learningRate=0.05", "--step", "6")
		d.refused(exitInvalid, []string{"no hyper-parameter"}, append([]string{"session", "set", s.ID, "nothing=1"}, at...)...)
		d.refused(exitInvalid, []string{"NAME=VALUE"}, append([]string{"session", "set", s.ID, "nothing"}, at...)...)
		d.refused(exitInvalid, []string{"not possible"}, append([]string{"session", "publish", s.ID}, at...)...)
		d.refused(exitFailed, []string{"owner"}, append([]string{"session", "stop", s.ID, "--owner", "somebody"}, at...)...)
		command("resume", s.ID)
		var group sync.WaitGroup
		d.joining(&group, s.Join, 2)
		over := d.over(server, s.ID)
		group.Wait()
		if over.Closure != "small:2.0.0" || over.Run == alone.Run {
			t.Errorf("%+v", over)
		}
		d.done("replay", "small:2.0.0")
		if list := d.done("session", "list", "--server", server); !strings.Contains(list.stdout, "small:2.0.0") || !strings.Contains(list.stdout, "published") {
			t.Error(list.stdout)
		}
		if show := d.done("session", "show", s.ID, "--server", server); !strings.Contains(show.stdout, "worker 0") {
			t.Error(show.stdout)
		}
	})
	t.Run("another engine", func(t *testing.T) {
		d := &desk{t, d.dir}
		s := d.started(server, d.path("closure.yaml"), "--version", "5.0.0")
		at := []string{"--server", server}
		command := func(args ...string) { d.done(append(append([]string{"session"}, args...), at...)...) }
		command("pause", s.ID)
		deeper := d.write("deeper.yaml", strings.NewReplacer(
			"- flatten: {}", "- flatten: {}\n    - dense: {units: 16, activation: relu}", "batchSize: 32", "batchSize: 40").Replace(specification))
		d.refused(exitInvalid, []string{"had already"}, append([]string{"session", "change", s.ID, d.path("closure.yaml")}, at...)...)
		d.refused(exitInvalid, []string{"not a step to come"}, append([]string{"session", "change", s.ID, deeper, "--step", "13"}, at...)...)
		command("change", s.ID, deeper, "--step", "7")
		command("resume", s.ID)
		var group sync.WaitGroup
		d.joining(&group, s.Join, 2)
		over := d.over(server, s.ID)
		group.Wait()
		if over.Closure != "small:5.0.0" {
			t.Fatalf("%+v", over)
		}
		d.done("verify", "small:5.0.0")
		replay := report[schema.ReplayReport](d, schema.KindReplayReport, exitDone, "replay", "small:5.0.0")
		if replay.Verdict != schema.VerdictIdentical || replay.Derivation != schema.Derived || replay.Run != over.Run {
			t.Errorf("%+v", replay)
		}
		d.done("resume", "small:5.0.0", "--steps", "3", "-o", d.path("further"))
		d.done("replay", d.path("further"))
		d.refused(exitInvalid, []string{"replaced on the way"}, append([]string{"session", "start", "small:5.0.0"}, at...)...)
		more := d.started(server, "small:5.0.0", "--steps", "3")
		d.joining(&group, more.Join, 1)
		published := d.over(server, more.ID).Closure
		group.Wait()
		d.done("replay", published)
	})
	t.Run("stop", func(t *testing.T) {
		d := &desk{t, d.dir}
		s := d.started(server, d.path("closure.yaml"), "--version", "3.0.0")
		d.done("session", "stop", s.ID, "--server", server)
		if state := d.over(server, s.ID).State; state != trainer.StateStopped {
			t.Error(state)
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestSessionRefuses(t *testing.T) {
	t.Setenv(mainVariable, "1")
	config(t)
	d := withData(t)
	server := d.serving()
	spec := d.path("closure.yaml")
	at := []string{"--server", server}
	with := func(args ...string) []string { return append(args, at...) }
	d.refused(exitInvalid, []string{"--server"}, "session", "start", spec)
	d.refused(exitInvalid, []string{"not an address"}, "session", "start", spec, "--server", "zoo")
	d.refused(exitFailed, []string{"cannot be reached"}, "session", "list", "--server", "http://127.0.0.1:1")
	d.refused(exitInvalid, []string{"not found"}, with("session", "start", "nothing:1.0.0")...)
	d.refused(exitInvalid, []string{"mode"}, with("session", "start", spec, "--mode", "loose")...)
	d.refused(exitInvalid, []string{"audit"}, with("session", "start", spec, "--audit", "2")...)
	d.refused(exitInvalid, []string{"seconds"}, with("session", "start", spec, "--seconds", "2")...)
	d.refused(exitInvalid, []string{"version"}, with("session", "start", spec, "--version", "one")...)
	d.refused(exitInvalid, []string{"no session"}, with("session", "show", "nothing")...)
	d.refused(exitInvalid, []string{"--owner"}, with("session", "stop", "nothing")...)
	d.refused(exitInvalid, []string{"needs a verb"}, "session")
	d.refused(exitInvalid, []string{"not the address of a session"}, "join", "nowhere")
	d.refused(exitInvalid, []string{"--workers"}, "join", server+"join/x", "--workers", "0")
	d.write("bad.yaml", "name: 7")
	d.refused(exitInvalid, []string{"bad.yaml"}, with("session", "start", d.path("bad.yaml"))...)
	// Only who sits at the machine starts a session without a token.
	r := must(http.NewRequest(http.MethodPost, server+"api/v1/sessions", strings.NewReader("{}")))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Forwarded-For", "192.0.2.1")
	a := must(http.DefaultClient.Do(r))
	a.Body.Close()
	if a.StatusCode != http.StatusUnauthorized {
		t.Error(a.Status)
	}
}
