package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// What the demonstration is about.
const (
	demoDataset       = "glyphs:1.0.0"
	demoClosure       = "glyphs-cnn:1.0.0"
	demoSpecification = "mnist-cnn" // among the fixtures
	demoSeed          = 1
)

func demoCommand(a *app) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "demo [--data DIR]",
		Short: "Go through everything once: import, train, publish, verify, replay",
		Long: long(`
Draws a dataset of letters, imports it, trains a small network on it, publishes the closure, verifies it and
replays it. Every step is a command of reprise, which is printed as you would type it. What is already in the
store is not made again. It takes some seconds.`, exitDiffers, exitDamaged),
		Example: `  reprise demo
  reprise demo --data ./try --store ./try/zoo`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			d := demo{app: a, dir: dir}
			if err := d.run(c.Context()); err != nil {
				return err
			}
			if err := a.answer(d.report, d.summary); err != nil {
				return err
			}
			return d.failed
		},
	}
	c.Flags().StringVar(&dir, "data", "reprise-demo", "where to put the files of the demonstration")
	return c
}

// demo is the demonstration in progress.
type demo struct {
	app    *app
	dir    string
	report schema.DemoReport
	failed error // the verdict of a step, if it is a bad one
}

func (d *demo) run(ctx context.Context) error {
	store, err := d.app.storePath()
	if err != nil {
		return err
	}
	d.report.Directory, d.report.Store = d.dir, store
	if err := os.MkdirAll(d.dir, 0o777); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{d.importData, d.train, d.publish, d.verify, d.replay} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) importData(ctx context.Context) error {
	d.app.note("Drawing %d letters in %s, as the files that MNIST has.", fixtures.DefaultTrain+fixtures.DefaultTest, d.dir)
	if err := fixtures.WriteIDX(d.dir, demoSeed, fixtures.DefaultTrain, fixtures.DefaultTest); err != nil {
		return err
	}
	return d.do(ctx, &d.report.Dataset, "dataset", "import", "idx", d.dir, "--name", demoDataset,
		"--classes", strings.Join(fixtures.GlyphClasses(), ","), "--title", "Drawn letters")
}

// train leaves the closure as it is if it is in the store, or has been trained and not been published.
func (d *demo) train(ctx context.Context) error {
	specification := filepath.Join(d.dir, specificationFile)
	if err := os.WriteFile(specification, fixtures.Specification(demoSpecification), 0o666); err != nil {
		return err
	}
	published, err := d.published(ctx)
	if err != nil {
		return err
	}
	if published {
		d.app.note("%s is in the store already: it is not trained again.", demoClosure)
		return nil
	}
	if _, err := os.Stat(filepath.Join(d.closure(), schema.PathClosure)); err == nil {
		d.app.note("%s has been trained already.", d.closure())
		return nil
	}
	d.report.Train = &schema.TrainReport{}
	return d.do(ctx, d.report.Train, "train", specification, "-o", d.closure())
}

func (d *demo) closure() string { return filepath.Join(d.dir, "closure") }

// published reports whether the store has the closure.
func (d *demo) published(ctx context.Context) (bool, error) {
	s, err := d.app.openStore()
	if err != nil {
		return false, err
	}
	r, err := zoo.Resolve(ctx, s, demoClosure)
	if errors.Is(err, zoo.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	d.report.Closure = schema.PublishReport{Name: r.Name, Version: r.Version, Digest: r.Entry.Digest}
	return true, nil
}

func (d *demo) publish(ctx context.Context) error {
	if !d.report.Closure.Digest.IsZero() {
		return nil
	}
	return d.do(ctx, &d.report.Closure, "publish", d.closure())
}

func (d *demo) verify(ctx context.Context) error {
	return d.do(ctx, &d.report.Verify, "verify", demoClosure)
}

func (d *demo) replay(ctx context.Context) error {
	return d.do(ctx, &d.report.Replay, "replay", demoClosure)
}

// do runs a command as if it had been typed, and reads its answer.
func (d *demo) do(ctx context.Context, report any, args ...string) error {
	d.app.note("\n$ %s", d.commandLine(args))
	var answer bytes.Buffer
	sub := *d.app
	sub.stdout = &answer
	root := newRoot(&sub)
	// The flags of the root were parsed already; parsing again sets their defaults.
	full := append([]string{"--json", "--store", d.report.Store}, args...)
	if d.app.quiet {
		full = append(full, "--quiet")
	}
	root.SetArgs(full)
	err := root.ExecuteContext(ctx)
	if _, ok := errors.AsType[*verdictError](err); ok {
		// It has answered; the later steps tell more.
		d.failed = cmp.Or(d.failed, err)
	} else if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	if err := json.Unmarshal(answer.Bytes(), report); err != nil {
		return fmt.Errorf("the answer of %s: %w", args[0], err)
	}
	d.app.note("%s", d.told(report))
	return nil
}

// commandLine is what a user would type.
func (d *demo) commandLine(args []string) string {
	words := []string{"reprise"}
	for _, arg := range args {
		if strings.ContainsAny(arg, " ") {
			arg = "'" + arg + "'"
		}
		words = append(words, arg)
	}
	if d.app.store != "" {
		words = append(words, "--store", d.app.store)
	}
	return strings.Join(words, " ")
}

// told is an answer in a line.
func (d *demo) told(report any) string {
	switch r := report.(type) {
	case *schema.DatasetReport:
		return fmt.Sprintf("%s:%s, %d letters to train on and %d to test with, %d classes", r.Name, r.Version, r.Splits["train"], r.Splits["test"], len(r.Classes))
	case *schema.TrainReport:
		return fmt.Sprintf("%d steps, run %s", r.Steps, r.Run.Short())
	case *schema.PublishReport:
		return fmt.Sprintf("%s:%s is %s", r.Name, r.Version, r.Digest)
	case *schema.VerifyReport:
		return fmt.Sprintf("%s: %d claims, engine %s", r.Verdict, len(r.Claims), r.Derivation)
	case *schema.ReplayReport:
		return fmt.Sprintf("%s: %d steps, run %s", r.Verdict, r.Steps, r.Run.Short())
	}
	return ""
}

func (d *demo) summary(w io.Writer) {
	a, r := d.app, &d.report
	fmt.Fprintf(w, "\n%s\n\n", a.style(styleBold, "A result that anyone can check, bit for bit."))
	for _, c := range r.Verify.Claims {
		fmt.Fprintf(w, "  %-10s %s on %s: %s\n", c.Metric, valueText(c.Observed), c.Split, c.Verdict)
	}
	for _, row := range [][2]string{
		{"closure", r.Closure.Digest.String()},
		{"dataset", r.Dataset.Digest.String()},
		{"run", r.Replay.Run.String()},
		{"files", r.Directory},
		{"store", r.Store},
	} {
		fmt.Fprintf(w, "  %-10s %s\n", row[0], row[1])
	}
	fmt.Fprintf(w, "\nNext:\n")
	for _, args := range [][]string{
		{"show", demoClosure, "-v"},
		{"dataset", "show", demoDataset, "--sheet", filepath.Join(d.dir, "letters.png")},
		{"predict", demoClosure, filepath.Join(d.dir, fixtures.TestImages)},
		{"resume", demoClosure, "--steps", "100", "-o", filepath.Join(d.dir, "longer")},
		{"init", "my-network"},
	} {
		fmt.Fprintf(w, "  %s\n", d.commandLine(args))
	}
}
