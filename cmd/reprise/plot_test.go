package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSparkline(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []float64
		want   string
	}{
		{"none", nil, ""},
		{"one", []float64{3}, "▁"},
		{"rising", []float64{0, 1, 2, 3, 4, 5, 6, 7}, "▁▂▃▄▅▆▇█"},
		{"level", []float64{2, 2, 2}, "▁▁▁"},
		{"more than fit", make([]float64, 100), "▁▁▁▁▁▁▁▁"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := sparkline(c.values, 8); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestPlot(t *testing.T) {
	for name, values := range map[string][]float64{"few": {1, 0}, "many": make([]float64, 1000)} {
		lines := strings.Split(plot(values, "%.1f", 10, 3), "\n")
		if len(lines) != 3 {
			t.Fatalf("%s: %d lines", name, len(lines))
		}
		for _, l := range lines {
			if n := utf8.RuneCountInString(l); n != 15 {
				t.Errorf("%s: %q has %d characters", name, l, n)
			}
		}
	}
	if got, want := plot([]float64{0, 1}, "%.0f", 1, 1), "1 ┤⣸"; got != want && !strings.HasPrefix(got, "0 ┤") {
		t.Errorf("%q, want %q", got, want)
	}
}
