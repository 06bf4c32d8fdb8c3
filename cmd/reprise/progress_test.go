package main

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/reprise-ml/reprise/runner"
)

func curveOf(a *app) *curve {
	c := a.newCurve()
	correct := int64(9)
	for step := int64(1); step <= 4; step++ {
		p := runner.Progress{Step: step, Steps: 8, Loss: 1 / float64(step), Accuracy: 0.5, Examples: 32 * step, ExamplesPerSecond: 16, Elapsed: time.Second}
		if step == 4 {
			p.Evaluation = &runner.Evaluation{Total: 10, Correct: &correct}
		}
		c.step(p)
	}
	c.finish()
	return c
}

func TestProgress(t *testing.T) {
	t.Run("on a terminal", func(t *testing.T) {
		var stderr bytes.Buffer
		curveOf(&app{stderr: &stderr, terminal: true, width: 60})
		lines := strings.Split(stderr.String(), "\r\x1b[K")
		if len(lines) < 3 {
			t.Fatalf("%q", stderr.String())
		}
		for _, l := range lines[1 : len(lines)-1] {
			if strings.Contains(l, "\n") || utf8.RuneCountInString(l) >= 60 {
				t.Errorf("%q does not fit in one line", l)
			}
		}
		if rest := lines[len(lines)-1]; !strings.HasPrefix(rest, "loss of each step\n") {
			t.Errorf("the curve does not stand alone: %q", rest)
		}
	})
	t.Run("elsewhere", func(t *testing.T) {
		var stderr bytes.Buffer
		c := curveOf(&app{stderr: &stderr})
		want := "step 4/8  8s left  loss 0.2500  accuracy 50.0 %  test 9/10  16 examples/s\n"
		if !strings.HasPrefix(stderr.String(), want) {
			t.Errorf("%q, want %q", stderr.String(), want)
		}
		if strings.Contains(stderr.String(), "\x1b") || c.drawn {
			t.Error("it moves the cursor")
		}
	})
	t.Run("quiet", func(t *testing.T) {
		var stderr bytes.Buffer
		curveOf(&app{stderr: &stderr, quiet: true, terminal: true, width: 60})
		if stderr.Len() > 0 {
			t.Errorf("%q", stderr.String())
		}
	})
	t.Run("engine that counts nothing", func(t *testing.T) {
		var stderr bytes.Buffer
		c := (&app{stderr: &stderr, terminal: true, width: 60}).newCurve()
		c.step(runner.Progress{Step: 1, Steps: 2, Loss: math.NaN(), Accuracy: math.NaN()})
		c.finish()
		if !strings.Contains(stderr.String(), "step 1/2") || strings.Contains(stderr.String(), "NaN") {
			t.Errorf("%q", stderr.String())
		}
	})
}

func TestByteCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 kB", 5 << 20: "5.0 MB", 3 << 30: "3.0 GB"} {
		if got := byteCount(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
