package registry

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// sessionLife is how long an upload is kept that nobody goes on with: long enough for a laptop that was put away over a weekend.
const sessionLife = 7 * 24 * time.Hour

// spool is the directory of the sessions: for each the file ID.data, with what has arrived, and the file ID.json, with what is
// needed to go on.
type spool struct {
	dir    string
	quotas *quotas
	now    func() time.Time

	mu       sync.Mutex
	sessions map[string]*session // that were used since the server was started
}

func newSpool(dir string, q *quotas, now func() time.Time) *spool {
	return &spool{dir: dir, quotas: q, now: now, sessions: map[string]*session{}}
}

// sessionID is a UUID of version 4, and safe in the name of a file.
var sessionID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func newSessionID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

const (
	dataSuffix  = ".data"
	stateSuffix = ".json"
)

// begin makes a session for a blob of a name.
func (s *spool) begin(name string, t *Token) (*session, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	u := newSession(s, newSessionID(), state{Name: name, Token: t.ID})
	f, err := os.OpenFile(u.path(dataSuffix), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Close(), u.save()); err != nil {
		return nil, errors.Join(err, os.Remove(u.path(dataSuffix)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[u.id] = u
	return u, nil
}

// find returns the session of a name, also one from before the server was started.
func (s *spool) find(name, id string) (*session, error) {
	unknown := fail(http.StatusNotFound, codeUploadUnknown, "there is no such upload: it is done, was cancelled or was given up; begin another")
	if !sessionID.MatchString(id) {
		return nil, unknown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.sessions[id]
	if u == nil {
		loaded, err := s.load(id)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, unknown
		}
		if err != nil {
			return nil, err
		}
		u = loaded
		s.sessions[id] = u
	}
	if u.state.Name != name {
		return nil, unknown
	}
	return u, nil
}

func (s *spool) load(id string) (*session, error) {
	u := newSession(s, id, state{})
	b, err := os.ReadFile(u.path(stateSuffix))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &u.state); err != nil {
		return nil, fmt.Errorf("the state of upload %s: %w", id, err)
	}
	info, err := os.Stat(u.path(dataSuffix))
	if err != nil {
		return nil, err
	}
	u.size = info.Size()
	s.quotas.restore(u.state.Token, u.size)
	return u, nil
}

// forget removes a session, which its caller holds.
func (s *spool) forget(u *session) error {
	s.mu.Lock()
	delete(s.sessions, u.id)
	s.mu.Unlock()
	u.gone = true
	// The data last: a state without data is no session.
	err := errors.Join(os.Remove(u.path(stateSuffix)), os.Remove(u.path(dataSuffix)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// sweep removes the sessions that were given up, and reports how many.
func (s *spool) sweep() (int, error) {
	files, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	swept := 0
	for _, f := range files {
		id, ok := strings.CutSuffix(f.Name(), dataSuffix)
		if !ok || !sessionID.MatchString(id) {
			continue
		}
		info, err := f.Info()
		if err != nil || s.now().Sub(info.ModTime()) < sessionLife {
			continue
		}
		s.mu.Lock()
		u, used := s.sessions[id]
		s.mu.Unlock()
		if !used {
			u = newSession(s, id, state{})
		} else if !u.tryHold() {
			continue
		}
		if err := s.forget(u); err != nil {
			return swept, err
		}
		if used {
			s.quotas.restore(u.state.Token, -u.size)
			u.release()
		}
		swept++
	}
	return swept, nil
}

// path is that of a file of a session.
func (u *session) path(suffix string) string { return filepath.Join(u.spool.dir, u.id+suffix) }
