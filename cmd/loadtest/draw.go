package main

import (
	"fmt"
	"math"
	"strings"
)

// drawPower draws power against participants on logarithmic axes, beside the straight line of perfect scaling.
func drawPower(points []measured) []byte {
	const width, height, left, right, top, bottom = 640, 420, 70, 20, 30, 50
	most := 1.0
	for _, p := range points {
		most = max(most, float64(p.Participants))
	}
	ideal := 1 / microbatchTime.Seconds()
	span := max(math.Log2(most), 1)
	low, high := math.Log2(ideal)-1, math.Log2(ideal*most)+0.5
	x := func(n float64) float64 { return left + (width-left-right)*math.Log2(n)/span }
	y := func(power float64) float64 {
		return height - bottom - (height-top-bottom)*(math.Log2(max(power, 1e-9))-low)/(high-low)
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&s, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	for k := 0.0; k <= span; k++ {
		n := math.Exp2(k)
		fmt.Fprintf(&s, `<path d="M%.1f %dV%d" stroke="#eee"/><text x="%.1f" y="%d" text-anchor="middle">%.0f</text>`+"\n",
			x(n), top, height-bottom, x(n), height-bottom+18, n)
	}
	for k := math.Ceil(low); k <= high; k += 2 {
		p := math.Exp2(k)
		fmt.Fprintf(&s, `<path d="M%d %.1fH%d" stroke="#eee"/><text x="%d" y="%.1f" text-anchor="end">%.0f</text>`+"\n",
			left, y(p), width-right, left-6, y(p)+4, p)
	}
	fmt.Fprintf(&s, `<path d="M%.1f %.1fL%.1f %.1f" stroke="#999" stroke-dasharray="5 4"/>`+"\n", x(1), y(ideal), x(most), y(ideal*most))
	var line []string
	for _, p := range points {
		line = append(line, fmt.Sprintf("%.1f,%.1f", x(float64(p.Participants)), y(p.Power)))
		fmt.Fprintf(&s, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="#0b6"/>`+"\n", x(float64(p.Participants)), y(p.Power))
	}
	fmt.Fprintf(&s, `<polyline points="%s" fill="none" stroke="#0b6" stroke-width="2"/>`+"\n", strings.Join(line, " "))
	fmt.Fprintf(&s, `<text x="%d" y="18" font-size="14">Microbatches per second, merged; dashed: what as many compute alone</text>`+"\n", left)
	fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="middle">participants</text>`+"\n</svg>\n", (left+width)/2, height-10)
	return []byte(s.String())
}
