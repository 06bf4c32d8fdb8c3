package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

func publishCommand(a *app) *cobra.Command {
	var tags []string
	var modelPack bool
	c := &cobra.Command{
		Use:   "publish DIR",
		Short: "Put a closure directory into the store, as a version that never changes",
		Long: long(`
Publishes a closure directory under the name and version in its closure.json. README.md, LICENSE and
CITATION.cff are taken as they are now; every other file must match closure.json. The datasets that it
refers to must be in the store. Publishing the same bytes again is no error; a version that is there with
other bytes is refused.

With --modelpack a second manifest over the same files is stored about the closure, in the form of ModelPack, for
tools that know models and not closures.`, exitDamaged),
		Example: `  reprise publish closure
  reprise publish closure --tag best`,
		Args: exactly("DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.publish(c.Context(), args[0], tags, modelPack)
		},
	}
	c.Flags().StringArrayVar(&tags, "tag", nil, "also make this tag point to it; may be repeated")
	c.Flags().BoolVar(&modelPack, "modelpack", false, "also store a ModelPack manifest over the same files")
	return c
}

func (a *app) publish(ctx context.Context, dir string, tags []string, modelPack bool) error {
	for _, tag := range tags {
		if err := schema.CheckTag(tag); err != nil {
			return usagef("", "--tag: %v", err)
		}
	}
	d, err := closure.Open(dir)
	if err != nil {
		return err
	}
	m, blobs, err := d.Pack(ctx)
	if err != nil {
		return err
	}
	s, err := a.createStore(ctx)
	if err != nil {
		return err
	}
	c := d.Closure
	find := datasetsOf(s)
	for _, use := range c.AllDatasets() {
		if _, _, err := find(ctx, use); err != nil {
			return err
		}
	}
	_, err = s.Version(ctx, c.Name, c.Version)
	again := err == nil
	shown := a.newTransfer("publishing")
	e, err := zoo.Publish(ctx, s, zoo.Object{Name: c.Name, Version: c.Version, Manifest: m, Blobs: zoo.Packed(blobs)}, zoo.PublishOptions{
		Tags: tags, Progress: shown.step,
	})
	shown.clear()
	if err != nil {
		return err
	}
	var view zoo.Entry
	if modelPack {
		if view, err = zoo.PutModelPack(ctx, s, c); err != nil {
			return err
		}
	}
	report := schema.PublishReport{Name: c.Name, Version: c.Version, Digest: e.Digest}
	return a.answer(report, func(w io.Writer) {
		verb := "published"
		if again {
			verb = "already published, byte for byte:"
		}
		fmt.Fprintf(w, "%s %s:%s\n  %s\n", a.style(styleBold, verb), c.Name, c.Version, e.Digest)
		if modelPack {
			fmt.Fprintf(w, "  %s as ModelPack\n", view.Digest)
		}
	})
}
