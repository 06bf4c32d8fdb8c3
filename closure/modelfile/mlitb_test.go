package modelfile_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/closure/modelfile"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/optest"
)

// planes is a volume of MLitB: [depth][height][width].
type planes struct {
	width, height, depth int
	data                 []float64
}

func (p planes) at(x, y, d int) float64 { return p.data[(d*p.height+y)*p.width+x] }

// mlitbForward is what MLitB computes when it predicts, as its paper and pages have it: windows step as often as rounding says, and
// leave out what lies beyond the image; dropout multiplies by its rate.
func mlitbForward(in planes, configs []attributes, params [][]float64) []float64 {
	number := func(c attributes, name string, other int) int {
		if v, ok := c[name]; ok {
			return v.(int)
		}
		return other
	}
	take := func() []float64 {
		list := params[0]
		params = params[1:]
		return list
	}
	for _, c := range configs {
		kernel := number(c, "sx", 0)
		stride, pad := number(c, "stride", map[any]int{"conv": 1, "pool": kernel}[c["type"]]), number(c, "pad", 0)
		window := func(depth int, f func(x, y, d int) float64) planes {
			steps := func(n int) int { return int(math.Floor(float64(n+2*pad-kernel)/float64(stride) + 1.5)) }
			out := planes{steps(in.width), steps(in.height), depth, nil}
			for d := range depth {
				for y := range out.height {
					for x := range out.width {
						out.data = append(out.data, f(x*stride-pad, y*stride-pad, d))
					}
				}
			}
			return out
		}
		each := func(x, y int, f func(x, y int)) {
			for j := max(y, 0); j < min(y+kernel, in.height); j++ {
				for i := max(x, 0); i < min(x+kernel, in.width); i++ {
					f(i, j)
				}
			}
		}
		switch c["type"] {
		case "conv":
			var filters []planes
			for range number(c, "filters", 0) {
				filters = append(filters, planes{kernel, kernel, in.depth, take()})
			}
			biases := take()
			in = window(len(filters), func(x, y, d int) float64 {
				sum := biases[d]
				for depth := range in.depth {
					each(x, y, func(i, j int) { sum += filters[d].at(i-x, j-y, depth) * in.at(i, j, depth) })
				}
				return sum
			})
		case "pool":
			in = window(in.depth, func(x, y, d int) float64 {
				most, sum := math.Inf(-1), 0.0
				each(x, y, func(i, j int) { most, sum = max(most, in.at(i, j, d)), sum+in.at(i, j, d) })
				if c["pool_type"] == "avg" {
					return sum / float64(kernel*kernel)
				}
				return most
			})
		case "fc":
			weights, biases := take(), take()
			out := planes{1, 1, len(biases), slices.Clone(biases)}
			for o := range out.data {
				for k, v := range in.data {
					out.data[o] += v * weights[o*len(in.data)+k]
				}
			}
			in = out
		}
		activation, said := c["activation"].(string)
		if c["type"] == "conv" && !said {
			activation = "relu"
		}
		total := 0.0
		for k, v := range in.data {
			switch activation {
			case "relu":
				in.data[k] = max(v, 0)
			case "sigmoid":
				in.data[k] = 1 / (1 + math.Exp(-v))
			case "softmax":
				in.data[k] = math.Exp(v)
			}
			total += in.data[k]
		}
		for k := range in.data {
			if activation == "softmax" {
				in.data[k] /= total
			}
			if rate, ok := c["drop_prob"]; ok {
				in.data[k] *= rate.(float64)
			}
		}
	}
	return in.data
}

// mlitbClosure is a network as MLitB hands it out, with random parameters.
func mlitbClosure(configs []attributes, shapes [][]int, more attributes) (file []byte, params [][]float64) {
	r := rand.New(rand.NewPCG(3, 5))
	params = [][]float64{}
	for _, s := range shapes {
		list := make([]float64, schema.Elements(s))
		for k := range list {
			list[k] = float64(float32(r.NormFloat64() / 2))
		}
		params = append(params, list)
	}
	document := attributes{"configs": configs, "params": params, "is_train": true}
	maps.Copy(document, more)
	file, err := json.Marshal(document)
	if err != nil {
		panic(err) // numbers and strings
	}
	return file, params
}

func TestMLitB(t *testing.T) {
	configs := []attributes{
		{"type": "input", "sx": 11, "sy": 11, "depth": 2},
		{"type": "conv", "sx": 3, "stride": 1, "pad": 1, "filters": 3, "drop_prob": 0.25},
		{"type": "pool", "sx": 2, "stride": 2, "pool_type": "max"}, // rounds up: its last windows reach beyond
		{"type": "conv", "sx": 2, "stride": 1, "filters": 2, "activation": "sigmoid"},
		{"type": "pool", "sx": 3, "stride": 2, "pool_type": "avg"},
		{"type": "fc", "num_neurons": 5, "activation": "relu", "drop_prob": 0.5},
		{"type": "fc", "num_neurons": 3, "activation": "softmax"},
	}
	shapes := [][]int{{2, 3, 3}, {2, 3, 3}, {2, 3, 3}, {3}, {3, 2, 2}, {3, 2, 2}, {2}, {5, 8}, {5}, {3, 5}, {3}}
	file, params := mlitbClosure(configs, shapes, attributes{"index2label": attributes{"0": "cat", "1": "dog", "2": "ant"}})
	m, err := modelfile.Read("net.json", file)
	if err != nil {
		t.Fatal(err)
	}
	if m.Format != modelfile.MLitB || m.Loss != "softmax-cross-entropy" || !slices.Equal(m.Input, []int{11, 11, 2}) {
		t.Errorf("%s, loss %s, input %v", m.Format, m.Loss, m.Input)
	}
	if err := m.OrderClasses("net.json", []string{"cow", "cat", "dog"}); err == nil || !strings.Contains(err.Error(), `its classes are ["cat" "dog" "ant"]`) {
		t.Error(err)
	}
	if err := m.OrderClasses("net.json", []string{"ant", "cat", "dog"}); err != nil {
		t.Fatal(err)
	}
	const records = 4
	i := engineOf(t, m, m.Loss, records, 3, []int{2, 2, 2})
	r := rand.New(rand.NewPCG(1, 2))
	var input []byte
	var want [][]float64
	for range records {
		image := planes{11, 11, 2, make([]float64, 11*11*2)}
		for k := range image.data {
			image.data[k] = float64(float32(r.NormFloat64()))
		}
		for y := range 11 {
			for x := range 11 {
				for d := range 2 {
					input = append(input, optest.Floats([]float32{float32(image.at(x, y, d))})...)
				}
			}
		}
		want = append(want, mlitbForward(image, configs[1:], params))
	}
	i.Write(input, nil)
	if status := i.Predict(records); status != "" {
		t.Fatal(status)
	}
	for n, w := range want {
		for k, class := range []int{2, 0, 1} {
			got := math.Float32frombits(binary.LittleEndian.Uint32(i.Region(schema.RegionOutput)[4*(3*n+k):]))
			if math.Abs(float64(got)-w[class]) > predictionTolerance {
				t.Errorf("record %d, class %d: %g, and MLitB predicts %g", n, k, got, w[class])
			}
		}
	}
}

func TestMLitBRefuses(t *testing.T) {
	input := attributes{"type": "input", "sx": 4, "sy": 4, "depth": 1}
	network := func(more attributes, shapes [][]int, configs ...attributes) []byte {
		file, _ := mlitbClosure(append([]attributes{input}, configs...), shapes, more)
		return file
	}
	full := attributes{"type": "fc", "num_neurons": 2, "activation": "softmax"}
	lists := [][]int{{2, 16}, {2}}
	for name, test := range map[string]struct {
		file []byte
		want string
	}{
		"no input":              {[]byte(`{"configs": [{"type": "fc"}], "params": []}`), "configs[0] (fc): the first layer must be an input"},
		"no parameters":         {[]byte(`{"configs": []}`), "params: is no list"},
		"no configuration":      {[]byte(`{"configs": {}, "params": []}`), "configs: is no list"},
		"inside of net":         {[]byte(`{"step": 3, "net": {"configs": 1, "params": []}}`), "configs: is no list"},
		"too few parameters":    {network(nil, lists[:1], full), "configs[1] (fc): it has 2 lists of parameters, and params only 1 more"},
		"too many parameters":   {network(nil, append(slices.Clone(lists), []int{1}), full), "params: has 3 lists; the layers take 2"},
		"other sizes":           {network(nil, [][]int{{2, 15}, {2}}, full), "params[0] has 30 numbers, not 32"},
		"an activation":         {network(nil, lists, attributes{"type": "fc", "num_neurons": 2, "activation": "tanh"}), `MLitB has no activation "tanh"`},
		"a layer":               {network(nil, nil, attributes{"type": "lstm"}), "configs[1] (lstm): MLitB has no such layer"},
		"no neurons":            {network(nil, nil, attributes{"type": "fc"}), "its weights have the shape [0 16]"},
		"a padded pool":         {network(nil, nil, attributes{"type": "pool", "sx": 2, "pad": 1}), "pixels of other rows"},
		"a mean beyond":         {network(nil, nil, attributes{"type": "pool", "sx": 3, "stride": 2, "pool_type": "avg"}), "-999999999"},
		"another pool":          {network(nil, nil, attributes{"type": "pool", "sx": 2, "pool_type": "min"}), `no pool_type "min"`},
		"too large a window":    {network(nil, nil, attributes{"type": "pool", "sx": 5}), "larger than its input"},
		"a dropout of nothing":  {network(nil, lists, attributes{"type": "fc", "num_neurons": 2, "drop_prob": 0.0}), "a rate of 0 is none"},
		"a dropout at the end":  {network(nil, lists, attributes{"type": "fc", "num_neurons": 2, "activation": "softmax", "drop_prob": nil}), "follows the loss"},
		"labels with a hole":    {network(attributes{"index2label": attributes{"0": "a", "2": "b"}}, lists, full), "index2label: has 2 labels, but none for 1"},
		"too many labels":       {network(attributes{"index2label": attributes{"0": "a"}}, lists, full), "index2label: has 1 labels, and the network [2] outputs"},
		"nothing but the input": {network(nil, nil), "no layers behind the input"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := modelfile.Read("net.json", test.file)
			if _, ok := errors.AsType[*schema.Invalid](err); !ok || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in a *schema.Invalid", err, test.want)
			}
		})
	}
}
