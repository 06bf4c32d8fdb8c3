package runner

import (
	"context"
	"fmt"
	"strings"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// Imported are the parameters with which the closure's run began instead of those of init; nil for a run from its seed. Where
// they are not those that closure.json names the error is *schema.Invalid.
func (a *Archive) Imported(ctx context.Context) ([]closure.Tensor, error) {
	imported := a.Closure.Imported
	if imported == nil {
		return nil, nil
	}
	f, ok := closure.FindFile(a.Closure, schema.PathImported)
	if !ok {
		return nil, schema.Invalidf(schema.PathClosure, "files", "there is no %s", schema.PathImported)
	}
	tensors, err := closure.LoadTensors(ctx, a.Blobs, f)
	if err != nil {
		return nil, err
	}
	digest, err := closure.ContentDigest(tensors)
	if err != nil {
		return nil, schema.Invalidf(schema.PathImported, "", "%v", err)
	}
	if digest != imported.Parameters {
		return nil, schema.Invalidf(schema.PathClosure, "imported.parameters", "is %s, but %s holds %s", imported.Parameters.Short(), schema.PathImported, digest.Short())
	}
	return tensors, nil
}

// Origin are the files that imported parameters come from, which every closure that goes on from them takes along.
func (a *Archive) Origin(ctx context.Context) ([]closure.Content, error) {
	var contents []closure.Content
	for _, f := range a.Closure.Files {
		if !strings.HasPrefix(f.Path, schema.FolderOrigin+"/") {
			continue
		}
		b, err := closure.ReadBlob(ctx, a.Blobs, f.Path, f.Digest, f.Size, maxDocument)
		if err != nil {
			return nil, err
		}
		contents = append(contents, closure.Bytes(f.Path, b))
	}
	return contents, nil
}

// importNote says what nobody can prove of a closure with imported parameters.
func importNote(c *schema.Closure) string {
	if c.Imported == nil {
		return ""
	}
	return fmt.Sprintf("its run begins with parameters from %s (%s): how they were trained is not part of it", c.Imported.File, c.Imported.Format)
}

// notes joins those that say something.
func notes(list ...string) string {
	var said []string
	for _, n := range list {
		if n != "" {
			said = append(said, n)
		}
	}
	return strings.Join(said, "; ")
}
