package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

func listCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the closures and datasets of the store, each at its highest release",
		Long:    long("Lists the closures and datasets of the store, each at its highest release."),
		Example: "  reprise list --store ./zoo",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.entries(c.Context(), zoo.List)
		},
	}
}

// entries prints what a question to the store gives.
func (a *app) entries(ctx context.Context, ask func(context.Context, zoo.Store) ([]schema.ListEntry, error)) error {
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	list, err := ask(ctx, s)
	if err != nil {
		return err
	}
	return a.answer(list, func(w io.Writer) {
		if len(list) == 0 {
			a.note("the store is empty")
			return
		}
		a.printEntries(w, list)
	})
}

func (a *app) printEntries(w io.Writer, list []schema.ListEntry) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "name\tversion\tkind\tcreated\tdigest")
	for _, e := range list {
		digest := e.Digest.Short()
		if a.verbose {
			digest = e.Digest.String()
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s", e.Name, e.Version, e.Kind, orDash(e.Created), digest)
		if e.Withdrawn != "" {
			fmt.Fprintf(t, "\twithdrawn: %s", oneLine(e.Withdrawn))
		}
		fmt.Fprintln(t)
	}
	t.Flush() // the writer below remembers errors
}
