package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

func showCommand(a *app) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "show REF|DIR",
		Short: "Show a closure: model, training, data, claims, files",
		Long: long(`
Shows what a closure is and what it claims, and with -v its files and the curve of its training. Of a dataset
it shows what reprise dataset show does. With --json the answer is the object's own document, with --format
a citation of the closure: an entry for BibTeX, or its CITATION.cff; or of a dataset Croissant, JSON-LD whose
addresses are relative to the store's tree unless the store is a server.`, exitDamaged),
		Example: `  reprise show mnist-cnn:1.0.0
  reprise show mnist-cnn --format bibtex >> paper.bib
  reprise show mnist --format croissant > croissant.json`,
		Args: exactly("REF|DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			if format != "" {
				return a.cite(c.Context(), args[0], format)
			}
			return a.show(c.Context(), args[0])
		},
	}
	c.Flags().StringVar(&format, "format", "", "print this instead: bibtex or cff, a citation; croissant, of a dataset")
	return c
}

func (a *app) show(ctx context.Context, arg string) error {
	if !isDirectory(arg) {
		s, err := a.openStore(ctx)
		if err != nil {
			return err
		}
		r, err := zoo.Resolve(ctx, s, arg)
		if err != nil {
			return err
		}
		if _, err := a.withdrawn(ctx, s, r); err != nil {
			return err
		}
		if r.Entry.ArtifactType == schema.MediaTypeDataset {
			d, err := loadDataset(ctx, s, arg)
			if err != nil {
				return err
			}
			return a.answer(d.document, func(w io.Writer) { a.printDataset(w, d.document, r.Entry.Digest) })
		}
	}
	archive, err := a.loadArchive(ctx, arg)
	if err != nil {
		return err
	}
	var curve string
	if a.verbose && !a.json {
		if curve, err = recordedCurve(ctx, archive); err != nil {
			return err
		}
	}
	return a.answer(archive.Closure, func(w io.Writer) {
		a.printClosure(w, archive.Closure, archive.Digest)
		fmt.Fprint(w, curve)
	})
}

func (a *app) printClosure(w io.Writer, c *schema.Closure, digest schema.Digest) {
	fmt.Fprintf(w, "%s %s\n", a.style(styleBold, c.Name+":"+c.Version), c.Title)
	row := func(name, format string, args ...any) {
		if value := fmt.Sprintf(format, args...); value != "" {
			fmt.Fprintf(w, "  %-12s %s\n", name, value)
		}
	}
	row("about", "%s", c.Description)
	var authors []string
	for _, author := range c.Authors {
		authors = append(authors, author.Name)
	}
	row("authors", "%s", strings.Join(authors, ", "))
	row("licence", "%s", c.License)
	row("created", "%s", c.Created)
	row("input", "%s %s", c.Model.Input.DType, shapeText(c.Model.Input.Shape))
	for _, l := range c.Model.Layers {
		kind := l.Kind
		if len(l.Inputs) > 0 {
			kind += " of " + strings.Join(l.Inputs, ", ")
		}
		row("layer", "%-10s %s", l.Name, kind)
	}
	row("loss", "%s", c.Model.Loss)
	row("trained", "%d steps of %d examples (microbatches of %d), seed %d", c.Parameters.Step, c.Algorithm.BatchSize, c.Algorithm.MicrobatchSize, c.Algorithm.Seed)
	row("optimizer", "%s", c.Algorithm.Optimizer.Kind)
	if a := c.Algorithm; a.Aggregation != nil && a.Aggregation.Mode == schema.AggregateLocalSteps {
		row("local steps", "%d of %d examples in a microbatch", a.LocalSteps(), a.InnerBatch())
	}
	for _, d := range c.Datasets {
		row(d.Role+" data", "%s:%s, split %s, %d examples", d.Name, d.Version, d.Split, d.Examples)
	}
	for _, r := range c.Results {
		row("claim", "%s on %s: %s", r.Metric, r.Split, valueText(schema.ClaimValue{Correct: r.Correct, Sum: r.Sum, Total: r.Total}))
	}
	for _, p := range c.Parents {
		row("parent", "%s %s", p.Relation, p.Digest)
	}
	engine := c.Engine.Digest.String()
	if c.Engine.Foreign {
		engine += " (foreign)"
	}
	row("engine", "%s", engine)
	row("run", "%s", c.Run.Digest)
	row("digest", "%s", digest)
	if a.verbose {
		for _, f := range c.Files {
			row("file", "%-32s %10s  %s", f.Path, byteCount(f.Size), f.Digest)
		}
	}
}

// recordedCurve draws the losses in a closure's journal; empty where there are none.
func recordedCurve(ctx context.Context, a *runner.Archive) (string, error) {
	if _, ok := closure.FindFile(a.Closure, schema.PathJournal); !ok {
		return "", nil
	}
	text, err := a.Journal(ctx)
	if err != nil {
		return "", err
	}
	var losses []float64
	for lines := schema.NewJournalReader(schema.PathJournal, text); ; {
		line, err := lines.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		if line.Type == schema.LineStep && line.Loss != nil && line.Examples != nil && *line.Examples > 0 {
			losses = append(losses, float64(*line.Loss)/(1<<20)/float64(*line.Examples))
		}
	}
	if len(losses) < 2 {
		return "", nil
	}
	return fmt.Sprintf("\nloss of each step\n%s\n", plot(losses, "%.3f", 60, 6)), nil
}
