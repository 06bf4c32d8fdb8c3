package runner_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
)

func TestReplay(t *testing.T) {
	recorded := func(from, to string) func(t *testing.T, b *bundle) {
		return func(t *testing.T, b *bundle) {
			journal := b.bytes(t, schema.PathJournal)
			changed := bytes.Replace(journal, []byte(from), []byte(to), 1)
			if bytes.Equal(journal, changed) {
				t.Fatalf("the journal has no %s", from)
			}
			b.put(t, closure.Bytes(schema.PathJournal, changed))
		}
	}
	tests := []struct {
		name    string
		change  func(t *testing.T, b *bundle)
		from    int64
		to      int64
		verdict string
		steps   int64
		first   *schema.Difference // without the values
	}{
		{name: "an honest closure", verdict: schema.VerdictIdentical, steps: 10},
		{name: "from a snapshot", from: 6, verdict: schema.VerdictIdentical, steps: 10},
		{name: "a part", from: 3, to: 7, verdict: schema.VerdictIdentical, steps: 7},
		{
			name: "a line in another spelling", verdict: schema.VerdictDiffers, steps: 4, change: recorded(`"step":5,"type":"step"`, `"step":5,"type":"step" `),
			first: &schema.Difference{Step: 5, What: "the step line"},
		},
		{
			name: "a changed loss", verdict: schema.VerdictDiffers, change: recorded(`"examples":20,"loss":`, `"examples":20,"loss":1`),
			first: &schema.Difference{Step: 1, What: "loss in the step line"},
		},
		{
			name: "a changed seed", verdict: schema.VerdictDiffers, change: recorded(`"seed":42`, `"seed":43`),
			first: &schema.Difference{What: "seed in the header line"},
		},
		{
			name: "no journal to speak of", verdict: schema.VerdictDiffers, change: func(t *testing.T, b *bundle) {
				b.put(t, closure.Bytes(schema.PathJournal, []byte("?")))
			},
			first: &schema.Difference{What: "the header line"},
		},
		{
			name: "lines that follow the end", verdict: schema.VerdictDiffers, steps: 10,
			change: func(t *testing.T, b *bundle) {
				b.put(t, closure.Bytes(schema.PathJournal, append(b.bytes(t, schema.PathJournal), "{}\n"...)))
			},
			first: &schema.Difference{Step: 10, What: "what follows the last line"},
		},
		{
			name: "lines that are missing", verdict: schema.VerdictDiffers, steps: 10,
			change: func(t *testing.T, b *bundle) {
				lines := bytes.SplitAfter(b.bytes(t, schema.PathJournal), []byte("\n"))
				b.put(t, closure.Bytes(schema.PathJournal, bytes.Join(lines[:len(lines)-2], nil)))
			},
			first: &schema.Difference{Step: 10, What: "the checkpoint line"},
		},
		{
			name: "stored parameters that were not trained", verdict: schema.VerdictDiffers, steps: 10,
			change: func(t *testing.T, b *bundle) {
				tensors, err := b.archive().Tensors(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				tensors.Parameters[0].Data[0] ^= 1
				b.put(t, closure.Safetensors(schema.PathParameters, tensors.Parameters))
			},
			first: &schema.Difference{Step: 10, What: "the content of " + schema.PathParameters},
		},
		{
			name: "another run digest in the document", verdict: schema.VerdictDiffers, steps: 10,
			change: func(_ *testing.T, b *bundle) { b.closure.Run.Digest = schema.DigestOf(nil) },
			first:  &schema.Difference{Step: 10, What: "the run digest in closure.json"},
		},
		{
			name: "an engine that poses as derived", verdict: schema.VerdictDiffers, steps: 10,
			change: func(t *testing.T, b *bundle) {
				b.wasm = tiny{edit: func(s *schema.EngineSection) { s.Compiler = "test 1" }}.wasm(t)
			},
		},
	}
	for _, test := range tests {
		for way, team := range ways() {
			t.Run(test.name+", "+way, func(t *testing.T) {
				b := makeBundle(t, tiny{})
				if test.change != nil {
					test.change(t, b)
				}
				report, err := runner.Replay(t.Context(), b.archive(), runner.ReplayOptions{
					Derivation: b.derivation(), Team: team, From: test.from, To: test.to,
				})
				if err != nil {
					t.Fatal(err)
				}
				checkReport(t, schema.KindReplayReport, report)
				if report.Verdict != test.verdict || report.Steps != test.steps || (report.Reason == "") != (test.verdict == schema.VerdictIdentical) {
					t.Errorf("%s after %d steps because %q, want %s after %d", report.Verdict, report.Steps, report.Reason, test.verdict, test.steps)
				}
				if f := report.FirstDifference; f != nil {
					if f.Recorded == f.Observed {
						t.Errorf("nothing differs in %+v", f)
					}
					f.Recorded, f.Observed = "", ""
				}
				if d := diff(test.first, report.FirstDifference); d != "" {
					t.Errorf("first difference (-want +got):\n%s", d)
				}
			})
		}
	}
}

func TestReplayRefuses(t *testing.T) {
	tests := []struct {
		name     string
		change   func(t *testing.T, b *bundle)
		from, to int64
	}{
		{name: "a snapshot that was not kept", from: 4},
		{name: "steps that are not there", to: 11},
		{name: "nothing to replay", from: 6, to: 6},
		{name: "a journal that is none, from a snapshot", from: 3, change: func(t *testing.T, b *bundle) {
			b.put(t, closure.Bytes(schema.PathJournal, []byte("?")))
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := makeBundle(t, tiny{})
			if test.change != nil {
				test.change(t, b)
			}
			_, err := runner.Replay(t.Context(), b.archive(), runner.ReplayOptions{Derivation: b.derivation(), From: test.from, To: test.to})
			if _, ok := errors.AsType[*schema.Invalid](err); !ok {
				t.Errorf("got %v, want *schema.Invalid", err)
			}
		})
	}
}

func TestReplayDamage(t *testing.T) {
	b := makeBundle(t, tiny{})
	f, _ := closure.FindFile(b.closure, schema.PathJournal)
	b.files.Set(f.Digest, []byte("x"))
	_, err := runner.Replay(t.Context(), b.archive(), runner.ReplayOptions{Derivation: b.derivation()})
	if _, ok := errors.AsType[*schema.Damaged](err); !ok {
		t.Errorf("got %v, want *schema.Damaged", err)
	}
}
