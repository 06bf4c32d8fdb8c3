package closure

import (
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// Roles of the files of a closure.
const (
	RoleEngine     = "engine"
	RoleParameters = "parameters"
	RoleState      = "state"
	RoleJournal    = "journal"
	RoleTelemetry  = "telemetry"
	RoleDocument   = "document"
	RoleOrigin     = "origin" // what parameters were imported from
)

// Classify returns the role and media type of a file of a closure, which follow from its path, or false where a closure
// has no place for it.
func Classify(path string) (role, mediaType string, ok bool) {
	switch path {
	case schema.PathReadme, schema.PathLicense, schema.PathCitation:
		return RoleDocument, schema.MediaTypeDocument, true
	case schema.PathTelemetry:
		return RoleTelemetry, schema.MediaTypeTelemetry, true
	}
	folder, file, _ := strings.Cut(path, "/")
	for _, kind := range folders {
		if folder == kind.folder && strings.HasSuffix(file, kind.suffix) && file != kind.suffix {
			return kind.role, kind.mediaType, true
		}
	}
	return "", "", false
}

// folders of a closure directory; a closure may hold several engines, parameter files and journals.
var folders = [...]struct{ folder, suffix, role, mediaType string }{
	{"code", ".wasm", RoleEngine, schema.MediaTypeEngine},
	{"params", ".safetensors", RoleParameters, schema.MediaTypeWeights},
	{"state", ".safetensors", RoleState, schema.MediaTypeState},
	{"journal", ".jsonl", RoleJournal, schema.MediaTypeJournal},
	{schema.FolderOrigin, "", RoleOrigin, schema.MediaTypeOrigin},
}
