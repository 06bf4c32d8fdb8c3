package api

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/trainer"
)

func write(t *testing.T, p *page) string {
	t.Helper()
	var b bytes.Buffer
	if err := pageTemplates.ExecuteTemplate(&b, "content", p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSessionPages(t *testing.T) {
	accuracy, loss := 0.98765, 0.12345678
	summary := trainer.Summary{
		ID: "a1", Name: "letters", Version: "1.1.0", Title: "<script>\u202eLetters", Mode: "timed", State: trainer.StateRunning, Step: 3, Steps: 9,
		Loss: &loss, Accuracy: &accuracy, Participants: 2, Workers: 5, Power: 1234.5, Parent: "letters:1.0.0",
	}
	for _, tc := range []struct {
		name string
		page func(*page)
		want []string
	}{
		{"the list", func(p *page) { p.Sessions = &sessionsPage{Sessions: []trainer.Summary{summary}} }, []string{
			`<a href="/s/a1"><bdi>&lt;script&gt;Letters</bdi></a> <code>letters:1.1.0</code>, running: step 3 of 9, 2 participants, accuracy 98.77 %`,
		}},
		{"a list where there can be none", func(p *page) { p.Sessions = &sessionsPage{None: "its store is a registry"} }, []string{
			"This server has no sessions: its store is a registry.",
		}},
		{"an empty list", func(p *page) { p.Sessions = &sessionsPage{} }, []string{"There are none yet."}},
		{"a session", func(p *page) {
			p.showSession(trainer.Detail{
				Summary: summary, Final: 2, Audits: trainer.Audits{Done: 7, Caught: 1},
				People: []trainer.ParticipantStatus{{ID: "p1", Name: "<img src=x>", Family: "v8", State: trainer.ParticipantWorking, Workers: 2, Computed: 40, Verified: 30}},
				Log:    []trainer.Happening{{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Step: 3, Text: "<b>joined"}},
			}, false)
		}, []string{
			"timed steps, running: step 3 of 9", "Loss over the last step: 0.1235", "98.77 %", "1234 examples a second", `From <a href="/c/letters:1.0.0">`,
			"7 results were repeated, 1 were contradicted", "<td><bdi>&lt;img src=x&gt;</bdi></td><td><bdi>v8</bdi></td><td>working</td><td>2</td><td>40</td><td>30</td>",
			"2026-01-02 03:04:05, step 3: <bdi>&lt;b&gt;joined</bdi>", `href="/api/v1/sessions/a1/parameters"`,
		}},
		{"the page to join", func(p *page) { p.showSession(trainer.Detail{Summary: summary}, true) }, []string{"<code>reprise join</code>"}},
		{"one that waits", func(p *page) {
			p.showSession(trainer.Detail{Summary: trainer.Summary{ID: "b", Name: "n", State: trainer.StateRunning, Trouble: "the disk is full"}}, false)
		}, []string{"It waits: the disk is full. It goes on by itself"}},
		{"one that is not published", func(p *page) {
			p.showSession(trainer.Detail{Summary: trainer.Summary{ID: "b", Name: "n", State: trainer.StateFinished, Error: "not published: no"}}, false)
		}, []string{"It is done: <bdi>not published: no</bdi>"}},
		{"one that failed", func(p *page) {
			p.showSession(trainer.Detail{Summary: trainer.Summary{ID: "b", Name: "n", State: trainer.StateFailed, Error: "<i>non-finite"}}, false)
		}, []string{"It failed: <bdi>&lt;i&gt;non-finite</bdi>"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := &page{}
			tc.page(p)
			text := write(t, p)
			for _, want := range tc.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing in\n%s", want, text)
				}
			}
		})
	}
}

func TestSessionAddress(t *testing.T) {
	for at, want := range map[string]struct {
		id       string
		join, ok bool
	}{"/s/a1": {"a1", false, true}, "/join/a1": {"a1", true, true}, "/joint": {"/joint", true, false}, "/c/x": {"/c/x", true, false}} {
		id, join, ok := sessionAddress(at)
		if ok != want.ok || ok && (id != want.id || join != want.join) {
			t.Errorf("%s is %q, %v, %v", at, id, join, ok)
		}
	}
}

func TestPagesOfAServiceWithoutSessions(t *testing.T) {
	s := &Service{Options: Options{Sessions: noSessions{"its store is a registry"}}}
	for _, at := range []string{"/s/a1", "/join/a1"} {
		id, join, _ := sessionAddress(at)
		p := problemOf(s.sessionPage(&page{}, id, join))
		if p.Status != http.StatusNotFound || p.Detail != "this server has no sessions: its store is a registry" || p.Hint == "" {
			t.Errorf("%s: %+v", at, p)
		}
	}
}
