package wasm_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
	"github.com/reprise-ml/reprise/wasm/kernel"
	"github.com/reprise-ml/reprise/wasm/optest"
)

// Tokens and classes of two bytes, an odd number of them.
func TestWideTokens(t *testing.T) {
	for _, layers := range []string{
		"- embedding: {vocabulary: 40000, units: 3}\n- dense: {units: 300}",
		"- embedding: {vocabulary: 40000, units: 3}\n- flatten\n- dense: {units: 300}",
		"- dense: {units: 4}\n- dense: {units: 300}",
	} {
		m := optest.Model{
			Input: "7", DType: "u16", Normalize: "{scale: 0.00001}", Layers: layers, Classes: 300, Target: "u16", Microbatch: 5,
		}
		if strings.HasPrefix(layers, "- embedding") {
			m.Normalize = ""
		}
		if !strings.Contains(layers, "flatten") && m.Normalize == "" {
			m.Positions = 7
		}
		t.Run(layers, func(t *testing.T) { optest.CheckBits(t, m) })
	}
}

// A microbatch of sequences can take local steps, too.
func TestSequencesLocalSteps(t *testing.T) {
	optest.CheckBits(t, optest.Model{
		Input: "5", DType: "u8", Layers: "- embedding: {vocabulary: 256, units: 6}\n- layer-norm\n- dense: {units: 4}", Classes: 4, Positions: 5,
		Microbatch: 12, Local: "steps: 3",
	})
}

// Norms and softmax of rows and of images go along the last axis.
func TestLastAxis(t *testing.T) {
	for _, c := range []struct{ input, layers string }{
		{"6", "- layer-norm\n- dense: {units: 5}\n- layer-norm\n- dense: {units: 3}"},
		{"6", "- dense: {units: 5}\n- softmax\n- dense: {units: 3}"},
		{"3, 4, 2", "- conv2d: {filters: 5, kernel: 2}\n- layer-norm\n- flatten\n- dense: {units: 3}"},
		{"3, 4, 2", "- conv2d: {filters: 5, kernel: 2}\n- softmax\n- activation: {function: tanh}\n- flatten\n- dense: {units: 3}"},
	} {
		t.Run(c.input+c.layers, func(t *testing.T) {
			optest.Check(t, optest.Model{Input: c.input, Layers: c.layers, Classes: 3, Microbatch: 7})
		})
	}
}

// Layers over the steps of a sequence, with a class at each step.
func TestSequences(t *testing.T) {
	for _, c := range []struct{ name, layers string }{
		{"embedding", "- embedding: {vocabulary: 9, units: 5}\n- dense: {units: 4}"},
		{"embedding alone", "- embedding: {vocabulary: 200, units: 4}"},
		{"layer norm", "- embedding: {vocabulary: 256, units: 6}\n- layer-norm\n- dense: {units: 4}\n- layer-norm: {epsilon: 0.01}"},
		{"softmax", "- embedding: {vocabulary: 256, units: 6}\n- softmax\n- dense: {units: 4}"},
		{"positions", "- embedding: {vocabulary: 256, units: 6}\n- positional-encoding\n- dense: {units: 4, activation: tanh}"},
		{"sines", "- embedding: {vocabulary: 256, units: 7}\n- positional-encoding: {kind: sinusoidal}\n- dense: {units: 4, activation: relu}"},
		{"no bias, wide", "- embedding: {vocabulary: 256, units: 12}\n- dense: {units: 33, bias: false}\n- dense: {units: 4}"},
		{"many weights", "- embedding: {vocabulary: 30, units: 64}\n- dense: {units: 520}\n- activation: {function: relu}\n- dense: {units: 64}\n- dense: {units: 4}"},
		{"residual", `
- {embedding: {vocabulary: 99, units: 6}, name: tokens}
- {positional-encoding: {}, name: x}
- layer-norm
- dense: {units: 10, activation: relu}
- {dense: {units: 6}, name: inner}
- {add: {}, inputs: [x, inner]}
- dropout: {rate: 0.3}
- dense: {units: 4}`},
	} {
		for _, m := range []int{3, 16, 20} {
			t.Run(fmt.Sprintf("%s, %d", c.name, m), func(t *testing.T) {
				model := optest.Model{Input: "5", DType: "u8", Layers: c.layers, Classes: 4, Positions: 5, Microbatch: m}
				if c.name == "many weights" {
					optest.CheckResolved(t, model.Resolve(t), optest.Compiler())
					return
				}
				optest.Check(t, model)
			})
		}
	}
}

// What does not fit is refused where it stands.
func TestSequencesRefused(t *testing.T) {
	const embed = "- embedding: {vocabulary: 9, units: 6}\n"
	for _, c := range []struct {
		name   string
		change func(m *optest.Model)
		want   string
	}{
		{"other steps", func(m *optest.Model) { m.Positions = 4 }, "model.layers[1]: outputs at 5 positions, but random:1.0.0 has classes at 4"},
		{"other classes", func(m *optest.Model) { m.Classes = 3 }, "model.layers[1]: 4 outputs at each position, but random:1.0.0 has 3 classes"},
		{"one class", func(m *optest.Model) { m.Positions = 0 }, "model.layers[1]: the last layer's output has the shape [5 4]; one row is needed"},
		{"one row", func(m *optest.Model) { m.Layers = embed + "- flatten\n- dense: {units: 4}" }, "datasets.train: its classes are u8 [5]; one u8 or u16 is needed, or as many as the last layer has steps"},
		{"tokens of a layer", func(m *optest.Model) { m.Layers = "- dense: {units: 5}\n" + embed + "- dense: {units: 4}" }, "model.layers[1].embedding: it reads dense1; an embedding reads the tokens of the model's input"},
		{"scaled tokens", func(m *optest.Model) { m.Normalize = "{scale: 0.5}" }, "model.input.normalize: an embedding reads tokens as they are"},
		{"an image of tokens", func(m *optest.Model) { m.Input = "5, 1" }, "model.layers[0].embedding: its input has the shape [5 1]; a sequence of tokens [steps] is needed"},
		{"places of a row", func(m *optest.Model) { m.Layers = "- positional-encoding\n- dense: {units: 4}" }, "model.layers[0].positional-encoding: its input has the shape [5]; a sequence [steps, units] is needed"},
		{"a long table", func(m *optest.Model) {
			m.Layers = "- embedding: {vocabulary: 9, units: 60000}\n- positional-encoding: {kind: sinusoidal}\n- dense: {units: 4}"
		}, "model.layers[1].positional-encoding: a table of 300000 sines would be in the engine, at most 262144 are; take kind: learned"},
		{"attention without keys", func(m *optest.Model) { m.Layers = embed + "- dense: {units: 7}\n- attention" }, "model.layers[2].attention: its input has the shape [5 7]; queries, keys and values [steps, 3·units] are needed"},
		{"heads that do not divide", func(m *optest.Model) { m.Layers = embed + "- dense: {units: 12}\n- attention: {heads: 3}" }, "model.layers[2].attention: 4 units are not the same for 3 heads; take a number of heads that divides them"},
		{"too many pairs of steps", func(m *optest.Model) {
			m.Input, m.Layers = "5000", embed+"- attention: {heads: 2}"
		}, "model.layers[1].attention: 2 heads over 5000 steps are too many pairs of steps; take a shorter window"},
		{"a state without steps", func(m *optest.Model) { m.Layers = "- lstm: {units: 4}" }, "model.layers[0].lstm: its input has the shape [5]; a sequence [steps, features] is needed"},
		{"a dense layer of an image", func(m *optest.Model) { m.Input, m.Layers = "5, 5, 1", "- dense: {units: 4}" }, "model.layers[0].dense: its input has the shape [5 5 1]; put flatten: {} before it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := optest.Model{Input: "5", DType: "u8", Layers: embed + "- dense: {units: 4}", Classes: 4, Positions: 5}
			c.change(&m)
			_, err := wasm.Resolve(m.Specification(t), map[string]*schema.Dataset{schema.RoleTrain: m.Dataset(t)})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// The sines of positions are those of the formula, to the last bit of f32 that f64 can tell.
func TestSinusoids(t *testing.T) {
	const steps, units = 70, 7
	table := kernel.Sinusoids(steps, units)
	for at, got := range table {
		position, k := at/units, at%units
		angle := float64(position) / math.Pow(10000, float64(k/2*2)/units)
		want := math.Sin(angle)
		if k%2 == 1 {
			want = math.Cos(angle)
		}
		if math.Abs(float64(got)-want) > 6e-8 {
			t.Errorf("at %d, unit %d: got %v, want %v", position, k, got, want)
		}
	}
}

// Attention with one head and several, causal or not, over steps that fill blocks of four or do not.
func TestAttention(t *testing.T) {
	for _, steps := range []int{1, 3, 4, 6, 13} {
		for _, attributes := range []string{"{}", "{causal: true}", "{heads: 2}", "{heads: 2, causal: true}", "{heads: 6, causal: true}"} {
			t.Run(fmt.Sprint(steps, attributes), func(t *testing.T) {
				optest.Check(t, optest.Model{
					Input: fmt.Sprint(steps), DType: "u8", Classes: 3, Positions: steps, Microbatch: 5 + steps,
					Layers: "- embedding: {vocabulary: 256, units: 4}\n- dense: {units: 18}\n- attention: " + attributes + "\n- dense: {units: 3}",
				})
			})
		}
	}
}

// Recurrent layers one above the other, over one step and several, with few and with many weights; all states or the last.
func TestRecurrent(t *testing.T) {
	for _, kind := range []string{"rnn", "lstm", "gru"} {
		for _, c := range []struct {
			name, layers string
			steps, all   int
		}{
			{"all states", "- embedding: {vocabulary: 256, units: 5}\n- KIND: {units: 6, returnSequences: true}\n- dense: {units: 3}", 5, 5},
			{"one step", "- embedding: {vocabulary: 256, units: 4}\n- KIND: {units: 3, returnSequences: true}\n- dense: {units: 3}", 1, 1},
			{"the last state", "- embedding: {vocabulary: 256, units: 4}\n- KIND: {units: 9, returnSequences: true}\n- KIND: {units: 5}\n- dense: {units: 3}", 4, 0},
			{"wide", "- embedding: {vocabulary: 30, units: 100}\n- KIND: {units: 100, returnSequences: true}\n- dense: {units: 3}", 3, 3},
		} {
			for _, m := range []int{5, 16, 18} {
				t.Run(fmt.Sprintf("%s, %s, %d", kind, c.name, m), func(t *testing.T) {
					model := optest.Model{
						Input: fmt.Sprint(c.steps), DType: "u8", Classes: 3, Positions: c.all, Microbatch: m,
						Layers: strings.ReplaceAll(c.layers, "KIND", kind),
					}
					if c.name == "wide" {
						optest.CheckResolved(t, model.Resolve(t), optest.Compiler())
						return
					}
					optest.Check(t, model)
				})
			}
		}
	}
}
