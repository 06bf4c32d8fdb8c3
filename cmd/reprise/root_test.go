package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// Every command says how it ends and shows how it is used.
func TestHelp(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.HasParent() {
			t.Run(c.CommandPath(), func(t *testing.T) {
				for code := range 3 {
					if !strings.Contains(c.Long, fmt.Sprintf("\n  %d  ", code)) {
						t.Errorf("exit status %d is not explained:\n%s", code, c.Long)
					}
				}
				if !strings.Contains(c.Example, "reprise "+strings.Fields(c.CommandPath())[1]) {
					t.Errorf("no example: %q", c.Example)
				}
			})
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(newApp(io.Discard, io.Discard)))
}

func TestVerbs(t *testing.T) {
	var got []string
	for _, c := range newRoot(newApp(io.Discard, io.Discard)).Commands() {
		got = append(got, c.Name())
	}
	slices.Sort(got)
	want := strings.Fields("compile completion convert copy dataset demo diff engine export fsck gc history import init join list login logout predict publish pull replay resume search serve session show tag token train verify version withdraw")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHelpIsAnAnswer(t *testing.T) {
	d := newDesk(t)
	for _, args := range [][]string{{}, {"--help"}, {"help", "train"}, {"dataset", "import", "idx", "--help"}} {
		if o := d.done(args...); !strings.Contains(o.stdout, "Usage:") || o.stderr != "" {
			t.Errorf("reprise %v: %q, %q", args, o.stdout, o.stderr)
		}
	}
}
