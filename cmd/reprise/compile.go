package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
	"github.com/reprise-ml/reprise/wasm/graph"
	"github.com/reprise-ml/reprise/wasm/module"
)

func compileCommand(a *app) *cobra.Command {
	var file string
	var text bool
	c := &cobra.Command{
		Use:   "compile SPEC [-o FILE.wasm] [--text]",
		Short: "Compile a specification to its engine, without training",
		Long: long(`
Compiles a specification and says what the engine costs: parameters, memory, floating-point operations per
example. With -o it writes the engine; with --text it prints the graph and the engine's code in WebAssembly's
text format. The datasets must be in the store, because the engine depends on their layout.`),
		Example: `  reprise compile closure.yaml -o engine.wasm
  reprise compile closure.yaml --text | less`,
		Args: exactly("SPEC"),
		RunE: func(c *cobra.Command, args []string) error {
			if text && a.json {
				return usagef("leave one of the two out", "--text and --json are two kinds of answer")
			}
			return a.compile(c.Context(), args[0], file, text)
		},
	}
	c.Flags().StringVarP(&file, "output", "o", "", "the engine to write")
	c.Flags().BoolVar(&text, "text", false, "print the graph and the engine as text")
	return c
}

func (a *app) compile(ctx context.Context, path, file string, text bool) error {
	p, err := a.loadProject(ctx, path, 0)
	if err != nil {
		return err
	}
	if file != "" {
		err := writeOutput(file, func(w io.Writer) error { _, err := w.Write(p.wasm); return err })
		if err != nil {
			return err
		}
	}
	r := schema.CompileReport{
		Engine: schema.DigestOf(p.wasm), Compiler: p.section.Compiler, Size: int64(len(p.wasm)), Memory: p.memory, File: file,
	}
	if r.Specification, err = schema.DigestOfDocument(p.resolved); err != nil {
		return err
	}
	for _, t := range p.section.Parameters {
		r.Parameters += int64(schema.Elements(t.Shape))
	}
	var g *graph.Graph
	if !p.foreign() {
		if g, err = wasm.Graph(p.resolved); err != nil {
			return err
		}
		forward, train := g.MultiplyAdds()
		r.FLOPs = &schema.FLOPs{Predict: 2 * forward, Train: 2 * train}
	}
	if text {
		return a.printEngine(p, g)
	}
	return a.answer(r, func(w io.Writer) {
		if g != nil {
			g.Print(w)
			fmt.Fprintln(w)
		}
		printCompiled(w, r)
	})
}

func printCompiled(w io.Writer, r schema.CompileReport) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-14s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("parameters", "%d", r.Parameters)
	row("memory", "%s", byteCount(r.Memory))
	if r.FLOPs != nil {
		row("FLOPs", "%d per example to predict, %d to train", r.FLOPs.Predict, r.FLOPs.Train)
	}
	row("engine", "%s, %s", byteCount(r.Size), r.Engine)
	row("specification", "%s", r.Specification)
	if r.File != "" {
		row("written to", "%s", r.File)
	}
}

// printEngine writes the graph as comments of the text format, and then the module.
func (a *app) printEngine(p *project, g *graph.Graph) error {
	out := &stickyWriter{w: a.stdout}
	if g != nil {
		fmt.Fprintln(out, "(;")
		g.Print(out)
		fmt.Fprintln(out, ";)")
	}
	m, err := module.Decode(p.wasm)
	if err != nil {
		return err
	}
	if err := module.Print(out, m); err != nil {
		return err
	}
	return out.err
}
