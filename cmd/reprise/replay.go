package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo/attestation"
)

func replayCommand(a *app) *cobra.Command {
	var workers int
	var from, to int64
	var key string
	c := &cobra.Command{
		Use:   "replay REF|DIR",
		Short: "Train a closure again and compare every step, bit for bit",
		Long: long(`
Repeats the training of a closure and compares every line of its journal as it is made, then the parameters
and the state at the end. The first difference is named. With --from it starts at a snapshot that the closure
keeps (train --keep-snapshots); with --to it ends before the last step. With --sign the outcome of a whole replay becomes
a signed record, as that of reprise verify does.`, exitDiffers, exitDamaged),
		Example: `  reprise replay mnist-cnn:1.0.0
  reprise replay ./closure --from 500 --to 600`,
		Args: exactly("REF|DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkWorkers(workers); err != nil {
				return err
			}
			if key != "" && (from != 0 || to != 0) {
				return usagef("leave out --from and --to", "--sign: a part of a training proves nothing about the whole")
			}
			signer, err := a.signing(c.InOrStdin(), key, args[0])
			if err != nil {
				return err
			}
			return a.replay(c.Context(), args[0], signer, workers, from, to)
		},
	}
	addWorkers(c, &workers)
	c.Flags().StringVar(&key, "sign", "", signFlag)
	c.Flags().Int64Var(&from, "from", 0, "start at the snapshot that was kept after this step")
	c.Flags().Int64Var(&to, "to", 0, "end after this step (default the last)")
	return c
}

func (a *app) replay(ctx context.Context, arg string, signer *attestation.Signer, workers int, from, to int64) error {
	archive, err := a.loadArchive(ctx, arg)
	if err != nil {
		return err
	}
	c := archive.Closure
	switch last := c.Algorithm.Steps; {
	case from < 0 || to < 0 || from > last || to > last:
		return usagef("", "--from %d --to %d: the closure has steps 1 to %d", from, to, last)
	case to != 0 && from >= to:
		return usagef("", "--from %d is not before --to %d", from, to)
	}
	shown := a.newCurve()
	r, err := runner.Replay(ctx, archive, runner.ReplayOptions{
		Derivation: derivation(), Team: isolated(min(workers, c.Algorithm.Microbatches())), Progress: shown.step, From: from, To: to,
	})
	shown.clear()
	if err != nil {
		if errors.Is(err, context.Canceled) {
			err = &interruptedError{shown.last.Step, c.Algorithm.Steps}
		}
		return err
	}
	if signer != nil {
		p := schema.VerificationPredicate{Mode: schema.ModeReplay, Verdict: r.Verdict, Run: r.Run, Steps: r.Steps}
		if r.Record, err = a.keep(ctx, signer, arg, r.Closure, workers, p); err != nil {
			return err
		}
	}
	if err := a.answer(r, func(w io.Writer) { a.printReplay(w, c, r) }); err != nil {
		return err
	}
	if r.Verdict != schema.VerdictIdentical {
		return &verdictError{exitDiffers, fmt.Sprintf("%s:%s did not replay", c.Name, c.Version)}
	}
	return nil
}

func (a *app) printReplay(w io.Writer, c *schema.Closure, r *schema.ReplayReport) {
	style := styleGreen
	if r.Verdict != schema.VerdictIdentical {
		style = styleRed
	}
	fmt.Fprintf(w, "%s  %s\n  %s\n\n", a.style(style, r.Verdict), a.style(styleBold, c.Name+":"+c.Version), r.Closure)
	fmt.Fprintln(w, derivationText(r.Derivation))
	if r.Reason != "" {
		fmt.Fprintf(w, "\n%s\n", r.Reason)
	}
	fmt.Fprintf(w, "\n  %-10s %d\n", "steps", r.Steps)
	if !r.Run.IsZero() {
		fmt.Fprintf(w, "  %-10s %s\n", "run", r.Run)
	}
	if d := r.FirstDifference; d != nil {
		fmt.Fprintf(w, "\nThe first difference is at step %d, %s:\n  recorded   %s\n  observed   %s\n", d.Step, d.What, orDash(d.Recorded), orDash(d.Observed))
	}
	a.printRecord(w, r.Record)
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
