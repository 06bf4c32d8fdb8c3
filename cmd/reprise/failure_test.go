package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

func TestExitCodes(t *testing.T) {
	damaged := &schema.Damaged{Blobs: []schema.DamagedBlob{{Path: "README.md"}}}
	for _, c := range []struct {
		name string
		err  error
		want int
	}{
		{"no error", nil, 0},
		{"anything", errors.New("no"), 1},
		{"not found", fmt.Errorf("x: %w", zoo.ErrNotFound), 1},
		{"another version", fmt.Errorf("x: %w", zoo.ErrVersionExists), 1},
		{"interrupted", fmt.Errorf("x: %w", context.Canceled), 1},
		{"full disk", fmt.Errorf("x: %w", syscall.ENOSPC), 1},
		{"engine that reports a status", &runner.EngineError{Status: 3}, 1},
		{"usage", usagef("", "no"), 2},
		{"invalid document", fmt.Errorf("x: %w", schema.Invalidf("d", "", "no")), 2},
		{"work of another specification", fmt.Errorf("x: %w", runner.ErrOtherWork), 2},
		{"engine that was stopped", &runner.StepError{Err: &runner.TrapError{Reason: runner.OutOfFuel}}, 2},
		{"verdict", &verdictError{code: 3}, 3},
		{"damage", fmt.Errorf("x: %w", damaged), 4},
		{"a promised blob that is missing", errors.Join(damaged, closure.ErrNotFound), 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := exitCode(c.err); got != c.want {
				t.Errorf("exit %d, want %d", got, c.want)
			}
		})
	}
}

// Wrong use of the command line is told with a hint, as text and as JSON.
func TestUsage(t *testing.T) {
	d := newDesk(t)
	spec := d.write("closure.yaml", specification)
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"unknown verb", []string{"trian"}, `"trian" is not a verb of reprise`},
		{"verb of a verb", []string{"dataset"}, "needs a verb: import or show"},
		{"unknown verb of a verb", []string{"dataset", "sow"}, `"sow" is not a verb of reprise dataset`},
		{"missing file of convert", []string{"convert"}, "FILE is missing"},
		{"unknown importer", []string{"dataset", "import", "parquet"}, "is not a verb"},
		{"unknown flag", []string{"list", "--no"}, "unknown flag: --no"},
		{"missing argument", []string{"train"}, "SPEC is missing"},
		{"too many arguments", []string{"history", "a", "b"}, `unexpected argument "b"`},
		{"missing directory", []string{"train", spec}, "-o DIR is missing"},
		{"missing directory of resume", []string{"resume", "a", "--steps", "1"}, "-o DIR is missing"},
		{"missing directory of pull", []string{"pull", "a"}, "-o DIR is missing"},
		{"no steps to add", []string{"resume", "a", "-o", "b"}, "is not a number of steps"},
		{"steps of none", []string{"train", spec, "-o", "x", "--steps", "0"}, "is not a number of steps"},
		{"no workers", []string{"train", spec, "-o", "x", "--workers", "0"}, "is not a number of workers"},
		{"no workers to verify", []string{"verify", "a", "--workers", "-1"}, "is not a number of workers"},
		{"no workers to replay", []string{"replay", "a", "--workers", "0"}, "is not a number of workers"},
		{"negative snapshots", []string{"train", spec, "-o", "x", "--keep-snapshots", "-1"}, "is not a number of steps"},
		{"no time", []string{"train", spec, "-o", "x", "--snapshot-every", "0s"}, "no time between snapshots"},
		{"no top", []string{"predict", "a", "b", "--top", "0"}, "is not a number of classes"},
		{"missing file of predict", []string{"predict", "a"}, "FILE is missing"},
		{"unknown kind of store", []string{"list", "--store", "ftp://host"}, `"ftp://" is not a kind of store`},
		{"unknown kind of store to write", []string{"dataset", "import", "csv", spec, "--name", "a:1.0.0", "--store", "ftp://host"}, "is not a kind of store"},
		{"unknown kind of store to serve", []string{"serve", "--store", "ftp://host"}, "is not a kind of store"},
		{"bad name", []string{"history", "No Name"}, "is not a name"},
		{"bad tag", []string{"tag", "a", "1.0.0"}, "is not a tag"},
		{"bad tag of publish", []string{"publish", "a", "--tag", "1.0.0"}, "is not a tag"},
		{"unknown shell", []string{"completion", "tcsh"}, "is not a shell"},
		{"text and JSON", []string{"compile", spec, "--text", "--json"}, "two kinds of answer"},
		{"specification that is not there", []string{"train", d.path("no.yaml"), "-o", "x"}, "no such file"},
		{"specification that is a folder", []string{"train", d.dir, "-o", "x"}, "is a directory"},
		{"engine that is not there", []string{"engine", "check", d.path("no.wasm")}, "no such file"},
		{"directory that is none", []string{"publish", d.path("no")}, "it is not a closure directory"},
		{"directory without closure.json", []string{"verify", d.dir}, "it is not a closure directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &desk{t, d.dir}
			o := d.refused(exitInvalid, []string{c.want}, c.args...)
			if strings.Count(o.stderr, "\n") > 2 {
				t.Errorf("too much is said:\n%s", o.stderr)
			}
			f := report[schema.Failure](d, schema.KindFailure, exitInvalid, c.args...)
			if f.Error.Code != exitInvalid || !strings.Contains(f.Error.Message, c.want) && c.name != "text and JSON" {
				t.Errorf("%+v", f.Error)
			}
		})
	}
}

func TestHints(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"full disk", fmt.Errorf("write: %w", syscall.ENOSPC), "free some space"},
		{"read-only store", fmt.Errorf("write: %w", zoo.ErrReadOnly), "where you may write"},
		{"another version", fmt.Errorf("a:1.0.0: %w", zoo.ErrVersionExists), "another version"},
		{"another work", fmt.Errorf("x: %w", runner.ErrOtherWork), "another directory"},
		{"a problem's own", &schema.Invalid{Document: "d", Problems: []schema.Problem{{Message: "m", Hint: "do this"}}}, "do this"},
		{"none", errors.New("no"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := hintOf(c.err); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
				t.Errorf("hint %q, want %q", got, c.want)
			}
		})
	}
}
