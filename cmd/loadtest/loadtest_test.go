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
	runner.ChildMain()
	if len(os.Args) > 1 && os.Args[1] == participantsVerb {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestPower runs a small one: participants join, results are merged, updates are right.
func TestPower(t *testing.T) {
	m, err := powerOf(t.Context(), 3, load{step: time.Second, microbatch: 50 * time.Millisecond, length: time.Second})
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

// TestErrors runs a session that trains, for a few short steps.
func TestErrors(t *testing.T) {
	c, err := courseOf(t.Context(), 2, load{step: 300 * time.Millisecond, microbatch: 20 * time.Millisecond, length: 600 * time.Millisecond})
	if err != nil || len(c.Points) < 2 || c.Examples < 16*int64(len(c.Points)) {
		t.Fatal(c, err)
	}
	for i, p := range c.Points {
		if p.Error < 0 || p.Error > 1 || p.Seconds <= 0 || i > 0 && p.Seconds <= c.Points[i-1].Seconds {
			t.Errorf("%v", c.Points)
		}
	}
}

func TestDrawing(t *testing.T) {
	for _, c := range []struct {
		svg   []byte
		lines int
	}{
		{drawPower([]measured{{Participants: 1, Power: 20, Ideal: 20}}), 2},
		{drawPower([]measured{{Participants: 1, Power: 19, Ideal: 20}, {Participants: 64, Power: 1200, Ideal: 1280}, {Participants: 1024, Ideal: 20480}}), 2},
		{drawErrors([]course{{Participants: 1, Points: []moment{{1, 0.9}}}}), 1},
		{drawErrors([]course{{Participants: 1, Points: []moment{{1, 0.9}, {2, 0.8}}}, {Participants: 64, Points: []moment{{1.1, 0.5}, {2.1, 0.1}}}, {Participants: 128}}), 3},
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
