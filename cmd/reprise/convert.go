package main

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/modelfile"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
	"github.com/reprise-ml/reprise/wasm/graph"
)

func convertCommand(a *app) *cobra.Command {
	var o convertFlags
	c := &cobra.Command{
		Use:   "convert FILE --spec SPEC -o DIR",
		Short: "Make a closure of a model that another program has trained",
		Long: long(`
Reads a trained model and writes a closure directory: engine, parameters, the original file, and the claims that
the parameters reach on the test split of SPEC. The closure says that its run begins with imported parameters; how
they were trained is not part of it. It is published, verified, and trained further (resume) as any other.

  ONNX                layers and parameters, as torch.onnx.export writes them after model.eval()
  ConvNetJS           layers and parameters, as net.toJSON() writes them
  MLitB               layers, parameters and labels: the research closure that its pages offer; pixels go in from 0 to 255
  safetensors, .npz   parameters alone, by name

Of ONNX these operations are read: Conv, depthwise Conv, Gemm, MatMul (with Add as its bias), BatchNormalization, MaxPool,
AveragePool, GlobalAveragePool, GlobalMaxPool, ReduceMean over height and width, Pad before a window, Flatten, Reshape and Squeeze to rows;
Relu, Clip to 0 … 6, LeakyRelu, PRelu, Elu, Selu, Gelu, Silu, Softplus, Softsign, HardSigmoid, HardSwish, Tanh, Sigmoid, also where they
are written as several nodes; Add, Sum, Mul, Max, Mean and Concat of branches; Softmax and LogSoftmax at the end. Identity,
Dropout and Cast do nothing. Shapes that the graph computes are worked out.

SPEC is a closure.yaml. Where FILE says what the layers are, SPEC leaves model.layers out; its input must be what the
model expects, normalisation included. The algorithm is for training further; its epochs or steps are not used here.

What no layer computes in the same way is refused by its name.`),
		Example: `  reprise convert model.onnx --spec closure.yaml -o closure
  reprise convert weights.safetensors --spec closure.yaml --layout pytorch --map fc.weight=dense1.weight --map fc.bias=dense1.bias -o closure`,
		Args: exactly("FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.convert(c.Context(), args[0], o)
		},
	}
	c.Flags().StringVar(&o.spec, "spec", "", "the specification: what the file does not say")
	c.Flags().StringVarP(&o.directory, "output", "o", "", "the closure directory to write")
	c.Flags().StringVar(&o.layout, "layout", modelfile.LayoutReprise, "the order of the axes in safetensors and .npz: "+strings.Join(modelfile.Layouts(), ", "))
	c.Flags().StringArrayVar(&o.names, "map", nil, "THEIRS=OURS names a parameter, THEIRS= drops a tensor; may be repeated")
	addWorkers(c, &o.workers)
	return c
}

type convertFlags struct {
	spec, directory, layout string
	names                   []string
	workers                 int
}

func (a *app) convert(ctx context.Context, file string, o convertFlags) error {
	names, err := o.check()
	if err != nil {
		return err
	}
	data, err := readFile(file, modelfile.MaxSize)
	if err != nil {
		return err
	}
	m, err := modelfile.Read(file, data)
	if err != nil {
		return err
	}
	if m.Layers == nil {
		m.Layout = o.layout
	} else if o.layout != modelfile.LayoutReprise {
		return usagef("leave --layout out", "%s says itself in which order its axes are", file)
	}
	p, err := a.convertProject(ctx, o.spec, m)
	if err != nil {
		return err
	}
	slots, err := p.slots()
	if err != nil {
		return err
	}
	if err := m.OrderClasses(file, p.classes()); err != nil {
		return err
	}
	imported, err := m.Onto(file, slots, names)
	if err != nil {
		return err
	}
	plan, err := runner.NewPlan(p.resolved, schema.DigestOf(p.wasm))
	if err != nil {
		return err
	}
	records, err := p.data(ctx)
	if err != nil {
		return err
	}
	document, err := p.closure(plan)
	if err != nil {
		return err
	}
	document.Imported = &schema.Imported{Format: m.Format, Tool: m.Tool, File: path.Join(schema.FolderOrigin, originNames[m.Format])}
	if document.Imported.Parameters, err = closure.ContentDigest(imported); err != nil {
		return err
	}
	return a.runTraining(ctx, training{
		flags: trainFlags{directory: o.directory, workers: o.workers, every: runner.DefaultSnapshotEvery},
		plan:  plan, wasm: p.wasm, data: records, document: document, imported: imported,
		beside: func() ([]closure.Content, error) {
			beside, err := p.documents()
			return append(beside, closure.Bytes(document.Imported.File, data), closure.Safetensors(schema.PathImported, imported)), err
		},
	})
}

// originNames are what the original is called in the closure, so that no name of a user's file gets in.
var originNames = map[string]string{
	modelfile.ONNX: "model.onnx", modelfile.ConvNetJS: "model.json", modelfile.MLitB: "model.json",
	modelfile.Safetensors: "model.safetensors", modelfile.NPZ: "model.npz",
}

func (o convertFlags) check() (modelfile.Names, error) {
	names := modelfile.Names{Theirs: map[string]string{}}
	switch {
	case o.spec == "":
		return names, usagef("reprise init writes one to start from", "--spec is missing")
	case o.directory == "":
		return names, usagef("name the directory to write", "-o DIR is missing")
	case !slices.Contains(modelfile.Layouts(), o.layout):
		return names, usagef("there are "+strings.Join(modelfile.Layouts(), ", "), "--layout %q is not known", o.layout)
	}
	for _, text := range o.names {
		theirs, ours, ok := strings.Cut(text, "=")
		switch {
		case !ok || theirs == "":
			return names, usagef("write THEIRS=OURS, or THEIRS= to drop a tensor", "--map %q names no tensor", text)
		case ours == "":
			names.Dropped = append(names.Dropped, theirs)
		case names.Theirs[ours] != "":
			return names, usagef("", "--map gives %s two tensors", ours)
		default:
			names.Theirs[ours] = theirs
		}
	}
	return names, checkWorkers(o.workers)
}

// convertProject reads the specification of a model, and resolves it for a run of no steps.
func (a *app) convertProject(ctx context.Context, file string, m *modelfile.Model) (*project, error) {
	text, err := readFile(file, maxSpecification)
	if err != nil {
		return nil, err
	}
	p := &project{path: file}
	if m.Layers == nil {
		p.spec, err = schema.ReadSpecification(file, text)
	} else {
		p.spec, err = schema.ReadSpecificationOf(file, text, m.Layers, m.Loss)
	}
	if err != nil {
		return nil, err
	}
	if p.foreign() {
		return nil, schema.Invalidf(file, "engine", "a model is converted for an engine that is compiled, and not for one of its own")
	}
	if m.Input != nil && !slices.Equal(m.Input, p.spec.Model.Input.Shape) {
		return nil, schema.Invalidf(file, "model.input.shape", "is %v; the model's input is %v", p.spec.Model.Input.Shape, m.Input)
	}
	s, err := a.openStore(ctx)
	if err != nil {
		return nil, err
	}
	p.spec.Algorithm.Steps, p.spec.Algorithm.Epochs = 1, nil
	if err := p.resolve(ctx, s); err != nil {
		return nil, err
	}
	p.resolved.Algorithm.Steps = 0 // which does not change the engine
	return p, nil
}

// slots are the parameters that the engine wants.
func (p *project) slots() ([]modelfile.Slot, error) {
	g, err := wasm.Graph(p.resolved)
	if err != nil {
		return nil, err
	}
	flattened := map[string][]int{}
	images := map[*graph.Node][]int{}
	for _, n := range g.Nodes { // inputs come before their readers
		if len(n.Inputs) == 0 {
			continue
		}
		image, ok := flattenedRow(n, images)
		if !ok {
			return nil, schema.Invalidf(p.path, n.Name, "joins rows of which some are flattened images; in which order another program has their elements is not known")
		}
		images[n] = image
		if of := images[n.In()]; of != nil {
			for _, q := range slices.Concat(n.Parameters, n.Averages) {
				if q.Shape[len(q.Shape)-1] == schema.Elements(of) {
					flattened[n.Name+"."+q.Name] = of
				}
			}
		}
	}
	slots := make([]modelfile.Slot, 0, len(p.section.Parameters))
	for _, t := range p.section.Parameters {
		if t.DType != "f32" {
			return nil, fmt.Errorf("parameter %s is %s, which no file has", t.Name, t.DType)
		}
		slots = append(slots, modelfile.Slot{Name: t.Name, Shape: t.Shape, Flattened: flattened[t.Name]})
	}
	return slots, nil
}

// flattenedRow is the shape of the image whose elements a layer's row has, in our order; nil where it has none. It is false where
// that has no answer. images are those of the layers before.
func flattenedRow(n *graph.Node, images map[*graph.Node][]int) ([]int, bool) {
	in := n.In()
	switch {
	case n.Kind == "flatten" && len(in.Shape) == 3:
		return in.Shape, true
	case n.Kind == "dense":
		return nil, true
	}
	for _, other := range n.Inputs {
		if of := images[other]; !slices.Equal(of, images[in]) || of != nil && !slices.Equal(other.Shape, n.Shape) {
			return nil, false
		}
	}
	return images[in], true
}

// classes are those of the datasets; nil for a regression.
func (p *project) classes() []string {
	for _, d := range p.datasets {
		if len(d.document.Classes) > 0 {
			return d.document.Classes
		}
	}
	return nil
}
