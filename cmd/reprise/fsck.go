package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

func fsckCommand(a *app) *cobra.Command {
	var index bool
	c := &cobra.Command{
		Use:   "fsck [NAME...]",
		Short: "Read the whole store and check every byte",
		Long: long(`
Reads every blob of the store and checks it against its digest, and every version, tag and manifest against
what they name. Nothing is changed. With names, their versions and tags are followed; registries need names. To repair
a blob, copy or publish again what it belongs to after removing the damaged file. --write-index adds the index.json
by which tools for OCI layouts read the store.`, exitDamaged),
		Example: `  reprise fsck --store ./zoo
  reprise fsck --write-index`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			for _, name := range args {
				if err := schema.CheckName(name); err != nil {
					return usagef("give names alone, such as mnist-cnn", "%s", err)
				}
			}
			if index && len(args) > 0 {
				return usagef("leave out one of them", "--write-index is about the whole store and takes no names")
			}
			return a.fsck(c.Context(), args, index)
		},
	}
	c.Flags().BoolVar(&index, "write-index", false, "write index.json, if the store is whole")
	return c
}

func (a *app) fsck(ctx context.Context, names []string, index bool) error {
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	shown := a.newProgress()
	r, err := zoo.Fsck(ctx, s, zoo.FsckOptions{Names: names, Progress: func(checked int64) {
		if shown.due() {
			shown.show(fmt.Sprintf("checked %d blobs", checked))
		}
	}})
	shown.clear()
	if err != nil {
		return err
	}
	if index && len(r.Damaged) == 0 {
		if err := writeIndex(ctx, s); err != nil {
			return err
		}
	}
	err = a.answer(r, func(w io.Writer) {
		for _, b := range r.Damaged {
			fmt.Fprintln(w, a.style(styleRed, damageText(b)))
		}
		fmt.Fprintf(w, "%d blobs checked, %d damaged\n", r.Checked, len(r.Damaged))
	})
	if err == nil && len(r.Damaged) > 0 {
		err = &verdictError{exitDamaged, "the store is damaged"}
	}
	return err
}

// writeIndex makes the store an OCI layout for other tools.
func writeIndex(ctx context.Context, s zoo.Store) error {
	w, ok := s.(zoo.IndexWriter)
	if !ok {
		return fmt.Errorf("index.json: %w", zoo.ErrUnsupported)
	}
	all, err := zoo.SelectAll(ctx, s)
	if err != nil {
		return err
	}
	return w.WriteIndex(ctx, all.Index())
}
