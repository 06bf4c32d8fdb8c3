package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/zoo"
)

func fsckCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "fsck",
		Short: "Read the whole store and check every byte",
		Long: long(`
Reads every blob of the store and checks it against its digest, and every version, tag and manifest against
what they name. Nothing is changed. To repair a blob, publish or import again what it belongs to after
removing the damaged file.`, exitDamaged),
		Example: "  reprise fsck --store ./zoo",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.fsck(c.Context())
		},
	}
}

func (a *app) fsck(ctx context.Context) error {
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	shown := a.newProgress()
	r, err := zoo.Fsck(ctx, s, zoo.FsckOptions{Progress: func(checked int64) {
		if shown.due() {
			shown.show(fmt.Sprintf("checked %d blobs", checked))
		}
	}})
	shown.clear()
	if err != nil {
		return err
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
