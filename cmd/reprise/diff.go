package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

func diffCommand(a *app) *cobra.Command {
	var with string
	c := &cobra.Command{
		Use:   "diff REF|DIR REF|DIR",
		Short: "Compare two closures or two datasets",
		Long: long(`
Says in what two closures, or two datasets, differ: their documents field by field, layers and splits by name; claims;
parameters, tensor by tensor; the first line of their journals after the header; files. With --with STORE the second one
is looked for in another store.

It ends with status 0 whether or not they differ: the answer's "same" says which (--json).`, exitDamaged),
		Example: `  reprise diff mnist-cnn:1.0.0 mnist-cnn:1.1.0
  reprise diff mnist-cnn mnist-cnn --with https://zoo.example.org --json`,
		Args: exactly("REF|DIR", "REF|DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.diff(c.Context(), args[0], args[1], with)
		},
	}
	c.Flags().StringVar(&with, "with", "", "the store of the second one (default: that of the first)")
	return c
}

func (a *app) diff(ctx context.Context, first, second, with string) error {
	place := a.storePlace()
	one, err := a.side(ctx, place, first)
	if err != nil {
		return err
	}
	if with != "" {
		place = with
	}
	other, err := a.side(ctx, place, second)
	if err != nil {
		return err
	}
	r, err := closure.Compare(ctx, one, other)
	if err != nil {
		return err
	}
	return a.answer(r, func(w io.Writer) { a.printDiff(w, r) })
}

// side opens an object that is to be compared.
func (a *app) side(ctx context.Context, place, arg string) (closure.Side, error) {
	if isDirectory(arg) {
		archive, err := a.directoryArchive(ctx, arg)
		if err != nil {
			return closure.Side{}, err
		}
		c := archive.Closure
		return closure.Side{
			Compared: schema.Compared{Name: c.Name, Version: c.Version, Digest: archive.Digest, Kind: zoo.Kind(schema.MediaTypeClosure)},
			Closure:  c, Blobs: archive.Blobs,
		}, nil
	}
	s, err := a.openPlace(ctx, place, false)
	if err != nil {
		return closure.Side{}, err
	}
	r, err := zoo.Resolve(ctx, s, arg)
	if err != nil {
		return closure.Side{}, err
	}
	if _, err := a.withdrawn(ctx, s, r); err != nil {
		return closure.Side{}, err
	}
	m, err := zoo.Manifest(ctx, s, r)
	if err != nil {
		return closure.Side{}, err
	}
	side := closure.Side{
		Compared: schema.Compared{Name: r.Name, Version: r.Version, Digest: r.Entry.Digest, Kind: zoo.Kind(m.ArtifactType)},
		Blobs:    zoo.BlobsOf(s, r.Name),
	}
	switch m.ArtifactType {
	case schema.MediaTypeClosure:
		side.Closure, err = closure.LoadClosure(ctx, side.Blobs, m)
	case schema.MediaTypeDataset:
		side.Dataset, err = closure.LoadDataset(ctx, side.Blobs, m)
	default:
		err = schema.Invalidf(arg, "", "is neither a closure nor a dataset")
	}
	return side, err
}

func (a *app) printDiff(w io.Writer, r *schema.DiffReport) {
	for _, side := range []struct {
		name string
		schema.Compared
	}{{"a", r.A}, {"b", r.B}} {
		fmt.Fprintf(w, "%s  %s  %s\n", side.name, a.style(styleBold, side.Name+orNothing(":", side.Version)), side.Digest)
	}
	if r.Same {
		fmt.Fprintln(w, "\nThey are the same.")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	section := ""
	for _, f := range r.Fields {
		path, rest, nested := strings.Cut(f.Path, ".")
		if !nested {
			path, rest = "document", f.Path
		}
		if path != section {
			section = path
			fmt.Fprintf(t, "\n%s\ta\tb\n", section)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", oneLine(rest), jsonText(f.A), jsonText(f.B))
	}
	for i, f := range r.Results {
		if i == 0 {
			fmt.Fprintln(t, "\nresults\ta\tb\tdifference")
		}
		fmt.Fprintf(t, "  %s on %s\t%s\t%s\t%s\n", f.Metric, oneLine(f.Split), claimOrDash(f.A), claimOrDash(f.B), signed(f.Difference))
	}
	for i, f := range r.Tensors {
		if i == 0 {
			fmt.Fprintln(t, "\nparameters\ta\tb\tgreatest\tmean")
		}
		if f.Equal {
			fmt.Fprintf(t, "  %s\t%s\tequal\t\t\n", oneLine(f.Name), tensorText(f.A))
		} else {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\n", oneLine(f.Name), tensorText(f.A), tensorText(f.B), shortNumber(f.Max), shortNumber(f.Mean))
		}
	}
	for i, f := range r.Files {
		if i == 0 {
			fmt.Fprintln(t, "\nfiles\ta\tb")
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", oneLine(f.Path), fileText(f.A), fileText(f.B))
	}
	t.Flush() // the writer below remembers errors
	if j := r.Journal; j != nil {
		fmt.Fprintf(w, "\njournal: line %d is the first that differs\n  a  %s\n  b  %s\n", j.Line, orDash(clipped(j.A)), orDash(clipped(j.B)))
	}
}

func orNothing(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

// maxDiffText is how much of a value people are shown, in characters.
const maxDiffText = 60

func clipped(text string) string {
	if r := []rune(oneLine(text)); len(r) > 2*maxDiffText {
		return string(r[:2*maxDiffText-1]) + "…"
	}
	return oneLine(text)
}

func jsonText(v json.RawMessage) string {
	if v == nil {
		return "–"
	}
	if r := []rune(oneLine(string(v))); len(r) > maxDiffText {
		return string(r[:maxDiffText-1]) + "…"
	}
	return oneLine(string(v))
}

func claimOrDash(v *schema.ClaimValue) string {
	if v == nil {
		return "–"
	}
	return valueText(*v)
}

func signed(v *float64) string {
	if v == nil {
		return ""
	}
	return fmt.Sprintf("%+.6f", *v)
}

func shortNumber(v *float64) string {
	if v == nil {
		return "–"
	}
	return strconv.FormatFloat(*v, 'g', 4, 64)
}

func tensorText(t *schema.TensorType) string {
	if t == nil {
		return "–"
	}
	return t.DType + " " + shapeText(t.Shape)
}

func fileText(f *schema.FileState) string {
	if f == nil {
		return "–"
	}
	return byteCount(f.Size) + "  " + f.Digest.Short()
}
