package main

import (
	"fmt"
	"math"
	"strings"
)

// Sizes of drawings, in their units.
const (
	width, height            = 640, 420
	left, right, top, bottom = 70, 90, 30, 50
)

// drawing is an SVG under way, with its scales.
type drawing struct {
	strings.Builder
	x, y func(float64) float64 // from 0 … 1, to the right and upwards
}

func newDrawing(title, below string) *drawing {
	d := &drawing{
		x: func(v float64) float64 { return left + (width-left-right)*v },
		y: func(v float64) float64 { return height - bottom - (height-top-bottom)*v },
	}
	fmt.Fprintf(d, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(d, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	fmt.Fprintf(d, `<text x="%d" y="18" font-size="14">%s</text>`+"\n", left, title)
	fmt.Fprintf(d, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (left+width-right)/2, height-10, below)
	return d
}

// across marks a value of the lower axis, up one of the other.
func (d *drawing) across(v float64, label string) {
	fmt.Fprintf(d, `<path d="M%.1f %dV%d" stroke="#eee"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
		d.x(v), top, height-bottom, d.x(v), height-bottom+18, label)
}

func (d *drawing) up(v float64, label string) {
	fmt.Fprintf(d, `<path d="M%d %.1fH%d" stroke="#eee"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
		left, d.y(v), width-right, left-6, d.y(v)+4, label)
}

// line joins points; style is of its stroke.
func (d *drawing) line(points [][2]float64, style string) {
	var at []string
	for _, p := range points {
		at = append(at, fmt.Sprintf("%.1f,%.1f", d.x(p[0]), d.y(p[1])))
	}
	fmt.Fprintf(d, `<polyline points="%s" fill="none" %s/>`+"\n", strings.Join(at, " "), style)
}

func (d *drawing) end() []byte {
	d.WriteString("</svg>\n")
	return []byte(d.String())
}

// drawPower draws power against participants on logarithmic axes, beside the straight line of perfect scaling.
func drawPower(points []measured) []byte {
	most := 2.0
	for _, p := range points {
		most = max(most, float64(p.Participants))
	}
	alone := points[0].Ideal / float64(points[0].Participants)
	low, high := math.Log2(alone)-1, math.Log2(alone*most)+0.5
	x := func(n float64) float64 { return math.Log2(n) / math.Log2(most) }
	y := func(power float64) float64 { return (max(math.Log2(power), low) - low) / (high - low) }
	d := newDrawing("Microbatches per second, merged; dashed: what as many compute alone", "participants")
	for n := 1.0; n <= most; n *= 2 {
		d.across(x(n), fmt.Sprint(n))
	}
	for k := math.Ceil(low); k <= high; k += 2 {
		d.up(y(math.Exp2(k)), fmt.Sprint(math.Exp2(k)))
	}
	d.line([][2]float64{{x(1), y(alone)}, {x(most), y(alone * most)}}, `stroke="#999" stroke-dasharray="5 4"`)
	var line [][2]float64
	for _, p := range points {
		at := [2]float64{x(float64(p.Participants)), y(p.Power)}
		line = append(line, at)
		fmt.Fprintf(d, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="#0a7"/>`+"\n", d.x(at[0]), d.y(at[1]))
	}
	d.line(line, `stroke="#0a7" stroke-width="2"`)
	return d.end()
}

// drawErrors draws test errors against time, a line for each number of participants, the darker the more.
func drawErrors(courses []course) []byte {
	seconds := 1.0
	for _, c := range courses {
		for _, p := range c.Points {
			seconds = max(seconds, p.Seconds)
		}
	}
	d := newDrawing("Test error against time, by the number of participants", "seconds")
	for k := 0; k <= 10; k += 2 {
		d.up(float64(k)/10, fmt.Sprintf("%d %%", 10*k))
		d.across(float64(k)/10, fmt.Sprintf("%.0f", float64(k)*seconds/10))
	}
	for i, c := range courses {
		grey := 190 - 170*i/max(len(courses)-1, 1)
		var line [][2]float64
		for _, p := range c.Points {
			line = append(line, [2]float64{p.Seconds / seconds, p.Error})
		}
		colour := fmt.Sprintf("rgb(%d,%d,%d)", grey*3/4, grey, grey)
		d.line(line, fmt.Sprintf(`stroke="%s" stroke-width="2"`, colour))
		if n := len(line); n > 0 {
			fmt.Fprintf(d, `<text x="%.1f" y="%.1f" fill="%s">%d</text>`+"\n", d.x(line[n-1][0])+6, d.y(line[n-1][1])+4, colour, c.Participants)
		}
	}
	return d.end()
}
