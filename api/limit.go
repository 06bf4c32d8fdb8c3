package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/reprise-ml/reprise/api/limit"
)

// Limits of what one address may post. A visitor sends a record or two after looking at a closure; a class behind one
// address sends some tens.
const (
	postBurst    = 20
	postInterval = 10 * time.Second // after the burst, one each
)

// mayPost returns nil if the client may post now.
func (s *Service) mayPost(r *http.Request) *Problem {
	if wait := s.posts.Take(limit.Address(r)); wait > 0 {
		return newProblem(http.StatusTooManyRequests, codeRate, "wait "+strconv.Itoa(int(wait.Seconds())+1)+" seconds",
			"too many records came from this address")
	}
	return nil
}
