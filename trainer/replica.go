package trainer

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// replica is a state that follows a session: an engine's team, and the step after which it is. The server's own and a native
// participant's are the same.
type replica struct {
	team  runner.Team
	seed  int64
	at    int64
	valid bool // false before the first install, and after an error
	set   map[string]float64
}

// install takes a snapshot: tensors is its file, nil for the state after init.
func (r *replica) install(ctx context.Context, s wire.Snapshot, tensors []byte) error {
	r.valid = false
	if s.Tensors == nil {
		if err := r.team.Init(ctx, r.seed); err != nil {
			return err
		}
	} else {
		t, err := decodeState(r.team.Section(), tensors, s.Tensors)
		if err != nil {
			return err
		}
		if err := r.team.Load(ctx, t); err != nil {
			return err
		}
	}
	for _, h := range r.team.Section().Hyperparameters {
		value, changed := s.Hyperparameters[h.Name]
		if !changed {
			value = h.Default
		}
		if _, touched := r.set[h.Name]; changed || touched {
			if err := r.change(ctx, h.Name, value); err != nil {
				return err
			}
		}
	}
	r.at, r.valid = s.Step, true
	return nil
}

// change sets a hyper-parameter.
func (r *replica) change(ctx context.Context, name string, value float64) error {
	if r.set == nil {
		r.set = map[string]float64{}
	}
	r.set[name] = value
	return r.team.Set(ctx, name, value)
}

// apply ends the step after the present one with its packed vector.
func (r *replica) apply(ctx context.Context, step int64, packed []byte) (runner.Counts, error) {
	if !r.valid || step != r.at+1 {
		return runner.Counts{}, fmt.Errorf("step %d cannot follow step %d", step, r.at)
	}
	section := r.team.Section()
	v, err := wire.Open(section, packed, section.MaxMicrobatches)
	if err != nil {
		return runner.Counts{}, err
	}
	accumulators := make([]byte, section.Regions[schema.RegionAccumulators].Size)
	v.Unpack(accumulators)
	r.valid = false
	c, err := r.team.Apply(ctx, step, accumulators)
	if err == nil {
		r.at, r.valid = step, true
	}
	return c, err
}

// compute answers a lease, or repeats one: with the vector of a training lease, and what is compared of the answer.
func (r *replica) compute(ctx context.Context, kind string, first, end int64, role string) (accumulators []byte, correct int64, err error) {
	if kind == wire.LeaseEvaluate {
		correct, err = r.team.Correct(ctx, role, first, end)
		return nil, correct, err
	}
	accumulators, err = r.team.Accumulate(ctx, r.at+1, first, end)
	return accumulators, 0, err
}

// proof computes what a joining participant has to prove.
func (r *replica) proof(ctx context.Context, p wire.Proof) ([]schema.Digest, error) {
	var digests []schema.Digest
	for range p.Rounds {
		for u := range p.Microbatches {
			vector, err := r.team.Accumulate(ctx, r.at+1, u, u+1)
			if err != nil {
				return nil, err
			}
			digests = append(digests, wire.CanonicalDigest(r.team.Section(), vector))
		}
	}
	return digests, nil
}

// answer is what a Round compares.
func (r *replica) answer(kind string, accumulators []byte, correct int64) string {
	if kind == wire.LeaseEvaluate {
		return strconv.FormatInt(correct, 10)
	}
	return wire.CanonicalDigest(r.team.Section(), accumulators).String()
}

// encodeState writes parameters and state as one safetensors file. The session and step in it keep it apart from any file that a closure
// could hold, so that it can be discarded.
func encodeState(t runner.Tensors, session string, step int64) ([]byte, error) {
	var b bytes.Buffer
	all := append(append([]closure.Tensor(nil), t.Parameters...), t.State...)
	err := closure.WriteSafetensors(&b, all, map[string]string{"session": session, "step": strconv.FormatInt(step, 10)})
	return b.Bytes(), err
}

// decodeState reads what encodeState wrote, for an engine.
func decodeState(s *schema.EngineSection, file []byte, blob *wire.Blob) (runner.Tensors, error) {
	name := "snapshot " + blob.Digest.Short()
	if int64(len(file)) != blob.Size || schema.DigestOf(file) != blob.Digest {
		return runner.Tensors{}, &schema.Damaged{Blobs: []schema.DamagedBlob{{Path: name, Expected: blob.Digest, Observed: schema.DigestOf(file)}}}
	}
	tensors, _, err := closure.ReadSafetensors(bytes.NewReader(file), int64(len(file)), name)
	if err != nil {
		return runner.Tensors{}, err
	}
	parameter := map[string]bool{}
	for _, t := range s.Parameters {
		parameter[t.Name] = true
	}
	var t runner.Tensors
	for _, tensor := range tensors {
		if parameter[tensor.Name] {
			t.Parameters = append(t.Parameters, tensor)
		} else {
			t.State = append(t.State, tensor)
		}
	}
	return t, t.Fit(s)
}

// canary reports whether an error is that of a runtime whose arithmetic is not IEEE's.
func canary(err error) bool { return err != nil && strings.Contains(err.Error(), "flushes subnormal") }
