package main

import (
	"context"

	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/oci"
)

// openRegistry opens a store in an OCI registry, or on a Reprise server, which is one. Neither needs to be made first.
func openRegistry(ctx context.Context, a *app, place string, _ bool) (zoo.Store, error) {
	return oci.Open(ctx, place, oci.Options{Warn: func(message string) { a.note("note: %s", message) }})
}
