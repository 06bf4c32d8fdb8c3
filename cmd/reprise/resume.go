package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
)

func resumeCommand(a *app) *cobra.Command {
	var o trainFlags
	var steps int64
	var version string
	c := &cobra.Command{
		Use:   "resume REF|DIR --steps N -o DIR",
		Short: "Train a closure for more steps, as a child closure",
		Long: long(`
Goes on where a closure ended, for N more steps, and writes a child closure directory that names its
parent. Its journal goes on from its parent's. Its run digest is that of a training of all the steps
at once.

An interrupted run goes on when the same command is given again, as with train.`, exitDamaged),
		Example: "  reprise resume mnist-cnn:1.0.0 --steps 500 -o longer",
		Args:    exactly("REF"),
		RunE: func(c *cobra.Command, args []string) error {
			if steps < 1 {
				return usagef("give a positive number of steps to add", "--steps %d is not a number of steps", steps)
			}
			return a.resume(c.Context(), args[0], steps, version, o)
		},
	}
	c.Flags().Int64Var(&steps, "steps", 0, "the number of steps to add")
	c.Flags().StringVar(&version, "version", "", "the version of the child (default the parent's next minor version)")
	o.add(c)
	return c
}

func (a *app) resume(ctx context.Context, reference string, steps int64, version string, o trainFlags) error {
	if err := o.check(); err != nil {
		return err
	}
	parent, err := a.loadArchive(ctx, reference)
	if err != nil {
		return err
	}
	child := *parent.Closure
	if version == "" {
		version = nextMinor(child.Version)
	}
	if err := schema.CheckVersion(version); err != nil {
		return usagef("", "--version: %v", err)
	}
	child.Version = version
	child.Algorithm.Steps += steps
	child.Parents = []schema.Parent{{Digest: parent.Digest, Relation: schema.RelationResumed}}
	if child.Created, err = createdNow(); err != nil {
		return err
	}
	t := training{flags: o, document: &child, isolated: true}
	if t.plan, err = runner.NewPlan(child.Resolved(), child.Engine.Digest); err != nil {
		return err
	}
	child.Specification = t.plan.Specification
	if t.wasm, err = parent.Engine(ctx); err != nil {
		return err
	}
	if t.data, err = parent.Data(ctx); err != nil {
		return err
	}
	if t.from, err = parent.From(ctx); err != nil {
		return err
	}
	if t.first, err = parent.First(ctx); err != nil {
		return err
	}
	t.beside = func() ([]closure.Content, error) {
		beside, err := licenceOf(ctx, parent)
		if err != nil {
			return nil, err
		}
		return carriedOn(ctx, parent, beside)
	}
	return a.runTraining(ctx, t)
}

// carriedOn adds what a closure that goes on with a run must hold of the run's beginning: engines that ran before, and what
// imported parameters come from.
func carriedOn(ctx context.Context, parent *runner.Archive, contents []closure.Content) ([]closure.Content, error) {
	earlier, err := parent.EarlierEngines(ctx)
	if err != nil {
		return nil, err
	}
	origin, err := parent.Origin(ctx)
	return slices.Concat(contents, earlier, origin), err
}

// licenceOf is the parent's licence, which the child keeps. The other documents speak of version and results: they are
// generated.
func licenceOf(ctx context.Context, a *runner.Archive) ([]closure.Content, error) {
	f, ok := closure.FindFile(a.Closure, schema.PathLicense)
	if !ok {
		return nil, nil
	}
	b, err := closure.ReadBlob(ctx, a.Blobs, f.Path, f.Digest, f.Size, maxBeside)
	if err != nil {
		return nil, err
	}
	return []closure.Content{closure.Bytes(f.Path, b)}, nil
}

// nextMinor is 1.3.0 for 1.2.7, and for 1.2.7-rc.1.
func nextMinor(version string) string {
	core, _, _ := strings.Cut(version, "-")
	parts := strings.Split(core, ".")
	minor, err := strconv.ParseUint(parts[1], 10, 63)
	if err != nil {
		return version // beyond 63 bits: the same version, which publish will refuse
	}
	return fmt.Sprintf("%s.%d.0", parts[0], minor+1)
}
