package main

import (
	"context"
	"io"
	"strings"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Formats of a citation.
const (
	formatBibTeX = "bibtex"
	formatCFF    = "cff"
	// formatCroissant describes a dataset.
	formatCroissant = "croissant"
)

// cite prints how to cite a closure.
func (a *app) cite(ctx context.Context, arg, format string) error {
	if format == formatCroissant {
		return a.croissant(ctx, arg)
	}
	if format != formatBibTeX && format != formatCFF {
		return usagef("give bibtex or cff, or of a dataset croissant", "--format %q is no form of citation", format)
	}
	if a.json {
		return usagef("leave out one of them", "--format %s is no JSON", format)
	}
	archive, err := a.loadArchive(ctx, arg)
	if err != nil {
		return err
	}
	text := closure.BibTeX(archive.Closure, archive.Digest)
	if format == formatCFF {
		if text, err = citationFile(ctx, archive); err != nil {
			return err
		}
	}
	_, err = io.WriteString(a.stdout, text)
	return err
}

// croissant prints a dataset's Croissant.
func (a *app) croissant(ctx context.Context, arg string) error {
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	r, err := zoo.Resolve(ctx, s, arg)
	if err != nil {
		return err
	}
	if r.Entry.ArtifactType != schema.MediaTypeDataset {
		return schema.Invalidf(arg, "", "is a %s; Croissant describes datasets", zoo.Kind(r.Entry.ArtifactType))
	}
	d, err := loadDataset(ctx, s, arg)
	if err != nil {
		return err
	}
	base := ""
	if place := a.storePlace(); strings.HasPrefix(place, "http://") || strings.HasPrefix(place, "https://") {
		base = strings.TrimRight(place, "/")
	}
	text, err := closure.Croissant(d.document, r.Entry.Digest, base)
	if err != nil {
		return err
	}
	_, err = a.stdout.Write(text)
	return err
}

// citationFile is the closure's own CITATION.cff, which its authors may have written, else the one that would be generated.
func citationFile(ctx context.Context, archive *runner.Archive) (string, error) {
	f, ok := closure.FindFile(archive.Closure, schema.PathCitation)
	if !ok {
		return closure.Citation(archive.Closure), nil
	}
	b, err := closure.ReadBlob(ctx, archive.Blobs, f.Path, f.Digest, f.Size, maxBeside)
	return string(b), err
}
