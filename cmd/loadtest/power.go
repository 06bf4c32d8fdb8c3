package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/trainer"
)

// w2 has the size of yardstick W2's vectors at 16 bits.
var w2 = fixtures.Burden{Values: 31_786, Bits: 15}

// microbatchTime is what a participant takes for one microbatch in power: 20 a second.
const microbatchTime = 50 * time.Millisecond

// warmUp is until the scheduler knows everybody.
const warmUp = 6 * time.Second

// measured is a point of the curve.
type measured struct {
	Participants int `json:"participants"`
	// Power is in merged microbatches per second, Share that of one participant in what it could compute without a session.
	Power float64 `json:"power"`
	Share float64 `json:"share"`
	// Merged is the part of what was computed that the steps took.
	Merged float64 `json:"mergedOfComputed"`
	Steps  int64   `json:"steps"`
	// Up and Down are bytes of vectors per participant and step.
	Up      float64 `json:"up"`
	Down    float64 `json:"down"`
	Checked int64   `json:"checked"` // updates, by all participants
	// ServerCPU and PeersCPU are seconds of processor time a step, of the server's process and of that of all participants.
	ServerCPU float64 `json:"serverCPU"`
	PeersCPU  float64 `json:"peersCPU"`
}

// power measures what a session computes against the number of its participants, in steps of one second.
func power(ctx context.Context, arguments []string) ([]measured, error) {
	f := flag.NewFlagSet("power", flag.ContinueOnError)
	out := f.String("out", ".", "folder for power.svg")
	counts := f.String("counts", "1,4,16,64,256,512,1024", "numbers of participants")
	seconds := f.Float64("seconds", 10, "how long each is measured")
	if err := f.Parse(arguments); err != nil {
		return nil, err
	}
	var all []measured
	for text := range strings.SplitSeq(*counts, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, err
		}
		m, err := powerOf(ctx, n, warmUp, time.Duration(*seconds*float64(time.Second)))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(os.Stderr, "%d participants: %.0f microbatches/s, %.1f %% of %g each; %.1f %% of the computed merged; %.2f + %.2f s of processor time a step\n",
			n, m.Power, 100*m.Share, 1/microbatchTime.Seconds(), 100*m.Merged, m.ServerCPU, m.PeersCPU)
		all = append(all, m)
	}
	return all, os.WriteFile(filepath.Join(*out, "power.svg"), drawPower(all), 0o644)
}

func powerOf(ctx context.Context, n int, warmUp, length time.Duration) (m measured, err error) {
	request := trainer.Request{Specification: strings.Replace(specification, "%BATCH%", "64", 1), Mode: "timed", Seconds: 1, Audit: new(float64)}
	s, err := start(ctx, w2, 64, request, func(l net.Listener) net.Listener { return l })
	if err != nil {
		return m, err
	}
	defer s.close()
	c, err := gather(ctx, s, w2, 64, n, microbatchTime)
	if err != nil {
		return m, err
	}
	// From the end of a step to that of another.
	var looks [2]counts
	var used [2]float64
	for k, wait := range []time.Duration{warmUp, length} {
		select {
		case <-ctx.Done():
			return m, ctx.Err()
		case <-time.After(wait):
		}
		now, err := c.look()
		if err == nil {
			looks[k], err = c.after(ctx, now.Updates+1)
		}
		if err != nil {
			return m, err
		}
		used[k] = cpu()
	}
	a, b := looks[0], looks[1]
	took := float64(b.Nanos-a.Nanos) / 1e9
	steps := b.Updates - a.Updates
	m = measured{
		Participants: n, Power: float64(b.Merged-a.Merged) / took, Merged: float64(b.Merged-a.Merged) / float64(b.Computed-a.Computed),
		Steps: steps, Up: float64(b.Up-a.Up) / float64(int64(n)*steps), Down: float64(b.Down-a.Down) / float64(int64(n)*steps), Checked: b.Checked,
		ServerCPU: (used[1] - used[0]) / float64(steps), PeersCPU: (b.CPU - a.CPU) / float64(steps),
	}
	m.Share = m.Power / float64(n) * microbatchTime.Seconds()
	return m, c.disperse()
}
