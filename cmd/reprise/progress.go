package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/reprise-ml/reprise/runner"
)

// Intervals of progress on standard error.
const (
	redrawEvery = 100 * time.Millisecond // of a line that moves, on a terminal
	lineEvery   = 10 * time.Second       // of plain lines elsewhere
)

// progress shows how far something is: as one moving line on a terminal, as an occasional plain line elsewhere, not at
// all with -q. The zero time makes the first report appear at once on a terminal, and after a while elsewhere.
type progress struct {
	app   *app
	shown time.Time
	drawn bool // the terminal holds an unfinished line
}

func (a *app) newProgress() *progress {
	p := &progress{app: a}
	if !a.terminal {
		p.shown = time.Now()
	}
	return p
}

// due reports whether it is time for another line.
func (p *progress) due() bool {
	every := lineEvery
	if p.app.terminal {
		every = redrawEvery
	}
	return !p.app.quiet && time.Since(p.shown) >= every
}

// show prints a line: in place of the one before where that is possible.
func (p *progress) show(line string) {
	if p.app.quiet {
		return
	}
	p.shown = time.Now()
	if !p.app.terminal {
		fmt.Fprintln(p.app.stderr, line)
		return
	}
	if r := []rune(line); len(r) >= p.app.width {
		line = string(r[:p.app.width-1])
	}
	fmt.Fprintf(p.app.stderr, "\r\x1b[K%s", line)
	p.drawn = true
}

// clear removes the moving line, so that other text can follow.
func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.app.stderr, "\r\x1b[K")
		p.drawn = false
	}
}

// bar draws a share of a width.
func bar(share float64, width int) string {
	n := int(math.Round(share * float64(width)))
	n = min(max(n, 0), width)
	return strings.Repeat("█", n) + strings.Repeat("░", width-n)
}

// byteCount writes a number of bytes for people.
func byteCount(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f kB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// curve collects what a training shows, and shows it.
type curve struct {
	*progress
	loss       []float64 // of each step
	accuracy   []float64 // of each step's examples, in percent
	tested     []float64 // of each evaluation, in percent
	last       runner.Progress
	evaluation string
}

func (a *app) newCurve() *curve { return &curve{progress: a.newProgress()} }

// step takes in a report of the runner.
func (c *curve) step(p runner.Progress) {
	c.last = p
	if !math.IsNaN(p.Loss) {
		c.loss = append(c.loss, p.Loss)
	}
	if !math.IsNaN(p.Accuracy) {
		c.accuracy = append(c.accuracy, 100*p.Accuracy)
	}
	if e := p.Evaluation; e != nil {
		if e.Correct != nil {
			c.tested = append(c.tested, percent(*e.Correct, e.Total))
			c.evaluation = fmt.Sprintf("test %d/%d", *e.Correct, e.Total)
		}
		if !c.app.terminal {
			c.show(c.line())
			return
		}
	}
	if c.due() || (c.app.terminal && p.Step == p.Steps) {
		c.show(c.line())
	}
}

// sparkWidth is the width of the curve in the moving line.
const sparkWidth = 8

func (c *curve) line() string {
	p := c.last
	parts := []string{fmt.Sprintf("step %d/%d", p.Step, p.Steps)}
	if c.app.terminal {
		parts = append(parts, bar(float64(p.Step)/float64(max(p.Steps, 1)), 8))
	}
	if left := c.left(); left > 0 {
		parts = append(parts, left.String()+" left")
	}
	if len(c.loss) > 0 {
		loss := fmt.Sprintf("loss %.4f", c.loss[len(c.loss)-1])
		if c.app.terminal {
			loss += " " + sparkline(c.loss, sparkWidth)
		}
		parts = append(parts, loss)
	}
	if len(c.accuracy) > 0 {
		parts = append(parts, fmt.Sprintf("accuracy %.1f %%", c.accuracy[len(c.accuracy)-1]))
	}
	if c.evaluation != "" {
		parts = append(parts, c.evaluation)
	}
	if p.ExamplesPerSecond > 0 {
		parts = append(parts, fmt.Sprintf("%.0f examples/s", p.ExamplesPerSecond))
	}
	return strings.Join(parts, "  ")
}

// left is the time that the remaining steps take at the present speed, 0 where that is not known.
func (c *curve) left() time.Duration {
	p := c.last
	if len(c.loss)+len(c.accuracy) == 0 || p.Examples == 0 || p.ExamplesPerSecond == 0 {
		return 0
	}
	perStep := float64(p.Examples) / float64(max(len(c.loss), len(c.accuracy)))
	seconds := float64(p.Steps-p.Step) * perStep / p.ExamplesPerSecond
	return time.Duration(seconds * float64(time.Second)).Round(time.Second)
}

// finish clears the moving line and leaves the whole curve.
func (c *curve) finish() {
	c.clear()
	if c.app.quiet {
		return
	}
	for _, part := range []struct {
		title, format string
		values        []float64
	}{{"loss of each step", "%.3f", c.loss}, {"accuracy of each step, %", "%.1f", c.accuracy}} {
		if len(part.values) > 1 {
			fmt.Fprintf(c.app.stderr, "%s\n%s\n", part.title, plot(part.values, part.format, 60, 6))
		}
	}
}

func percent(n, of int64) float64 {
	if of == 0 {
		return 0
	}
	return 100 * float64(n) / float64(of)
}
