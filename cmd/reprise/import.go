package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/bundle"
)

func importCommand(a *app) *cobra.Command {
	var jobs int
	c := &cobra.Command{
		Use:   "import FILE.tar",
		Short: "Put the closures and datasets of a bundle into the store",
		Long: long(`
Puts what reprise export packed into the store: versions, tags, and the records about them. A bundle is checked
before anything is written, and every byte on the way. Importing again, also after an interruption, sends only what
is missing. A tar archive of a directory store is a bundle, too.`, exitDamaged),
		Example: "  reprise import mnist-cnn.tar --store ./zoo",
		Args:    exactly("FILE.tar"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.importBundle(c.Context(), args[0], jobs)
		},
	}
	c.Flags().IntVar(&jobs, "jobs", 0, "files sent at a time (default 4)")
	return c
}

func (a *app) importBundle(ctx context.Context, name string, jobs int) error {
	b, err := bundle.Open(name)
	if err != nil {
		return err
	}
	defer b.Close()
	selected, err := b.Select(ctx)
	if err != nil {
		return err
	}
	s, err := a.createStore(ctx)
	if err != nil {
		return err
	}
	shown := a.newTransfer("importing")
	done, err := zoo.Copy(ctx, selected, s, zoo.CopyOptions{Jobs: jobs, Progress: shown.step})
	shown.clear()
	if err != nil {
		return err
	}
	return a.answerCopied("imported", done)
}
