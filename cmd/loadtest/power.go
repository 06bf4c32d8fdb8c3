package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/trainer"
)

// w2 has the size of yardstick W2's vectors at 16 bits.
var w2 = fixtures.Burden{Values: 31_786, Bits: 15}

const powerHelp = `Power is how many microbatches a session merges per second. A participant computes by waiting: so long for a microbatch, and then it
sends a vector of the full size of W2. Its ideal power is what it would compute in the same time if there were no session at all, one
microbatch after the other without a pause, and the ideal power of n participants is n times that. What it loses is where it waits for
its update and lease, for the others' results, or computes what is not merged. The time of a step is the same for 1 and for 1,024.

Coordinator and participants share this machine. Others' work makes everything slower but for the seconds of processor time.`

// load is what participants are measured with.
type load struct {
	step       time.Duration // T
	microbatch time.Duration // that a participant takes for one
	warmUp     time.Duration // until the scheduler knows everybody
	length     time.Duration
}

// measured is a point of the curve.
type measured struct {
	Participants int `json:"participants"`
	// Power is in merged microbatches per second, Ideal what as many participants would compute without a session.
	Power float64 `json:"power"`
	Ideal float64 `json:"ideal"`
	// Linear is the power against that of as many sessions of one participant each, if that was measured.
	Linear float64 `json:"linear,omitempty"`
	// Merged is the part of what was computed that the steps took.
	Merged float64 `json:"mergedOfComputed"`
	Steps  int64   `json:"steps"`
	// Up and Down are bytes of vectors per participant and step.
	Up      float64 `json:"up"`
	Down    float64 `json:"down"`
	Checked int64   `json:"checked"` // updates, by all participants
	usage
	// Times are where the last steps' time went.
	Times trainer.StepTime `json:"times"`
}

// usage is what it takes of the machine, of the server's process and of that of all participants.
type usage struct {
	ServerCPU float64 `json:"serverCPU"` // seconds of processor time a step
	PeersCPU  float64 `json:"peersCPU"`
	// ServerMemory is the most that the server's process has had, in bytes. It grows from measurement to measurement.
	ServerMemory int64 `json:"serverMemory,omitempty"`
}

// share is the part of the ideal power that was reached.
func (m measured) share() float64 { return m.Power / m.Ideal }

// power measures what a session computes against the number of its participants, in timed steps.
func power(ctx context.Context, arguments []string) ([]measured, error) {
	f := flag.NewFlagSet("power", flag.ContinueOnError)
	f.Usage = func() { fmt.Fprintln(f.Output(), powerHelp); f.PrintDefaults() }
	out := f.String("out", ".", "folder for power.svg")
	counts := f.String("counts", "1,4,16,64,128,256,512,1024", "numbers of participants")
	var l load
	f.DurationVar(&l.step, "step", time.Second, "time of a step")
	f.DurationVar(&l.microbatch, "microbatch", 20*time.Millisecond, "time that a participant takes for a microbatch")
	f.DurationVar(&l.warmUp, "warm-up", 6*time.Second, "before each is measured")
	f.DurationVar(&l.length, "length", 12*time.Second, "how long each is measured")
	profile := f.String("profile", "", "file for a profile of the server's process, of all of them together")
	if err := f.Parse(arguments); err != nil {
		return nil, err
	}
	if *profile != "" {
		file, err := os.Create(*profile)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return nil, err
		}
		defer pprof.StopCPUProfile()
	}
	var all []measured
	for text := range strings.SplitSeq(*counts, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, err
		}
		m, err := powerOf(ctx, n, l)
		if err != nil {
			return nil, err
		}
		if len(all) > 0 && all[0].Participants == 1 {
			m.Linear = m.Power / (float64(n) * all[0].Power)
		} else if n == 1 {
			m.Linear = 1
		}
		fmt.Fprintf(os.Stderr, "%d participants: %.1f %% of the ideal power\n", n, 100*m.share())
		all = append(all, m)
	}
	printPower(os.Stderr, all)
	return all, os.WriteFile(filepath.Join(*out, "power.svg"), drawPower(all), 0o644)
}

// printPower prints the table.
func printPower(to io.Writer, all []measured) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "participants\tmicrobatches/s\tideal\tof the ideal\tof n × one\tmerged ÷ computed\tCPU-s a step: server\tpeers\tstep s\tcompute\tway\tmerge\tbroadcast\tidle\tMB\t")
	for _, m := range all {
		t := m.Times
		fmt.Fprintf(w, "%d\t%.0f\t%.0f\t%.1f %%\t%.1f %%\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%d\t\n", m.Participants, m.Power, m.Ideal, 100*m.share(),
			100*m.Linear, m.Merged, m.ServerCPU, m.PeersCPU, t.Total, t.Compute, t.Upload, t.Merge, t.Broadcast, t.Idle, m.ServerMemory>>20)
	}
	w.Flush()
	fmt.Fprintln(to, "compute, way (of update and lease down and of the result up) and merge are those of the last result of a step; idle is the mean of all participants")
}

func powerOf(ctx context.Context, n int, l load) (m measured, err error) {
	s, err := startBurden(ctx, w2, 64, trainer.Request{Mode: "timed", Seconds: l.step.Seconds()}, plain)
	if err != nil {
		return m, err
	}
	defer s.close()
	c, err := gatherBurden(ctx, s, w2, 64, n, l.microbatch)
	if err != nil {
		return m, err
	}
	a, b, err := c.between(ctx, l)
	if err != nil {
		return m, err
	}
	took, steps := float64(b.Nanos-a.Nanos)/1e9, b.Updates-a.Updates
	m = measured{
		Participants: n, Power: float64(b.Merged-a.Merged) / took, Ideal: float64(n) / l.microbatch.Seconds(),
		Merged: float64(b.Merged-a.Merged) / float64(b.Computed-a.Computed),
		Steps:  steps, Up: float64(b.Up-a.Up) / float64(int64(n)*steps), Down: float64(b.Down-a.Down) / float64(int64(n)*steps), Checked: b.Checked,
		usage: usageBetween(a, b), Times: s.session.Detail().Times,
	}
	return m, c.disperse()
}

// between looks at the end of a step after the warm-up, and at that of another.
func (c *crowd) between(ctx context.Context, l load) (a, b counts, err error) {
	var looks [2]counts
	for k, wait := range []time.Duration{l.warmUp, l.length} {
		select {
		case <-ctx.Done():
			return a, b, ctx.Err()
		case <-time.After(wait):
		}
		now, err := c.look()
		if err == nil {
			looks[k], err = c.after(ctx, now.Updates+1)
		}
		if err != nil {
			return a, b, err
		}
	}
	return looks[0], looks[1], nil
}

func usageBetween(a, b counts) usage {
	steps := float64(b.Updates - a.Updates)
	return usage{ServerCPU: (b.serverCPU - a.serverCPU) / steps, PeersCPU: (b.CPU - a.CPU) / steps, ServerMemory: peakMemory()}
}
