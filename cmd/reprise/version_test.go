package main

import (
	"runtime/debug"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
)

func TestVersion(t *testing.T) {
	d := newDesk(t)
	if r := report[schema.VersionReport](d, schema.KindVersionReport, exitDone, "version"); r.Compiler != wasm.Version || r.Version == "" {
		t.Errorf("%+v", r)
	}
	if o := d.done("version"); !strings.HasPrefix(o.stdout, "reprise ") {
		t.Errorf("%q", o.stdout)
	}
	build := func(version string, modified string) func() (*debug.BuildInfo, bool) {
		return func() (*debug.BuildInfo, bool) {
			return &debug.BuildInfo{
				Main:     debug.Module{Version: version},
				Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: modified}},
			}, true
		}
	}
	for _, c := range []struct {
		name, linked string
		read         func() (*debug.BuildInfo, bool)
		version      string
		revision     string
	}{
		{"linked", "1.2.3", build("v9.9.9", "false"), "1.2.3", "abc"},
		{"installed", "", build("v1.2.3", "false"), "v1.2.3", "abc"},
		{"built with changes", "", build("(devel)", "true"), "development", "abc with changes"},
		{"unknown", "", func() (*debug.BuildInfo, bool) { return nil, false }, "development", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if r := versionReport(c.linked, c.read); r.Version != c.version || r.Revision != c.revision {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestCompletion(t *testing.T) {
	d := newDesk(t)
	for _, shell := range shells {
		if o := d.done("completion", shell); !strings.Contains(o.stdout, "reprise") {
			t.Errorf("%s: %q", shell, o.stdout)
		}
	}
}
