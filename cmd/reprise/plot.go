package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// sparks are eight heights of one character.
var sparks = []rune("▁▂▃▄▅▆▇█")

// sparkline draws values in one line of at most width characters, each the mean of as many values.
func sparkline(values []float64, width int) string {
	values = bins(values, min(width, len(values)))
	low, high := bounds(values)
	var b strings.Builder
	for _, v := range values {
		b.WriteRune(sparks[level(v, low, high, len(sparks))])
	}
	return b.String()
}

// plot draws values as a curve of braille dots, width × height characters, with the largest and the smallest value at the
// left. format writes these.
func plot(values []float64, format string, width, height int) string {
	const across, down = 2, 4 // dots of a character
	if dots := width * across; len(values) > dots {
		values = bins(values, dots)
	} else {
		values = stretch(values, dots)
	}
	low, high := bounds(values)
	cells := make([][]rune, height)
	for i := range cells {
		cells[i] = make([]rune, width)
	}
	dot := func(x, y int) {
		// Unicode numbers the dots 1 2 3 7 in the left column and 4 5 6 8 in the right one.
		bits := [across][down]rune{{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}
		cells[y/down][x/across] |= bits[x%across][y%down]
	}
	before := 0
	for x, v := range values {
		y := height*down - 1 - level(v, low, high, height*down)
		if x == 0 {
			before = y
		}
		for at := range abs(y-before) + 1 {
			dot(x, min(y, before)+at)
		}
		before = y
	}
	labels := make([]string, height)
	labels[0], labels[height-1] = fmt.Sprintf(format, high), fmt.Sprintf(format, low)
	margin := max(len(labels[0]), len(labels[height-1]))
	var b strings.Builder
	for i, row := range cells {
		fmt.Fprintf(&b, "%*s ┤", margin, labels[i])
		for _, c := range row {
			b.WriteRune(0x2800 + c)
		}
		if i < height-1 {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func abs(n int) int { return max(n, -n) }

// bins shortens a list to n means of neighbours.
func bins(values []float64, n int) []float64 {
	short := make([]float64, n)
	for i := range short {
		part := values[i*len(values)/n : (i+1)*len(values)/n]
		for _, v := range part {
			short[i] += v / float64(len(part))
		}
	}
	return short
}

// stretch lengthens a list to n values.
func stretch(values []float64, n int) []float64 {
	long := make([]float64, n)
	for i := range long {
		long[i] = values[i*len(values)/n]
	}
	return long
}

func bounds(values []float64) (low, high float64) {
	if len(values) == 0 {
		return 0, 0
	}
	return slices.Min(values), slices.Max(values)
}

// level is the height of a value among n.
func level(v, low, high float64, n int) int {
	if high <= low || math.IsNaN(v) {
		return 0
	}
	return min(int((v-low)/(high-low)*float64(n)), n-1)
}
