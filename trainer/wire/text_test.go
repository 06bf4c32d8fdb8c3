package wire_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
)

var (
	one = schema.DigestOf([]byte("one"))
	two = schema.DigestOf([]byte("two"))
)

// messages are one or more of every type.
func messages() []wire.Message {
	blob := wire.Blob{Digest: one, Size: 123}
	snapshot := wire.Snapshot{Step: 40, Tensors: &blob, Hyperparameters: map[string]float64{"learningRate": 0.25}, Engine: &wire.Blob{Digest: two, Size: 9}}
	return []wire.Message{
		&wire.Hello{Protocol: 1, Role: wire.RoleWork, Family: "v8", Runtime: "Chromium 156 on Linux", Workers: 4, Memory: 1 << 30, Name: "Ada’s laptop", Resume: "a-b_c"},
		&wire.Hello{Protocol: 1, Role: wire.RoleTrack, Family: "wazero"},
		&wire.Ready{Step: -1, Proofs: []schema.Digest{one, two}},
		&wire.Ready{Step: 40},
		&wire.Result{Lease: 7, Digest: one, Bytes: 1000, Seconds: 0.5},
		&wire.Result{Lease: 0, Correct: 12, Seconds: 0},
		&wire.Failed{Lease: 8, Reason: wire.ReasonEngine, Message: "non-finite gradient in conv1.weight"},
		&wire.Digest{Step: 100, Run: two},
		&wire.Rest{Resting: true, Reason: "battery"},
		&wire.Rest{},
		&wire.Bye{},
		&wire.Welcome{
			Session: "s1", Participant: "p-1", Resume: "r", Mode: "fixed", Title: "Digits <of> people",
			Engine: blob, Specification: two, Seed: -5, Steps: 100, Microbatches: 8,
			Datasets: []schema.ClosureDataset{{
				ResolvedDataset: schema.ResolvedDataset{
					Role: "train", Split: "train", Content: one, Examples: 60000, Classes: 10,
					Record: schema.RecordLayout{
						Size:  785,
						Input: schema.Field{DType: "u8", Shape: []int{28, 28, 1}}, Target: schema.Field{Offset: 784, DType: "u8", Shape: []int{1}},
					},
				},
				Name: "mnist", Version: "1.0.0", Digest: two,
			}},
			Snapshot: wire.Snapshot{Step: -1}, Proof: wire.Proof{Microbatches: 2, Rounds: 3},
		},
		&wire.Refuse{Code: wire.CodeBusy, Message: "too many joins from your address", RetryAfter: 2.5},
		&wire.Lease{Lease: 9, Work: wire.LeaseTrain, Step: 0, First: 0, End: 4},
		&wire.Lease{Lease: 10, Work: wire.LeaseEvaluate, Step: -1, First: 128, End: 256, Role: "test"},
		&wire.Set{Step: 3, Name: "learningRate", Value: 1e-3},
		&wire.Update{Step: 3, Digest: one, Bytes: 5},
		&wire.Goto{Snapshot: snapshot, Reason: "a result was found to be wrong"},
		&wire.Checkpoint{Step: 100},
		&wire.Status{Step: 3, Steps: 100, Loss: 2.25, Accuracy: 0.5, Participants: 2, Paused: true, Computed: 5, Verified: 3, Share: 0.125},
		&wire.End{Run: one, Closure: "mnist-cnn:1.0.0", Message: "done"},
		&wire.End{},
	}
}

func TestMessagesComeBack(t *testing.T) {
	seen := map[wire.Type]bool{}
	for _, m := range messages() {
		seen[m.Kind()] = true
		text, err := wire.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := wire.Decode(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(m, got, cmp.Comparer(func(a, b schema.Digest) bool { return a == b })); diff != "" {
			t.Errorf("%s comes back otherwise:\n%s", m.Kind(), diff)
		}
	}
	if len(seen) != 16 {
		t.Errorf("%d types of messages are tested, there are 16", len(seen))
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	m, err := wire.Decode([]byte(`{"new":[1,{}],"type":"checkpoint","step":4}`))
	if err != nil || *m.(*wire.Checkpoint) != (wire.Checkpoint{Step: 4}) {
		t.Errorf("%v, %v", m, err)
	}
}

const digestText = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

var refusedTexts = []struct{ text, want string }{
	{``, "not a JSON object"},
	{`{`, "not a JSON object"},
	{`[]`, "not a JSON object"},
	{`null`, "type: a text is needed"},
	{`{}`, "type: a text is needed"},
	{`{"type":7}`, "type: a text is needed"},
	{`{"type":"bye"} {}`, "not a JSON object"},
	{`{"type":"welcom"}`, `type: "welcom" is no type of message`},
	{`{"type":"hello","role":"work","family":"v8","workers":1}`, "hello: protocol: it is missing"},
	{`{"type":"hello","protocol":0,"role":"work","family":"v8","workers":1}`, "protocol: 0 is outside"},
	{`{"type":"hello","protocol":1,"role":"owner","family":"v8","workers":1}`, `role: "owner" is not one of`},
	{`{"type":"hello","protocol":1,"role":"work","family":"V 8","workers":1}`, "family:"},
	{`{"type":"hello","protocol":1,"role":"work","family":"v8","workers":0}`, "workers: 0 is outside of 1"},
	{`{"type":"hello","protocol":1,"role":"work","family":"v8","workers":1.5}`, "workers"},
	{`{"type":"hello","protocol":1,"role":"work","family":"v8","workers":1,"name":"0123456789012345678901234567890123456789x"}`, "name: it has more than 40 characters"},
	{`{"type":"hello","protocol":1,"role":"work","family":"v8","workers":1,"name":"a\u001b[2J"}`, "name: it contains the control character U+001B"},
	{`{"type":"hello","protocol":1,"role":"work","family":"v8","workers":1,"name":"a\u202eb"}`, "U+202E"},
	{`{"type":"hello","protocol":1,"role":"work","family":"v8","workers":1,"resume":"a b"}`, "resume:"},
	{`{"type":"ready"}`, "step: it is missing"},
	{`{"type":"ready","step":-2}`, "step: -2 is outside"},
	{`{"type":"ready","step":9007199254740992}`, "step:"},
	{`{"type":"ready","step":0,"proofs":["sha256:00"]}`, "not a digest"},
	{`{"type":"ready","step":0,"proofs":[""]}`, "proofs[0]: a digest is missing"},
	{`{"type":"result","lease":1}`, "seconds: it is missing"},
	{`{"type":"result","lease":-1,"seconds":0}`, "lease: -1 is outside"},
	{`{"type":"result","lease":1,"seconds":1e999}`, "seconds"},
	{`{"type":"result","lease":1,"seconds":-1}`, "seconds: -1 is outside"},
	{`{"type":"result","lease":1,"seconds":0,"bytes":5}`, "digest: a vector needs one"},
	{`{"type":"result","lease":1,"seconds":0,"digest":"` + digestText + `"}`, "bytes: the size of the vector is missing"},
	{`{"type":"result","lease":1,"seconds":0,"bytes":5,"correct":5,"digest":"` + digestText + `"}`, "either a vector or"},
	{`{"type":"result","lease":1,"seconds":0,"bytes":5,"digest":"` + strings.ToUpper(digestText) + `"}`, "not a digest"},
	{`{"type":"failed","lease":1,"reason":"tired"}`, "reason:"},
	{`{"type":"digest","step":1,"run":""}`, "run: a digest is missing"},
	{`{"type":"rest"}`, "resting: it is missing"},
	{`{"type":"refuse","code":"no","message":""}`, "code:"},
	{`{"type":"refuse","code":"busy","message":"","retryAfter":-1}`, "retryAfter:"},
	{`{"type":"lease","lease":1,"work":"train","step":-1,"first":0,"end":1}`, "step:"},
	{`{"type":"lease","lease":1,"work":"train","step":0,"first":1,"end":1}`, "end: 1 is outside of 2"},
	{`{"type":"lease","lease":1,"work":"play","step":0,"first":0,"end":1}`, "work:"},
	{`{"type":"lease","lease":1,"work":"evaluate","step":0,"first":0,"end":1,"role":"x"}`, "role:"},
	{`{"type":"set","step":0,"name":"","value":1}`, "name: it is missing"},
	{`{"type":"update","step":0,"digest":"` + digestText + `","bytes":0}`, "bytes:"},
	{`{"type":"snapshot","step":3}`, "tensors: they are missing"},
	{`{"type":"snapshot","step":-1,"tensors":{"digest":"` + digestText + `","size":1}}`, "tensors: there are none"},
	{`{"type":"snapshot","step":3,"tensors":{"digest":"` + digestText + `","size":-1}}`, "tensors.size:"},
	{`{"type":"checkpoint","step":"3"}`, "step"},
	{`{"type":"status","step":1,"steps":1,"participants":1,"computed":1,"verified":1,"share":1.5}`, "share:"},
	{`{"type":"welcome","session":"","participant":"p","resume":"r","mode":"fixed","engine":{},"specification":"","seed":0,"steps":1,"microbatches":1,"datasets":[],"snapshot":{"step":-1}}`, "session:"},
	{`{"type":"welcome","session":"s","participant":"p","resume":"r","mode":"free","engine":{},"specification":"","seed":0,"steps":1,"microbatches":1,"datasets":[],"snapshot":{"step":-1}}`, "mode:"},
}

func TestRefusedTexts(t *testing.T) {
	for _, c := range refusedTexts {
		m, err := wire.Decode([]byte(c.text))
		var bad *schema.Invalid
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n  gives %v, %v\n  want %q", c.text, m, err, c.want)
		}
	}
	for _, c := range []struct{ text, want string }{
		{`{"type":"end","message":"` + strings.Repeat("x", wire.MaxText) + `"}`, "more than 65536 bytes"},
		{"{\"type\":\"end\",\"message\":\"\xff\"}", "not UTF-8"},
	} {
		if _, err := wire.Decode([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func TestEncodeChecks(t *testing.T) {
	many := &wire.Goto{Snapshot: wire.Snapshot{Step: -1, Hyperparameters: map[string]float64{}}}
	for k := range 1000 {
		many.Hyperparameters[fmt.Sprintf("%0100d", k)] = 1
	}
	for _, c := range []struct {
		m    wire.Message
		want string
	}{
		{&wire.Set{Step: 1, Name: "x", Value: math.NaN()}, "value: NaN"},
		{&wire.Status{Loss: math.Inf(1)}, "loss: +Inf"},
		{&wire.Checkpoint{Step: -2}, "step: -2"},
		{&wire.Failed{Reason: wire.ReasonData, Message: "\xff"}, "not UTF-8"},
		{many, "more than the 65536"},
	} {
		if text, err := wire.Encode(c.m); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %v, want %q", text, err, c.want)
		}
	}
}

// FuzzDecode reads any text: it is refused, or a message that comes back.
func FuzzDecode(f *testing.F) {
	for _, m := range messages() {
		text, err := wire.Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, c := range refusedTexts {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := wire.Decode(text)
		if err != nil {
			if _, ok := errors.AsType[*schema.Invalid](err); !ok {
				t.Fatalf("refused with %T", err)
			}
			return
		}
		again, err := wire.Encode(m)
		if err != nil {
			if strings.Contains(err.Error(), "more than the") {
				return // the writer spells some texts longer
			}
			t.Fatalf("read, and refused to be written: %v", err)
		}
		back, err := wire.Decode(again)
		if err != nil {
			t.Fatalf("written, and refused to be read: %v", err)
		}
		if diff := cmp.Diff(m, back, cmp.Comparer(func(a, b schema.Digest) bool { return a == b })); diff != "" {
			t.Fatal(diff)
		}
	})
}
