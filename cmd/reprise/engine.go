package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/engine"
)

func engineCommand(a *app) *cobra.Command {
	return group("engine", "Look at engines", "  reprise engine check engine.wasm", engineCheckCommand(a))
}

func engineCheckCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE.wasm",
		Short: "Check an engine against ABI 1 and run its conformance tests",
		Long: long(`
Checks the structure of a WebAssembly engine (no imports, fixed memory, the exports and the section of ABI 1)
and then, in a process of its own with bounded work, what it does: that accumulate changes nothing but
accumulators, that results do not depend on what ran before, and so on. wasm/engine/ABI.md in the sources
is the contract, and explains every test.`),
		Example: "  reprise engine check engine.wasm",
		Args:    exactly("FILE.wasm"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.checkEngine(c.Context(), args[0])
		},
	}
}

// checkFuel bounds each call of an engine that is checked: seconds of work, which no honest microbatch comes near.
const checkFuel = 1 << 32

// checkDeadline bounds one test of an engine that is checked.
const checkDeadline = 2 * time.Minute

func (a *app) checkEngine(ctx context.Context, path string) error {
	wasm, err := readFile(path, engine.MaxSize)
	if err != nil {
		return err
	}
	tests, err := runner.Check(ctx, wasm, runner.TeamOptions{
		Options: runner.Options{Fuel: checkFuel}, Child: &runner.ChildOptions{Deadline: checkDeadline},
	})
	if err != nil {
		return inDocument(path, err)
	}
	r := schema.CheckReport{Engine: schema.DigestOf(wasm), Passed: tests.Passed()}
	// An engine that cannot be read has failed the first tests.
	if e, err := engine.Parse(wasm); err == nil {
		r.ABI, r.Compiler, r.Memory = e.Section.ABI, e.Section.Compiler, e.Memory
	}
	for _, t := range tests.Tests {
		r.Tests = append(r.Tests, schema.CheckTest{Name: t.Name, Problem: t.Problem, Skipped: t.Skipped})
	}
	err = a.answer(r, func(w io.Writer) {
		fmt.Fprintln(w, r.Engine)
		if r.ABI != 0 {
			fmt.Fprintf(w, "  ABI %d, %s of memory, compiler %s\n", r.ABI, byteCount(r.Memory), orDash(r.Compiler))
		}
		for _, t := range r.Tests {
			switch {
			case t.Skipped:
				fmt.Fprintf(w, "  %-7s %s\n", "–", t.Name)
			case t.Problem != "":
				fmt.Fprintf(w, "  %s  %s: %s\n", a.style(styleRed, "failed"), t.Name, t.Problem)
			default:
				fmt.Fprintf(w, "  %s      %s\n", a.style(styleGreen, "ok"), t.Name)
			}
		}
	})
	if err == nil && !r.Passed {
		err = &verdictError{exitInvalid, path + " does not conform to ABI 1"}
	}
	return err
}
