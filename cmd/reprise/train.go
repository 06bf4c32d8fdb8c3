package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
)

func trainCommand(a *app) *cobra.Command {
	var o trainFlags
	var steps int64
	c := &cobra.Command{
		Use:   "train SPEC -o DIR",
		Short: "Train a specification and write a closure directory",
		Long: long(`
Trains the specification SPEC on the datasets that it names, which must be in the store, and writes a
closure directory: closure.json, the engine, parameters and state, the journal, README.md, LICENSE and
CITATION.cff. The last three are taken from beside the specification where they are there.

A training that was interrupted leaves a snapshot in DIR/.work; the same command goes on from there and
ends with the same bytes. Any other directory that is not empty is refused.

The date in closure.json is the present time, or $SOURCE_DATE_EPOCH.`),
		Example: `  reprise train closure.yaml -o closure
  reprise train closure.yaml -o closure --steps 1000 --workers 4`,
		Args: exactly("SPEC"),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("steps") && steps < 1 {
				return usagef("give a positive number", "--steps %d is not a number of steps", steps)
			}
			return a.train(c.Context(), args[0], steps, o)
		},
	}
	c.Flags().Int64Var(&steps, "steps", 0, "train so many steps instead of what the specification says")
	o.add(c)
	return c
}

// trainFlags are common to train and resume.
type trainFlags struct {
	directory string
	workers   int
	keep      int64
	every     time.Duration // between snapshots in the work folder
}

func (o *trainFlags) add(c *cobra.Command) {
	c.Flags().StringVarP(&o.directory, "output", "o", "", "the closure directory to write")
	c.Flags().Int64Var(&o.keep, "keep-snapshots", 0, "keep the parameters and state of every so many steps in the closure")
	c.Flags().DurationVar(&o.every, "snapshot-every", runner.DefaultSnapshotEvery, "time between snapshots, and so what a crash can cost")
	addWorkers(c, &o.workers)
}

func (o *trainFlags) check() error {
	switch {
	case o.directory == "":
		return usagef("name the directory to write", "-o DIR is missing")
	case o.every <= 0:
		return usagef("give a time such as 30s", "--snapshot-every %s is no time between snapshots", o.every)
	case o.keep < 0:
		return usagef("give a positive number", "--keep-snapshots %d is not a number of steps", o.keep)
	}
	return checkWorkers(o.workers)
}

func addWorkers(c *cobra.Command, n *int) {
	c.Flags().IntVar(n, "workers", runtime.NumCPU(), "engines that work at the same time; the result does not depend on it")
}

func checkWorkers(n int) error {
	if n < 1 {
		return usagef("give a positive number", "--workers %d is not a number of workers", n)
	}
	return nil
}

func (a *app) train(ctx context.Context, path string, steps int64, o trainFlags) error {
	if err := o.check(); err != nil {
		return err
	}
	p, err := a.loadProject(ctx, path, steps)
	if err != nil {
		return err
	}
	plan, err := runner.NewPlan(p.resolved, schema.DigestOf(p.wasm))
	if err != nil {
		return err
	}
	data, err := p.data(ctx)
	if err != nil {
		return err
	}
	document, err := p.closure(plan)
	if err != nil {
		return err
	}
	return a.runTraining(ctx, training{flags: o, plan: plan, wasm: p.wasm, data: data, document: document, isolated: p.foreign(), beside: p.documents})
}

// data opens the splits that play the roles.
func (p *project) data(ctx context.Context) (runner.Data, error) {
	var data runner.Data
	for _, use := range p.resolved.Datasets {
		d := p.datasets[use.Role]
		records, err := closure.OpenSplit(ctx, d.blobs, d.document, use.Split)
		if err != nil {
			return data, err
		}
		switch use.Role {
		case schema.RoleTrain:
			data.Train = records
		case schema.RoleTest:
			data.Test = records
		}
	}
	return data, nil
}

// closure is the document of the project before it is trained.
func (p *project) closure(plan runner.Plan) (*schema.Closure, error) {
	created, err := createdNow()
	if err != nil {
		return nil, err
	}
	c := &schema.Closure{
		SchemaVersion: 1, Name: p.spec.Name, Version: p.spec.Version, Title: p.spec.Title, Description: p.spec.Description,
		Authors: p.spec.Authors, License: p.spec.License, Keywords: p.spec.Keywords, Task: p.spec.Task, Created: created,
		Citation: p.spec.Citation, Model: p.resolved.Model, Algorithm: p.resolved.Algorithm, Specification: plan.Specification,
		Engine: schema.EngineReference{Digest: plan.Engine, ABI: p.section.ABI, Compiler: p.section.Compiler, Foreign: p.foreign()},
	}
	if !p.foreign() {
		c.Engine.Compiler = wasm.Version
	}
	for _, use := range p.resolved.Datasets {
		d := p.datasets[use.Role]
		c.Datasets = append(c.Datasets, schema.ClosureDataset{
			ResolvedDataset: use, Name: d.document.Name, Version: d.document.Version, Digest: d.Entry.Digest,
		})
	}
	return c, nil
}

// training is everything that becomes a closure directory.
type training struct {
	flags    trainFlags
	plan     runner.Plan
	wasm     []byte
	data     runner.Data
	document *schema.Closure  // without results
	from     *runner.From     // the parent's last state, or nil
	imported []closure.Tensor // parameters to begin with instead of those of init, or nil
	first    schema.Digest    // the engine that began the parent's run; zero without one
	isolated bool             // the engine was made by somebody else: it gets a process with limits, which can be stopped
	// beside returns README.md, LICENSE and CITATION.cff as far as they are not to be generated.
	beside func() ([]closure.Content, error)
}

// runTraining trains, writes the closure and answers.
func (a *app) runTraining(ctx context.Context, t training) error {
	beside, err := t.beside()
	if err != nil {
		return err
	}
	options := runner.TeamOptions{Workers: min(t.flags.workers, t.plan.Resolved.Algorithm.Microbatches())}
	if t.isolated {
		options.Child = &runner.ChildOptions{}
	}
	team, err := runner.Start(ctx, t.wasm, t.data, options)
	if err != nil {
		return err
	}
	defer team.Close()
	out, err := openOutput(t.flags.directory)
	if err != nil {
		return err
	}
	defer out.close()
	shown := a.newCurve()
	result, err := runner.Train(ctx, team, t.plan, runner.TrainOptions{
		Journal: out.journal, Telemetry: out.telemetry, Progress: shown.step, Work: out.work(), SnapshotEvery: t.flags.every,
		From: t.from, First: t.first, Imported: t.imported, Keep: out.keep, KeepEvery: t.flags.keep,
	})
	if err != nil {
		shown.clear()
		if err := out.discard(); err != nil {
			return err
		}
		if errors.Is(err, context.Canceled) {
			err = withHint(&interruptedError{shown.last.Step, t.plan.Resolved.Algorithm.Steps},
				"the same command goes on from the snapshot in %s", out.work())
		}
		return err
	}
	shown.finish()
	c := t.document
	c.Parameters = schema.ParametersClaim{Step: result.Steps, Digest: result.Parameters}
	c.Run = schema.RunClaim{Digest: result.Run}
	c.Results = []schema.Result{}
	for _, d := range c.Datasets {
		if d.Role == schema.RoleTest && result.Test != nil {
			c.Results = append(c.Results, result.Test.Results(d.Digest, d.Split, result.Steps)...)
		}
	}
	err = out.finish(c, append(beside,
		closure.Bytes(schema.PathEngine, t.wasm),
		closure.Safetensors(schema.PathParameters, result.Tensors.Parameters),
		closure.Safetensors(schema.PathState, result.Tensors.State),
	))
	if err != nil {
		return err
	}
	report := schema.TrainReport{
		Directory: t.flags.directory, Engine: c.Engine.Digest, Parameters: result.Parameters, Run: result.Run, Steps: result.Steps, Results: c.Results,
	}
	return a.answer(report, func(w io.Writer) { a.printTrained(w, c, report) })
}

func (a *app) printTrained(w io.Writer, c *schema.Closure, r schema.TrainReport) {
	if r.Steps == 0 {
		fmt.Fprintf(w, "%s %s:%s, from %s\n", a.style(styleBold, "converted"), c.Name, c.Version, c.Imported.Format)
	} else {
		fmt.Fprintf(w, "%s %s:%s, %d steps\n", a.style(styleBold, "trained"), c.Name, c.Version, r.Steps)
	}
	for _, result := range r.Results {
		fmt.Fprintf(w, "  %-10s %s (%s)\n", result.Metric, valueText(schema.ClaimValue{Correct: result.Correct, Sum: result.Sum, Total: result.Total}), result.Split)
	}
	fmt.Fprintf(w, "  %-10s %s\n  %-10s %s\n  %-10s %s\n  %-10s %s\n", "engine", r.Engine, "parameters", r.Parameters, "run", r.Run, "directory", r.Directory)
}

// valueText writes an exact value, and what it means.
func valueText(v schema.ClaimValue) string {
	switch {
	case v.Correct != nil:
		return fmt.Sprintf("%d/%d = %.2f %%", *v.Correct, v.Total, percent(*v.Correct, v.Total))
	case v.Sum != nil && v.Total > 0:
		return strconv.FormatInt(*v.Sum, 10) + "/2²⁰/" + strconv.FormatInt(v.Total, 10) + fmt.Sprintf(" = %.6f", float64(*v.Sum)/(1<<20)/float64(v.Total))
	}
	return "–"
}
