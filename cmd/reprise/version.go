package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
)

// version is set by the linker: -ldflags "-X main.version=1.0.0".
var version string

func versionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Say which release this is, and which compiler it holds",
		Long:    long("Says which release this is. Engines are derived only by the compiler that made them, so its version counts too."),
		Example: "  reprise version --json",
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			r := versionReport(version, debug.ReadBuildInfo)
			return a.answer(r, func(w io.Writer) {
				fmt.Fprintf(w, "reprise %s\n  %-9s %s, engines of ABI %d\n  %-9s %s, %s\n", r.Version, "compiler", r.Compiler, r.ABI, "built by", r.Go, r.Platform)
				if r.Revision != "" {
					fmt.Fprintf(w, "  %-9s %s\n", "revision", r.Revision)
				}
			})
		},
	}
}

// versionReport takes what the linker did not say from the build information.
func versionReport(linked string, read func() (*debug.BuildInfo, bool)) schema.VersionReport {
	r := schema.VersionReport{
		Version: linked, Compiler: wasm.Version, ABI: schema.ABI, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	info, ok := read()
	if !ok {
		info = &debug.BuildInfo{}
	}
	modified := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			r.Revision = s.Value
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	if r.Revision != "" && modified {
		r.Revision += " with changes"
	}
	if r.Version == "" {
		r.Version = info.Main.Version
	}
	if r.Version == "" || r.Version == "(devel)" {
		r.Version = "development"
	}
	return r
}
