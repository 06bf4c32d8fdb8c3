package limit_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/api/limit"
)

func TestLimiter(t *testing.T) {
	now := time.Unix(1000, 0)
	l := limit.New[string](3, 10*time.Second, func() time.Time { return now })
	for i := range 3 {
		if wait := l.Take("a"); wait != 0 {
			t.Fatalf("use %d waits %s", i, wait)
		}
	}
	if wait := l.Take("a"); wait != 10*time.Second {
		t.Errorf("the fourth use waits %s", wait)
	}
	if wait := l.Wait("a"); wait != 10*time.Second {
		t.Errorf("it would wait %s", wait)
	}
	if wait := l.Wait("b"); wait != 0 {
		t.Errorf("another key would wait %s", wait)
	}
	if wait := l.Take("b"); wait != 0 {
		t.Errorf("another key waits %s", wait)
	}
	now = now.Add(10 * time.Second)
	if wait := l.Take("a"); wait != 0 {
		t.Errorf("after a while it still waits %s", wait)
	}
	if l.Take("a") == 0 {
		t.Error("one interval lets two uses pass")
	}
}

// However many keys there are, the limiter goes on and remembers a bounded number.
func TestLimiterForgets(t *testing.T) {
	l := limit.New[int](1, time.Second, func() time.Time { return time.Unix(0, 0) })
	for i := range 1<<15 + 10 {
		if wait := l.Take(i); wait != 0 {
			t.Fatalf("key %d waits %s", i, wait)
		}
	}
	if l.Take(1<<15+9) == 0 {
		t.Error("the last key was forgotten")
	}
}

func TestAddress(t *testing.T) {
	for address, want := range map[string]string{
		"10.1.2.3:4":                 "10.1.2.3/32",
		"[::ffff:10.1.2.3]:4":        "10.1.2.3/32",
		"[2001:db8:1:2:3:4:5:6]:443": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":           "fe80::/64",
		"":                           "invalid Prefix",
		"10.0.0.1":                   "invalid Prefix",
		"somewhere:1":                "invalid Prefix",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = address
		r.Header.Set("X-Forwarded-For", "1.2.3.4")
		if got := limit.Address(r).String(); got != want {
			t.Errorf("%q: %s, want %s", address, got, want)
		}
	}
}
