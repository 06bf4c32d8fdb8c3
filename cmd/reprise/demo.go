package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/fixtures"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// What the demonstration is about: a network on drawn letters, its child that trained on, and a classifier of a table.
const (
	demoLetters       = "glyphs:1.0.0"
	demoTable         = "table:1.0.0"
	demoTableFile     = "table.csv"
	demoTableRows     = 3000
	demoSeed          = 1
	demoResumeSteps   = "47"        // an epoch more
	demoLettersSpec   = "mnist-cnn" // among the fixtures
	demoTableSpec     = "table"
	demoLettersResult = "glyphs-cnn:1.0.0"
	demoChildResult   = "glyphs-cnn:1.1.0"
	demoTableResult   = "table-mlp:1.0.0"
)

func demoCommand(a *app) *cobra.Command {
	var dir, address string
	var noServe bool
	c := &cobra.Command{
		Use:   "demo [--addr HOST:PORT] [--data DIR]",
		Short: "Go through everything once: import, train, publish, verify, replay, serve",
		Long: long(`
Draws a dataset of letters and a table, imports them, trains a small network on each and one of them a little
longer, publishes the closures, verifies them, replays the first, and serves the store as a site until it is
interrupted (not with --no-serve or --json). Every step is a command of reprise, which is printed as you would type
it. What is already in the store is not made again. It takes some seconds.`, exitDiffers, exitDamaged),
		Example: `  reprise demo
  reprise demo --data ./try --store ./try/zoo --no-serve`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			d := demo{app: a, dir: dir}
			if err := d.run(c.Context()); err != nil {
				return err
			}
			if err := a.answer(d.report, d.summary); err != nil {
				return err
			}
			if d.failed != nil || noServe || a.json {
				return d.failed
			}
			return d.serve(c.Context(), address)
		},
	}
	c.Flags().StringVar(&dir, "data", "reprise-demo", "where to put the files of the demonstration")
	c.Flags().StringVar(&address, "addr", defaultAddress, "where to serve the site; any free port if this one is taken")
	c.Flags().BoolVar(&noServe, "no-serve", false, "end without serving the site")
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
	d.report.Directory, d.report.Store = d.dir, d.app.storePlace()
	if _, err := kindOfStore(d.report.Store); err != nil {
		return err
	}
	if err := os.MkdirAll(d.dir, 0o777); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		d.importLetters,
		d.closure(demoLettersResult, "closure", func(out string) ([]string, error) { return d.train(demoLettersSpec, out) }),
		func(ctx context.Context) error { return d.do(ctx, &d.report.Replay, "replay", demoLettersResult) },
		d.closure(demoChildResult, "longer", func(out string) ([]string, error) {
			return []string{"resume", demoLettersResult, "--steps", demoResumeSteps, "-o", out}, nil
		}),
		d.importTable,
		d.closure(demoTableResult, "table", func(out string) ([]string, error) { return d.train(demoTableSpec, out) }),
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) importLetters(ctx context.Context) error {
	d.app.note("Drawing %d letters in %s, as the files that MNIST has.", fixtures.DefaultTrain+fixtures.DefaultTest, d.dir)
	if err := fixtures.WriteIDX(d.dir, demoSeed, fixtures.DefaultTrain, fixtures.DefaultTest); err != nil {
		return err
	}
	return d.dataset(ctx, "idx", d.dir, "--name", demoLetters,
		"--classes", strings.Join(fixtures.GlyphClasses(), ","), "--title", "Drawn letters")
}

func (d *demo) importTable(ctx context.Context) error {
	var text bytes.Buffer
	if err := fixtures.WriteTable(&text, demoSeed, demoTableRows); err != nil {
		return err
	}
	file := filepath.Join(d.dir, demoTableFile)
	if err := os.WriteFile(file, text.Bytes(), 0o666); err != nil {
		return err
	}
	return d.dataset(ctx, "csv", file, "--name", demoTable, "--header", "--test-fraction", "0.2", "--title", "Points in the plane, mixed")
}

func (d *demo) dataset(ctx context.Context, args ...string) error {
	var r schema.DatasetReport
	if err := d.do(ctx, &r, append([]string{"dataset", "import"}, args...)...); err != nil {
		return err
	}
	d.report.Datasets = append(d.report.Datasets, r)
	return nil
}

// train writes a specification and is the command that trains it.
func (d *demo) train(name, out string) ([]string, error) {
	specification := filepath.Join(d.dir, name+".yaml")
	return []string{"train", specification, "-o", out}, os.WriteFile(specification, fixtures.Specification(name), 0o666)
}

// closure makes, publishes and verifies a closure. It is left as it is if it is in the store, or has been trained and not
// been published.
func (d *demo) closure(reference, folder string, train func(out string) ([]string, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		var r schema.DemoClosure
		published, err := d.published(ctx, reference)
		if err != nil {
			return err
		}
		if published != nil {
			d.app.note("\n%s is in the store already: it is not trained again.", reference)
			r.Closure = *published
		} else {
			out := filepath.Join(d.dir, folder)
			if _, err := os.Stat(filepath.Join(out, schema.PathClosure)); err == nil {
				d.app.note("\n%s has been trained already.", out)
			} else {
				command, err := train(out)
				if err != nil {
					return err
				}
				r.Train = &schema.TrainReport{}
				if err := d.do(ctx, r.Train, command...); err != nil {
					return err
				}
			}
			if err := d.do(ctx, &r.Closure, "publish", out); err != nil {
				return err
			}
		}
		if err := d.do(ctx, &r.Verify, "verify", reference); err != nil {
			return err
		}
		d.report.Closures = append(d.report.Closures, r)
		return nil
	}
}

// published returns what the store has under a reference, or nil.
func (d *demo) published(ctx context.Context, reference string) (*schema.PublishReport, error) {
	s, err := d.app.openStore(ctx)
	if err != nil {
		return nil, err
	}
	r, err := zoo.Resolve(ctx, s, reference)
	if errors.Is(err, zoo.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &schema.PublishReport{Name: r.Name, Version: r.Version, Digest: r.Entry.Digest}, nil
}

// serve ends the demonstration in a site.
func (d *demo) serve(ctx context.Context, address string) error {
	if l, err := net.Listen("tcp", address); err != nil {
		host, _, splitErr := net.SplitHostPort(address)
		if splitErr != nil {
			return err
		}
		d.app.note("%s is taken.", address)
		address = net.JoinHostPort(host, "0")
	} else if err := l.Close(); err != nil {
		return err
	}
	d.app.note("\n$ %s", d.commandLine([]string{"serve"}))
	return d.app.serve(ctx, address, false, nil, registryFlags{anonymousPull: true}, func(url string) {
		d.app.note("\nOpen one and click Reproduce:")
		for _, c := range d.report.Closures {
			d.app.note("  %sc/%s:%s", url, c.Closure.Name, c.Closure.Version)
		}
		d.app.note("Ctrl-C ends it.")
	})
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
		return fmt.Sprintf("%s:%s, %d records to train on and %d to test with, %d classes", r.Name, r.Version, r.Splits["train"], r.Splits["test"], len(r.Classes))
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
	fmt.Fprintf(w, "\n%s\n", a.style(styleBold, "Results that anyone can check, bit for bit."))
	for _, closure := range r.Closures {
		fmt.Fprintf(w, "\n  %-10s %s:%s %s\n", "closure", closure.Closure.Name, closure.Closure.Version, closure.Closure.Digest)
		for _, c := range closure.Verify.Claims {
			fmt.Fprintf(w, "  %-10s %s on %s: %s\n", c.Metric, valueText(c.Observed), c.Split, c.Verdict)
		}
	}
	fmt.Fprintln(w)
	for _, row := range [][2]string{{"run", r.Replay.Run.String()}, {"files", r.Directory}, {"store", r.Store}} {
		fmt.Fprintf(w, "  %-10s %s\n", row[0], row[1])
	}
	fmt.Fprintf(w, "\nNext:\n")
	for _, args := range [][]string{
		{"show", demoLettersResult, "-v"},
		{"dataset", "show", demoLetters, "--sheet", filepath.Join(d.dir, "letters.png")},
		{"predict", demoLettersResult, filepath.Join(d.dir, fixtures.TestImages)},
		{"serve"},
		{"init", "my-network"},
	} {
		fmt.Fprintf(w, "  %s\n", d.commandLine(args))
	}
}
