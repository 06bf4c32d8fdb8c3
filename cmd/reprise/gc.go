package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/zoo"
)

func gcCommand(a *app) *cobra.Command {
	opts := zoo.CollectOptions{}
	c := &cobra.Command{
		Use:   "gc [--dry-run] [--grace DURATION]",
		Short: "Delete what nothing in the store names any more",
		Long: long(`
Deletes blobs that no version, tag or record leads to, and what interrupted uploads have left, once they are older
than the grace period. Datasets that closures refer to are kept, and everything that is about what is kept. Others may
publish meanwhile: what they count on counts as new. Nothing is deleted unless every manifest could be read.`, exitDamaged),
		Example: `  reprise gc --dry-run
  reprise gc --grace 72h --store ./zoo`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.gc(c.Context(), opts)
		},
	}
	c.Flags().BoolVar(&opts.DryRun, "dry-run", false, "say what would be deleted, and delete nothing")
	c.Flags().DurationVar(&opts.Grace, "grace", zoo.DefaultGrace, "how long unnamed blobs are kept; longer than any upload takes")
	return c
}

func (a *app) gc(ctx context.Context, opts zoo.CollectOptions) error {
	if opts.Grace < zoo.LeastGrace {
		return usagef(fmt.Sprintf("name at least --grace %s", zoo.LeastGrace), "a grace period of %s is too short for those who publish meanwhile", opts.Grace)
	}
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	shown := a.newProgress()
	opts.Progress = func(done, of int64) {
		if shown.due() {
			shown.show(fmt.Sprintf("looked at %d of %d unnamed blobs", done, of))
		}
	}
	r, err := zoo.Collect(ctx, s, opts)
	shown.clear()
	if err != nil {
		return err
	}
	return a.answer(r, func(w io.Writer) {
		verb := "deleted"
		if r.DryRun {
			verb = "would delete"
		}
		fmt.Fprintf(w, "%s %s and what interrupted uploads left: %s\n", a.style(styleBold, verb), blobsText(r.Blobs, r.Bytes), filesText(r.Uploads, r.UploadBytes))
		fmt.Fprintf(w, "kept %s that are named and %s younger than %s\n", counted(r.Kept, "blob"), counted(r.Young, "blob"), opts.Grace.Round(time.Second))
	})
}

func blobsText(n, bytes int64) string { return counted(n, "blob") + " of " + byteCount(bytes) }
