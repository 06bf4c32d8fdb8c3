package ref

import "github.com/reprise-ml/reprise/schema"

// Schedule is by what a schedule with resolved attributes multiplies the rate, t steps after the first.
func Schedule(kind string, a schema.Attributes, t int64) float32 {
	number := func(name string) float64 { // 0 for what is left out
		x, _ := a[name].(float64)
		return x
	}
	n := int64(number("warmUp"))
	if t < n {
		return float32(float64(t+1) / float64(n))
	}
	return max(shape(kind, a, number, t-n), single(number("floor")))
}

func shape(kind string, a schema.Attributes, number func(string) float64, t int64) float32 {
	descent := func(x, end float32) float32 { return end + float32((1-end)*x) }
	steps, end := int64(number("steps")), single(number("end"))
	part := func() float32 { return float32(float64(min(t, steps)) / float64(steps)) }
	switch kind {
	case "step":
		return StepSchedule(t, int64(number("every")), number("factor"))
	case "exponential":
		return ExponentialSchedule(t, int64(number("every")), number("factor"))
	case "piecewise":
		factor := float32(1)
		for i, at := range a.Numbers("at") {
			if t >= int64(at) {
				factor = single(a.Numbers("factors")[i])
			}
		}
		return factor
	case "polynomial":
		rest := 1 - part()
		if power := single(number("power")); power != 1 {
			if rest == 0 {
				return end
			}
			rest = Exp(float32(Log(rest) * power))
		}
		return descent(rest, end)
	case "cosine":
		return descent(halfWave(part()), end)
	case "cosine-restarts":
		wave, factor := steps, int64(number("factor"))
		for ; t >= wave; wave *= factor {
			if factor == 1 {
				t %= wave
				break
			}
			t -= wave
		}
		return descent(halfWave(float32(float64(t)/float64(wave))), end)
	case "one-cycle":
		top, last := number("rise")*number("steps")-1, number("steps")-1
		begin, end := single(1/number("divide")), single(1/number("divide")/number("finalDivide"))
		switch t := float64(t); {
		case t <= top:
			return 1 + float32((begin-1)*halfWave(float32(t/top)))
		case t < last:
			return descent(halfWave(float32((t-top)/(last-top))), end)
		}
		return end
	}
	return 1
}

// halfWave is ½·(1 + cos πp).
func halfWave(p float32) float32 { return 0.5 * (1 + CosTurns(0.5*p)) }
