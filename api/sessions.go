package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/trainer"
)

// Sessions are the distributed trainings of a store.
type Sessions interface {
	List() []trainer.Summary
	// Get returns trainer.ErrNoSession for one that there is not.
	Get(id string) (*trainer.Coordinator, error)
	Create(ctx context.Context, q trainer.Request) (c *trainer.Coordinator, owner string, err error)
}

// Transport carries what participants and sessions say to each other.
type Transport interface {
	Serve(w http.ResponseWriter, r *http.Request, host trainer.Host)
}

// SessionList answers GET /api/v1/sessions.
type SessionList struct {
	Sessions []trainer.Summary `json:"sessions"`
	// None says why this server can have no sessions.
	None string `json:"none,omitempty"`
}

// SessionCreated answers POST /api/v1/sessions. Owner is the secret by which the session is commanded; it is shown this once.
type SessionCreated struct {
	ID      string         `json:"id"`
	Owner   string         `json:"owner"`
	Session trainer.Detail `json:"session"`
}

// SessionCurve answers GET /api/v1/sessions/<id>/curve.
type SessionCurve struct {
	Points []trainer.Point `json:"points"`
}

func (s *Service) sessionRoutes() []Route {
	const get, post = http.MethodGet, http.MethodPost
	return []Route{
		{get, "/api/v1/sessions", nil, "all sessions: those that go on, then the newest", s.sessionList},
		{post, "/api/v1/sessions", nil, "begins a session", s.sessionCreate},
		{get, "/api/v1/sessions/:id", nil, "everything about a session", s.sessionDetail},
		{get, "/api/v1/sessions/:id/curve", []string{"points"}, "the curve of a session", s.sessionCurve},
		{get, "/api/v1/sessions/:id/live", nil, "what changes, as server-sent events", s.sessionLive},
		{post, "/api/v1/sessions/:id/commands", nil, "commands a session", s.sessionCommand},
		{get, "/api/v1/sessions/:id/parameters", nil, "the newest parameters, as safetensors", s.sessionParameters},
		{get, "/api/v1/sessions/:id/ws", nil, "the WebSocket of participants", s.sessionSocket},
	}
}

// noSessions are those of a service that can have none, for a reason.
type noSessions struct{ why string }

func (noSessions) List() []trainer.Summary { return []trainer.Summary{} }

func (n noSessions) Get(string) (*trainer.Coordinator, error) { return nil, n.problem() }

func (n noSessions) Create(context.Context, trainer.Request) (*trainer.Coordinator, string, error) {
	return nil, "", n.problem()
}

func (n noSessions) problem() error {
	return newProblem(http.StatusNotFound, codeNoSessions, "ask a server whose store is a folder or a bucket, s3://…", "this server has no sessions: %s", n.why)
}

const codeNoSessions = "no-sessions"

func (s *Service) session(c *gin.Context) (*trainer.Coordinator, error) {
	one, err := s.Sessions.Get(c.Param("id"))
	if errors.Is(err, trainer.ErrNoSession) {
		return nil, newProblem(http.StatusNotFound, codeNotFound, "/api/v1/sessions lists what there is", "there is no session %q", shorten(c.Param("id"), 32))
	}
	return one, err
}

func (s *Service) sessionList(c *gin.Context) error {
	return answer(c, http.StatusOK, SessionList{Sessions: s.Sessions.List(), None: s.NoSessions})
}

func (s *Service) sessionDetail(c *gin.Context) error {
	one, err := s.session(c)
	if err != nil {
		return err
	}
	return answer(c, http.StatusOK, one.Detail())
}

func (s *Service) sessionCurve(c *gin.Context) error {
	one, err := s.session(c)
	if err != nil {
		return err
	}
	most := defaultPoints
	if text := c.Query("points"); text != "" {
		if most, err = strconv.Atoi(text); err != nil || most < 2 || most > 10*defaultPoints {
			return newProblem(http.StatusBadRequest, codeInvalid, "", "points: %q is not a number from 2 to %d", shorten(text, 16), 10*defaultPoints)
		}
	}
	return answer(c, http.StatusOK, SessionCurve{Points: thin(one.Points(-1), most)})
}

const defaultPoints = 1000

// thin leaves points out evenly, but none with an evaluation, nor the last.
func thin(points []trainer.Point, most int) []trainer.Point {
	if points == nil {
		return []trainer.Point{}
	}
	every := (len(points) + most - 1) / most
	if every <= 1 {
		return points
	}
	kept := points[:0]
	for i, p := range points {
		if i%every == 0 || p.Test != nil || i == len(points)-1 {
			kept = append(kept, p)
		}
	}
	return kept
}

// maxSession bounds the body of a request about a session.
const maxSession = 1 << 20

func (s *Service) sessionCreate(c *gin.Context) error {
	if err := sameSite(c.Request); err != nil {
		return err
	}
	if err := s.mayStart(c.Request); err != nil {
		return err
	}
	var q trainer.Request
	if err := readJSON(c, &q); err != nil {
		return err
	}
	one, owner, err := s.Sessions.Create(c.Request.Context(), q)
	if err != nil {
		return err
	}
	d := one.Detail()
	return answer(c, http.StatusCreated, SessionCreated{ID: d.ID, Owner: owner, Session: d})
}

// mayStart allows sessions to who has a token, and to the user of the machine that the server runs on.
func (s *Service) mayStart(r *http.Request) error {
	if s.MayStart != nil && bearer(r) != "" {
		if err := s.MayStart(r); err != nil {
			return newProblem(http.StatusUnauthorized, codeUnauthorized, "reprise token create makes one", "%s", err)
		}
		return nil
	}
	if localUser(r) {
		return nil
	}
	return newProblem(http.StatusUnauthorized, codeUnauthorized, "reprise token create makes one", "starting a session needs a token")
}

const codeUnauthorized = "unauthorized"

// localUser reports whether a request was sent on this machine, to an address of this machine alone, and by no proxy.
func localUser(r *http.Request) bool {
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(h) != "" {
			return false
		}
	}
	to, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && loopback(r.RemoteAddr) && loopback(to.String())
}

func loopback(address string) bool {
	a, err := netip.ParseAddrPort(address)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

func bearer(r *http.Request) string {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return ""
	}
	return strings.TrimSpace(text)
}

func (s *Service) sessionCommand(c *gin.Context) error {
	if err := sameSite(c.Request); err != nil {
		return err
	}
	one, err := s.session(c)
	if err != nil {
		return err
	}
	if !one.Owns(bearer(c.Request)) {
		if s.MayStart == nil || s.MayStart(c.Request) != nil {
			return newProblem(http.StatusForbidden, codeForbidden, "use the secret that was shown when the session was started", "only the owner commands a session")
		}
	}
	var command trainer.Command
	if err := readJSON(c, &command); err != nil {
		return err
	}
	if err := one.Do(c.Request.Context(), command); err != nil {
		return err
	}
	return answer(c, http.StatusOK, one.Detail())
}

const codeForbidden = "forbidden"

// readJSON reads a body strictly.
func readJSON(c *gin.Context, v any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(c.Writer, c.Request.Body, maxSession))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(v)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("something follows the document")
	}
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return err
	}
	return newProblem(http.StatusBadRequest, codeInvalid, "", "the body is not acceptable: %s", shorten(err.Error(), 200))
}

// sessionLive sends what changes about once a second, until the client goes or the session is over and everything was sent.
func (s *Service) sessionLive(c *gin.Context) error {
	one, err := s.session(c)
	if err != nil {
		return err
	}
	h := c.Writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	if c.Request.Method == http.MethodHead {
		return nil
	}
	control := http.NewResponseController(c.Writer)
	after := int64(-1)
	if last, err := strconv.ParseInt(c.GetHeader("Last-Event-Id"), 10, 64); err == nil {
		after = last
	}
	event := func(kind string, id int64, v any) error {
		data, err := json.Marshal(v)
		if err != nil {
			return err
		}
		_ = control.SetWriteDeadline(time.Now().Add(requestDeadline)) // not every writer has one
		text := "event: " + kind + "\n"
		if id >= 0 {
			text += "id: " + strconv.FormatInt(id, 10) + "\n"
		}
		if _, err := c.Writer.WriteString(text + "data: " + string(data) + "\n\n"); err != nil {
			return err
		}
		return control.Flush()
	}
	const pause = time.Second
	for {
		changed := one.Changed()
		detail := one.Detail()
		points := one.Points(after)
		if len(points) > 0 {
			after = points[len(points)-1].Step
			if event("points", after, SessionCurve{Points: thin(points, defaultPoints)}) != nil {
				return nil // the client is gone
			}
		}
		if event("status", -1, detail) != nil {
			return nil
		}
		select {
		case <-c.Request.Context().Done():
			return nil
		case <-s.stopped:
			return nil
		case <-changed:
		}
		select {
		case <-c.Request.Context().Done():
			return nil
		case <-s.stopped:
			return nil
		case <-time.After(pause):
		}
	}
}

func (s *Service) sessionParameters(c *gin.Context) error {
	one, err := s.session(c)
	if err != nil {
		return err
	}
	content, step, err := one.Parameters(c.Request.Context())
	if err != nil {
		return err
	}
	h := c.Writer.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Reprise-Step", strconv.FormatInt(step, 10))
	h.Set("Content-Disposition", `attachment; filename="model-`+one.Summary().ID+`-`+strconv.FormatInt(step, 10)+`.safetensors"`)
	c.Status(http.StatusOK)
	if c.Request.Method != http.MethodHead {
		_ = content.Write(c.Writer) // a client that is gone needs no answer
	}
	return nil
}

func (s *Service) sessionSocket(c *gin.Context) error {
	one, err := s.session(c)
	if err != nil {
		return err
	}
	s.Transport.Serve(c.Writer, c.Request, one)
	return nil
}
