// Package web holds the site and the browser worker, and embeds what their build left in dist.
//
// The build needs Node ("make web", or "npm ci && npm run build" in this folder); Go builds and tests do not. An unbuilt
// tree has only a placeholder in dist, and Assets says so.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// placeholder keeps dist in a fresh clone, because a pattern of go:embed must match a file. Every build copies it from
// public, so that building leaves a clean tree.
const placeholder = ".gitkeep"

// Assets returns the files of the built site, rooted where they are served. It reports false if the site was not built;
// the file system is then empty but for the placeholder.
func Assets() (fs.FS, bool) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // impossible: the name is a constant that go:embed has matched
	}
	return files, built(files)
}

func built(files fs.FS) bool {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return false
	}
	for _, e := range entries {
		if e.Name() != placeholder {
			return true
		}
	}
	return false
}
