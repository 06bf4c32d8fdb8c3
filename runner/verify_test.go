package runner_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
)

func TestVerify(t *testing.T) {
	tests := []struct {
		name       string
		change     func(t *testing.T, b *bundle)
		verdict    string
		derivation string
		reason     string // text that it must contain
		claims     []string
	}{
		{
			name: "an honest closure", verdict: schema.VerdictReproduced, derivation: schema.Derived,
			claims: []string{schema.VerdictReproduced, schema.VerdictReproduced},
		},
		{
			name: "a changed accuracy", verdict: schema.VerdictDiffers, derivation: schema.Derived, reason: "1 of 2 claims differ",
			change: func(_ *testing.T, b *bundle) { *b.closure.Results[0].Correct++ },
			claims: []string{schema.VerdictDiffers, schema.VerdictReproduced},
		},
		{
			name: "a changed loss", verdict: schema.VerdictDiffers, derivation: schema.Derived, reason: "1 of 2 claims differ",
			change: func(_ *testing.T, b *bundle) { *b.closure.Results[1].Sum-- },
			claims: []string{schema.VerdictReproduced, schema.VerdictDiffers},
		},
		{
			name: "a changed total", verdict: schema.VerdictDiffers, derivation: schema.Derived, reason: "1 of 2 claims differ",
			change: func(_ *testing.T, b *bundle) { b.closure.Results[0].Total-- },
			claims: []string{schema.VerdictDiffers, schema.VerdictReproduced},
		},
		{
			name: "a declared foreign engine", verdict: schema.VerdictReproduced, derivation: schema.Foreign,
			change: func(_ *testing.T, b *bundle) { b.closure.Engine.Foreign = true },
			claims: []string{schema.VerdictReproduced, schema.VerdictUnproven},
		},
		{
			name: "a foreign engine that claims a loss alone", verdict: schema.VerdictDiffers, derivation: schema.Foreign, reason: "nothing is proved",
			change: func(_ *testing.T, b *bundle) {
				b.closure.Engine.Foreign = true
				b.closure.Results = b.closure.Results[1:]
			},
			claims: []string{schema.VerdictUnproven},
		},
		{
			name: "an engine of another release", verdict: schema.VerdictReproduced, derivation: schema.OtherCompiler, reason: "compiler test 0",
			change: func(t *testing.T, b *bundle) {
				b.closure.Engine.Compiler = "test 0"
				b.wasm = tiny{edit: func(s *schema.EngineSection) { s.Compiler = "test 1" }}.wasm(t)
			},
			claims: []string{schema.VerdictReproduced, schema.VerdictUnproven},
		},
		{
			name: "an engine that poses as derived", verdict: schema.VerdictDiffers, derivation: schema.Foreign, reason: "not declared foreign",
			change: func(t *testing.T, b *bundle) {
				b.wasm = tiny{edit: func(s *schema.EngineSection) { s.Compiler = "test 1" }}.wasm(t)
			},
			claims: []string{schema.VerdictReproduced, schema.VerdictUnproven},
		},
		{
			name: "another specification digest", verdict: schema.VerdictDiffers, derivation: schema.Derived, reason: "specification",
			change: func(_ *testing.T, b *bundle) { b.closure.Specification = schema.DigestOf(nil) },
			claims: []string{schema.VerdictReproduced, schema.VerdictReproduced},
		},
		{
			name: "another parameters' digest", verdict: schema.VerdictDiffers, derivation: schema.Derived, reason: schema.PathParameters,
			change: func(_ *testing.T, b *bundle) { b.closure.Parameters.Digest = schema.DigestOf(nil) },
			claims: []string{schema.VerdictReproduced, schema.VerdictReproduced},
		},
		{
			name: "another state", verdict: schema.VerdictDiffers, derivation: schema.Derived, reason: "the run is",
			change: func(t *testing.T, b *bundle) {
				tensors, err := b.archive().Tensors(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				tensors.State[0].Data[0] ^= 1
				b.put(t, closure.Safetensors(schema.PathState, tensors.State))
			},
			claims: []string{schema.VerdictReproduced, schema.VerdictReproduced},
		},
		{
			name: "tensors that do not fit the engine", verdict: schema.VerdictDiffers, derivation: schema.Derived, reason: "do not fit",
			change: func(t *testing.T, b *bundle) {
				tensors := []closure.Tensor{{Name: "weights", DType: "f32", Shape: []int{1}, Data: make([]byte, 4)}}
				b.put(t, closure.Safetensors(schema.PathParameters, tensors))
				b.closure.Parameters.Digest, _ = closure.ContentDigest(tensors)
				s, err := b.archive().Tensors(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				_, b.closure.Run.Digest, _ = s.Digests()
			},
			claims: []string{schema.VerdictUnproven, schema.VerdictUnproven},
		},
	}
	for _, test := range tests {
		for way, team := range ways() {
			t.Run(test.name+", "+way, func(t *testing.T) {
				b := makeBundle(t, tiny{})
				if test.change != nil {
					test.change(t, b)
				}
				report, err := runner.Verify(t.Context(), b.archive(), runner.VerifyOptions{Derivation: b.derivation(), Team: team})
				if err != nil {
					t.Fatal(err)
				}
				checkReport(t, schema.KindVerifyReport, report)
				if report.Verdict != test.verdict || report.Derivation != test.derivation {
					t.Errorf("%s, %s; want %s, %s", report.Verdict, report.Derivation, test.verdict, test.derivation)
				}
				if !bytes.Contains([]byte(report.Reason), []byte(test.reason)) || (report.Reason == "") != (test.reason == "") {
					t.Errorf("reason %q, want one with %q", report.Reason, test.reason)
				}
				var claims []string
				for _, c := range report.Claims {
					claims = append(claims, c.Verdict)
				}
				if d := diff(test.claims, claims); d != "" {
					t.Errorf("claims (-want +got):\n%s", d)
				}
			})
		}
	}
}

// TestVerifyDamage flips one byte of every blob of a closure and its dataset.
func TestVerifyDamage(t *testing.T) {
	b := makeBundle(t, tiny{})
	type blob struct {
		path   string
		digest schema.Digest
		in     *closuretest.Memory
	}
	var blobs []blob
	for _, f := range b.closure.Files {
		blobs = append(blobs, blob{f.Path, f.Digest, b.files})
	}
	for _, s := range b.dataset.Splits {
		for _, shard := range s.Shards {
			blobs = append(blobs, blob{shard.Path, shard.Digest, b.shards})
		}
	}
	if len(blobs) < 8 {
		t.Fatalf("%d blobs", len(blobs))
	}
	for _, x := range blobs {
		for _, missing := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, missing %v", x.path, missing), func(t *testing.T) {
				whole := x.in.Get(x.digest)
				defer x.in.Set(x.digest, whole)
				flipped := slices.Clone(whole)
				flipped[len(flipped)/2] ^= 4
				x.in.Set(x.digest, flipped)
				want := []schema.DamagedBlob{{Path: x.path, Expected: x.digest, Observed: schema.DigestOf(flipped)}}
				if missing {
					x.in.Delete(x.digest)
					want[0].Observed = schema.Digest{}
				}
				report, err := runner.Verify(t.Context(), b.archive(), runner.VerifyOptions{Derivation: b.derivation()})
				if err != nil {
					t.Fatal(err)
				}
				checkReport(t, schema.KindVerifyReport, report)
				if d := diff(want, report.Damaged); d != "" || report.Verdict != schema.VerdictDamaged {
					t.Errorf("%s (-want +got):\n%s", report.Verdict, d)
				}
			})
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, b *bundle)
	}{
		{"no engine", func(_ *testing.T, b *bundle) { b.closure.Files = b.closure.Files[1:] }},
		{"an engine that is not the document's", func(_ *testing.T, b *bundle) { b.closure.Engine.Digest = schema.DigestOf(nil) }},
		{"an engine that is none", func(t *testing.T, b *bundle) {
			b.put(t, closure.Bytes(schema.PathEngine, []byte("no module")))
			b.closure.Engine.Digest = schema.DigestOf([]byte("no module"))
		}},
		{"a claim on records that are not its own", func(_ *testing.T, b *bundle) { b.closure.Results[0].Split = "validation" }},
		{"a dataset of another content", func(_ *testing.T, b *bundle) { b.closure.Datasets[0].Content = schema.DigestOf(nil) }},
		{"a dataset that lies about its content", func(_ *testing.T, b *bundle) {
			b.dataset.Content = schema.DigestOf(nil)
			b.closure.Datasets[0].Content, b.closure.Datasets[1].Content = b.dataset.Content, b.dataset.Content
		}},
		{"a split that is not there", func(_ *testing.T, b *bundle) { b.closure.Datasets[0].Split = "none" }},
		{"another number of records", func(_ *testing.T, b *bundle) { b.closure.Datasets[0].Examples++ }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := makeBundle(t, tiny{})
			test.change(t, b)
			_, err := runner.Verify(t.Context(), b.archive(), runner.VerifyOptions{Derivation: b.derivation()})
			if _, ok := errors.AsType[*schema.Invalid](err); !ok {
				t.Errorf("got %v, want *schema.Invalid", err)
			}
		})
	}
}
