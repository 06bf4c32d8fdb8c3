package ws

import (
	"math"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/reprise-ml/reprise/trainer/wire"
)

// admission decides who may connect.
type admission struct {
	connections int        // at a time
	joins       rate.Limit // per second and address
	burst       int
	address     func(*http.Request) string

	mu        sync.Mutex
	open      int
	addresses map[string]*rate.Limiter
}

// refusals is how many connections may be open beyond the limit, only to be told why they are refused.
const refusals = 64

// manyAddresses is when addresses that have not joined of late are forgotten.
const manyAddresses = 4096

// enter counts a connection. The refusal says why it has to leave again; without ok there is not even room to tell it so.
func (a *admission) enter(r *http.Request, now time.Time) (refusal *wire.Refuse, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open >= a.connections+refusals {
		return nil, false
	}
	a.open++
	if a.open > a.connections {
		return &wire.Refuse{Code: wire.CodeFull, Message: "the server has as many connections as it takes", RetryAfter: 60}, true
	}
	limiter := a.limiter(a.key(r), now)
	if reservation := limiter.ReserveN(now, 1); reservation.DelayFrom(now) > 0 {
		wait := reservation.DelayFrom(now)
		reservation.CancelAt(now)
		return &wire.Refuse{
			Code: wire.CodeBusy, Message: "too many joins from your address", RetryAfter: math.Ceil(wait.Seconds()),
		}, true
	}
	return nil, true
}

func (a *admission) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
}

func (a *admission) limiter(key string, now time.Time) *rate.Limiter {
	if l, known := a.addresses[key]; known {
		return l
	}
	if len(a.addresses) >= manyAddresses {
		for k, l := range a.addresses {
			if l.TokensAt(now) >= float64(a.burst) {
				delete(a.addresses, k)
			}
		}
	}
	l := rate.NewLimiter(a.joins, a.burst)
	a.addresses[key] = l
	return l
}

// key is the address that joins are counted for: of IPv6 the network, for a household has all of it.
func (a *admission) key(r *http.Request) string {
	text := r.RemoteAddr
	if a.address != nil {
		text = a.address(r)
	}
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return text
	}
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		if network, err := ip.Prefix(64); err == nil {
			return network.String()
		}
	}
	return ip.String()
}
