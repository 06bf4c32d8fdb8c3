package oci

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// pauses are how long to wait before trying again.
type pauses struct {
	first    time.Duration // before the second attempt; each further pause is twice as long
	attempts int
}

const (
	defaultPause = 500 * time.Millisecond
	attempts     = 6 // half a minute in all
	maxPause     = 30 * time.Second
	maxAsked     = 5 * time.Minute // that a server may ask for
)

// wait waits after the given number of failures, at least as long as the server asked for.
func (p pauses) wait(ctx context.Context, failures int, asked time.Duration) error {
	pause := min(p.first<<min(failures-1, 16), maxPause)
	pause += rand.N(pause/4 + 1) // so that those whom one fault stopped do not come back at one moment
	if asked > maxAsked {
		return fmt.Errorf("it asks to be left alone for %s; try again then", asked.Round(time.Second))
	}
	timer := time.NewTimer(max(pause, asked))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// retryAfter is what a server asks for in seconds or by a date; zero if it does not ask.
func retryAfter(resp *http.Response) time.Duration {
	text := resp.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, 1<<20)) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(date))
	}
	return 0
}
