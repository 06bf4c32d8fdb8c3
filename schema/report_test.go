package schema_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
)

// What commands print with --json validates against its schema.
func TestReports(t *testing.T) {
	d := digest("something")
	damaged := []schema.DamagedBlob{{Path: "code/engine.wasm", Expected: d}, {Path: "README.md", Expected: d, Observed: digest("else")}}
	reports := map[string]struct {
		kind  schema.DocumentKind
		value any
	}{
		"verify": {schema.KindVerifyReport, schema.VerifyReport{
			Closure: d, Name: "mnist", Version: "1.0.0", Verdict: schema.VerdictDiffers, Derivation: schema.Derived, Damaged: damaged,
			Claims: []schema.ClaimReport{{
				Metric: "accuracy", Split: "test", Claimed: schema.ClaimValue{Correct: new(int64(9)), Total: 10},
				Observed: schema.ClaimValue{Correct: new(int64(8)), Total: 10}, Verdict: schema.VerdictDiffers,
			}},
		}},
		"replay that differs": {schema.KindReplayReport, schema.ReplayReport{
			Closure: d, Verdict: schema.VerdictDiffers, Derivation: schema.Foreign, Steps: 3,
			FirstDifference: &schema.Difference{Step: 3, What: "loss", Recorded: "1", Observed: "2"},
		}},
		"replay": {schema.KindReplayReport, schema.ReplayReport{Closure: d, Verdict: schema.VerdictIdentical, Derivation: schema.Derived, Run: d}},
		"train": {schema.KindTrainReport, schema.TrainReport{
			Directory: "out", Engine: d, Parameters: d, Run: d, Steps: 10,
			Results: []schema.Result{{Metric: "accuracy", Dataset: d, Split: "test", Step: 10, Correct: new(int64(1)), Total: 2}},
		}},
		"fsck": {schema.KindFsckReport, schema.FsckReport{Checked: 2, Damaged: damaged}},
		"token": {schema.KindTokenReport, schema.TokenReport{
			ID: "abcdefghij", Token: "reprise_abcdefghij_X", Scope: "push", Names: "*", Created: "2026-01-02T03:04:05Z", Expires: "2027-01-02T03:04:05Z", Quota: 1,
		}},
		"tokens":              {schema.KindTokenList, []schema.TokenReport{{ID: "abcdefghij", Scope: "pull", Names: "*", Created: "2026-01-02T03:04:05Z"}}},
		"list":                {schema.KindListReport, []schema.ListEntry{{Name: "mnist", Version: "1.0.0", Digest: d, Kind: "dataset"}}},
		"copy":                {schema.KindCopyReport, schema.CopyReport{Copied: []schema.CopiedReference{{Name: "mnist", Version: "1.0.0", Digest: d, Kind: "dataset", Present: true}}, Files: 1}},
		"export":              {schema.KindExportReport, schema.ExportReport{Exported: []schema.CopiedReference{{Name: "mnist", Tag: "best", Digest: d, Kind: "closure"}}, File: "x.tar", Size: 1, Digest: d}},
		"withdraw":            {schema.KindWithdrawReport, schema.WithdrawReport{Name: "mnist", Version: "1.0.0", Digest: d, Reason: "wrong labels", Record: d}},
		"a withdrawn version": {schema.KindListReport, []schema.ListEntry{{Name: "mnist", Version: "1.0.0", Digest: d, Kind: "closure", Withdrawn: "wrong labels"}}},
		"gc":                  {schema.KindCollectReport, schema.CollectReport{DryRun: true, Kept: 1, Blobs: 2, Bytes: 3}},
		"login":               {schema.KindLoginReport, schema.LoginReport{Server: "zoo.example.org", Username: "token", File: "config.json"}},
		"logout":              {schema.KindLogoutReport, schema.LogoutReport{Server: "zoo.example.org", Removed: true}},
		"search":              {schema.KindSearchReport, schema.SearchReport{Total: 1, Items: []schema.ListEntry{{Name: "mnist", Version: "1.0.0", Digest: d, Kind: "closure"}}, Facets: map[string][]schema.FacetValue{"task": {{Value: "x", Count: 1}}}}},
		"publish":             {schema.KindPublishReport, schema.PublishReport{Name: "mnist", Version: "1.0.0", Digest: d}},
		"dataset":             {schema.KindDatasetReport, schema.DatasetReport{Name: "mnist", Version: "1.0.0", Digest: d, Classes: []string{"0"}, Splits: map[string]int64{"train": 1}, Record: exampleRecord()}},
		"dataset of numbers":  {schema.KindDatasetReport, schema.DatasetReport{Name: "mnist", Version: "1.0.0", Digest: d, Splits: map[string]int64{}, Record: exampleRecord()}},
		"predict":             {schema.KindPredictReport, []schema.PredictReport{{Input: "a.png", Class: "7", Probabilities: []float64{0.25, 0.75}}}},
		"failure":             {schema.KindFailure, schema.Failure{Error: schema.FailureDetail{Code: 2, Message: "no", Where: "here", Hint: "do"}}},
	}
	for name, report := range reports {
		t.Run(name, func(t *testing.T) {
			if err := schema.Validate(report.kind, name, canonical(t, report.value)); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("read", func(t *testing.T) {
		want := reports["verify"].value.(schema.VerifyReport)
		got, err := schema.ReadReport[schema.VerifyReport](schema.KindVerifyReport, "verify", canonical(t, want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, got, compareDigests); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("refused", func(t *testing.T) {
		got := problemsOf(t, func() error { return schema.Validate(schema.KindFailure, "failure", []byte(`{"error":{"code":7}}`)) })
		if want := "error.message: is missing; it should be a text\nerror.code: 7 is not an integer from 1 to 4"; got != want {
			t.Errorf("told:\n%s\nwant:\n%s", got, want)
		}
	})
}

func TestManifest(t *testing.T) {
	descriptor := map[string]any{
		"mediaType": schema.MediaTypeClosure, "digest": digest("closure"), "size": 2,
		"annotations": map[string]any{"org.opencontainers.image.title": schema.PathClosure, "org.cncf.model.filepath": schema.PathClosure},
	}
	layer := map[string]any{
		"mediaType": schema.MediaTypeEngine, "digest": digest("engine"), "size": 8,
		"annotations": map[string]any{"org.opencontainers.image.title": schema.PathEngine, "org.cncf.model.filepath": schema.PathEngine},
	}
	manifest := map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": schema.MediaTypeClosure,
		"config": descriptor, "layers": []any{layer}, "annotations": map[string]any{"org.opencontainers.image.version": "1.0.0"},
	}
	if err := schema.Validate(schema.KindManifest, "manifest", canonical(t, manifest)); err != nil {
		t.Error(err)
	}
	delete(layer, "annotations")
	if schema.Validate(schema.KindManifest, "manifest", canonical(t, manifest)) == nil {
		t.Error("a layer without a path passes")
	}
}
