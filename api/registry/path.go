package registry

import (
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// endpoint is what a path of the interface is about.
type endpoint int

const (
	nowhere endpoint = iota
	root
	tokens
	catalogue
	tagList
	manifests
	blobs
	uploads // to begin one
	upload
	referrers
)

// place is a path below /v2, read. Names have slashes, so it is read from its end.
type place struct {
	endpoint endpoint
	name     string // of the repository
	last     string // reference, digest or session
}

// readPath reads what follows /v2. Names are not checked.
func readPath(path string) place {
	switch path {
	case "", "/":
		return place{endpoint: root}
	case "/token":
		return place{endpoint: tokens}
	case "/_catalog":
		return place{endpoint: catalogue}
	}
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	n := len(parts)
	if n < 3 {
		return place{}
	}
	name := func(before int) string { return strings.Join(parts[:n-before], "/") }
	last, kind := parts[n-1], parts[n-2]
	switch {
	case kind == "tags" && last == "list":
		return place{tagList, name(2), ""}
	case kind == "manifests":
		return place{manifests, name(2), last}
	case kind == "referrers":
		return place{referrers, name(2), last}
	case n > 3 && parts[n-3] == "blobs" && kind == "uploads" && last != "":
		return place{upload, name(3), last}
	case n > 3 && parts[n-3] == "blobs" && kind == "uploads":
		return place{uploads, name(3), ""}
	case kind == "blobs" && last == "uploads":
		return place{uploads, name(2), ""}
	case kind == "blobs":
		return place{blobs, name(2), last}
	}
	return place{}
}

// checkName refuses what is no name of a store.
func checkName(name string) error {
	if err := schema.CheckName(name); err != nil {
		return fail(400, codeNameInvalid, "%s", err)
	}
	return nil
}
