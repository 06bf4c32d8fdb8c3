package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

func tagCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "tag REF TAG",
		Short: "Make a tag point to a closure or dataset",
		Long: long(`
Makes NAME:TAG mean what REF means now. Unlike versions, tags move: an earlier meaning of the tag is lost.`),
		Example: "  reprise tag mnist-cnn:1.0.0 best",
		Args:    exactly("REF", "TAG"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.tag(c.Context(), args[0], args[1])
		},
	}
}

func (a *app) tag(ctx context.Context, reference, tag string) error {
	if err := schema.CheckTag(tag); err != nil {
		return usagef("give a word, such as best", "%s", err)
	}
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	r, err := zoo.Resolve(ctx, s, reference)
	if err != nil {
		return err
	}
	if err := zoo.Retag(ctx, s, r, tag); err != nil {
		return err
	}
	return a.answer(schema.TagReport{Name: r.Name, Tag: tag, Digest: r.Entry.Digest}, func(w io.Writer) {
		fmt.Fprintf(w, "%s:%s is %s\n", r.Name, tag, r.Entry.Digest)
	})
}
