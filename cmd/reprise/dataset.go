package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

func datasetCommand(a *app) *cobra.Command {
	return group("dataset", "Import and look at datasets", "  reprise dataset show mnist:1.0.0", datasetImportCommand(a), datasetShowCommand(a))
}

func datasetShowCommand(a *app) *cobra.Command {
	var sheet string
	c := &cobra.Command{
		Use:   "show REF",
		Short: "Show a dataset: shape, classes, splits, provenance",
		Long: long(`
Shows what a dataset of the store holds and which files it was made of. With --sheet it also draws a contact
sheet of its first images, a row for each class.`, exitDamaged),
		Example: "  reprise dataset show mnist:1.0.0 --sheet mnist.png",
		Args:    exactly("REF"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.showDataset(c.Context(), args[0], sheet)
		},
	}
	c.Flags().StringVar(&sheet, "sheet", "", "write a contact sheet to this PNG file")
	return c
}

func (a *app) showDataset(ctx context.Context, reference, sheet string) error {
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	d, err := loadDataset(ctx, s, reference)
	if err != nil {
		return err
	}
	if sheet != "" {
		if err := writeSheet(ctx, d, sheet); err != nil {
			return err
		}
	}
	return a.answer(datasetReport(d.document, d.Entry.Digest), func(w io.Writer) {
		a.printDataset(w, d.document, d.Entry.Digest)
		if sheet != "" {
			fmt.Fprintf(w, "  sheet      %s\n", sheet)
		}
	})
}

func writeSheet(ctx context.Context, d *dataset, path string) error {
	split := closure.SplitTrain
	if _, ok := d.document.Split(split); !ok {
		split = d.document.Splits[0].Name
	}
	records, err := closure.OpenSplit(ctx, d.blobs, d.document, split)
	if err != nil {
		return err
	}
	return writeOutput(path, func(w io.Writer) error {
		return closure.WriteSheet(ctx, w, records, len(d.document.Classes))
	})
}

func datasetReport(d *schema.Dataset, digest schema.Digest) schema.DatasetReport {
	r := schema.DatasetReport{
		Name: d.Name, Version: d.Version, Digest: digest, Classes: d.Classes, Splits: map[string]int64{}, Record: d.Record,
	}
	if r.Classes == nil {
		r.Classes = []string{}
	}
	for _, s := range d.Splits {
		r.Splits[s.Name] = s.Records
	}
	return r
}

func (a *app) printDataset(w io.Writer, d *schema.Dataset, digest schema.Digest) {
	fmt.Fprintf(w, "%s %s\n", a.style(styleBold, d.Name+":"+d.Version), d.Title)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "  %-10s %s\n", name, value)
		}
	}
	row("about", d.Description)
	row("record", fmt.Sprintf("%s %s → %s %s, %d bytes", d.Record.Input.DType, shapeText(d.Record.Input.Shape),
		d.Record.Target.DType, shapeText(d.Record.Target.Shape), d.Record.Size))
	row("classes", some(visible(d.Classes), 12))
	row("columns", some(d.Features, 12))
	splits := datasetReport(d, digest).Splits
	for _, name := range slices.Sorted(maps.Keys(splits)) {
		row("split", fmt.Sprintf("%-8s %d records", name, splits[name]))
	}
	for _, source := range d.Sources {
		row("source", fmt.Sprintf("%s, %s, %s", source.Name, byteCount(source.Size), source.Digest))
	}
	row("licence", d.License)
	row("citation", d.Citation)
	row("content", d.Content.String())
	row("digest", digest.String())
}

// shapeText writes a shape as people do: 28×28×1.
func shapeText(shape []int) string {
	if len(shape) == 0 {
		return "scalar"
	}
	parts := make([]string, len(shape))
	for i, d := range shape {
		parts[i] = fmt.Sprint(d)
	}
	return strings.Join(parts, "×")
}

// visible quotes the texts that one would not see, or that would do something to a terminal.
func visible(list []string) []string {
	shown := make([]string, len(list))
	for i, text := range list {
		if shown[i] = text; strings.TrimSpace(text) == "" || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			shown[i] = strconv.Quote(text)
		}
	}
	return shown
}

// some joins the first few of many.
func some(list []string, few int) string {
	if len(list) <= few {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:few], ", "), len(list)-few)
}
