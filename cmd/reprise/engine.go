package main

import (
	"context"
	"fmt"
	"io"

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
and then, with bounded work, what it does: that accumulate changes nothing but accumulators, that results do
not depend on what ran before, and so on.`),
		Example: "  reprise engine check engine.wasm",
		Args:    exactly("FILE.wasm"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.checkEngine(c.Context(), args[0])
		},
	}
}

// checkFuel bounds each call of an engine that is checked: seconds of work, which no honest microbatch comes near.
const checkFuel = 1 << 32

func (a *app) checkEngine(ctx context.Context, path string) error {
	wasm, err := readFile(path, engine.MaxSize)
	if err != nil {
		return err
	}
	e, err := engine.Parse(wasm)
	if err != nil {
		return inDocument(path, err)
	}
	tests, err := runner.Check(ctx, wasm, runner.Options{Fuel: checkFuel})
	if err != nil {
		return inDocument(path, err)
	}
	r := schema.CheckReport{
		Engine: schema.DigestOf(wasm), ABI: e.Section.ABI, Compiler: e.Section.Compiler, Memory: e.Memory, Passed: tests.Passed(),
	}
	for _, t := range tests.Tests {
		r.Tests = append(r.Tests, schema.CheckTest{Name: t.Name, Problem: t.Problem})
	}
	err = a.answer(r, func(w io.Writer) {
		fmt.Fprintf(w, "%s\n  ABI %d, %s of memory, compiler %s\n", r.Engine, r.ABI, byteCount(r.Memory), orDash(r.Compiler))
		for _, t := range r.Tests {
			verdict := a.style(styleGreen, "passed")
			if t.Problem != "" {
				verdict = a.style(styleRed, "failed")
			}
			fmt.Fprintf(w, "  %s  %s\n", verdict, t.Name)
			if t.Problem != "" {
				fmt.Fprintf(w, "          %s\n", t.Problem)
			}
		}
	})
	if err == nil && !r.Passed {
		err = &verdictError{exitInvalid, path + " does not conform to ABI 1"}
	}
	return err
}
