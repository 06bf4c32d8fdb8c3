package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/reprise-ml/reprise/trainer"
)

const errorHelp = `Sessions really train W2 on drawn letters in timed steps, and a participant that only tracks evaluates every state: the test error
against time, for some numbers of participants. Each waits as long as it would compute; what it sends is computed by an engine that
all of them share, so that two cores are enough for many.`

// course is how the test error falls with so many participants.
type course struct {
	Participants int      `json:"participants"`
	Points       []moment `json:"points"`
	Examples     int64    `json:"examples"` // that were merged up to the last point
}

// moment is the test error, 0 … 1, of a state.
type moment struct {
	Seconds float64 `json:"seconds"` // since the first step began
	Error   float64 `json:"error"`
}

// errorsOf runs timed sessions that train, one after the other.
func errorsOf(ctx context.Context, arguments []string) ([]course, error) {
	f := flag.NewFlagSet("error", flag.ContinueOnError)
	f.Usage = func() { fmt.Fprintln(f.Output(), errorHelp); f.PrintDefaults() }
	out := f.String("out", ".", "folder for error.svg")
	counts := f.String("counts", "1,4,16,64", "numbers of participants")
	var l load
	f.DurationVar(&l.step, "step", time.Second, "time of a step")
	f.DurationVar(&l.microbatch, "microbatch", 250*time.Millisecond, "time that a participant takes for a microbatch of 16 examples")
	f.DurationVar(&l.length, "length", 30*time.Second, "how long each trains")
	if err := f.Parse(arguments); err != nil {
		return nil, err
	}
	var all []course
	for text := range strings.SplitSeq(*counts, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, err
		}
		c, err := courseOf(ctx, n, l)
		if err != nil {
			return nil, err
		}
		last := c.Points[len(c.Points)-1]
		fmt.Fprintf(os.Stderr, "%d participants: a test error of %.1f %% after %.1f s, %d steps and %d examples\n", n, 100*last.Error, last.Seconds, len(c.Points), c.Examples)
		all = append(all, c)
	}
	return all, os.WriteFile(filepath.Join(*out, "error.svg"), drawErrors(all), 0o644)
}

func courseOf(ctx context.Context, n int, l load) (course, error) {
	subject, err := glyphs(ctx)
	if err != nil {
		return course{}, err
	}
	s, err := start(ctx, subject, trainer.Request{Mode: "timed", Seconds: l.step.Seconds()}, plain)
	if err != nil {
		return course{}, err
	}
	defer s.close()
	c, err := gather(ctx, s, n, "-each", l.microbatch.String(), "-learn")
	if err != nil {
		return course{}, err
	}
	for {
		now, err := c.look()
		if err != nil {
			return course{}, err
		}
		if k := len(now.Course); k > 1 && now.Course[k-1].Seconds >= l.length.Seconds() {
			return course{Participants: n, Points: now.Course, Examples: now.Merged}, c.disperse()
		}
		if s.session.Summary().State == trainer.StateFailed {
			return course{}, errors.New("the session failed: " + s.session.Summary().Error)
		}
		select {
		case <-ctx.Done():
			return course{}, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
