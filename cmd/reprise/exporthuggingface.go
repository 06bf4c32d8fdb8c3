package main

import (
	"context"
	"fmt"
	"io"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// formatHuggingFace is a form of export.
const formatHuggingFace = "huggingface"

// exportHuggingFace writes a closure as a model repository.
func (a *app) exportHuggingFace(ctx context.Context, arg, dir string) error {
	if !isDirectory(arg) {
		s, err := a.openStore(ctx)
		if err != nil {
			return err
		}
		r, err := zoo.Resolve(ctx, s, arg)
		if err != nil {
			return err
		}
		if _, err := a.withdrawn(ctx, s, r); err != nil {
			return err
		}
	}
	archive, err := a.loadArchive(ctx, arg)
	if err != nil {
		return err
	}
	c := archive.Closure
	size, err := closure.WriteHuggingFace(ctx, dir, c, archive.Digest, archive.Blobs)
	if err != nil {
		return err
	}
	report := schema.ExportReport{
		Exported: []schema.CopiedReference{{Name: c.Name, Version: c.Version, Digest: archive.Digest, Kind: zoo.Kind(schema.MediaTypeClosure)}},
		File:     dir, Size: size, Digest: archive.Digest,
	}
	return a.answer(report, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s:%s\n%s, %s\n", a.style(styleBold, "exported"), c.Name, c.Version, dir, byteCount(size))
	})
}
