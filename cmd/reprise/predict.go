package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

func predictCommand(a *app) *cobra.Command {
	var o inputOptions
	var top int
	c := &cobra.Command{
		Use:   "predict REF|DIR FILE…",
		Short: "Classify images, IDX files or rows of CSV",
		Long: long(`
Runs a closure's engine on files. A PNG, JPEG or GIF image is one input: it is scaled to the size that the
model wants, and made grey where the model has one channel; transparent pixels become white. An IDX file is as many inputs as it holds
images. Anything else is read as CSV: each row is one input, its columns being the features in order. Files
may be gzipped.`, exitDamaged),
		Example: `  reprise predict mnist-cnn:1.0.0 seven.png --invert
  reprise predict iris:1.0.0 flowers.csv --header --json`,
		Args: atLeast("REF", "FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			if top < 1 {
				return usagef("give a positive number", "--top %d is not a number of classes", top)
			}
			return a.predict(c.Context(), args[0], args[1:], o, top)
		},
	}
	c.Flags().IntVar(&top, "top", 3, "show so many classes of each input")
	c.Flags().BoolVar(&o.invert, "invert", false, "turn images into their negatives, for models of light strokes on a dark ground")
	c.Flags().BoolVar(&o.header, "header", false, "the first line of a CSV file names the columns")
	c.Flags().StringVar(&o.label, "label", "", "a column of a CSV file that is no feature: its name, or its number from 0")
	return c
}

func (a *app) predict(ctx context.Context, reference string, files []string, o inputOptions, top int) error {
	archive, err := a.loadArchive(ctx, reference)
	if err != nil {
		return err
	}
	c := archive.Closure
	if len(c.Datasets) == 0 {
		return schema.Invalidf(reference, "datasets", "is empty: nobody knows the layout of a record")
	}
	reader := inputReader{inputOptions: o, field: c.Datasets[0].Record.Input}
	var labels []string
	var inputs []byte
	for _, file := range files {
		found, err := reader.read(file)
		if err != nil {
			return err
		}
		for _, input := range found {
			labels = append(labels, input.label)
			inputs = append(inputs, input.bytes...)
		}
	}
	outputs, width, err := outputsOf(ctx, archive, inputs)
	if err != nil {
		return err
	}
	classes, err := classesOf(ctx, archive, width)
	if err != nil {
		return err
	}
	reports := make([]schema.PredictReport, len(labels))
	for i, label := range labels {
		values := outputs[i*width : (i+1)*width]
		reports[i] = schema.PredictReport{Input: label, Class: classes[runner.Argmax(values)], Probabilities: make([]float64, width)}
		for k, v := range values {
			reports[i].Probabilities[k] = float64(v)
		}
	}
	return a.answer(reports, func(w io.Writer) {
		for _, r := range reports {
			fmt.Fprintf(w, "%s  %s  %s\n", r.Input, a.style(styleBold, r.Class), strings.Join(likeliest(r.Probabilities, classes, top), "  "))
		}
	})
}

// outputsOf runs the engine, in a process of its own: width values for each input.
func outputsOf(ctx context.Context, archive *runner.Archive, inputs []byte) (values []float32, width int, err error) {
	wasm, err := archive.Engine(ctx)
	if err != nil {
		return nil, 0, err
	}
	tensors, err := archive.Tensors(ctx)
	if err != nil {
		return nil, 0, err
	}
	team, err := runner.Start(ctx, wasm, runner.Data{}, isolated(1))
	if err != nil {
		return nil, 0, err
	}
	defer team.Close()
	if err := team.Load(ctx, tensors); err != nil {
		return nil, 0, err
	}
	values, err = team.Predict(ctx, inputs)
	s := team.Section()
	return values, s.Regions[schema.RegionOutput].Size / 4 / s.Capacity, err
}

// classesOf are the names of a model's outputs: those of its dataset if the store has it, else numbers.
func classesOf(ctx context.Context, archive *runner.Archive, width int) ([]string, error) {
	for _, d := range archive.Closure.Datasets {
		document, _, err := archive.Dataset(ctx, d)
		if errors.Is(err, zoo.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(document.Classes) == width {
			return document.Classes, nil
		}
	}
	numbers := make([]string, width)
	for k := range numbers {
		numbers[k] = strconv.Itoa(k)
	}
	return numbers, nil
}

// likeliest lists the largest of an input's outputs; equal ones in the order of classes.
func likeliest(values []float64, classes []string, most int) []string {
	order := make([]int, len(values))
	for k := range order {
		order[k] = k
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(values[b], values[a]) })
	var texts []string
	for _, k := range order[:min(most, len(order))] {
		texts = append(texts, fmt.Sprintf("%s %.4f", classes[k], values[k]))
	}
	return texts
}
