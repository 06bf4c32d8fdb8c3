package registry

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
)

// quotas count what was uploaded with each token: what is in the store, which is on disk, and what waits in the spool.
type quotas struct {
	tokens *Tokens

	mu      sync.Mutex
	pending map[string]int64 // by the token's id
}

func newQuotas(t *Tokens) *quotas { return &quotas{tokens: t, pending: map[string]int64{}} }

// add counts n bytes that are about to be spooled, or a negative number of those that are no longer. Bytes that would exceed
// the token's quota are refused, and not counted.
func (q *quotas) add(t *Token, n int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.Quota > 0 && n > 0 {
		used, err := q.used(t.ID)
		if err != nil {
			return err
		}
		if used+q.pending[t.ID]+n > t.Quota {
			return fail(http.StatusForbidden, codeDenied, "the quota of this token is used up: it allows %d bytes, and %d are stored or being uploaded",
				t.Quota, used+q.pending[t.ID])
		}
	}
	q.count(t.ID, n)
	return nil
}

// restore counts bytes that were spooled before the server was started.
func (q *quotas) restore(id string, n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count(id, n)
}

func (q *quotas) count(id string, n int64) {
	if q.pending[id] += n; q.pending[id] <= 0 {
		delete(q.pending, id)
	}
}

// keep turns spooled bytes into stored ones.
func (q *quotas) keep(id string, n int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count(id, -n)
	t, err := q.tokens.read(id)
	if err != nil || t.Quota == 0 {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil // revoked meanwhile
		}
		return err
	}
	used, err := q.used(id)
	if err != nil {
		return err
	}
	return replaceFile(q.tokens.usage(id), strconv.AppendInt(nil, used+n, 10))
}

func (q *quotas) used(id string) (int64, error) {
	b, err := os.ReadFile(q.tokens.usage(id))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
}
