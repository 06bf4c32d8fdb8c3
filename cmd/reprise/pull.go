package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

func pullCommand(a *app) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "pull REF -o DIR",
		Short: "Write a closure or dataset of the store to a directory",
		Long: long(`
Writes the files of a closure or dataset to a directory that is absent or empty. Every byte is checked before
the directory appears.`, exitDamaged),
		Example: "  reprise pull mnist-cnn:1.0.0 -o closure",
		Args:    exactly("REF"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.pull(c.Context(), args[0], dir)
		},
	}
	c.Flags().StringVarP(&dir, "output", "o", "", "the directory to write")
	return c
}

func (a *app) pull(ctx context.Context, reference, dir string) error {
	if dir == "" {
		return usagef("name the directory to write", "-o DIR is missing")
	}
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	shown := a.newTransfer("pulling")
	r, err := zoo.Pull(ctx, s, reference, dir, zoo.PullOptions{Progress: shown.step})
	shown.clear()
	if err != nil {
		return err
	}
	reason, err := a.withdrawn(ctx, s, r)
	if err != nil {
		return err
	}
	report := schema.PullReport{Name: r.Name, Version: r.Version, Digest: r.Entry.Digest, Directory: dir, Withdrawn: reason}
	return a.answer(report, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s into %s\n  %s\n", a.style(styleBold, "pulled"), reference, dir, report.Digest)
	})
}
