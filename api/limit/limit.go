// Package limit slows down clients that ask for too much.
package limit

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// maxKeys are remembered at a time.
const maxKeys = 1 << 14

// Limiter is a token bucket for each key. Its methods may be called at the same time.
type Limiter[K comparable] struct {
	burst    int
	interval time.Duration
	now      func() time.Time

	mu      sync.Mutex
	buckets map[K]time.Time // when the bucket will be full again
}

// New makes a limiter that lets burst uses of a key pass at once, then one each interval.
func New[K comparable](burst int, interval time.Duration, now func() time.Time) *Limiter[K] {
	return &Limiter[K]{burst: burst, interval: interval, now: now, buckets: map[K]time.Time{}}
}

// Take counts a use of the key. If it comes too early it is not counted, and wait is the time after which it will pass.
func (l *Limiter[K]) Take(key K) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	full := l.buckets[key]
	if full.Before(now) {
		full = now
	}
	full = full.Add(l.interval)
	if wait := full.Sub(now) - time.Duration(l.burst)*l.interval; wait > 0 {
		return wait
	}
	if len(l.buckets) >= maxKeys {
		l.forget(now)
	}
	l.buckets[key] = full
	return 0
}

// Wait is how long a use of the key would have to wait now. It counts nothing.
func (l *Limiter[K]) Wait(key K) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	full, used := l.buckets[key]
	if !used {
		return 0
	}
	return max(0, full.Sub(l.now())-time.Duration(l.burst-1)*l.interval)
}

// forget drops the keys whose buckets are full, or all where none is: an attack from so many is not stopped here.
func (l *Limiter[K]) forget(now time.Time) {
	for key, full := range l.buckets {
		if full.Before(now) {
			delete(l.buckets, key)
		}
	}
	if len(l.buckets) >= maxKeys {
		clear(l.buckets)
	}
}

// Address is the client's network: one address of IPv4, the /64 that one customer has of IPv6. Headers that a client can
// write are not believed.
func Address(r *http.Request) netip.Prefix {
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
