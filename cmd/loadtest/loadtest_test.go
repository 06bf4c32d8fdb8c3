package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/runner"
)

// TestMain lets the test binary be the process of participants.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == participantsVerb {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestPower runs a small one: participants join, results are merged, updates are right.
func TestPower(t *testing.T) {
	m, err := powerOf(t.Context(), 3, 0, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if m.Participants != 3 || m.Steps < 1 || m.Power <= 0 || m.Checked < m.Steps || m.Up <= 0 || m.Down <= 0 {
		t.Errorf("%+v", m)
	}
}

func TestLink(t *testing.T) {
	m, err := linkOf(t.Context(), fixtures.Burden{Values: 100_000, Bits: 8}, 4, 2, 10*time.Millisecond, 10e6, 2)
	if err != nil {
		t.Fatal(err)
	}
	// Packed, 100,000 values of 8 bits make 0.1 MB; each participant sends one vector a step at most, and receives another, of more bits.
	if m.Steps < 2 || m.SpeedUp <= 0 || m.Megabytes < 0.1 || m.Megabytes > 0.3 {
		t.Errorf("%+v", m)
	}
}

// TestShaper holds a link to what it cannot be quicker than.
func TestShaper(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	c := shapedConn{a, &shaper{rate: 1e6}, &shaper{rate: 1e6}}
	began := time.Now()
	go io.Copy(io.Discard, b)
	if _, err := c.Write(make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("100 kB at 1 MB/s took %v", took)
	}
}

// TestErrors trains for a few steps: more participants learn more in the same time.
func TestErrors(t *testing.T) {
	engine, data, err := glyphs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	team, err := runner.Start(t.Context(), engine, data, runner.TeamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer team.Close()
	var last [2]float64
	for k, n := range []int{1, 32} {
		c, err := courseOf(t.Context(), team, n, 6)
		if err != nil || len(c.Errors) != 6 {
			t.Fatal(c, err)
		}
		last[k] = c.Errors[5]
	}
	if last[1] >= last[0] {
		t.Errorf("errors of 1 and 32 participants: %v", last)
	}
}

func TestDrawing(t *testing.T) {
	for _, c := range []struct {
		svg   []byte
		lines int
	}{
		{drawPower([]measured{{Participants: 1, Power: 20}}), 2},
		{drawPower([]measured{{Participants: 1, Power: 19}, {Participants: 64, Power: 1200}, {Participants: 1024, Power: 0}}), 2},
		{drawErrors([]course{{1, []float64{0.9}}}), 1},
		{drawErrors([]course{{1, []float64{0.9, 0.8}}, {64, []float64{0.5, 0.1}}, {128, nil}}), 3},
	} {
		d := xml.NewDecoder(bytes.NewReader(c.svg))
		lines := 0
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if e, ok := token.(xml.StartElement); ok && e.Name.Local == "polyline" {
				lines++
			}
		}
		if lines != c.lines || bytes.Contains(c.svg, []byte("NaN")) || bytes.Contains(c.svg, []byte("Inf")) {
			t.Errorf("%d lines are drawn of %d:\n%s", lines, c.lines, c.svg)
		}
	}
}

func TestArguments(t *testing.T) {
	for _, arguments := range [][]string{{}, {"play"}, {"power", "-counts", "many"}, {"error", "-counts", "many"}, {"link", "-bits", "x"}, {"link", "-local", "x"}} {
		if err := run(t.Context(), arguments); err == nil {
			t.Errorf("%q is accepted", arguments)
		}
	}
}
