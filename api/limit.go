package api

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// Limits of what one address may post. A visitor sends a record or two after looking at a closure; a class behind one
// address sends some tens.
const (
	postBurst    = 20
	postInterval = 10 * time.Second // after the burst, one each
	maxAddresses = 1 << 14          // that are remembered
)

// limiter is a token bucket per address.
type limiter struct {
	now func() time.Time

	mu      sync.Mutex
	buckets map[netip.Prefix]time.Time // when the bucket will be full again
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, buckets: map[netip.Prefix]time.Time{}}
}

// take returns nil if the client may post now.
func (l *limiter) take(r *http.Request) *Problem {
	l.mu.Lock()
	defer l.mu.Unlock()
	key, now := addressOf(r), l.now()
	full := l.buckets[key]
	if full.Before(now) {
		full = now
	}
	full = full.Add(postInterval)
	if wait := full.Sub(now) - postBurst*postInterval; wait > 0 {
		return newProblem(http.StatusTooManyRequests, codeRate, "wait "+strconv.Itoa(int(wait.Seconds())+1)+" seconds",
			"too many records came from this address")
	}
	if len(l.buckets) >= maxAddresses {
		l.forget(now)
	}
	l.buckets[key] = full
	return nil
}

// forget drops the addresses whose buckets are full, or all where none is: an attack from so many is not stopped here.
func (l *limiter) forget(now time.Time) {
	for key, full := range l.buckets {
		if full.Before(now) {
			delete(l.buckets, key)
		}
	}
	if len(l.buckets) >= maxAddresses {
		clear(l.buckets)
	}
}

// addressOf is the client's network: one address of IPv4, the /64 that one customer has of IPv6. Headers that a client can
// write are not believed.
func addressOf(r *http.Request) netip.Prefix {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	a = a.Unmap()
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
