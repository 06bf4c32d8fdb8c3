package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/api"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/zoo/s3/s3test"
)

// A session lives in a bucket as it does in a folder: its server is killed inside a step, and the digest is that of one machine alone.
func TestSessionInBucket(t *testing.T) {
	bucket := s3test.Versitygw.Start(t, true)
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.SecretKey)
	t.Setenv(mainVariable, "1")
	config(t)
	place := bucket.Place()
	d := withData(t)
	d.write("closure.yaml", convolutional("40"))
	_, alone := d.trained("alone", "--workers", "1")
	d.done("copy", "glyphs:1.0.0", "--to", place)
	server := d.server("--store", place, "--tokens", d.path("tokens"), "--spool", d.path("spool"))
	s := server.start(t, "closure.yaml", "2.0.0")
	s.enter(2)
	s.command("resume")
	s.until("a step after a checkpoint", func(now trainer.Detail) bool { return now.Checkpoint > 0 && now.Step > now.Checkpoint })
	if now := s.inside(s.workers...); now.State != trainer.StateRunning || now.Step >= now.Steps {
		t.Fatalf("nothing is under way: %s, step %d", now.State, now.Step)
	}
	server.restart()
	s.wake(s.workers...)
	s.everybodyWorks()
	over := s.over()
	s.same(over, alone.Run)
	if over.Restarts != 1 || over.Joins != 4 {
		t.Errorf("%d restarts, %d joins", over.Restarts, over.Joins)
	}
	server.stop()
	replay := report[schema.ReplayReport](d, schema.KindReplayReport, exitDone, "replay", over.Closure, "--store", place)
	if replay.Verdict != schema.VerdictIdentical || replay.Run != alone.Run {
		t.Errorf("%+v", replay)
	}
}

// A store that cannot keep sessions says so, and why.
func TestServerWithoutSessions(t *testing.T) {
	d := withData(t)
	d.done("export", "glyphs:1.0.0", "-o", d.path("bundle.tar"))
	for store, why := range map[string]string{d.serving(): "its store is a registry", d.path("bundle.tar"): "its store is a bundle"} {
		site := d.serving("--store", store, "--tokens", d.path("tokens"), "--spool", d.path("spool"))
		if list := fetched[api.SessionList](d, site+"api/v1/sessions"); !strings.Contains(list.None, why) {
			t.Errorf("%+v", list)
		}
		d.refused(exitInvalid, []string{"this server has no sessions", why, "a folder or a bucket"}, "session", "start", d.path("closure.yaml"), "--server", site)
		r, err := http.Get(site + "api/v1/sessions/a1")
		if err != nil {
			t.Fatal(err)
		}
		var p api.Problem
		err = json.NewDecoder(r.Body).Decode(&p)
		r.Body.Close()
		if err != nil || r.StatusCode != http.StatusNotFound || !strings.Contains(p.Detail, why) {
			t.Errorf("%s: %+v, %v", r.Status, p, err)
		}
	}
}
