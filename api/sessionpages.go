package api

import (
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/reprise-ml/reprise/trainer"
)

//go:embed sessions.tmpl
var sessionsText string

// sessionsPage lists sessions, on a page without JavaScript.
type sessionsPage struct {
	Sessions []trainer.Summary
	None     string // why there can be none
}

// sessionPage is what a session's own page and the page to join it say without JavaScript.
type sessionPage struct {
	trainer.Detail
	Join bool
}

func (s *Service) sessionsPage(p *page) {
	p.Sessions = &sessionsPage{Sessions: s.Sessions.List(), None: s.NoSessions}
	p.Title = "Sessions · " + siteTitle
	p.Description = "Trainings that many browsers and machines do together, with the result of one."
}

func (s *Service) sessionPage(p *page, id string, join bool) error {
	one, err := s.Sessions.Get(id)
	if errors.Is(err, trainer.ErrNoSession) {
		return newProblem(http.StatusNotFound, codeNotFound, "", "there is no session %q", shorten(id, 32))
	}
	if err != nil {
		return err
	}
	p.showSession(one.Detail(), join)
	return nil
}

func (p *page) showSession(d trainer.Detail, join bool) {
	p.Session = &sessionPage{Detail: d, Join: join}
	p.Title = headline(d.Title, d.Name)
	p.Description = fmt.Sprintf("A training in a session: step %d of %d.", max(d.Step, 0), d.Steps)
	if join {
		p.Title = "Join: " + p.Title
		p.Description = "Any browser can take part in this training, for as long as it likes. Nothing is installed."
	}
}

// sessionAddress reads the address of a session's page.
func sessionAddress(at string) (id string, join, ok bool) {
	if id, ok = strings.CutPrefix(at, "/s/"); ok {
		return id, false, true
	}
	id, ok = strings.CutPrefix(at, "/join/")
	return id, true, ok
}

// fraction writes a part of one for people.
func fraction(v *float64) string { return fmt.Sprintf("%.2f %%", 100**v) }

// figure writes a measured number for people.
func figure(v *float64) string { return fmt.Sprintf("%.4g", *v) }
