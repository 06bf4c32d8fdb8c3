package runner

import (
	"context"
	"errors"
	"fmt"

	"github.com/reprise-ml/reprise/schema"
)

// VerifyOptions say how a closure is verified.
type VerifyOptions struct {
	Derivation Derivation
	Team       TeamOptions
}

// Verify checks every blob of a closure and of its datasets, then whether its engine derives from its specification, then
// recomputes its claims: accuracies blindly, losses where the engine is derived. The report is complete whatever the
// verdict. The error is for what prevented a verdict: a document or engine that is not acceptable, a store that fails, a
// cancelled context.
func Verify(ctx context.Context, a *Archive, o VerifyOptions) (*schema.VerifyReport, error) {
	v := &verification{archive: a, options: o, report: &schema.VerifyReport{
		Closure: a.Digest, Name: a.Closure.Name, Version: a.Closure.Version,
		Claims: []schema.ClaimReport{}, Damaged: []schema.DamagedBlob{}, Runtime: RuntimeName(o.Team.Options),
	}}
	if err := v.derive(); err != nil {
		return nil, err
	}
	damaged, err := a.check(ctx)
	if err != nil {
		return nil, err
	}
	if len(damaged) > 0 {
		v.report.Damaged, v.report.Verdict = damaged, schema.VerdictDamaged
		v.report.Reason = "stored bytes differ from the digests that name them: nothing else was checked"
		return v.report, nil
	}
	if err := v.run(ctx); err != nil {
		return nil, err
	}
	v.conclude()
	return v.report, nil
}

type verification struct {
	archive *Archive
	options VerifyOptions
	report  *schema.VerifyReport
	// failed is the first reason why the closure differs, beside its claims.
	failed string
	note   string // the reason where nothing failed
}

func (v *verification) fail(format string, args ...any) {
	if v.failed == "" {
		v.failed = fmt.Sprintf(format, args...)
	}
}

// derive needs no stored bytes, so that it is part of every report.
func (v *verification) derive() error {
	d, err := v.options.Derivation.derive(v.archive.Closure)
	if err != nil {
		return err
	}
	v.report.Derivation, v.note = d.kind, notes(d.note, importNote(v.archive.Closure))
	if d.failed != "" {
		v.fail("%s", d.failed)
	}
	return nil
}

func (v *verification) run(ctx context.Context) error {
	c := v.archive.Closure
	specification, err := schema.DigestOfDocument(c.Resolved())
	if err != nil {
		return err
	}
	if specification != c.Specification {
		v.fail("closure.json names specification %s, but its model, algorithm and datasets are %s", c.Specification.Short(), specification.Short())
	}
	for _, e := range c.Earlier {
		specification, err := schema.DigestOfDocument(e.Resolved())
		if err != nil {
			return err
		}
		if specification != e.Specification {
			v.fail("closure.json names specification %s of earlier engine %s, but its model, algorithm and datasets are %s",
				e.Specification.Short(), e.Engine.Digest.Short(), specification.Short())
		}
	}
	wasm, err := v.archive.Engine(ctx)
	if err != nil {
		return err
	}
	tensors, err := v.archive.Tensors(ctx)
	if err != nil {
		return err
	}
	if err := v.digests(tensors); err != nil {
		return err
	}
	// What the run began with must be what closure.json says.
	_, err = v.archive.Imported(ctx)
	if invalid, ok := errors.AsType[*schema.Invalid](err); ok {
		v.fail("%v", invalid)
	} else if err != nil {
		return err
	}
	data, err := v.archive.Data(ctx)
	if err != nil {
		return err
	}
	return v.claims(ctx, wasm, tensors, data)
}

// digests compares the contents of parameters and state with what closure.json says of them.
func (v *verification) digests(t Tensors) error {
	parameters, run, err := t.Digests()
	if err != nil {
		return schema.Invalidf(schema.PathParameters, "", "%v", err)
	}
	c := v.archive.Closure
	if parameters != c.Parameters.Digest {
		v.fail("closure.json says that the parameters are %s, but %s holds %s", c.Parameters.Digest.Short(), schema.PathParameters, parameters.Short())
	}
	if run != c.Run.Digest {
		v.fail("closure.json says that the run is %s, but parameters and state are %s", c.Run.Digest.Short(), run.Short())
	}
	return nil
}

// claims recomputes every result on fresh replicas, which hold the archived parameters and have seen no targets.
func (v *verification) claims(ctx context.Context, wasm []byte, tensors Tensors, data Data) error {
	team, err := Start(ctx, wasm, data, v.options.Team)
	if err != nil {
		return err
	}
	defer closeTeam(team)
	err = team.Load(ctx, tensors)
	if invalid, ok := errors.AsType[*schema.Invalid](err); ok {
		v.fail("parameters and state do not fit the engine: %v", invalid)
		v.unobserved()
		return nil
	}
	if err == nil {
		for _, r := range v.archive.Closure.Results {
			if err = v.claim(ctx, team, data, r); err != nil {
				break
			}
		}
	}
	// An engine that fails has its reason in the report, as everything else that it does.
	var status *EngineError
	var trap *TrapError
	if errors.As(err, &status) || errors.As(err, &trap) {
		v.fail("%v", err)
		v.unobserved()
		return nil
	}
	return err
}

// unobserved adds the claims that nothing was computed for.
func (v *verification) unobserved() {
	for _, r := range v.archive.Closure.Results[len(v.report.Claims):] {
		v.report.Claims = append(v.report.Claims, claimReport(r, schema.ClaimValue{}, schema.VerdictUnproven))
	}
}

func claimReport(r schema.Result, observed schema.ClaimValue, verdict string) schema.ClaimReport {
	return schema.ClaimReport{
		Metric: r.Metric, Split: r.Split, Verdict: verdict, Observed: observed,
		Claimed: schema.ClaimValue{Correct: r.Correct, Sum: r.Sum, Total: r.Total},
	}
}

func (v *verification) claim(ctx context.Context, team Team, data Data, r schema.Result) error {
	role := v.role(r)
	if role == "" {
		return schema.Invalidf(schema.PathClosure, "results", "%s on split %s of dataset %s, which is none of the closure's", r.Metric, r.Split, r.Dataset)
	}
	records, err := data.records(role)
	if err != nil {
		return err
	}
	target := records.Layout().Target
	observed := schema.ClaimValue{Total: records.Len() * int64(Predictions(target))}
	verdict := schema.VerdictDiffers
	switch {
	case r.Metric == schema.MetricAccuracy:
		correct, err := team.Correct(ctx, role, 0, records.Len())
		if err != nil {
			return err
		}
		observed.Correct = &correct
		if r.Correct != nil && *r.Correct == correct && r.Total == observed.Total {
			verdict = schema.VerdictReproduced
		}
	case v.report.Derivation != schema.Derived:
		observed, verdict = schema.ClaimValue{}, schema.VerdictUnproven
	default:
		loss, err := lossOf(ctx, team, role, records.Len())
		if err != nil {
			return err
		}
		observed.Sum = loss
		if r.Sum != nil && loss != nil && *r.Sum == *loss && r.Total == observed.Total {
			verdict = schema.VerdictReproduced
		}
	}
	v.report.Claims = append(v.report.Claims, claimReport(r, observed, verdict))
	return nil
}

// role of the records that a result is about.
func (v *verification) role(r schema.Result) string {
	for _, d := range v.archive.Closure.Datasets {
		if d.Digest == r.Dataset && d.Split == r.Split {
			return d.Role
		}
	}
	return ""
}

// conclude draws the verdict. A claim that is unproven neither helps nor harms, unless nothing at all was proved.
func (v *verification) conclude() {
	reproduced, differs := 0, 0
	for _, c := range v.report.Claims {
		switch c.Verdict {
		case schema.VerdictReproduced:
			reproduced++
		case schema.VerdictDiffers:
			differs++
		}
	}
	if differs > 0 {
		v.fail("%d of %d claims differ", differs, len(v.report.Claims))
	}
	if reproduced == 0 && v.report.Derivation != schema.Derived {
		v.fail("no claim could be recomputed blindly, and the engine is not derived: nothing is proved")
	}
	v.report.Verdict, v.report.Reason = schema.VerdictReproduced, v.note
	if v.failed != "" {
		v.report.Verdict, v.report.Reason = schema.VerdictDiffers, v.failed
	}
}
