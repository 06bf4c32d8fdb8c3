package schema

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// InputLayer is the name by which a layer's inputs refer to the model's input.
const InputLayer = "input"

// checkSpecification checks what the schema cannot say.
func checkSpecification(s *source, spec *Specification) {
	s.rule("name", CheckName(spec.Name))
	s.rule("version", CheckVersion(spec.Version))
	foreign := spec.Engine != ""
	needed := func(path string, missing bool) {
		if missing && !foreign {
			s.report(path, "give it, or name an engine of your own: engine: FILE.wasm", "is missing")
		}
	}
	needed("model.layers", len(spec.Model.Layers) == 0)
	needed("model.loss", spec.Model.Loss.Kind == "")
	needed("algorithm.optimizer", spec.Algorithm.Optimizer.Kind == "")
	if foreign && strings.ContainsAny(spec.Engine, `/\`) {
		s.report("engine", "name a file beside the specification", "%q is in another folder", spec.Engine)
	}
	s.checkModel(spec.Model)
	s.checkAlgorithm(spec.Algorithm)
	a := spec.Algorithm
	switch {
	case a.Epochs == nil && a.Steps == 0:
		s.report("algorithm", "give epochs: N or steps: N", "says neither epochs nor steps")
	case a.Epochs != nil && a.Steps != 0:
		s.report("algorithm", "keep one of them", "says both epochs and steps")
	}
	for _, role := range sortedKeys(spec.Datasets) {
		_, err := ParseReference(spec.Datasets[role].Ref)
		s.rule(field(field("datasets", role), "ref"), err)
	}
}

// rule reports err, if any, at a path.
func (s *source) rule(path string, err error) {
	var invalid *Invalid
	switch {
	case err == nil:
	case errors.As(err, &invalid):
		for _, p := range invalid.Problems {
			s.report(path, p.Hint, "%s", p.Message)
		}
	default:
		s.report(path, "", "%s", err)
	}
}

// checkModel checks the normalization, and the names and inputs of layers.
func (s *source) checkModel(m Model) {
	s.checkShape("model.input.shape", m.Input.Shape, DTypeSize(m.Input.DType))
	s.checkNormalize(m.Input)
	named := slices.Clone(m.Layers)
	NameLayers(named)
	byName := map[string]int{InputLayer: -1}
	for i, l := range named {
		path := item("model.layers", i)
		for j, from := range l.Inputs {
			if _, ok := byName[from]; !ok {
				s.report(item(field(path, keyInputs), j), orKnown(didYouMean(from, sortedKeys(byName)), sortedKeys(byName)),
					"%q is not the name of a layer before this one", from)
			}
		}
		other, taken := byName[l.Name]
		switch {
		case taken && other < 0:
			s.report(field(path, keyName), "it is the model's input", "the name %q is taken", l.Name)
		case taken:
			s.report(field(path, keyName), "", "%s already has the name %q", item("model.layers", other), l.Name)
		default:
			byName[l.Name] = i
		}
	}
}

var trailingDimension = regexp.MustCompile(`[0-9]+d$`)

// NameLayers gives every layer without a name its default: the operation without its dimensions and a number that
// counts the unnamed layers of that kind (conv1, conv2, dense1).
func NameLayers(layers []Layer) {
	counts := map[string]int{}
	for i := range layers {
		if layers[i].Name != "" {
			continue
		}
		kind := trailingDimension.ReplaceAllString(layers[i].Kind, "")
		counts[kind]++
		layers[i].Name = fmt.Sprintf("%s%d", kind, counts[kind])
	}
}

func (s *source) checkNormalize(in Input) {
	n := in.Normalize
	if n == nil || n.Standardize {
		return
	}
	const path = "model.input.normalize"
	byMean := n.Mean != nil || n.Deviation != nil
	if byMean && (n.Scale != nil || n.Offset != nil) {
		s.report(path, "keep one form", "mixes {scale, offset} with {mean, deviation}")
	}
	if (n.Mean == nil) != (n.Deviation == nil) {
		s.report(path, "", "needs both mean and deviation")
	}
	if !byMean && n.Scale == nil {
		s.report(path, "give scale: 1 to shift only", "needs a scale")
	}
	all := Elements(in.Shape)
	features := all
	if len(in.Shape) > 0 {
		features = in.Shape[len(in.Shape)-1]
	}
	wanted := fmt.Sprintf("1, %d (the last axis of the input) or %d (all of it)", features, all)
	if features == all || features == 1 {
		wanted = fmt.Sprintf("1 or %d (all of the input)", all)
	}
	check := func(name string, list []float64, nonZero bool) {
		switch n := len(list); n {
		case 0, 1, features, all:
		default:
			s.report(field(path, name), "", "has %d entries; %s are needed", n, wanted)
		}
		for i, v := range list {
			if nonZero && v <= 0 {
				where := field(path, name)
				if len(list) > 1 {
					where = item(where, i)
				}
				s.report(where, "", "%s is not a positive number", number(v))
			}
		}
	}
	check("scale", n.Scale, false)
	check("offset", n.Offset, false)
	check("mean", n.Mean, false)
	check("deviation", n.Deviation, true)
}

// checkAlgorithm checks the sizes of batches.
func (s *source) checkAlgorithm(a Algorithm) {
	if a.BatchSize%a.MicrobatchSize != 0 {
		down := a.BatchSize / a.MicrobatchSize * a.MicrobatchSize
		s.report("algorithm.batchSize", fmt.Sprintf("take %s", nearestMultiples(down, a.MicrobatchSize)),
			"%d is not a multiple of microbatchSize, %d", a.BatchSize, a.MicrobatchSize)
	}
	// Of fewer examples than a step has, blocks are single records.
	if a.Block > 1 && a.Block%int64(a.MicrobatchSize) != 0 {
		s.report("algorithm.block", "", "%d is not a multiple of microbatchSize, %d", a.Block, a.MicrobatchSize)
	}
}

func nearestMultiples(down, unit int) string {
	if down == 0 {
		return fmt.Sprint(unit)
	}
	return fmt.Sprintf("%d or %d", down, down+unit)
}

// checkShape refuses a tensor of 2³¹ bytes or more: no engine's memory holds it. It reports whether the shape is fine.
func (s *source) checkShape(path string, shape []int, elementSize int) bool {
	size := int64(elementSize)
	for _, d := range shape {
		if d != 0 && size > math.MaxInt32/int64(d) {
			s.report(path, "", "is a tensor of 2 GiB or more")
			return false
		}
		size *= int64(d)
	}
	return true
}
