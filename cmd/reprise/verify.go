package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
)

func verifyCommand(a *app) *cobra.Command {
	var junit, markdown, key string
	var workers int
	c := &cobra.Command{
		Use:   "verify REF|DIR",
		Short: "Check every byte of a closure, where its engine comes from, and every claim",
		Long: long(`
Checks every blob of a closure and of its datasets against its digest; then whether its engine is what its
specification compiles to; then recomputes every claim. Accuracies are counted blindly, from predictions of
an engine that sees inputs and never targets. Engines run in a process of their own, without imports, with
bounded memory and work.

With --sign the outcome becomes a signed record about the closure, in its store: an in-toto statement in a bundle of
Sigstore, which cosign verify-attestation checks. The key is an Ed25519 or ECDSA P-256 key in PEM, or one of cosign's.
Servers that trust it (reprise serve --trust) count the closure as verified by its owner.`, exitDiffers, exitDamaged),
		Example: `  reprise verify mnist-cnn:1.0.0
  reprise verify ./closure --junit verify.xml --markdown verify.md
  reprise verify mnist-cnn:1.0.0 --sign cosign.key`,
		Args: exactly("REF|DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkWorkers(workers); err != nil {
				return err
			}
			signer, err := a.signing(c.InOrStdin(), key, args[0])
			if err != nil {
				return err
			}
			r, err := a.verify(c.Context(), args[0], workers)
			if err != nil {
				return err
			}
			if signer != nil {
				p := schema.VerificationPredicate{Mode: schema.ModeVerify, Verdict: r.Verdict, Claims: observedClaims(r.Claims)}
				if r.Record, err = a.keep(c.Context(), signer, args[0], r.Closure, workers, p); err != nil {
					return err
				}
			}
			if junit != "" {
				if err := writeOutput(junit, func(w io.Writer) error { return writeJUnit(w, r) }); err != nil {
					return err
				}
			}
			if markdown != "" {
				if err := writeOutput(markdown, func(w io.Writer) error { return writeMarkdown(w, r) }); err != nil {
					return err
				}
			}
			if err := a.answer(r, func(w io.Writer) { a.printVerification(w, r) }); err != nil {
				return err
			}
			return verificationError(r)
		},
	}
	c.Flags().StringVar(&junit, "junit", "", "also write a JUnit report to this file")
	c.Flags().StringVar(&markdown, "markdown", "", "also write a Markdown report to this file")
	c.Flags().StringVar(&key, "sign", "", signFlag)
	addWorkers(c, &workers)
	return c
}

// verify makes the report. Damage to the closure's own documents, which ends the reading of it, is a report as well.
func (a *app) verify(ctx context.Context, arg string, workers int) (*schema.VerifyReport, error) {
	archive, err := a.loadArchive(ctx, arg)
	var damaged *schema.Damaged
	if errors.As(err, &damaged) && archive != nil {
		return damageReport(arg, archive.Digest, damaged), nil
	}
	if err != nil {
		return nil, err
	}
	a.detail("verifying %s:%s, %s", archive.Closure.Name, archive.Closure.Version, archive.Digest)
	return runner.Verify(ctx, archive, runner.VerifyOptions{Derivation: derivation(), Team: isolated(workers)})
}

// damageReport is the verdict on a closure whose documents cannot be read.
func damageReport(arg string, digest schema.Digest, damaged *schema.Damaged) *schema.VerifyReport {
	r := &schema.VerifyReport{
		Closure: digest, Verdict: schema.VerdictDamaged, Damaged: damaged.Blobs, Claims: []schema.ClaimReport{},
		Reason: "the closure's own documents are damaged: nothing else was checked",
	}
	r.Name = arg
	if ref, err := schema.ParseReference(arg); err == nil {
		r.Name, r.Version = ref.Name, ref.Label
	}
	return r
}

// derivation is how engines are derived: by the compiler of this program.
func derivation() runner.Derivation {
	return runner.Derivation{Compile: compile, Compiler: wasm.Version}
}

// isolated runs engines in a child process.
func isolated(workers int) runner.TeamOptions {
	return runner.TeamOptions{Workers: workers, Child: &runner.ChildOptions{}}
}

// verificationError turns a verdict into the way the command ends.
func verificationError(r *schema.VerifyReport) error {
	switch r.Verdict {
	case schema.VerdictReproduced:
		return nil
	case schema.VerdictDamaged:
		return &verdictError{exitDamaged, fmt.Sprintf("%s is damaged", nameOf(r))}
	}
	return &verdictError{exitDiffers, fmt.Sprintf("%s was not reproduced", nameOf(r))}
}

func nameOf(r *schema.VerifyReport) string {
	if r.Version == "" {
		return r.Name
	}
	return r.Name + ":" + r.Version
}

func (a *app) printVerification(w io.Writer, r *schema.VerifyReport) {
	style := styleGreen
	if r.Verdict != schema.VerdictReproduced {
		style = styleRed
	}
	fmt.Fprintf(w, "%s  %s\n  %s\n", a.style(style, r.Verdict), a.style(styleBold, nameOf(r)), r.Closure)
	if r.Derivation != "" {
		fmt.Fprintf(w, "\n%s\n", derivationText(r.Derivation))
	}
	if r.Reason != "" {
		fmt.Fprintf(w, "\n%s\n", r.Reason)
	}
	for _, b := range r.Damaged {
		fmt.Fprintf(w, "  %s\n", a.style(styleRed, damageText(b)))
	}
	if len(r.Claims) > 0 {
		fmt.Fprintln(w)
		t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
		fmt.Fprintln(t, "claim\tsplit\tclaimed\tobserved\tverdict")
		for _, c := range r.Claims {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", c.Metric, c.Split, valueText(c.Claimed), valueText(c.Observed), c.Verdict)
		}
		t.Flush() // the writer below remembers errors
	}
	a.printRecord(w, r.Record)
}

// derivationText says in a sentence what a derivation means.
func derivationText(derivation string) string {
	switch derivation {
	case schema.Derived:
		return "Engine: derived. Compiling the specification again gave the same engine, byte for byte."
	case schema.OtherCompiler:
		return "Engine: made by another release of the compiler. This release cannot tell whether it is what the specification says, so only blind claims count."
	case schema.Foreign:
		return "Engine: foreign. It was not compiled from the specification, so only blind claims count."
	}
	return ""
}

func damageText(b schema.DamagedBlob) string {
	switch {
	case b.Reason != "":
		return b.Path + ": " + b.Reason
	case b.Observed.IsZero():
		return fmt.Sprintf("%s: missing or cut short (it should be %s)", b.Path, b.Expected)
	}
	return fmt.Sprintf("%s: is %s, should be %s", b.Path, b.Observed, b.Expected)
}
